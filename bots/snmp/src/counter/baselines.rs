//! The last readings of all counters: in memory, bounded, and fit to be kept on disk.

use std::collections::HashMap;

use grafoleancollector::EntityId;

use super::codec::{decode_key, decode_rows, encode_key, encode_rows};
use super::{Baseline, Reading, Step, Terms, oldest, step};
use crate::oid::Oid;
use crate::poll::Index;

/// Whose counters, of which column or object, and for sensors of which interval.
///
/// Sensors of different intervals have a baseline each: else the one that is read more often would cut the
/// other's averages short.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SeriesKey {
    pub(crate) entity: EntityId,
    /// Seconds.
    pub(crate) every: u32,
    /// A column, or one object: then the only index is the empty one.
    pub(crate) oid: Oid,
}

/// The baselines of all counters of all entities.
#[derive(Debug)]
pub(crate) struct Baselines {
    series: HashMap<SeriesKey, Series>,
    rows: usize,
    most_rows: usize,
    /// Readings that there was no room for.
    dropped: u64,
    /// Series that the store does not hold as they are, each once; those that are gone as well.
    changed: Vec<SeriesKey>,
}

#[derive(Default, Debug)]
struct Series {
    rows: Vec<(Index, Baseline)>,
    /// When it was last advanced.
    at: i64,
    unsaved: bool,
    /// Whether some rows may be from another life of this process.
    restored: bool,
}

/// What a store is to write: a value at a key, or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

impl Baselines {
    /// Twenty interfaces with ten counters each of 10,000 devices. A million take 110 MB, as tables of 24 rows.
    pub(crate) const DEFAULT_MOST_ROWS: usize = 2_000_000;

    pub(crate) fn new(most_rows: usize) -> Self {
        Self { series: HashMap::new(), rows: 0, most_rows, dropped: 0, changed: Vec::new() }
    }

