//! From a datagram to flows.
//!
//! A template is compiled once into a plan of where in a record the few fields are that a [`Flow`] has; records are
//! read with it straight from the datagram. Whatever a datagram has in it, all that can be read of it is, and what
//! cannot is counted in the [`Books`].

mod compile;
mod elements;
mod fixed;
mod frame;
mod kept;
mod message;
mod options;
mod plan;
mod read;
mod room;
mod run;
mod sampling;
mod sequence;
mod source;
mod stream;
mod template;
mod times;
mod warnings;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use grafoleancollector::Timestamp;

use self::message::Message;
use self::room::{Room, Share};
use self::run::{Run, Tally};
use self::sequence::Reach;
use self::source::{Source, waiting_since};
use self::stream::{Budget, QUIET, Stream, seconds};
use crate::books::{Books, ExporterBooks, Malformed, RateOrigin};
use crate::flow::{Flow, Ip, Origin, Version};
use crate::sflow;

pub use self::room::Limits;

/// How often, in seconds, what is too old is looked for.
const CLEAN_EVERY: i64 = 60;

/// A source that no entity names is forgotten after so many seconds of silence.
const FORGOTTEN: i64 = stream::TEMPLATE_LIFE;

/// When there is no room for another source, those that were silent for so many seconds give theirs.
const SILENT: i64 = 10 * 60;

/// Decodes the datagrams of one shard.
///
/// See [`Books`] for an example.
#[derive(Debug)]
pub struct Decoder {
    books: Arc<Books>,
    limits: Limits,
    known: Arc<HashSet<Ip>>,
    sources: HashMap<Ip, Source>,
    unknown: usize,
    room: Room,
    flows: Vec<Flow>,
    /// Sources of which something has changed since [`Decoder::changes`].
    changed: Vec<Ip>,
    /// What is to be removed from what is kept, of streams that are gone.
    removed: Vec<Vec<u8>>,
    cleaned: Timestamp,
    made_room: Timestamp,
    warnings: warnings::Warnings,
}

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

impl Decoder {
    /// A decoder that knows nothing yet.
    #[must_use]
    pub fn new(books: Arc<Books>) -> Self {
        let long_ago = Timestamp::from_micros(i64::MIN);
        Self {
            books,
            limits: Limits::default(),
            known: Arc::default(),
            sources: HashMap::new(),
            unknown: 0,
            room: Room::default(),
            flows: Vec::new(),
            changed: Vec::new(),
            removed: Vec::new(),
            cleaned: long_ago,
            made_room: long_ago,
            warnings: warnings::Warnings::default(),
        }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Exporters that entities name: they are never refused, and never forgotten for others.
    pub fn set_known(&mut self, known: Arc<HashSet<Ip>>) {
        self.known = known;
        self.unknown = 0;
        for (address, source) in &mut self.sources {
            let is_known = self.known.contains(address);
            source.share.set_known(is_known, &mut self.room);
            self.unknown += usize::from(!is_known);
        }
    }

    /// Decodes one datagram. Flows are handed over in runs of one origin: there are several when sets that waited
    /// for their template are read with it, or when records say that they are of several exporters.
    pub fn datagram(
        &mut self,
        received: Timestamp,
        source: Ip,
        datagram: &[u8],
        sink: &mut impl FnMut(&Origin, &[Flow]),
    ) {
        self.clean(received);
        let Some(address) = self.admit(source, received) else {
            self.books.refused.inc();
            return;
        };
        let Some(source) = self.sources.get_mut(&address) else { return };
        source.last = received;
        let books = Arc::clone(&source.books);
        books.seen(received);
        let mut work = Work {
            source,
            books: &books,
            room: &mut self.room,
            limits: &self.limits,
            removed: &mut self.removed,
            received,
            address,
        };
        let version = work.decode(datagram, &mut self.flows, sink);
        if let Some(version) = version {
            let of_version = books.version(version);
            of_version.packets.inc();
            of_version.datagram_bytes.add(datagram.len() as u64);
        }
        if !source.is_changed && source.streams.iter().any(Stream::is_changed) {
            source.is_changed = true;
            self.changed.push(address);
        }
        self.warnings.look(source, received);
    }

    /// Makes sure that there is a source, if there may be one.
    fn admit(&mut self, address: Ip, now: Timestamp) -> Option<Ip> {
        if self.sources.contains_key(&address) {
            return Some(address);
        }
        let is_known = self.known.contains(&address);
        if !is_known && self.unknown >= self.limits.unknown_sources {
            // Looking through all of them takes time, which a flood of spoofed sources must not cost.
            if seconds(now, self.made_room) < 1 {
                return None;
            }
            self.made_room = now;
            self.forget_silent(now, SILENT);
            if self.unknown >= self.limits.unknown_sources {
                return None;
            }
        }
        self.unknown += usize::from(!is_known);
        let share = Share { is_known, ..Share::default() };
        let books = self.books.open(address);
        self.sources.insert(address, Source::new(books, share, now));
        Some(address)
    }

    /// Forgets sources that no entity names and that were silent for long.
    fn forget_silent(&mut self, now: Timestamp, silence: i64) {
        let Self { sources, unknown, room, limits, books, removed, .. } = self;
        sources.retain(|address, source| {
            if source.share.is_known || seconds(now, source.last) <= silence {
                return true;
            }
            *unknown -= 1;
            let Source { books: own, share, streams, .. } = source;
            let mut budget = Budget { share, room, limits, books: own };
            for stream in streams {
                kept::forget(*address, stream, removed);
                stream.close(&mut budget);
            }
            share.give_all(room);
            books.close(*address);
            false
        });
    }

    /// Gives up what is too old, now and then.
    fn clean(&mut self, now: Timestamp) {
        if seconds(now, self.cleaned).unsigned_abs() < CLEAN_EVERY.unsigned_abs() {
            return;
        }
        self.cleaned = now;
        self.forget_silent(now, FORGOTTEN);
        for (address, source) in &mut self.sources {
            let Source { books, share, streams, is_changed, .. } = source;
            let mut budget = Budget { share, room: &mut self.room, limits: &self.limits, books };
            for stream in &mut *streams {
                stream.expire(now, &mut budget);
            }
            if !*is_changed && streams.iter().any(Stream::is_changed) {
                *is_changed = true;
                self.changed.push(*address);
            }
            books.waiting.set_since(waiting_since(streams));
        }
    }
}

/// The decoding of one datagram.
struct Work<'a> {
    source: &'a mut Source,
    books: &'a ExporterBooks,
    room: &'a mut Room,
    limits: &'a Limits,
    removed: &'a mut Vec<Vec<u8>>,
    received: Timestamp,
    address: Ip,
}

