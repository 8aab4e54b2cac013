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
mod learnt;
mod message;
mod options;
mod plan;
mod read;
mod remembered;
mod room;
mod run;
mod sampling;
mod sequence;
mod source;
mod stream;
mod template;
mod times;
mod told;
mod warnings;
mod work;

use std::collections::HashSet;
use std::sync::Arc;

use grafoleancollector::Timestamp;

use self::remembered::Taking;
use self::room::{Room, Share};
use self::source::{Source, Sources, waiting_since};
use self::stream::{Budget, Stream, later, seconds};
use self::work::Work;
use crate::books::Books;
use crate::flow::{Flow, Ip, Origin};

pub use self::remembered::{Kept, Unusable};
pub use self::room::Limits;

/// How often, in seconds, what is too old is looked for.
const CLEAN_EVERY: i64 = 60;

/// A source that no entity names is forgotten after so many seconds of silence.
const FORGOTTEN: i64 = stream::TEMPLATE_LIFE;

/// When there is no room for another source, those that were silent for so many seconds give theirs.
const SILENT: i64 = 10 * 60;

/// A clock that goes by more than so many seconds between two looks at it was set.
const LEAP: u64 = 3_600;

const LONG_AGO: Timestamp = Timestamp::from_micros(i64::MIN);

/// Decodes the datagrams of one shard.
///
/// See [`Books`] for an example.
#[derive(Debug)]
pub struct Decoder {
    books: Arc<Books>,
    limits: Limits,
    known: Arc<HashSet<Ip>>,
    sources: Sources,
    unknown: usize,
    /// How many sources are known only by the exporter that they name.
    named: usize,
    room: Room,
    flows: Vec<Flow>,
    /// Sources of which something has changed since [`Decoder::changes`].
    changed: Vec<Ip>,
    /// Places of sources of which not all is in the books yet, since then.
    touched: Vec<usize>,
    flushed: Timestamp,
    /// What is to be removed from what is kept, of streams that are gone.
    removed: Vec<Vec<u8>>,
    taking: Taking,
    cleaned: Timestamp,
    made_room: Timestamp,
    made_room_for_named: Timestamp,
    warnings: warnings::Warnings,
}

