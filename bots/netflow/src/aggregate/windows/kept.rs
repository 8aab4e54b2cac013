//! What is handed out to be kept, and taken up again.

use grafoleancollector::Timestamp;

use super::super::bytes::Reader;
use super::super::keep::{Kept, VERSION};
use super::super::report_codec::{put_exporter_key, take_exporter_key};
use super::{Derived, Level, Long, MOST_SENDERS, Store, Windows, place};

const ENDED: u8 = 0;
const SENDERS: u8 = 1;
const LONG: u8 = 2;
const MINUTE: u8 = 3;
const SLICE: u8 = 4;

/// What a key names. Keys sort in the order in which they are to be written: a longer window before what it replaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Name {
    /// When the last closed minute ended.
    Ended,
    Senders,
    Slice(u64),
    Minute(u64),
    Long(Level),
}

impl Name {
    fn key(self) -> Vec<u8> {
        let mut key = vec![VERSION];
        match self {
            Self::Ended => key.push(ENDED),
            Self::Senders => key.push(SENDERS),
            Self::Slice(number) => {
                key.push(SLICE);
                key.extend(number.to_be_bytes());
            }
            Self::Minute(number) => {
                key.push(MINUTE);
                key.extend(number.to_be_bytes());
            }
            Self::Long(level) => key.extend([LONG, u8::MAX - level.code()]),
        }
        key
    }

    fn from_key(key: &[u8]) -> Option<Self> {
        let mut from = Reader(key.strip_prefix(&[VERSION])?);
        let name = match from.byte()? {
            ENDED => Self::Ended,
            SENDERS => Self::Senders,
            SLICE => Self::Slice(u64::from_be_bytes(from.array()?)),
            MINUTE => Self::Minute(u64::from_be_bytes(from.array()?)),
            LONG => {
                Self::Long(Level::from_code(u8::MAX - from.byte()?).filter(|level| *level >= Level::Hour)?)
            }
            _ => return None,
        };
        from.is_done().then_some(name)
    }
}

impl Windows {
    /// What changed since the last call, to be kept: a key with its bytes, or without when it is to be removed. To be
    /// written in this order, after the reports that were closed before: then a kill at any moment skips no window.
    pub fn changes(&mut self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let (puts, removals): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.changes).into_iter().partition(|(_, value)| value.is_some());
        // What is new comes first: whoever reads half of it finds things twice rather than not at all.
        puts.into_iter().chain(removals).collect()
    }

    pub(super) fn keep_slice(&mut self, number: u64, written: Vec<u8>) {
        self.kept_slices.push(number);
        self.changes.insert(Name::Slice(number).key(), Some(written));
    }

    pub(super) fn keep_senders(&mut self) {
        let mut written = vec![VERSION];
        for (sender, last) in &self.senders {
            put_exporter_key(&mut written, sender);
            written.extend(last.as_micros().to_le_bytes());
        }
        self.changes.insert(Name::Senders.key(), Some(written));
    }

    /// After a window was closed into the next.
    pub(super) fn keep_closed(&mut self, level: Level, mut window: Kept) {
        match level {
            Level::Minute => {
                let number = window.covers;
                let ended = Level::Minute.end(window.begin).as_micros().to_le_bytes();
                self.changes.insert(Name::Ended.key(), Some([&[VERSION], ended.as_slice()].concat()));
                let written = window.encode(self.options.kept_minute_bytes);
                window.store.clear();
                self.spare = Some(window.store);
                self.kept_minutes.push(number);
                self.changes.insert(Name::Minute(number).key(), Some(written));
                for slice in std::mem::take(&mut self.kept_slices) {
                    self.changes.insert(Name::Slice(slice).key(), None);
                }
            }
            Level::QuarterHour => {
                self.keep_long(Level::Hour);
                for minute in std::mem::take(&mut self.kept_minutes) {
                    self.changes.insert(Name::Minute(minute).key(), None);
                }
            }
            long => {
                if let Some(longer) = long.longer() {
                    self.keep_long(longer);
                }
                self.keep_long(long);
                if long == Level::Day && self.long[place(long)].is_none() {
                    // Nothing goes on in a longer window; so this says up to where all is told.
                    let end = Kept { store: Store::new(0), ..window };
                    self.changes.insert(Name::Long(Level::Day).key(), Some(end.written()));
                }
            }
        }
    }

    fn keep_long(&mut self, level: Level) {
        let written = self.long[place(level)].as_ref().map(|window| window.written.clone());
        self.changes.insert(Name::Long(level).key(), written);
    }

    /// Takes up what was kept, in any order; to be called before anything is merged. Returns the keys that cannot be
    /// read, and are of no use any more.
    pub fn restore<'a>(&mut self, kept: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Vec<Vec<u8>> {
        let mut unreadable = Vec::new();
        let mut found = Vec::new();
        for (key, value) in kept {
            match Name::from_key(key) {
                Some(name) => found.push((name, value)),
                None => unreadable.push(key.to_vec()),
            }
        }
        // Senders and the end of the last minute first, then the longest windows, then minutes and slices in their order.
        found.sort_unstable_by_key(|(name, _)| name.key());
        for (name, value) in found {
            let read = match name {
                Name::Ended => self.restore_ended(value),
                Name::Senders => self.restore_senders(value),
                Name::Long(_) | Name::Minute(_) | Name::Slice(_) => self.restore_window(name, value),
            };
            if read.is_none() {
                unreadable.push(name.key());
            }
        }
        unreadable
    }

    fn restore_ended(&mut self, value: &[u8]) -> Option<()> {
        let mut from = Reader(value.strip_prefix(&[VERSION])?);
        let ended = i64::from_le_bytes(from.array()?);
        from.is_done().then(|| self.after = Some(Timestamp::from_micros(ended)))
    }

    fn restore_senders(&mut self, value: &[u8]) -> Option<()> {
        let mut from = Reader(value.strip_prefix(&[VERSION])?);
        let mut senders = Vec::new();
        while !from.is_done() {
            let sender = take_exporter_key(&mut from)?;
            senders.push((sender, Timestamp::from_micros(i64::from_le_bytes(from.array()?))));
        }
        self.senders.extend(senders.into_iter().take(MOST_SENDERS));
        Some(())
    }

    fn restore_window(&mut self, name: Name, value: &[u8]) -> Option<()> {
        let window = Kept::decode(value, usize::MAX)?;
        if window.covers <= self.last_slice {
            // A longer window has it already: the bot was killed before it was removed.
            self.changes.insert(name.key(), None);
            return Some(());
        }
        self.last_slice = window.covers;
        match name {
            Name::Ended | Name::Senders => {}
            // All of it was told.
            Name::Long(_) if window.store.is_empty() => {}
            Name::Long(level) => {
                self.long[place(level)] = Some(Long { begin: window.begin, written: value.to_vec() });
            }
            Name::Minute(number) => {
                self.after = Some(Level::Minute.end(window.begin));
                self.remember_senders(&window.store, window.begin);
                self.kept_minutes.push(number);
                self.fold(Level::QuarterHour, Level::Minute, &window);
            }
            Name::Slice(number) => {
                self.kept_slices.push(number);
                let minute = self.open_minute_at(window.begin);
                minute.covers = number;
                minute.store.absorb(&window.store, Derived::Stays);
            }
        }
        Some(())
    }
}
