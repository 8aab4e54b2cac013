//! The decoding of one datagram, of whatever version.

use grafoleancollector::Timestamp;

use super::message::Message;
use super::room::{Limits, Room};
use super::run::{Run, Tally};
use super::sequence::{self, Reach};
use super::source::{Source, waiting_since};
use super::stream::{Budget, QUIET, seconds};
use super::{fixed, kept};
use crate::books::{Malformed, RateOrigin};
use crate::flow::{Flow, Ip, Origin, Version};
use crate::sflow;

/// What a datagram is, by its first bytes.
enum Kind {
    Fixed(Version),
    Sets(Version),
    Sflow,
}

impl Kind {
    fn of(datagram: &[u8]) -> Option<Self> {
        Some(match datagram {
            [0, 5, ..] => Self::Fixed(Version::V5),
            [0, 7, ..] => Self::Fixed(Version::V7),
            [0, 9, ..] => Self::Sets(Version::V9),
            [0, 10, ..] => Self::Sets(Version::Ipfix),
            [0, 0, 0, 5, ..] => Self::Sflow,
            _ => return None,
        })
    }
}

/// The decoding of one datagram.
pub(super) struct Work<'a> {
    pub(super) source: &'a mut Source,
    pub(super) room: &'a mut Room,
    pub(super) limits: &'a Limits,
    pub(super) removed: &'a mut Vec<Vec<u8>>,
    pub(super) received: Timestamp,
}