impl Decoder {
    /// A decoder that knows nothing yet.
    #[must_use]
    pub fn new(books: Arc<Books>) -> Self {
        Self {
            books,
            limits: Limits::default(),
            known: Arc::default(),
            sources: Sources::default(),
            unknown: 0,
            named: 0,
            room: Room::default(),
            flows: Vec::new(),
            changed: Vec::new(),
            touched: Vec::new(),
            flushed: LONG_AGO,
            removed: Vec::new(),
            taking: Taking::default(),
            cleaned: LONG_AGO,
            made_room: LONG_AGO,
            made_room_for_named: LONG_AGO,
            warnings: warnings::Warnings::default(),
        }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same, which takes up what was kept of the sources that it hears.
    #[must_use]
    pub fn with_kept(self, kept: Arc<Kept>) -> Self {
        Self { taking: Taking::from(kept), ..self }
    }

    /// Exporters that entities name: they are never refused, and never forgotten for others.
    pub fn set_known(&mut self, known: Arc<HashSet<Ip>>) {
        self.known = known;
        for place in 0..self.sources.len() {
            let Some(source) = self.sources.get_mut(place) else { continue };
            let named = source.named.filter(|name| self.known.contains(name));
            let is_known = self.known.contains(&source.address);
            self.take_for(place, is_known, named.filter(|_| !is_known));
        }
    }

    /// A source is known by its address, by the exporter that its packets name, or not at all.
    fn take_for(&mut self, place: usize, by_address: bool, named: Option<Ip>) {
        let Some(source) = self.sources.get_mut(place) else { return };
        let (was_known, is_known) = (source.share.is_known, by_address || named.is_some());
        self.named -= usize::from(source.named.is_some());
        self.named += usize::from(named.is_some());
        source.named = named;
        if was_known == is_known {
            return;
        }
        for stream in &mut source.streams {
            kept::set_known(source.address, stream, is_known, &mut self.removed);
        }
        if !source.is_changed && source.streams.iter().any(Stream::is_changed) {
            source.is_changed = true;
            self.changed.push(source.address);
        }
        source.share.set_known(is_known, &mut self.room);
        source.books.set_known(is_known);
        self.unknown -= usize::from(!was_known);
        self.unknown += usize::from(!is_known);
    }

    /// A source that no entity has names an exporter that one has, as behind address translation: it is as good as
    /// known. But anybody can say so, and there is no room for many.
    fn recognise(&mut self, place: usize, name: Ip, now: Timestamp) {
        if self.named >= self.limits.known_by_name && seconds(now, self.made_room_for_named) >= 1 {
            self.made_room_for_named = now;
            for other in 0..self.sources.len() {
                let is_silent =
                    |source: &mut Source| source.named.is_some() && seconds(now, source.last) > SILENT;
                if self.sources.get_mut(other).is_some_and(is_silent) {
                    self.take_for(other, false, None);
                }
            }
        }
        if self.named < self.limits.known_by_name {
            self.take_for(place, false, Some(name));
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
        self.now_and_then(received);
        let Some(place) = self.admit(source, received) else {
            self.books.refused.inc();
            return;
        };
        let Some(source) = self.sources.get_mut(place) else { return };
        source.last = received;
        let mut work =
            Work { source, room: &mut self.room, limits: &self.limits, removed: &mut self.removed, received };
        let reported = work.datagram(datagram, &mut self.flows, sink);
        if !source.is_changed && source.streams.iter().any(Stream::is_changed) {
            source.is_changed = true;
            self.changed.push(source.address);
        }
        if !source.is_touched {
            source.is_touched = true;
            self.touched.push(place);
        }
        if !source.share.is_known && !reported.is_none() && self.known.contains(&reported) {
            self.recognise(place, reported, received);
        }
    }

    /// Writes into the [`Books`] what was counted since the last call: of itself a decoder does so once a second,
    /// when a datagram comes.
    pub fn flush(&mut self) {
        for place in self.touched.drain(..) {
            let Some(source) = self.sources.get_mut(place) else { continue };
            source.settle();
            self.warnings.look(&source.books, source.last);
        }
    }

    /// Tells the time, for when nothing comes: so that a decoder can tell a long silence from a clock that leaps. Without
    /// it, a silence of more than an hour does not count.
    pub fn tick(&mut self, now: Timestamp) {
        self.now_and_then(now);
    }

    /// Does what need not be done for each datagram.
    #[inline]
    fn now_and_then(&mut self, now: Timestamp) {
        let passed = seconds(now, self.flushed);
        if passed == 0 {
            return;
        }
        self.flush();
        if self.flushed > LONG_AGO && passed.unsigned_abs() > LEAP {
            self.leap(now.as_micros().saturating_sub(self.flushed.as_micros()));
        }
        self.flushed = now;
        self.clean(now);
    }

    /// Somebody has set the clock, as at the start of a machine that has no clock of its own: what is remembered is no
    /// older for that.
    fn leap(&mut self, by: i64) {
        self.taking.leap(by);
        for moment in [&mut self.cleaned, &mut self.made_room, &mut self.made_room_for_named] {
            *moment = later(*moment, by);
        }
        for source in self.sources.iter_mut() {
            source.last = later(source.last, by);
            source.streams.iter_mut().for_each(|stream| stream.leap(by));
            if !source.is_changed && source.streams.iter().any(Stream::is_changed) {
                source.is_changed = true;
                self.changed.push(source.address);
            }
        }
    }

    /// The place of a source; it is made, if there may be another.
    #[inline]
    fn admit(&mut self, address: Ip, now: Timestamp) -> Option<usize> {
        match self.sources.place(address) {
            Some(place) => Some(place),
            None => self.admit_new(address, now),
        }
    }

    fn admit_new(&mut self, address: Ip, now: Timestamp) -> Option<usize> {
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
        books.set_known(is_known);
        let mut source = Source::new(books, share, now);
        self.taking.give(&mut source, now, &mut self.room, &self.limits);
        Some(self.sources.insert(source))
    }

    /// Forgets sources that no entity names and that were silent for long.
    fn forget_silent(&mut self, now: Timestamp, silence: i64) {
        // Their places will be others.
        self.flush();
        let Self { sources, unknown, named, room, limits, books, removed, .. } = self;
        sources.retain(|source| {
            let by_name = source.named.is_some() && silence >= FORGOTTEN;
            if (source.share.is_known && !by_name) || seconds(now, source.last) <= silence {
                return true;
            }
            *unknown -= usize::from(!by_name);
            *named -= usize::from(by_name);
            let Source { address, books: own, share, streams, .. } = source;
            let mut budget = Budget { share, room, limits, books: own };
            for stream in streams {
                kept::forget(own, stream, removed);
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
        self.taking.expire(now);
        self.forget_silent(now, FORGOTTEN);
        for source in self.sources.iter_mut() {
            let Source { address, books, share, streams, is_changed, .. } = source;
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
