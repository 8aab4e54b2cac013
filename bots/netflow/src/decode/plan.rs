//! From a template to a plan: where in a record the few fields are that a [`Flow`] has.
//!
//! All numbers are read in the same way: the eight bytes that end where the field ends, less what is before it. So
//! a field that a template lacks costs no branch (its mask is zero), and neither does its width. It needs eight bytes
//! before the record, and those are always there: headers are longer.

use super::template::{Field, REVERSE, VARIABLE};
use super::times::TimeKind;
use crate::flow::{Has, Ip};

/// How many bytes before a record are needed to read it.
pub(super) const BEFORE: usize = 8;

/// The fields of a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub(super) enum Slot {
    SrcHigh,
    SrcLow,
    Src4,
    DstHigh,
    DstLow,
    Dst4,
    Bytes,
    /// Instead of the ones before, where those are zero.
    OtherBytes,
    Packets,
    OtherPackets,
    Input,
    Output,
    SrcPort,
    DstPort,
    Protocol,
    Flags,
    Tos,
    Direction,
    Start,
    End,
    Boot,
    Event,
    Interval,
    SpacingInterval,
    Spacing,
    Size,
    Population,
    Sampler,
    Exporter4,
    ExporterHigh,
    ExporterLow,
    ReverseBytes,
    ReversePackets,
    ReverseFlags,
    ReverseTos,
    ReverseStart,
    ReverseEnd,
}

const ALL: [Slot; SLOTS] = {
    use Slot::*;
    [
        SrcHigh,
        SrcLow,
        Src4,
        DstHigh,
        DstLow,
        Dst4,
        Bytes,
        OtherBytes,
        Packets,
        OtherPackets,
        Input,
        Output,
        SrcPort,
        DstPort,
        Protocol,
        Flags,
        Tos,
        Direction,
        Start,
        End,
        Boot,
        Event,
        Interval,
        SpacingInterval,
        Spacing,
        Size,
        Population,
        Sampler,
        Exporter4,
        ExporterHigh,
        ExporterLow,
        ReverseBytes,
        ReversePackets,
        ReverseFlags,
        ReverseTos,
        ReverseStart,
        ReverseEnd,
    ]
};

pub(super) const SLOTS: usize = Slot::ReverseEnd as usize + 1;

/// Where a number ends in its record, and which bits of the eight bytes before are its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Place {
    end: u16,
    mask: u64,
}

/// The places of all slots, and how records are read with them.
pub(super) type Places = [Place; SLOTS];

/// A record, with the eight bytes before it.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) window: &'a [u8],
    pub(super) places: &'a Places,
}

impl Record<'_> {
    #[inline(always)]
    pub(super) fn get(self, slot: Slot) -> u64 {
        let place = self.places[slot as usize];
        let at = usize::from(place.end);
        match self.window.get(at..).and_then(|rest| rest.first_chunk::<BEFORE>()) {
            Some(bytes) => u64::from_be_bytes(*bytes) & place.mask,
            None => 0,
        }
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masks are no wider than what is read with them")]
    pub(super) fn get_u32(self, slot: Slot) -> u32 {
        self.get(slot) as u32
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masks are no wider than what is read with them")]
    pub(super) fn get_u16(self, slot: Slot) -> u16 {
        self.get(slot) as u16
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masks are no wider than what is read with them")]
    pub(super) fn get_u8(self, slot: Slot) -> u8 {
        self.get(slot) as u8
    }

    #[inline(always)]
    pub(super) fn address(self, family: Family, high: Slot, low: Slot, four: Slot) -> Ip {
        match family {
            Family::Four => Ip::v4(self.get_u32(four)),
            Family::Six => Ip { high: self.get(high), low: self.get(low) },
            // The one that is not used is zero.
            Family::Both => match (Ip { high: self.get(high), low: self.get(low) }, self.get_u32(four)) {
                (Ip::NONE, 0) => Ip::NONE,
                (Ip::NONE, four) => Ip::v4(four),
                (six, _) => six,
            },
            Family::None => Ip::NONE,
        }
    }
}

/// Which addresses a template has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Family {
    #[default]
    None,
    Four,
    Six,
    Both,
}

impl Family {
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, family) | (family, Self::None) => family,
            (Self::Four, Self::Four) => Self::Four,
            (Self::Six, Self::Six) => Self::Six,
            _ => Self::Both,
        }
    }
}

