//! When a job is due: pure arithmetic on a grid of time.
//!
//! Every job has a phase and one or more intervals. Interval `i` ticks at `phase + k·i`; ticks of several
//! intervals that fall on the same moment make one run. Without an [`Anchor`] the grid begins at the epoch and
//! the phase is a hash of the job's id, so that jobs spread evenly and keep their phase across restarts.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::clock::Timestamp;

/// How often something is measured: whole seconds, at least one.
///
/// ```
/// use grafoleancollector::Interval;
/// let minute = Interval::from_secs(60)?;
/// assert_eq!(minute.as_secs(), 60);
/// assert!(Interval::from_secs(0).is_err());
/// # Ok::<(), grafoleancollector::IntervalError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Interval(u32);

/// An interval that cannot be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntervalError {
    /// Zero seconds.
    #[error("an interval of 0 s: expected whole seconds from 1")]
    Zero,
    /// No whole number.
    #[error("no whole number of seconds: expected 1 to {}", u32::MAX)]
    NotANumber,
    /// Longer than this crate plans: 2^32 seconds are 136 years.
    #[error("an interval above {} s: expected whole seconds from 1 to {}", u32::MAX, u32::MAX)]
    TooLong,
}

impl Interval {
    /// An interval of whole seconds.
    ///
    /// # Errors
    /// When `seconds` is 0 or above 2^32 − 1.
    pub fn from_secs(seconds: u64) -> Result<Self, IntervalError> {
        match u32::try_from(seconds) {
            Ok(0) => Err(IntervalError::Zero),
            Ok(seconds) => Ok(Self(seconds)),
            Err(_) => Err(IntervalError::TooLong),
        }
    }

    /// Whole seconds.
    #[must_use]
    pub const fn as_secs(self) -> u32 {
        self.0
    }

    /// The same as a [`Duration`].
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }

    pub(crate) const fn as_millis(self) -> i64 {
        self.0 as i64 * 1_000
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

impl FromStr for Interval {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim().parse().map_err(|_| IntervalError::NotANumber).and_then(Self::from_secs)
    }
}

/// Fixes a job's grid: its intervals tick at `anchor + k·interval`, and nothing runs before the anchor.
///
/// A job without an anchor also gets one early run soon after it is first seen, with all its intervals; a job
/// with an anchor does not. Take one where runs must follow each other in a set order, as aggregations do.
///
/// ```
/// use grafoleancollector::{Anchor, Timestamp};
/// let on_the_quarter_hour = Anchor::at(Timestamp::from_secs(15 * 60));
/// assert_eq!(on_the_quarter_hour, Anchor::epoch_plus(std::time::Duration::from_secs(900)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Anchor(Timestamp);

impl Anchor {
    /// Ticks count from `moment`.
    #[must_use]
    pub const fn at(moment: Timestamp) -> Self {
        Self(moment)
    }

    /// Ticks count from `offset` after the epoch: aligned to the clock on the wall.
    #[must_use]
    pub fn epoch_plus(offset: Duration) -> Self {
        Self(Timestamp::from_secs(0).plus(offset))
    }
}

/// The moments at which a job's intervals tick, in milliseconds since the epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Grid {
    phase: i64,
    /// Nothing ticks before it: the anchor, where there is one.
    begin: i64,
    intervals: IntervalSet,
}

/// A job's intervals: sorted, unique, at least one. A set of them is a [`Ticks`] mask over this order.
pub(crate) type IntervalSet = Box<[Interval]>;

/// How many different intervals one job may have: one bit each in [`Ticks`].
pub(crate) const MAX_INTERVALS: usize = 64;

/// Which of a job's intervals are meant, one bit each, in the job's order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Ticks(u64);

impl Ticks {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn count(self) -> u64 {
        self.0.count_ones().into()
    }

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn contains(self, index: usize) -> bool {
        index < MAX_INTERVALS && self.0 >> index & 1 == 1
    }

    fn insert(&mut self, index: usize) {
        self.0 |= 1 << index;
    }
}

impl Grid {
    /// The grid of a job: on its anchor, or spread over its shortest interval by its id.
    pub(crate) fn new(id: &str, intervals: IntervalSet, anchor: Option<Anchor>) -> Self {
        let anchor = anchor.map(|Anchor(moment)| moment.as_millis());
        let spread = || spread(id, intervals.first().map_or(1, |shortest| shortest.as_millis()));
        let phase = anchor.unwrap_or_else(spread);
        Self { phase, begin: anchor.unwrap_or(i64::MIN), intervals }
    }

    pub(crate) fn intervals(&self) -> &IntervalSet {
        &self.intervals
    }

    /// The shortest interval, in milliseconds.
    pub(crate) fn shortest(&self) -> i64 {
        self.intervals.first().map_or(i64::MAX, |interval| interval.as_millis())
    }

    /// The first moment after `now` at which an interval ticks.
    pub(crate) fn next_after(&self, now: i64) -> i64 {
        if now < self.begin {
            return self.begin;
        }
        let next = |interval: &Interval| {
            let step = interval.as_millis();
            let behind = (now - self.phase).rem_euclid(step);
            now - behind + step
        };
        self.intervals.iter().map(next).min().unwrap_or(i64::MAX)
    }

