//! How much may be remembered of exporters, and how much is.

/// How much a decoder remembers at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Sources that no entity names.
    pub unknown_sources: usize,
    /// Streams (versions and observation domains) of one source.
    pub streams: usize,
    /// The same of one that no entity names.
    pub streams_of_unknown: usize,
    /// Interfaces of one stream whose names are remembered.
    pub names: usize,
    /// The same where no entity names the exporter: nobody asks for them.
    pub names_of_unknown: usize,
    /// Sources that are known only because their packets name an exporter that an entity has. Anybody can say so.
    pub known_by_name: usize,
    /// Templates of one stream.
    pub templates: usize,
    /// Bytes of streams, templates, waiting sets and options of one source.
    pub bytes_per_source: usize,
    /// Such bytes of all sources that no entity names.
    pub bytes_of_unknown: usize,
    /// Such bytes of all sources.
    pub bytes: usize,
    /// Data sets of one stream that wait for their template.
    pub waiting_sets: usize,
    /// Their bytes.
    pub waiting_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A flood of spoofed sources fills this, and takes some 10 MB.
            unknown_sources: 4_096,
            // A chassis has one per line card.
            streams: 64,
            streams_of_unknown: 4,
            names: 1_024,
            names_of_unknown: 0,
            known_by_name: 256,
            // The most that was seen of real exporters is some hundreds.
            templates: 1_024,
            bytes_per_source: 4 << 20,
            bytes_of_unknown: 32 << 20,
            bytes: 128 << 20,
            waiting_sets: 256,
            waiting_bytes: 256 << 10,
        }
    }
}

impl Limits {
    /// For somebody who looks at a few exporters: each may have what otherwise only those have that entities name.
    #[must_use]
    pub fn of_few() -> Self {
        let limits = Self::default();
        Self { streams_of_unknown: limits.streams, names_of_unknown: limits.names, ..limits }
    }

    pub(super) const fn streams_of(&self, share: &Share) -> usize {
        if share.is_known { self.streams } else { self.streams_of_unknown }
    }

    pub(super) const fn names_of(&self, share: &Share) -> usize {
        if share.is_known { self.names } else { self.names_of_unknown }
    }
}

/// The bytes that are taken.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Room {
    pub(super) unknown: usize,
    pub(super) all: usize,
}

/// The bytes that one source has taken.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Share {
    pub(super) is_known: bool,
    pub(super) bytes: usize,
}

impl Share {
    /// Takes bytes, if there is room.
    pub(super) fn take(&mut self, bytes: usize, room: &mut Room, limits: &Limits) -> bool {
        let fits = self.bytes + bytes <= limits.bytes_per_source
            && room.all + bytes <= limits.bytes
            && (self.is_known || room.unknown + bytes <= limits.bytes_of_unknown);
        if fits {
            self.add(bytes, room);
        }
        fits
    }

    /// Takes a stream's bytes, if there is room: of a known exporter's there always is, as long as it has not too many.
    pub(super) fn take_stream(&mut self, bytes: usize, room: &mut Room, limits: &Limits) -> bool {
        if self.is_known {
            self.add(bytes, room);
            return true;
        }
        self.take(bytes, room, limits)
    }

    fn add(&mut self, bytes: usize, room: &mut Room) {
        self.bytes += bytes;
        room.all += bytes;
        if !self.is_known {
            room.unknown += bytes;
        }
    }

    pub(super) fn give(&mut self, bytes: usize, room: &mut Room) {
        self.bytes = self.bytes.saturating_sub(bytes);
        room.all = room.all.saturating_sub(bytes);
        if !self.is_known {
            room.unknown = room.unknown.saturating_sub(bytes);
        }
    }

    pub(super) fn give_all(&mut self, room: &mut Room) {
        self.give(self.bytes, room);
    }

    /// An entity names it, or does not any more.
    pub(super) fn set_known(&mut self, is_known: bool, room: &mut Room) {
        match (self.is_known, is_known) {
            (false, true) => room.unknown = room.unknown.saturating_sub(self.bytes),
            (true, false) => room.unknown += self.bytes,
            _ => {}
        }
        self.is_known = is_known;
    }
}