/// What is rare in templates, so that records of all others need not look for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Rare {
    /// A sampling rate or the id of a sampler.
    pub(super) sampling: bool,
    /// The exporter's own address.
    pub(super) exporter: Family,
    /// Counters of the other direction.
    pub(super) reverse: bool,
    /// A firewall's event, and no counter of an ordinary flow.
    pub(super) event: bool,
    /// When the exporter began, in the record.
    pub(super) boot: bool,
    /// Other counters where the first are zero.
    pub(super) other_counters: bool,
    /// A piece of the frame itself.
    pub(super) frame: bool,
    /// There is no counter of packets, and a record is one frame.
    pub(super) one_packet: bool,
}

/// How the records of one template are read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Plan {
    pub(super) places: Places,
    pub(super) src: Family,
    pub(super) dst: Family,
    pub(super) has: Has,
    pub(super) start: TimeKind,
    pub(super) end: TimeKind,
    pub(super) reverse_start: TimeKind,
    pub(super) reverse_end: TimeKind,
    pub(super) has_direction: bool,
    pub(super) has_sampler: bool,
    /// Whether there is anything in `rare`.
    pub(super) is_rare: bool,
    pub(super) rare: Rare,
    /// Bytes of a record; the fewest that it can have, where it has fields of variable length.
    pub(super) length: usize,
    /// Where the frame is, when nothing before it is variable.
    pub(super) frame: Option<Part>,
    /// Empty: all fields have a fixed length.
    pub(super) walk: Box<[Step]>,
}

/// Bytes in a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    pub(super) start: usize,
    pub(super) length: usize,
}

/// So many bytes of fixed fields, then a field of variable length; the last step ends without one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Step {
    fixed: usize,
    /// Slots whose places count from the beginning of this step.
    slots: Box<[Slot]>,
    frame: Option<Part>,
    variable: Option<Variable>,
}

/// What a field of variable length is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Variable {
    Nothing,
    Frame,
    Number(Slot, u64),
}

/// Where a number goes: a slot, how much better it is there than others (from 1), and its widest value.
type Use = (Slot, u8, u64);

const U8: u64 = u8::MAX as u64;
const U16: u64 = u16::MAX as u64;
const U32: u64 = u32::MAX as u64;
const U64: u64 = u64::MAX;
const REVERSE_PAIR: u8 = 1;
const INITIATOR: u8 = 2;
/// Counters from here on are those of ordinary flows.
const ORDINARY: u8 = 3;

/// What an element is used for.
fn number(element: u16) -> Option<Use> {
    Some(match element {
        // octetDeltaCount, octetTotalCount, postOctetDeltaCount, initiatorOctets, dataLinkFrameSize
        1 => (Slot::Bytes, 5, U64),
        85 => (Slot::Bytes, 4, U64),
        23 => (Slot::Bytes, ORDINARY, U64),
        231 => (Slot::Bytes, INITIATOR, U64),
        312 => (Slot::Bytes, 1, U64),
        2 => (Slot::Packets, 5, U64),
        86 => (Slot::Packets, 4, U64),
        24 => (Slot::Packets, ORDINARY, U64),
        298 => (Slot::Packets, INITIATOR, U64),
        232 => (Slot::ReverseBytes, REVERSE_PAIR, U64),
        299 => (Slot::ReversePackets, REVERSE_PAIR, U64),
        4 => (Slot::Protocol, 1, U8),
        5 => (Slot::Tos, 1, U8),
        6 => (Slot::Flags, 1, U8),
        7 => (Slot::SrcPort, 2, U16),
        180 | 182 => (Slot::SrcPort, 1, U16),
        11 => (Slot::DstPort, 2, U16),
        181 | 183 => (Slot::DstPort, 1, U16),
        10 => (Slot::Input, 2, U32),
        252 => (Slot::Input, 1, U32),
        14 => (Slot::Output, 2, U32),
        253 => (Slot::Output, 1, U32),
        61 => (Slot::Direction, 1, U8),
        160 => (Slot::Boot, 1, U64),
        // firewallEvent, and what the first ASAs called it
        233 => (Slot::Event, 2, U8),
        40_005 => (Slot::Event, 1, U8),
        // samplingInterval, samplerRandomInterval; samplingPacketInterval and Space; samplingSize and Population
        34 => (Slot::Interval, 2, U64),
        50 => (Slot::Interval, 1, U64),
        305 => (Slot::SpacingInterval, 1, U32),
        306 => (Slot::Spacing, 1, U32),
        309 => (Slot::Size, 1, U32),
        310 => (Slot::Population, 1, U32),
        // FLOW_SAMPLER_ID, selectorId
        48 => (Slot::Sampler, 2, U64),
        302 => (Slot::Sampler, 1, U64),
        _ => return None,
    })
}

