//! Records of options: what an exporter says of itself.

use std::num::NonZeroU32;

use super::run::{rate, ratio};
use super::stream::{Budget, Stream};
use super::template::{Field, SCOPE, VARIABLE};
use crate::books::InterfaceName;
use crate::flow::Ip;

/// Bytes of a name or description that are remembered.
const LONGEST_NAME: usize = 64;
/// v9: what the options are of is an interface.
const SCOPE_INTERFACE: u16 = 2;

/// What one record says.
#[derive(Default)]
struct Record<'a> {
    interval: u64,
    taken: u64,
    skipped: u64,
    size: u64,
    population: u64,
    sampler: Option<u64>,
    interface: Option<u32>,
    name: &'a [u8],
    description: &'a [u8],
    exporter: Option<Ip>,
    boot: Option<u64>,
}

/// What a set of options told.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Told {
    pub(super) records: u64,
    pub(super) nonsense_rates: u64,
}

/// Reads the records of a set, and remembers what they say.
pub(super) fn read(fields: &[Field], mut data: &[u8], stream: &mut Stream, budget: &mut Budget<'_>) -> Told {
    let mut told = Told::default();
    let least: usize =
        fields.iter().map(|field| if field.length == VARIABLE { 1 } else { usize::from(field.length) }).sum();
    while least > 0 && data.len() >= least {
        let mut record = Record::default();
        let Some(length) = record.read(fields, data) else { break };
        record.remember(stream, budget, &mut told);
        told.records += 1;
        data = data.get(length..).unwrap_or_default();
    }
    told
}

impl<'a> Record<'a> {
    /// How long it is. None: it is cut off.
    fn read(&mut self, fields: &[Field], data: &'a [u8]) -> Option<usize> {
        let mut rest = data;
        for field in fields {
            let mut length = usize::from(field.length);
            if field.length == VARIABLE {
                (length, rest) = match rest {
                    [255, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
                    [short, rest @ ..] if *short < 255 => (usize::from(*short), rest),
                    _ => return None,
                };
            }
            let (value, behind) = rest.split_at_checked(length)?;
            rest = behind;
            if length > 0 {
                self.field(field, value);
            }
        }
        Some(data.len() - rest.len())
    }

    fn field(&mut self, field: &Field, value: &'a [u8]) {
        let number = || value.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let index = || u32::try_from(number()).ok();
        match (field.enterprise, field.element) {
            (SCOPE, SCOPE_INTERFACE) => self.interface = index(),
            (0, 10) if self.interface.is_none() => self.interface = index(),
            (0, 14) if self.interface.is_none() => self.interface = index(),
            (0, 34 | 50) => self.interval = number(),
            (0, 305) => self.taken = number(),
            (0, 306) => self.skipped = number(),
            (0, 309) => self.size = number(),
            (0, 310) => self.population = number(),
            (0, 48 | 302) => self.sampler = Some(number()),
            (0, 82) => self.name = value,
            (0, 83) => self.description = value,
            // What the options are of may be another exporter.
            (0, 130 | 131) if field.is_scope => {}
            (0, 130) => self.exporter = value.first_chunk().map(|bytes| Ip::v4(u32::from_be_bytes(*bytes))),
            (0, 131) => self.exporter = value.first_chunk().map(|bytes| Ip::v6(*bytes)).or(self.exporter),
            (0, 160) => self.boot = Some(number()),
            _ => {}
        }
    }

    fn rate(&self, nonsense: &mut u64) -> Option<NonZeroU32> {
        rate(self.interval, nonsense)
            .or_else(|| ratio(self.taken.saturating_add(self.skipped), self.taken, nonsense))
            .or_else(|| ratio(self.population, self.size, nonsense))
    }

    fn remember(&self, stream: &mut Stream, budget: &mut Budget<'_>, told: &mut Told) {
        let mut changed = false;
        if let Some(rate) = self.rate(&mut told.nonsense_rates) {
            changed |= match (self.sampler, self.interface) {
                (Some(sampler), _) => stream.set_sampler(sampler, rate, budget),
                // No interface, or all of them.
                (None, None | Some(0 | u32::MAX)) => stream.sampling.set_stream(rate),
                (None, Some(interface)) => stream.set_interface(interface.into(), rate, budget),
            };
        }
        if let Some(exporter) = self.exporter.filter(|ip| !ip.is_none() && *ip != Ip::v4(0)) {
            changed |= stream.exporter.hear(exporter);
        }
        if let Some(boot) = self.boot.and_then(|boot| i64::try_from(boot).ok())
            && stream.boot != Some(boot)
        {
            stream.boot = Some(boot);
            changed = true;
        }
        if let Some(interface) = self.interface
            && !(self.name.is_empty() && self.description.is_empty())
        {
            let name = InterfaceName { name: text(self.name), description: text(self.description) };
            changed |= stream.name(interface, name, budget);
        }
        stream.options_changed |= changed;
    }
}

/// What can be shown of it, up to the first zero byte.
fn text(bytes: &[u8]) -> Box<str> {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let shown = String::from_utf8_lossy(bytes.get(..LONGEST_NAME).unwrap_or(bytes));
    shown.trim().chars().filter(|c| !c.is_control()).collect::<String>().into()
}