    /// Takes in what a store held, as far as there is room. What is damaged or from another version is left out:
    /// these are its keys, to be removed.
    pub(crate) fn restore<'a>(
        &mut self,
        stored: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Vec<&'a [u8]> {
        let mut unreadable = Vec::new();
        for (stored_key, value) in stored {
            let (Some(key), Some(rows)) = (decode_key(stored_key), decode_rows(value)) else {
                unreadable.push(stored_key);
                continue;
            };
            if rows.len() > self.most_rows.saturating_sub(self.rows) {
                self.dropped += rows.len() as u64;
                self.changed.push(key);
                continue;
            }
            let at = rows.iter().map(|(_, baseline)| baseline.reading.at).max().unwrap_or_default();
            self.remove(&key);
            self.rows += rows.len();
            self.series.insert(key, Series { rows, at, unsaved: false, restored: true });
        }
        unreadable
    }

    /// How many counters are remembered.
    pub(crate) const fn len(&self) -> usize {
        self.rows
    }

    /// How many may be.
    pub(crate) const fn most(&self) -> usize {
        self.most_rows
    }

    /// How many readings were not remembered, because there was no room.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Compares `readings`, sorted by index, with the last ones, and remembers them: whatever comes of the
    /// comparison, if there is enough time in between, and room. `whole` says that these are all rows that there
    /// are: the others are forgotten. `mixed` says that the device restarted while they were read: then nobody knows
    /// which are from before, so there is nothing to compare, nor to remember.
    ///
    /// The same readings may come again, for another sensor: that gives the same rates.
    pub(crate) fn advance(
        &mut self,
        key: &SeriesKey,
        readings: &[(&[u32], Reading)],
        whole: bool,
        mixed: bool,
    ) -> Vec<Step> {
        let Some(now) = readings.iter().map(|(_, reading)| reading.at).max() else { return Vec::new() };
        if mixed {
            self.remove(key);
            return vec![Step::Reset; readings.len()];
        }
        // What is known goes before what is new: else, of more counters than there is room for, each would be
        // forgotten before it is read again, and none would have a rate.
        let mut room = self.most_rows.saturating_sub(self.rows);
        let series = match self.series.get_mut(key) {
            Some(series) => series,
            None if room == 0 => {
                self.dropped += readings.len() as u64;
                return vec![Step::NoRoom; readings.len()];
            }
            None => self.series.entry(key.clone()).or_default(),
        };
        let rows_before = series.rows.len();
        let terms = Terms::new(key.every, series.restored);
        // New readings overwrite the old ones in place as long as the rows are the same, as they nearly always
        // are.
        let same = rows_before == readings.len()
            && series.rows.iter().zip(readings).all(|((old, _), (new, _))| **old == **new);
        let steps: Vec<Step> = if same {
            let pairs = series.rows.iter_mut().zip(readings);
            pairs.map(|((_, baseline), (_, reading))| baseline.advance(*reading, &terms)).collect()
        } else {
            // What was not read this time would else stay among the new ones, as if it were of this life.
            series.merge(readings, whole || series.restored, &terms, &mut room)
        };
        if !series.unsaved {
            self.changed.push(key.clone());
        }
        (series.at, series.unsaved) = (now, true);
        series.restored = series.restored && steps.contains(&Step::TooSoon);
        self.rows = self.rows - rows_before + series.rows.len();
        if room == 0 {
            self.dropped += steps.iter().filter(|step| **step == Step::NoRoom).count() as u64;
        }
        steps
    }

    /// Forgets what is too old, at this moment, to be compared with anything.
    pub(crate) fn forget_old(&mut self, now: i64) {
        // What is from the future is no better: the time of day was wrong when it was stored.
        let old = |key: &SeriesKey, at: i64| now.abs_diff(at) > oldest(key.every).unsigned_abs();
        self.forget(|key, series| old(key, series.at));
    }

    /// Forgets all of an entity: its counters are those of another device from now on.
    pub(crate) fn forget_entity(&mut self, entity: EntityId) {
        self.forget(|key, _| key.entity == entity);
    }

    /// One of the things that have changed since it was last taken.
    pub(crate) fn take_change(&mut self) -> Option<Change> {
        let key = self.changed.pop()?;
        let value = self.series.get_mut(&key).map(|series| {
            series.unsaved = false;
            encode_rows(&series.rows)
        });
        Some(Change { key: encode_key(&key), value })
    }

    fn forget(&mut self, which: impl Fn(&SeriesKey, &Series) -> bool) {
        let found = self.series.iter().filter(|(key, series)| which(key, series));
        let keys: Vec<SeriesKey> = found.map(|(key, _)| key.clone()).collect();
        keys.iter().for_each(|key| self.remove(key));
    }

    fn remove(&mut self, key: &SeriesKey) {
        let Some(series) = self.series.remove(key) else { return };
        self.rows -= series.rows.len();
        // One that is unsaved is among the changed already.
        if !series.unsaved {
            self.changed.push(key.clone());
        }
    }
}

impl Series {
    /// Advances rows that are there, and adds others as far as there is room.
    fn merge(
        &mut self,
        readings: &[(&[u32], Reading)],
        whole: bool,
        terms: &Terms,
        room: &mut usize,
    ) -> Vec<Step> {
        let mut steps = Vec::with_capacity(readings.len());
        let old = std::mem::take(&mut self.rows);
        self.rows.reserve_exact(readings.len().min(old.len() + *room));
        let mut old = old.into_iter().peekable();
        for (index, reading) in readings {
            while let Some(absent) = old.next_if(|(other, _)| **other < **index) {
                self.rows.extend((!whole).then_some(absent));
            }
            if let Some((index, mut baseline)) = old.next_if(|(other, _)| **other == **index) {
                steps.push(baseline.advance(*reading, terms));
                self.rows.push((index, baseline));
            } else if *room > 0 {
                *room -= 1;
                steps.push(Step::First);
                self.rows.push(((*index).into(), Baseline { reading: *reading, step: Step::First }));
            } else {
                steps.push(Step::NoRoom);
            }
        }
        self.rows.extend(old.filter(|_| !whole));
        steps
    }
}

impl Baseline {
    fn advance(&mut self, now: Reading, terms: &Terms) -> Step {
        if self.reading == now {
            return self.step;
        }
        let step = step(self, &now, terms);
        if step != Step::TooSoon {
            *self = Self { reading: now, step };
        }
        step
    }
}

#[cfg(test)]
mod tests;