/// The same of an element of RFC 5103's reverse information.
fn reverse_number(element: u16) -> Option<Use> {
    let (slot, rank, mask) = number(element)?;
    let slot = match slot {
        Slot::Bytes => Slot::ReverseBytes,
        Slot::Packets => Slot::ReversePackets,
        Slot::Flags => Slot::ReverseFlags,
        Slot::Tos => Slot::ReverseTos,
        _ => return None,
    };
    Some((slot, rank + REVERSE_PAIR, mask))
}

/// The lowest `bytes` bytes.
const fn ones(bytes: usize) -> u64 {
    if bytes >= 8 { u64::MAX } else { (1 << (8 * bytes)) - 1 }
}

/// Lays out the fields of a template one after the other; the best for each slot stays.
struct Compiler {
    plan: Plan,
    ranks: [u8; SLOTS],
    /// In which step each slot is.
    steps: [usize; SLOTS],
    /// The step at hand: its bytes so far.
    at: usize,
    walk: Vec<Step>,
}

impl Plan {
    /// None where a record would have no bytes at all, or more than a datagram has.
    pub(super) fn new(fields: impl Iterator<Item = Field>) -> Option<Self> {
        let plan = Self {
            places: [Place::default(); SLOTS],
            src: Family::None,
            dst: Family::None,
            has: Has::default(),
            start: TimeKind::None,
            end: TimeKind::None,
            reverse_start: TimeKind::None,
            reverse_end: TimeKind::None,
            has_direction: false,
            has_sampler: false,
            is_rare: false,
            rare: Rare::default(),
            length: 0,
            frame: None,
            walk: Box::default(),
        };
        let mut compiler = Compiler { plan, ranks: [0; SLOTS], steps: [0; SLOTS], at: 0, walk: Vec::new() };
        for field in fields {
            compiler.field(field);
            if compiler.plan.length > usize::from(u16::MAX) {
                return None;
            }
        }
        compiler.finish()
    }

    /// Finds the places in a record that has fields of variable length, and says how long it is. None when it is
    /// cut off.
    pub(super) fn locate(
        &self,
        record: &[u8],
        places: &mut Places,
        frame: &mut Option<Part>,
    ) -> Option<usize> {
        let mut at = 0;
        *places = self.places;
        *frame = None;
        for step in &self.walk {
            let base = u16::try_from(at).ok()?;
            for slot in &step.slots {
                let place = &mut places[*slot as usize];
                place.end = place.end.checked_add(base)?;
            }
            if let Some(part) = step.frame {
                *frame = Some(Part { start: at + part.start, ..part });
            }
            at += step.fixed;
            let Some(variable) = step.variable else { break };
            let (start, length) = match record.get(at..)? {
                [255, high, low, ..] => (at + 3, usize::from(u16::from_be_bytes([*high, *low]))),
                [short, ..] if *short < 255 => (at + 1, usize::from(*short)),
                _ => return None,
            };
            at = start + length;
            match variable {
                Variable::Nothing => {}
                Variable::Frame => *frame = Some(Part { start, length }),
                Variable::Number(slot, mask) => {
                    places[slot as usize] = Place { end: u16::try_from(at).ok()?, mask: mask & ones(length) };
                }
            }
        }
        (at <= record.len()).then_some(at)
    }
}

