//! How much may be remembered of exporters, and how much is.

/// How much a decoder remembers at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Sources that no entity names.
    pub unknown_sources: usize,
    /// Streams (versions and observation domains) of one source.
    pub streams: usize,
    /// Templates of one stream.
    pub templates: usize,
    /// Bytes of templates, waiting sets and options of one source.
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
            self.bytes += bytes;
            room.all += bytes;
            if !self.is_known {
                room.unknown += bytes;
            }
        }
        fits
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