impl Work<'_> {
    /// Reads it, and counts what was in it. Returns how the exporter called itself last.
    pub(super) fn datagram<S: FnMut(&Origin, &[Flow])>(
        &mut self,
        datagram: &[u8],
        flows: &mut Vec<Flow>,
        sink: &mut S,
    ) -> Ip {
        let Some(kind) = Kind::of(datagram) else {
            self.source.books.malformed(Malformed::Version).inc();
            return Ip::NONE;
        };
        let version = match kind {
            Kind::Fixed(version) | Kind::Sets(version) => version,
            Kind::Sflow => Version::Sflow,
        };
        flows.clear();
        let (source, received) = (self.source.address, self.received);
        let origin = Origin { source, reported: Ip::NONE, domain: 0, version, received };
        let mut run = Run { origin, flows, sink, tally: Tally::default() };
        let read = match kind {
            Kind::Fixed(_) => self.fixed(version, datagram, &mut run),
            Kind::Sets(_) => self.sets(version, datagram, &mut run),
            Kind::Sflow => self.sflow(datagram, &mut run),
        };
        if read.is_none() {
            self.source.books.malformed(Malformed::Header).inc();
        }
        run.flush();
        let reported = run.origin.reported;
        self.count(version, datagram.len(), run.tally);
        reported
    }

    fn fixed<S: FnMut(&Origin, &[Flow])>(
        &mut self,
        version: Version,
        datagram: &[u8],
        run: &mut Run<'_, S>,
    ) -> Option<()> {
        let (header, body) = datagram.split_first_chunk()?;
        let header = fixed::Header::read(version, header);
        let (records, is_so) = header.records(body);
        if !is_so {
            self.source.books.malformed(Malformed::Count).inc();
        }
        // A damaged header says nothing of the sequence either.
        if records == 0 && !is_so {
            return Some(());
        }
        run.origin.domain = header.domain;
        header.read_records(body, records, run);
        run.flush();
        if header.sampling > 0 {
            self.source.books.set_sampling(header.sampling, RateOrigin::Header);
        }
        self.source.clock(header.times.export, self.received);
        let Some(at) = self.stream(version, header.domain) else {
            self.source.books.refused.inc();
            return Some(());
        };
        let units = u32::try_from(header.count).ok();
        self.follow(at, header.sequence, units, header.times.uptime, Reach::FLOWS);
        Some(())
    }

    fn sets<S: FnMut(&Origin, &[Flow])>(
        &mut self,
        version: Version,
        datagram: &[u8],
        run: &mut Run<'_, S>,
    ) -> Option<()> {
        let message = Message::read(version, datagram)?;
        if let Some(trouble) = message.trouble {
            self.source.books.malformed(trouble).inc();
        }
        run.origin.domain = message.domain;
        self.source.clock(message.times.export, self.received);
        let Some(at) = self.stream(version, message.domain) else {
            self.source.books.refused.inc();
            return Some(());
        };
        let had_waiting = self.source.streams[at].waiting_since();
        let Source { books, share, streams, .. } = &mut *self.source;
        let stream = &mut streams[at];
        let mut budget = Budget { share, room: self.room, limits: self.limits, books };
        let records = message.decode(stream, &mut budget, run);
        run.flush();
        if stream.waiting_since() != had_waiting {
            books.waiting.set_since(waiting_since(streams));
        }
        let (units, reach) = match version {
            Version::V9 => (Some(1), Reach::PACKETS),
            _ => (records, Reach::FLOWS),
        };
        self.follow(at, message.sequence, units, message.times.uptime, reach);
        Some(())
    }

    fn sflow<S: FnMut(&Origin, &[Flow])>(&mut self, datagram: &[u8], run: &mut Run<'_, S>) -> Option<()> {
        let header = sflow::decode(datagram, run.flows).ok()?;
        if header.trouble.is_some() {
            self.source.books.malformed(Malformed::Sflow).inc();
        }
        (run.origin.domain, run.origin.reported) = (header.sub_agent, header.agent);
        if let Some(flow) = run.flows.last().filter(|flow| flow.sampling > 0) {
            self.source.books.set_sampling(flow.sampling, RateOrigin::Header);
        }
        run.count(0);
        run.flush();
        let Some(at) = self.stream(Version::Sflow, header.sub_agent) else {
            self.source.books.refused.inc();
            return Some(());
        };
        self.follow(at, header.sequence, Some(1), Some(header.uptime_ms), Reach::PACKETS);
        Some(())
    }

    /// The place of a stream in its source's list. None: there is no room for it.
    fn stream(&mut self, version: Version, domain: u32) -> Option<usize> {
        if let Some(at) = self.source.position(version, domain) {
            self.source.streams[at].last = self.received;
            return Some(at);
        }
        let Source { books, share, streams, .. } = &mut *self.source;
        if streams.len() >= self.limits.streams_of(share) {
            let (at, oldest) = streams.iter_mut().enumerate().min_by_key(|(_, stream)| stream.last)?;
            if seconds(self.received, oldest.last) <= QUIET {
                return None;
            }
            kept::forget(books, oldest, self.removed);
            oldest.close(&mut Budget { share, room: self.room, limits: self.limits, books });
            streams.swap_remove(at);
        }
        self.source.open(version, domain, self.received, self.room, self.limits)
    }

    /// Follows the numbers of a stream's packets.
    fn follow(&mut self, stream: usize, number: u32, units: Option<u32>, uptime: Option<u32>, reach: Reach) {
        let Some(stream) = self.source.streams.get_mut(stream) else { return };
        let before = stream.sequence.next;
        let told = stream.sequence.packet(number, units, uptime, reach);
        stream.sequence_changed |= stream.sequence.next != before;
        let version = stream.version;
        if told != sequence::Told::default() {
            let books = self.source.books.version(version);
            let told = [told.lost, told.late.into(), told.restarted.into()];
            for (counter, more) in [&books.lost, &books.late, &books.restarts].into_iter().zip(told) {
                if more > 0 {
                    counter.add(more);
                }
            }
        }
        self.source.pending(version).arrived += u64::from(units.unwrap_or(0));
    }

    fn count(&mut self, version: Version, bytes: usize, tally: Tally) {
        let pending = self.source.pending(version);
        pending.packets += 1;
        pending.datagram_bytes += bytes as u64;
        pending.flows += tally.flows;
        pending.octets = pending.octets.saturating_add(tally.octets);
        pending.long_flows += tally.long_flows;
        let books = &self.source.books;
        if let Some((rate, origin)) = tally.rate {
            books.set_sampling(rate, origin);
        }
        if tally.options > 0 {
            books.options_records.add(tally.options);
        }
        if tally.nonsense_rates > 0 {
            books.nonsense_rates.add(tally.nonsense_rates);
        }
    }
}
