//! From counters to rates per second: integers until the last division, and no value rather than a false one.

pub(crate) mod advice;
pub(crate) mod baselines;
mod codec;

use std::time::Duration;

pub(crate) use baselines::{Baselines, Change, SeriesKey};

/// What a counter showed, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reading {
    pub(crate) width: Width,
    pub(crate) value: u64,
    /// Our time in microseconds, from a clock that does not jump while we run.
    pub(crate) at: i64,
    pub(crate) device: Option<DeviceTime>,
}

/// How large a counter grows before it begins at 0 again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Width {
    /// Counter32.
    Bits32,
    /// Counter64, which never does in practice.
    Bits64,
}

/// The device's time of a reading: its uptime when last asked, and how much later the reading came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DeviceTime {
    /// Hundredths of a second, modulo 2^32.
    pub(crate) ticks: u32,
    /// Milliseconds.
    pub(crate) lag: i32,
}

/// What the next reading is compared with.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Baseline {
    pub(crate) reading: Reading,
    /// What came of it.
    pub(crate) step: Step,
}

/// What became of a reading.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Step {
    /// Per second.
    Rate(f64),
    /// There is nothing to compare it with, or nothing recent.
    First,
    /// The device restarted, another one answers in its place, or the counter was cleared.
    Reset,
    /// The counter would have grown faster than can be believed.
    Implausible,
    /// Too little time has passed since the last one, which the next one will be compared with.
    TooSoon,
    /// It cannot be remembered: there are too many counters.
    NoRoom,
}

/// What comparisons of a series have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Microseconds.
    oldest: i64,
    shortest: i64,
    /// The last readings are from another life of this process: the time of day may have been set since, so our
    /// clock alone says nothing.
    restored: bool,
}

impl Terms {
    /// For counters that are compared every so many seconds.
    pub(crate) fn new(every: u32, restored: bool) -> Self {
        let half = i64::from(every) * 1_000_000 / 2;
        Self { oldest: oldest(every), shortest: SHORTEST.max(half), restored }
    }
}

const MICROS_PER_TICK: i64 = 10_000;
const TICKS_MODULUS: i64 = 1 << 32;
/// A baseline that is older than a day, or than three intervals, says nothing about the rate now, and may have been
/// wrapped over many times.
const OLDEST: i64 = 24 * 3_600 * 1_000_000;
const MOST_INTERVALS: i64 = 3;
/// Agents refresh their counters every few seconds: over a time that is short against the interval, such as between
/// a bot's first run and its next tick, a rate is noise. Half the interval is enough; this where there is none.
const SHORTEST: i64 = 100_000;
/// The device's clock has a resolution of 10 ms: over less than this ours is the better one.
const SHORTEST_BY_DEVICE: i64 = 10_000_000;
/// How far the two clocks may differ: retries of a request, and a tenth of the time for bad oscillators.
const SLACK: i64 = 2_000_000;
/// How far they may differ where the device shows its uptime only now and then: some do every 15 s or 30 s.
const STALE: i64 = 60_000_000;
/// Some devices count milliseconds for hundredths of a second. A clock that is faster than this is another device's:
/// the other one of a pair, or what was put in its place.
const FASTEST_CLOCK: i64 = 20;
/// A decrease of a Counter32 that would be so small a step over 2^32 is believed to be one: a cleared counter
/// looks like that one time in sixteen, and then gives no absurd rate.
const SMALL_WRAP: u64 = 1 << 28;
/// What is in doubt is believed while the rate is at most so many times the last one: larger steps over 2^32, and
/// growth where the clocks are far apart.
const FASTER_AT_MOST: f64 = 4.0;
/// Beyond this a Counter64 jumped: 1e14 bytes per second are 800 Tb/s.
const MOST_PER_SECOND: f64 = 1e14;

/// How much time lies between two readings.
enum Elapsed {
    Known {
        micros: i64,
        clocks: Clocks,
    },
    /// The device restarted, or it is another one.
    Restarted,
    Unknown,
}