    /// The intervals that tick at exactly `moment`.
    #[cfg(test)]
    fn ticks_at(&self, moment: i64) -> Ticks {
        let mut ticks = Ticks::NONE;
        for (index, interval) in self.intervals.iter().enumerate() {
            if (moment - self.phase).rem_euclid(interval.as_millis()) == 0 {
                ticks.insert(index);
            }
        }
        ticks
    }

    /// The intervals that tick in `(after, until]`, and how many ticks these are.
    pub(crate) fn ticks_between(&self, after: i64, until: i64) -> (Ticks, u64) {
        let (mut ticks, mut count) = (Ticks::NONE, 0);
        let after = after.max(self.begin.saturating_sub(1));
        for (index, interval) in self.intervals.iter().enumerate() {
            let step = interval.as_millis();
            let number = |moment: i64| (moment - self.phase).div_euclid(step);
            let passed = number(until) - number(after);
            if passed > 0 {
                ticks.insert(index);
                count += passed.unsigned_abs();
            }
        }
        (ticks, count)
    }

    pub(crate) fn all(&self) -> Ticks {
        let mut ticks = Ticks::NONE;
        (0..self.intervals.len()).for_each(|index| ticks.insert(index));
        ticks
    }

    /// The same intervals in `other`'s order; those that `other` does not have are gone.
    pub(crate) fn translate(&self, ticks: Ticks, other: &Self) -> Ticks {
        let mut translated = Ticks::NONE;
        for (index, interval) in self.intervals.iter().enumerate() {
            if ticks.contains(index)
                && let Ok(there) = other.intervals.binary_search(interval)
            {
                translated.insert(there);
            }
        }
        translated
    }
}

/// A number below `range` that depends on `id` alone: the same after a restart, on every machine.
pub(crate) fn spread(id: &str, range: i64) -> i64 {
    // FNV-1a, then a finaliser (the low bits of FNV are poor). Not `DefaultHasher`: its result may change
    // with the compiler.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in id.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    // The upper half of a 128-bit product is below `range` without the bias of a remainder.
    let scaled = (u128::from(hash) * u128::from(range.unsigned_abs())) >> 64;
    i64::try_from(scaled).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_ticks_before_the_anchor() {
        let grid = grid(&[60], 600_000);
        assert_eq!(grid.next_after(0), 600_000);
        assert_eq!(grid.ticks_between(0, 599_999), (Ticks::NONE, 0));
        assert_eq!(grid.ticks_between(0, 660_000), (Ticks(1), 2));
    }

    fn grid(secs: &[u64], anchor_ms: i64) -> Grid {
        let mut intervals: Vec<_> = secs.iter().map(|s| Interval::from_secs(*s).unwrap()).collect();
        intervals.sort();
        intervals.dedup();
        let anchor = Anchor::at(Timestamp::from_micros(anchor_ms * 1_000));
        Grid::new("job", intervals.into(), Some(anchor))
    }

    #[test]
    fn coinciding_intervals_tick_together() {
        let grid = grid(&[30, 60], 0);
        assert_eq!(grid.next_after(0), 30_000);
        assert_eq!(grid.ticks_at(30_000), Ticks(0b01));
        assert_eq!(grid.next_after(30_000), 60_000);
        assert_eq!(grid.ticks_at(60_000), Ticks(0b11));
    }

    #[test]
    fn ids_spread_evenly_over_the_shortest_interval() {
        let mut seconds = [0_u32; 60];
        for id in 0..60_000 {
            seconds[usize::try_from(spread(&id.to_string(), 60_000) / 1_000).unwrap()] += 1;
        }
        assert!(seconds.iter().all(|count| (800..1_200).contains(count)), "{seconds:?}");
    }

    #[test]
    fn a_phase_never_changes_between_versions() {
        assert_eq!(spread("234739785", 60_000), 5_584);
    }

    #[test]
    fn an_interval_of_nothing_or_of_ages_is_refused() {
        assert_eq!(Interval::from_secs(0), Err(IntervalError::Zero));
        assert_eq!(Interval::from_secs(1 << 32), Err(IntervalError::TooLong));
        assert!(Interval::from_secs(1_000_000_000).is_ok());
        assert_eq!("soon".parse::<Interval>(), Err(IntervalError::NotANumber));
        assert_eq!(" 60 ".parse(), Interval::from_secs(60));
    }

    proptest! {
        #[test]
        fn walking_tick_by_tick_finds_what_ticks_between_counts(
            secs in prop::collection::vec(1_u64..500, 1..5),
            phase in -1_000_000_i64..1_000_000,
            start in 0_i64..10_000_000,
            length in 0_i64..2_000_000,
        ) {
            let mut grid = grid(&secs, phase);
            grid.begin = i64::MIN;
            let (mut seen, mut count, mut at) = (Ticks::NONE, 0, start);
            loop {
                at = grid.next_after(at);
                if at > start + length { break; }
                let ticks = grid.ticks_at(at);
                prop_assert!(!ticks.is_empty());
                seen = seen.with(ticks);
                count += u64::from(ticks.0.count_ones());
            }
            prop_assert_eq!((seen, count), grid.ticks_between(start, start + length));
        }
    }
}
