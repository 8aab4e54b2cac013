//! What was kept in a former life of the bot, taken up source by source when they are heard of again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use grafoleancollector::Timestamp;

use super::kept::{Key, Part};
use super::room::{Limits, Room};
use super::source::Source;
use super::stream::{Budget, TEMPLATE_LIFE, later, seconds};
use crate::flow::Ip;

/// What was kept of all streams. All decoders of a bot share it: each takes up what is of the sources that it hears,
/// so that none holds, or removes, what another one uses.
///
/// ```
/// use std::sync::Arc;
/// use grafolean_netflow_bot::Ip;
/// use grafolean_netflow_bot::decode::{Decoder, Kept};
/// use grafoleancollector::Timestamp;
///
/// let now = Timestamp::from_secs(1_700_000_000);
/// let (kept, unusable) = Kept::read([(&b"what is this"[..], &b""[..])], now);
/// assert_eq!((unusable.unreadable.len(), unusable.too_old.len()), (1, 0));
/// let decoder = Decoder::new(Arc::default()).with_kept(Arc::new(kept));
/// ```
#[derive(Debug, Default)]
pub struct Kept {
    sources: HashMap<Ip, Vec<Entry>>,
    read: Option<Timestamp>,
}

type Entry = (Key, Box<[u8]>);

/// Keys of what cannot be used: they may be removed from what is kept.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Unusable {
    /// Another version of the bot may have written it, or a bad disk.
    pub unreadable: Vec<Vec<u8>>,
    /// Nothing has come from there for so long that it is not to be believed any more.
    pub too_old: Vec<Vec<u8>>,
}

impl Kept {
    /// Reads what was kept: keys and values, as [`Decoder::changes`](super::Decoder::changes) gave them.
    pub fn read<'a>(
        kept: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
        now: Timestamp,
    ) -> (Self, Unusable) {
        let mut unusable = Unusable::default();
        let mut all = Vec::new();
        // Options are written when they change: it is their stream that must be young.
        let mut latest: HashMap<_, Timestamp> = HashMap::new();
        for (bytes, value) in kept {
            let Some((key, (last, part))) = Key::read(bytes).and_then(|key| Some((key, key.part(value)?)))
            else {
                unusable.unreadable.push(bytes.to_vec());
                continue;
            };
            let of_stream = latest.entry((key.version, key.address, key.domain)).or_insert(last);
            *of_stream = last.max(*of_stream);
            let own = matches!(part, Part::Template(..)).then_some(last);
            all.push((bytes, key, value, own));
        }
        let mut sources: HashMap<_, Vec<Entry>> = HashMap::new();
        for (bytes, key, value, own) in all {
            let last = own.or_else(|| latest.get(&(key.version, key.address, key.domain)).copied());
            if last.is_some_and(|last| seconds(now, last) > TEMPLATE_LIFE) {
                unusable.too_old.push(bytes.to_vec());
            } else {
                sources.entry(key.address).or_default().push((key, value.into()));
            }
        }
        sources.values_mut().for_each(|entries| entries.sort_unstable());
        (Self { sources, read: Some(now) }, unusable)
    }
}

/// What one decoder has taken of it.
#[derive(Debug, Default)]
pub(super) struct Taking {
    kept: Arc<Kept>,
    /// Sources that have theirs: what they said later is not undone.
    taken: HashSet<Ip>,
    /// Microseconds by which the clock has leapt since.
    leapt: i64,
}

impl Taking {
    pub(super) fn from(kept: Arc<Kept>) -> Self {
        Self { kept, taken: HashSet::new(), leapt: 0 }
    }

    /// Gives a source that is heard of for the first time what was kept of it, as far as there is room.
    pub(super) fn give(&mut self, source: &mut Source, now: Timestamp, room: &mut Room, limits: &Limits) {
        let Some(entries) = self.kept.sources.get(&source.address) else { return };
        if !self.taken.insert(source.address) {
            return;
        }
        for (key, value) in entries {
            let Some((last, part)) = key.part(value) else { continue };
            let last = later(last, self.leapt);
            let Some(at) = source.open(key.version, key.domain, last, room, limits) else { continue };
            let Source { books, share, streams, .. } = source;
            let Some(stream) = streams.get_mut(at) else { continue };
            let mut budget = Budget { share, room: &mut *room, limits, books };
            match part {
                Part::Template(id, mut template) => {
                    template.leap(self.leapt);
                    if !template.is_expired(now) {
                        // Where there is no room, it stays where it is kept.
                        let _ = stream.put(id, *template, &mut budget);
                    }
                }
                Part::Options(options) => options.put(stream, &mut budget),
                Part::Sequence(sequence) => stream.sequence = sequence,
            }
        }
    }

    pub(super) fn leap(&mut self, by: i64) {
        self.leapt = self.leapt.saturating_add(by);
    }

    /// Lets go of what is too old to be taken by anybody.
    pub(super) fn expire(&mut self, now: Timestamp) {
        if self.kept.read.is_some_and(|read| seconds(now, later(read, self.leapt)) > TEMPLATE_LIFE) {
            *self = Self::default();
        }
    }
}