#[derive(Clone, Copy, PartialEq)]
enum Clocks {
    /// Ours and the device's agree: it is the same device, and it did not restart.
    Agree,
    /// Ours is all there is.
    OnlyOurs,
    /// They are far apart: the device's is insane, or another one answered, or we were asleep.
    Apart,
}

/// How old a baseline may be, in microseconds, that is compared every so many seconds.
pub(crate) fn oldest(every: u32) -> i64 {
    OLDEST.max(i64::from(every) * MOST_INTERVALS * 1_000_000)
}

/// The rate between the last reading and this one, where there is one to be believed.
pub(crate) fn step(before: &Baseline, now: &Reading, terms: &Terms) -> Step {
    let then = &before.reading;
    if then.width != now.width || now.at.saturating_sub(then.at) > terms.oldest {
        return Step::First;
    }
    let (micros, clocks) = match elapsed(then, now, terms.restored) {
        Elapsed::Known { micros, clocks } => (micros, clocks),
        Elapsed::Restarted => return Step::Reset,
        Elapsed::Unknown => return Step::First,
    };
    let (grown, wrapped) = match now.value.checked_sub(then.value) {
        Some(grown) => (grown, false),
        // Smaller than before: a Counter32 may have wrapped, if the device certainly did not restart.
        None if now.width == Width::Bits32 && clocks == Clocks::Agree => {
            ((1 << 32) - then.value + now.value, true)
        }
        None => return Step::Reset,
    };
    let rate = per_second(grown, micros.max(terms.shortest));
    let doubtful = if wrapped { grown >= SMALL_WRAP } else { clocks == Clocks::Apart };
    let like_before = match before.step {
        Step::Rate(last) => rate <= FASTER_AT_MOST * last,
        // A clock that is always insane must not cost all rates.
        _ => !wrapped,
    };
    if rate > MOST_PER_SECOND || doubtful && !like_before {
        Step::Implausible
    } else if micros < terms.shortest {
        Step::TooSoon
    } else {
        Step::Rate(rate)
    }
}

fn elapsed(then: &Reading, now: &Reading, restored: bool) -> Elapsed {
    let own = now.at.saturating_sub(then.at);
    let only_ours = || {
        if restored { Elapsed::Unknown } else { Elapsed::Known { micros: own, clocks: Clocks::OnlyOurs } }
    };
    let (Some(booted_then), Some(booted_now)) = (then.device, now.device) else { return only_ours() };
    let slack = SLACK + own.max(0) / 10;
    let (before, after) = (i64::from(booted_then.ticks), i64::from(booted_now.ticks));
    let lag = (i64::from(booted_now.lag) - i64::from(booted_then.lag)) * 1_000;
    let mut device = (after - before) * MICROS_PER_TICK + lag;
    let uptime = after * MICROS_PER_TICK + i64::from(booted_now.lag) * 1_000;
    if after < before {
        // After 497 days the uptime begins at 0 again; our own clock tells this from a restart.
        device += TICKS_MODULUS * MICROS_PER_TICK;
        if device.abs_diff(own) > slack.unsigned_abs() {
            return Elapsed::Restarted;
        }
    } else if after == before && uptime.abs_diff(own) > slack.unsigned_abs() {
        // An uptime that stands still says nothing.
        return only_ours();
    } else if device + slack < own && uptime <= own.saturating_add(slack) {
        // It went on by less than the time that has passed, and may all have been counted since.
        return Elapsed::Restarted;
    }
    let apart = device.abs_diff(own);
    if apart <= slack.unsigned_abs() {
        let micros = if restored || own >= SHORTEST_BY_DEVICE { device } else { own };
        return Elapsed::Known { micros, clocks: Clocks::Agree };
    }
    if apart <= STALE.unsigned_abs() || restored {
        return only_ours();
    }
    if device > own.saturating_mul(FASTEST_CLOCK) {
        return Elapsed::Restarted;
    }
    Elapsed::Known { micros: own, clocks: Clocks::Apart }
}

#[expect(clippy::cast_precision_loss, reason = "the one place where integers become a rate")]
fn per_second(grown: u64, micros: i64) -> f64 {
    grown as f64 / (micros as f64 / 1e6)
}

/// Whole microseconds of a duration, for [`Reading::at`].
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