impl Work<'_> {
    /// The version, if it is one.
    fn decode<S: FnMut(&Origin, &[Flow])>(
        &mut self,
        datagram: &[u8],
        flows: &mut Vec<Flow>,
        sink: &mut S,
    ) -> Option<Version> {
        let Some(kind) = Kind::of(datagram) else {
            self.books.malformed(Malformed::Version).inc();
            return None;
        };
        let version = match kind {
            Kind::Fixed(version) | Kind::Sets(version) => version,
            Kind::Sflow => Version::Sflow,
        };
        flows.clear();
        let origin =
            Origin { source: self.address, reported: Ip::NONE, domain: 0, version, received: self.received };
        let mut run = Run { origin, flows, sink, tally: Tally::default() };
        let read = match kind {
            Kind::Fixed(_) => self.fixed(version, datagram, &mut run),
            Kind::Sets(_) => self.sets(version, datagram, &mut run),
            Kind::Sflow => self.sflow(datagram, &mut run),
        };
        if read.is_none() {
            self.books.malformed(Malformed::Header).inc();
        }
        run.flush();
        self.count(version, run.tally);
        Some(version)
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
            self.books.malformed(Malformed::Count).inc();
        }
        // A damaged header says nothing of the sequence either.
        if records == 0 && !is_so {
            return Some(());
        }
        run.origin.domain = header.domain;
        header.read_records(body, records, run);
        run.flush();
        if header.sampling > 0 {
            self.books.set_sampling(header.sampling, RateOrigin::Header);
        }
        self.source.clock(header.times.export, self.received);
        let Some(at) = self.stream(version, header.domain) else {
            self.books.refused.inc();
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
            self.books.malformed(trouble).inc();
        }
        run.origin.domain = message.domain;
        self.source.clock(message.times.export, self.received);
        let Some(at) = self.stream(version, message.domain) else {
            self.books.refused.inc();
            return Some(());
        };
        let had_waiting = self.source.streams[at].waiting_since();
        let Source { books, share, streams, .. } = &mut *self.source;
        let stream = &mut streams[at];
        let mut budget = Budget { share, room: self.room, limits: self.limits, books };
        let records = message.decode(stream, &mut budget, run);
        run.flush();
        if run.tally.names {
            for (index, name) in &stream.names {
                books.name_interface(*index, name.clone());
            }
        }
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
            self.books.malformed(Malformed::Sflow).inc();
        }
        (run.origin.domain, run.origin.reported) = (header.sub_agent, header.agent);
        if let Some(flow) = run.flows.last().filter(|flow| flow.sampling > 0) {
            self.books.set_sampling(flow.sampling, RateOrigin::Header);
        }
        run.count();
        run.flush();
        let Some(at) = self.stream(Version::Sflow, header.sub_agent) else {
            self.books.refused.inc();
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
        if streams.len() >= self.limits.streams {
            let (at, oldest) = streams.iter_mut().enumerate().min_by_key(|(_, stream)| stream.last)?;
            if seconds(self.received, oldest.last) <= QUIET {
                return None;
            }
            kept::forget(self.address, oldest, self.removed);
            oldest.close(&mut Budget { share, room: self.room, limits: self.limits, books });
            streams.swap_remove(at);
        }
        streams.push(Stream::new(version, domain, self.received));
        Some(streams.len() - 1)
    }

    /// Follows the numbers of a stream's packets.
    fn follow(&mut self, stream: usize, number: u32, units: Option<u32>, uptime: Option<u32>, reach: Reach) {
        let Some(stream) = self.source.streams.get_mut(stream) else { return };
        let before = stream.sequence.next;
        let told = stream.sequence.packet(number, units, uptime, reach);
        stream.sequence_changed |= stream.sequence.next != before;
        let books = self.books.version(stream.version);
        books.arrived.add(units.unwrap_or(0).into());
        if told != sequence::Told::default() {
            books.lost.add(told.lost);
            books.late.add(told.late.into());
            books.restarts.add(told.restarted.into());
        }
    }

    fn count(&self, version: Version, tally: Tally) {
        let books = self.books.version(version);
        if tally.flows > 0 {
            books.flows.add(tally.flows);
            books.octets.add(tally.octets);
        }
        if let Some((rate, origin)) = tally.rate {
            self.books.set_sampling(rate, origin);
        }
        for (counter, more) in [
            (&self.books.long_flows, tally.long_flows),
            (&self.books.options_records, tally.options),
            (&self.books.nonsense_rates, tally.nonsense_rates),
        ] {
            if more > 0 {
                counter.add(more);
            }
        }
    }
}