impl Compiler {
    fn field(&mut self, field: Field) {
        let variable = field.length == VARIABLE;
        let length = if variable { 0 } else { usize::from(field.length) };
        let start = self.at;
        self.at += length;
        self.plan.length += if variable { 1 } else { length };
        let mut use_of = Variable::Nothing;
        match (field.enterprise, field.element) {
            _ if length == 0 && !variable => {}
            (0, 8 | 12 | 130) if length == 4 => self.address(field.element, Family::Four, start),
            (0, 27 | 28 | 131) if length == 16 => self.address(field.element, Family::Six, start),
            // dataLinkFrameSection
            (0, 315) if self.plan.frame.is_none() && !self.plan.rare.frame => {
                self.plan.rare.frame = true;
                if variable {
                    use_of = Variable::Frame;
                } else {
                    self.plan.frame = Some(Part { start, length });
                }
            }
            (0, element) => use_of = self.element(element, length, variable, number(element), false),
            (REVERSE, element) => {
                use_of = self.element(element, length, variable, reverse_number(element), true);
            }
            _ => {}
        }
        if variable {
            self.end_step(Some(use_of));
        }
    }

    fn element(
        &mut self,
        element: u16,
        length: usize,
        variable: bool,
        use_of: Option<Use>,
        reverse: bool,
    ) -> Variable {
        let (slot, rank, mask) = match (TimeKind::of(element, length), use_of) {
            (Some((kind, is_start, rank)), _) => {
                let (slot, kept) = match (reverse, is_start) {
                    (false, true) => (Slot::Start, &mut self.plan.start),
                    (false, false) => (Slot::End, &mut self.plan.end),
                    (true, true) => (Slot::ReverseStart, &mut self.plan.reverse_start),
                    (true, false) => (Slot::ReverseEnd, &mut self.plan.reverse_end),
                };
                if rank > self.ranks[slot as usize] {
                    *kept = kind;
                }
                (slot, rank, U64)
            }
            (None, Some(use_of)) => use_of,
            (None, None) => return Variable::Nothing,
        };
        let slot = match self.rank(slot, rank) {
            Some(slot) => slot,
            None => return Variable::Nothing,
        };
        if variable {
            return Variable::Number(slot, mask);
        }
        self.place(slot, self.at, mask & ones(length));
        Variable::Nothing
    }

    /// Which slot a field of that rank gets. Counters of ordinary flows may come twice: the lesser is looked at
    /// where the better is zero.
    fn rank(&mut self, slot: Slot, rank: u8) -> Option<Slot> {
        let other = match slot {
            Slot::Bytes => Some(Slot::OtherBytes),
            Slot::Packets => Some(Slot::OtherPackets),
            _ => None,
        };
        let taken = self.ranks[slot as usize];
        if rank > taken {
            if let (Some(other), ORDINARY..) = (other, taken) {
                self.plan.places[other as usize] = self.plan.places[slot as usize];
                self.steps[other as usize] = self.steps[slot as usize];
                self.ranks[other as usize] = taken;
            }
            self.ranks[slot as usize] = rank;
            return Some(slot);
        }
        let other =
            other.filter(|other| rank >= ORDINARY && rank < taken && rank > self.ranks[*other as usize])?;
        self.ranks[other as usize] = rank;
        Some(other)
    }

    fn place(&mut self, slot: Slot, end: usize, mask: u64) {
        // A record that is longer than this is refused in the end.
        let end = u16::try_from(end).unwrap_or(u16::MAX);
        self.plan.places[slot as usize] = Place { end, mask };
        self.steps[slot as usize] = self.walk.len();
    }

