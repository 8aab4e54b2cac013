//! A sample: where a packet went through the device, and the records that describe it.

use super::record::Packet;
use super::{Bytes, Header, Malformed};
use crate::{Direction, Flow, Has};

const FLOW: u32 = 1;
const COUNTERS: u32 = 2;
const EXPANDED_FLOW: u32 = 3;
const EXPANDED_COUNTERS: u32 = 4;
const DISCARDED_PACKET: u32 = 5;

/// The forms of an interface.
const ONE: u32 = 0;
const DISCARDED: u32 = 1;
/// No interface: the packet came from the device itself, or went to it.
const INTERNAL: u32 = 0x3fff_ffff;
/// The same as some agents have it where there is room for 32 bits.
const INTERNAL_EXPANDED: u32 = u32::MAX;
/// A data source that is an interface.
const INTERFACE: u32 = 0;

/// Reads one sample of the given format; what is found is counted in `header`.
pub(super) fn read(format: u32, mut sample: Bytes<'_>, header: &mut Header, flows: &mut Vec<Flow>) {
    let place = match format {
        FLOW => Place::compact(&mut sample),
        EXPANDED_FLOW => Place::expanded(&mut sample),
        COUNTERS | EXPANDED_COUNTERS => return header.counter_samples += 1,
        DISCARDED_PACKET => return header.discard_samples += 1,
        _ => return header.unknown_samples += 1,
    };
    let Some(place) = place else { return header.is_malformed(Malformed::Records) };
    header.flow_samples += 1;
    let mut packet = Packet::default();
    for _ in 0..place.records {
        let Some([format, length]) = sample.words() else {
            header.is_malformed(Malformed::Records);
            break;
        };
        let (record, is_whole) = sample.take(length);
        if !is_whole {
            header.is_malformed(Malformed::Records);
        }
        if packet.describe(format, record).is_none() {
            header.is_malformed(Malformed::Fields);
        }
    }
    match packet.flow() {
        Some(flow) => flows.push(place.of(flow)),
        None => header.without_packet += 1,
    }
}

/// What a sample says of the packet's way.
struct Place {
    source: Interface,
    sampling: u32,
    input: Interface,
    output: Interface,
    records: u32,
}

#[derive(Clone, Copy)]
struct Interface {
    form: u32,
    value: u32,
}

impl Place {
    fn compact(sample: &mut Bytes<'_>) -> Option<Self> {
        let [_sequence, source, sampling, _pool, _drops, input, output, records] = sample.words()?;
        let interface = |word: u32| Interface { form: word >> 30, value: word & 0x3fff_ffff };
        let source = Interface { form: source >> 24, value: source & 0x00ff_ffff };
        Some(Self { source, sampling, input: interface(input), output: interface(output), records })
    }

    fn expanded(sample: &mut Bytes<'_>) -> Option<Self> {
        let [_sequence, class, index, sampling, _pool, _drops] = sample.words()?;
        let [input_form, input, output_form, output, records] = sample.words()?;
        Some(Self {
            source: Interface { form: class, value: index },
            sampling,
            input: Interface { form: input_form, value: input },
            output: Interface { form: output_form, value: output },
            records,
        })
    }

    /// The flow of a packet that went this way.
    fn of(&self, packet: Flow) -> Flow {
        let mut has = packet.has;
        if self.input.is_known() {
            has = has.with(Has::INPUT);
        }
        if self.output.is_known() || self.output.form == DISCARDED {
            has = has.with(Has::OUTPUT);
        }
        Flow {
            sampling: self.sampling,
            input: self.input.index(),
            output: self.output.index(),
            direction: self.direction(),
            has,
            ..packet
        }
    }

    fn direction(&self) -> Direction {
        let is_source = |interface: Interface| interface.index() == self.source.value;
        match self.source.form == INTERFACE && self.source.value != 0 {
            true if is_source(self.input) => Direction::Ingress,
            true if is_source(self.output) => Direction::Egress,
            _ => Direction::Unknown,
        }
    }
}

impl Interface {
    fn is_known(self) -> bool {
        self.form == ONE && self.value != 0
    }

    /// 0 where it is not one interface.
    fn index(self) -> u32 {
        match self {
            Self { value: INTERNAL | INTERNAL_EXPANDED, .. } => 0,
            Self { form: ONE, value } => value,
            _ => 0,
        }
    }
}
