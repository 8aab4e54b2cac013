//! NetFlow v9 and IPFIX: packets of sets.

use std::sync::Arc;

use grafoleancollector::Timestamp;

use super::learnt::Purpose;
use super::options;
use super::read::Set;
use super::run::Run;
use super::stream::{Budget, Learnt, Stream};
use super::template::{Entries, Entry, FIRST_ID, Kind};
use super::times::Times;
use crate::books::Malformed;
use crate::flow::{Flow, Origin, Version};

/// A packet whose header was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) version: Version,
    pub(super) domain: u32,
    pub(super) sequence: u32,
    pub(super) times: Times,
    /// The whole datagram, as far as the message goes.
    pub(super) data: &'a [u8],
    /// Where its sets begin.
    pub(super) sets: usize,
    /// What the header says that is not so.
    pub(super) trouble: Option<Malformed>,
}

impl<'a> Message<'a> {
    /// None where there is no whole header.
    pub(super) fn read(version: Version, data: &'a [u8]) -> Option<Self> {
        let header = data.first_chunk::<16>()?;
        let u32_at =
            |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        if version == Version::V9 {
            let domain = u32::from_be_bytes(*data.get(16..)?.first_chunk()?);
            let times = Times { export: i64::from(u32_at(8)) * 1_000, uptime: Some(u32_at(4)) };
            return Some(Self {
                version,
                domain,
                sequence: u32_at(12),
                times,
                data,
                sets: 20,
                trouble: None,
            });
        }
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let times = Times { export: i64::from(u32_at(4)) * 1_000, uptime: None };
        let (sequence, domain) = (u32_at(8), u32_at(12));
        let trouble = (length != data.len()).then_some(Malformed::Length);
        let data = data.get(..length.max(16)).unwrap_or(data);
        Some(Self { version, domain, sequence, times, data, sets: 16, trouble })
    }

    /// Reads all sets. Returns how many records there were, if that is known.
    pub(super) fn decode<S: FnMut(&Origin, &[Flow])>(
        &self,
        stream: &mut Stream,
        budget: &mut Budget<'_>,
        run: &mut Run<'_, S>,
    ) -> Option<u32> {
        let (mut at, mut records, mut all_known) = (self.sets, 0, true);
        let times = match (self.times.uptime, stream.boot) {
            (None, Some(boot)) => self.times.since_boot(boot),
            _ => self.times,
        };
        while let Some(&[a, b, c, d]) = self.data.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
            let (id, length) = (u16::from_be_bytes([a, b]), usize::from(u16::from_be_bytes([c, d])));
            if length < 4 {
                // The rest of a packet may be filled with zeros.
                if self.data[at..].iter().any(|byte| *byte != 0) {
                    budget.books.malformed(Malformed::SetLength).inc();
                }
                break;
            }
            let end = at + length;
            if end > self.data.len() {
                budget.books.malformed(Malformed::SetLength).inc();
            }
            let data = &self.data[..end.min(self.data.len())];
            let body = at + 4;
            let kind = match (self.version, id) {
                (Version::V9, 0) => Some(Kind::V9),
                (Version::V9, 1) => Some(Kind::V9Options),
                (Version::Ipfix, 2) => Some(Kind::Ipfix),
                (Version::Ipfix, 3) => Some(Kind::IpfixOptions),
                _ => None,
            };
            match kind {
                Some(kind) => self.templates(Entries::new(&data[body..], kind), stream, budget, run),
                None if id < FIRST_ID => budget.books.malformed(Malformed::SetKind).inc(),
                None => match data_set(id, data, body, times, run.origin.received, stream, budget, run) {
                    Some(more) => records += more,
                    None => {
                        all_known = false;
                        budget.books.sets_without_template.inc();
                        stream.wait(id, run.origin.received, times, &data[body..], budget);
                    }
                },
            }
            at = end;
        }
        u32::try_from(records).ok().filter(|_| all_known)
    }

    fn templates<S: FnMut(&Origin, &[Flow])>(
        &self,
        entries: Entries<'_>,
        stream: &mut Stream,
        budget: &mut Budget<'_>,
        run: &mut Run<'_, S>,
    ) {
        let books = budget.books;
        for entry in entries {
            match entry {
                Entry::Template { id, fields, form, options } => {
                    books.templates_received.inc();
                    if options {
                        books.options_templates_received.inc();
                    }
                    match stream.learn(id, (fields, form, options), run.origin.received, budget) {
                        Learnt::Same => continue,
                        Learnt::New => {}
                        Learnt::Changed => books.templates_changed.inc(),
                        Learnt::Unusable => {
                            books.malformed(Malformed::Template).inc();
                            continue;
                        }
                        Learnt::NoRoom => {
                            books.refused.inc();
                            continue;
                        }
                    }
                    replay(id, stream, budget, run);
                }
                Entry::Withdrawn { id } => {
                    let withdrawn = match id {
                        2 => stream.forget(|_, template| !template.is_options(), budget),
                        3 => stream.forget(|_, template| template.is_options(), budget),
                        _ => stream.forget(|other, _| other == id, budget),
                    };
                    books.templates_withdrawn.add(withdrawn);
                }
                Entry::Unusable | Entry::Cut => books.malformed(Malformed::Template).inc(),
            }
        }
    }
}

/// Reads the sets that waited for a template, with the time at which each was received.
fn replay<S: FnMut(&Origin, &[Flow])>(
    id: u16,
    stream: &mut Stream,
    budget: &mut Budget<'_>,
    run: &mut Run<'_, S>,
) {
    let now = run.origin.received;
    while let Some(set) = stream.waited(id, budget) {
        run.flush();
        run.origin.received = set.received;
        data_set(id, &set.data, super::plan::BEFORE, set.times, now, stream, budget, run);
        budget.books.waiting.replayed.inc();
    }
    run.flush();
    run.origin.received = now;
}

#[expect(clippy::too_many_arguments, reason = "what a set is read with")]
/// Reads the records in `data[body..]`. None: there is no such template.
fn data_set<S: FnMut(&Origin, &[Flow])>(
    id: u16,
    data: &[u8],
    body: usize,
    times: Times,
    now: Timestamp,
    stream: &mut Stream,
    budget: &mut Budget<'_>,
    run: &mut Run<'_, S>,
) -> Option<u64> {
    let template = stream.template(id).filter(|template| !template.is_expired(now))?;
    let is_counted = template.is_counted;
    let records = match &template.purpose {
        Purpose::Flows(plan) => {
            let set = Set {
                plan,
                times,
                sampling: &stream.sampling,
                usual_rate: stream.sampling.usual(),
                is_by_interface: stream.sampling.is_by_interface(),
                exporter: stream.exporter.ip(),
            };
            set.read(data, body, run)
        }
        Purpose::Options(fields) => {
            let fields = Arc::clone(fields);
            let told = options::read(&fields, &data[body..], stream, budget);
            run.tally.options += told.records;
            run.tally.nonsense_rates += told.nonsense_rates;
            told.records
        }
    };
    if !is_counted {
        stream.use_template(id, budget.books);
    }
    Some(records)
}