    fn address(&mut self, element: u16, family: Family, start: usize) {
        let (slots, kept) = match element {
            8 | 27 => ([Slot::Src4, Slot::SrcHigh, Slot::SrcLow], &mut self.plan.src),
            12 | 28 => ([Slot::Dst4, Slot::DstHigh, Slot::DstLow], &mut self.plan.dst),
            _ => ([Slot::Exporter4, Slot::ExporterHigh, Slot::ExporterLow], &mut self.plan.rare.exporter),
        };
        if matches!(
            (*kept, family),
            (Family::Both, _) | (Family::Four, Family::Four) | (Family::Six, Family::Six)
        ) {
            return;
        }
        *kept = kept.and(family);
        if family == Family::Four {
            self.place(slots[0], start + 4, U32);
        } else {
            self.place(slots[1], start + 8, U64);
            self.place(slots[2], start + 16, U64);
        }
    }

    fn end_step(&mut self, variable: Option<Variable>) {
        let step = self.walk.len();
        if let Some(Variable::Number(slot, _)) = variable {
            // Its place is found in each record.
            self.plan.places[slot as usize] = Place::default();
            self.steps[slot as usize] = usize::MAX;
        }
        self.walk.push(Step { fixed: self.at, slots: Box::default(), frame: None, variable });
        if let (Some(frame), true) = (self.plan.frame, self.walk[..step].iter().all(|s| s.frame.is_none())) {
            self.walk[step].frame = Some(frame);
        }
        self.at = 0;
    }

    fn has(&self, slot: Slot) -> bool {
        self.ranks[slot as usize] > 0
    }

    fn finish(mut self) -> Option<Plan> {
        if self.plan.length == 0 || self.plan.length > usize::from(u16::MAX) {
            return None;
        }
        if !self.walk.is_empty() {
            self.end_step(None);
            for (step, ends) in self.walk.iter_mut().enumerate() {
                let here = ALL.iter().filter(|slot| {
                    self.steps[**slot as usize] == step && self.plan.places[**slot as usize].mask != 0
                });
                ends.slots = here.copied().collect();
                // A number of variable length that was not the best in the end.
                if let Some(Variable::Number(slot, _)) = ends.variable
                    && self.steps[slot as usize] != usize::MAX
                {
                    ends.variable = Some(Variable::Nothing);
                }
            }
        }
        for (slot, has) in [
            (Slot::Protocol, Has::PROTOCOL),
            (Slot::SrcPort, Has::SRC_PORT),
            (Slot::DstPort, Has::DST_PORT),
            (Slot::Input, Has::INPUT),
            (Slot::Output, Has::OUTPUT),
        ] {
            if self.has(slot) {
                self.plan.has = self.plan.has.with(has);
            }
        }
        let bytes = self.ranks[Slot::Bytes as usize];
        let rare = Rare {
            sampling: [Slot::Interval, Slot::SpacingInterval, Slot::Size, Slot::Sampler]
                .into_iter()
                .any(|slot| self.has(slot)),
            // Responder's counters are those of the other direction only where the initiator's are those of this one.
            reverse: self.ranks[Slot::ReverseBytes as usize].max(self.ranks[Slot::ReversePackets as usize])
                > REVERSE_PAIR
                || bytes == INITIATOR && (self.has(Slot::ReverseBytes) || self.has(Slot::ReversePackets)),
            event: self.has(Slot::Event) && bytes != 5,
            boot: self.has(Slot::Boot),
            other_counters: self.has(Slot::OtherBytes) || self.has(Slot::OtherPackets),
            one_packet: !self.has(Slot::Packets) && (bytes == 1 || self.plan.rare.frame),
            ..self.plan.rare
        };
        self.plan.has_direction = self.has(Slot::Direction);
        self.plan.has_sampler = self.has(Slot::Sampler);
        self.plan.rare = rare;
        self.plan.is_rare = rare != Rare::default();
        self.plan.walk = self.walk.into();
        Some(self.plan)
    }
}
