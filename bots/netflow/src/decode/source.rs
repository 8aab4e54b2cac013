//! What is remembered of one source of datagrams, and where it is found.

use std::collections::HashMap;
use std::sync::Arc;

use grafoleancollector::Timestamp;

use super::room::{Limits, Room, Share};
use super::stream::{STREAM_BYTES, Stream};
use crate::books::{ExporterBooks, Pending};
use crate::flow::{Ip, Version};

/// One source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) address: Ip,
    pub(super) books: Arc<ExporterBooks>,
    pub(super) share: Share,
    /// An exporter that an entity has, by whose name this source is known although no entity has its address.
    pub(super) named: Option<Ip>,
    pub(super) streams: Vec<Stream>,
    /// Which of them the last packet was of.
    last_stream: usize,
    pub(super) last: Timestamp,
    /// Sixteen times the smoothed skew of its clock, in milliseconds.
    skew: Option<i64>,
    /// Whether it is in the list of those whose streams have changed.
    pub(super) is_changed: bool,
    /// What is not in the books yet, of packets of that version.
    pending: Pending,
    version: Version,
    /// Whether it is in the list of those that have anything pending.
    pub(super) is_touched: bool,
}

impl Source {
    pub(super) fn new(books: Arc<ExporterBooks>, share: Share, now: Timestamp) -> Self {
        Self {
            address: books.address(),
            books,
            share,
            named: None,
            streams: Vec::new(),
            last_stream: 0,
            last: now,
            skew: None,
            is_changed: false,
            pending: Pending::default(),
            version: Version::V5,
            is_touched: false,
        }
    }

    #[inline]
    pub(super) fn position(&mut self, version: Version, domain: u32) -> Option<usize> {
        let is_it = |stream: &Stream| stream.domain == domain && stream.version == version;
        if !self.streams.get(self.last_stream).is_some_and(is_it) {
            self.last_stream = self.streams.iter().position(is_it)?;
        }
        Some(self.last_stream)
    }

    /// The place of a stream, which is made if there is none. None: there is no room for it.
    pub(super) fn open(
        &mut self,
        version: Version,
        domain: u32,
        now: Timestamp,
        room: &mut Room,
        limits: &Limits,
    ) -> Option<usize> {
        if let Some(at) = self.position(version, domain) {
            return Some(at);
        }
        if self.streams.len() >= limits.streams_of(&self.share)
            || !self.share.take_stream(STREAM_BYTES, room, limits)
        {
            return None;
        }
        self.books.streams.add(1);
        self.streams.push(Stream::new(version, domain, now));
        Some(self.streams.len() - 1)
    }

    /// Where packets of that version are counted.
    #[inline]
    pub(super) fn pending(&mut self, version: Version) -> &mut Pending {
        if version != self.version {
            self.books.settle(self.version, &mut self.pending);
            self.version = version;
        }
        &mut self.pending
    }

    /// Follows the exporter's clock.
    #[inline]
    pub(super) fn clock(&mut self, export: i64, received: Timestamp) {
        let skew = received.as_millis().saturating_sub(export);
        self.skew = Some(match self.skew {
            // So many that a clock which is set is noticed within some packets.
            Some(smoothed) => smoothed + skew - smoothed / 16,
            None => skew.saturating_mul(16),
        });
    }

    /// Writes into the books what they do not have yet.
    pub(super) fn settle(&mut self) {
        self.is_touched = false;
        self.books.settle(self.version, &mut self.pending);
        self.books.seen(self.last);
        if let Some(skew) = self.skew {
            self.books.set_skew_ms(skew / 16);
        }
    }
}

/// Since when anything waits in any of them.
pub(super) fn waiting_since(streams: &[Stream]) -> Option<Timestamp> {
    streams.iter().filter_map(Stream::waiting_since).min()
}

/// Places that are tried before the map is asked: more than most bots have exporters.
const RECENT: usize = 256;

/// All sources of a decoder.
#[derive(Debug)]
pub(super) struct Sources {
    list: Vec<Source>,
    places: HashMap<Ip, usize>,
    /// By some bits of the address, where a source with such bits was found last; checked before it is believed.
    recent: Box<[usize; RECENT]>,
}

impl Default for Sources {
    fn default() -> Self {
        Self { list: Vec::new(), places: HashMap::new(), recent: Box::new([0; RECENT]) }
    }
}

impl Sources {
    /// Where a source is, until one is forgotten.
    #[inline]
    pub(super) fn place(&mut self, address: Ip) -> Option<usize> {
        let [.., a, b] = address.low.to_be_bytes();
        let recent = &mut self.recent[usize::from(a ^ b)];
        if self.list.get(*recent).is_none_or(|source| source.address != address) {
            *recent = *self.places.get(&address)?;
        }
        Some(*recent)
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Source> {
        self.list.get_mut(place)
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn insert(&mut self, source: Source) -> usize {
        let place = self.list.len();
        self.places.insert(source.address, place);
        self.list.push(source);
        place
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Source> {
        self.list.iter_mut()
    }

    /// Forgets some of them: all places are others then.
    pub(super) fn retain(&mut self, which: impl FnMut(&mut Source) -> bool) {
        let before = self.list.len();
        self.list.retain_mut(which);
        if self.list.len() < before {
            self.places =
                self.list.iter().enumerate().map(|(place, source)| (source.address, place)).collect();
        }
    }
}
