//! The last readings of all counters: in memory, bounded, and fit to be kept on disk.

use std::collections::HashMap;

use grafoleancollector::EntityId;

use super::codec::{decode_key, decode_rows, encode_key, encode_rows};
use super::{Baseline, Reading, Step, oldest, step};
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
    /// Series that the store does not hold as they are, each once; those that are gone as well.
    changed: Vec<SeriesKey>,
}

#[derive(Default, Debug)]
struct Series {
    rows: Vec<(Index, Baseline)>,
    /// When it was last advanced.
    at: i64,
    unsaved: bool,
}

/// What a store is to write: a value at a key, or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

impl Baselines {
    /// A million rows take some 100 MB.
    pub(crate) const DEFAULT_MOST_ROWS: usize = 1_000_000;

    pub(crate) fn new(most_rows: usize) -> Self {
        Self { series: HashMap::new(), rows: 0, most_rows, changed: Vec::new() }
    }

    /// Takes in what a store held. What is damaged or from another version is left out: these are its keys, to be
    /// removed.
    pub(crate) fn restore<'a>(
        &mut self,
        stored: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Vec<&'a [u8]> {
        let mut unreadable = Vec::new();
        for (stored_key, value) in stored {
            match (decode_key(stored_key), decode_rows(value)) {
                (Some(key), Some(rows)) => {
                    let at = rows.iter().map(|(_, baseline)| baseline.reading.at).max().unwrap_or_default();
                    self.put(key, Series { rows, at, unsaved: false });
                }
                _ => unreadable.push(stored_key),
            }
        }
        unreadable
    }

    /// How many counters are remembered.
    pub(crate) const fn len(&self) -> usize {
        self.rows
    }

    /// Compares `readings`, sorted by index, with the last ones, and remembers them: whatever comes of the
    /// comparison. `whole` says that these are all rows that there are: the others are forgotten. `mixed` says
    /// that the device restarted while they were read: then there is nothing to compare.
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
        let oldest = oldest(key.every);
        let mut series = self.take(key).unwrap_or_default();
        // New readings overwrite the old ones in place as long as the rows are the same, as they nearly always
        // are.
        let same = series.rows.len() == readings.len()
            && series.rows.iter().zip(readings).all(|((old, _), (new, _))| **old == **new);
        let steps = if same {
            let pairs = series.rows.iter_mut().zip(readings);
            pairs.map(|((_, baseline), (_, reading))| baseline.advance(*reading, mixed, oldest)).collect()
        } else {
            series.merge(readings, whole, mixed, oldest)
        };
        if !series.unsaved {
            self.changed.push(key.clone());
        }
        (series.at, series.unsaved) = (now, true);
        self.put(key.clone(), series);
        steps
    }

    /// Forgets what is too old, at this moment, to be compared with anything.
    pub(crate) fn forget_old(&mut self, now: i64) {
        let old =
            self.series.iter().filter(|(key, series)| now.saturating_sub(series.at) > oldest(key.every));
        let old: Vec<SeriesKey> = old.map(|(key, _)| key.clone()).collect();
        self.remove(old);
    }

    /// What was changed since this was last called.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        let (series, changed) = (&mut self.series, self.changed.drain(..));
        let change = |key: SeriesKey| {
            let value = series.get_mut(&key).map(|series| {
                series.unsaved = false;
                encode_rows(&series.rows)
            });
            Change { key: encode_key(&key), value }
        };
        changed.map(change).collect()
    }

    fn take(&mut self, key: &SeriesKey) -> Option<Series> {
        let series = self.series.remove(key)?;
        self.rows -= series.rows.len();
        Some(series)
    }

    fn put(&mut self, key: SeriesKey, series: Series) {
        self.rows += series.rows.len();
        if let Some(replaced) = self.series.insert(key, series) {
            self.rows -= replaced.rows.len();
        }
        if self.rows > self.most_rows {
            self.forget_oldest();
        }
    }

    /// Forgets an eighth at once, so that the search for the oldest is rare.
    fn forget_oldest(&mut self) {
        let mut by_age: Vec<(i64, usize, &SeriesKey)> =
            self.series.iter().map(|(key, series)| (series.at, series.rows.len(), key)).collect();
        by_age.sort_unstable_by_key(|(at, ..)| *at);
        let enough = self.most_rows - self.most_rows / 8;
        let mut left = self.rows;
        let mut oldest = Vec::new();
        for (_, rows, key) in by_age {
            if left <= enough {
                break;
            }
            left -= rows;
            oldest.push(key.clone());
        }
        self.remove(oldest);
    }

    fn remove(&mut self, keys: Vec<SeriesKey>) {
        for key in keys {
            // One that is unsaved is among the changed already.
            if self.take(&key).is_some_and(|series| !series.unsaved) {
                self.changed.push(key);
            }
        }
    }
}

impl Series {
    fn merge(&mut self, readings: &[(&[u32], Reading)], whole: bool, mixed: bool, oldest: i64) -> Vec<Step> {
        let mut steps = Vec::with_capacity(readings.len());
        let mut old = std::mem::take(&mut self.rows).into_iter().peekable();
        for (index, reading) in readings {
            while let Some(absent) = old.next_if(|(other, _)| **other < **index) {
                self.rows.extend((!whole).then_some(absent));
            }
            let mut known = old.next_if(|(other, _)| **other == **index);
            let step = known.as_mut().map(|(_, baseline)| baseline.advance(*reading, mixed, oldest));
            let first = || ((*index).into(), Baseline { reading: *reading, rate: None });
            self.rows.push(known.unwrap_or_else(first));
            steps.push(step.unwrap_or(Step::First));
        }
        self.rows.extend(old.filter(|_| !whole));
        steps
    }
}

impl Baseline {
    fn advance(&mut self, now: Reading, mixed: bool, oldest: i64) -> Step {
        if self.reading == now {
            return self.rate.map_or(Step::First, Step::Rate);
        }
        let step = if mixed { Step::Reset } else { step(self, &now, oldest) };
        let rate = if let Step::Rate(rate) = step { Some(rate) } else { None };
        *self = Self { reading: now, rate };
        step
    }
}

#[cfg(test)]
mod tests;
