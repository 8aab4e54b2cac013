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
    /// The rate that came of it.
    pub(crate) rate: Option<f64>,
}

/// What became of a reading.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Step {
    /// Per second.
    Rate(f64),
    /// There is nothing to compare it with, or nothing recent.
    First,
    /// The device restarted, or the counter was cleared.
    Reset,
    /// The counter would have grown faster than can be believed.
    Implausible,
    /// No time has passed since the last one.
    TooSoon,
}

const MICROS_PER_TICK: i64 = 10_000;
const TICKS_MODULUS: i64 = 1 << 32;
/// A baseline that is older than a day, or than three intervals, says nothing about the rate now, and may have been
/// wrapped over many times.
const OLDEST: i64 = 24 * 3_600 * 1_000_000;
const MOST_INTERVALS: i64 = 3;
/// Agents refresh their counters every second at best: over a shorter time a rate is noise.
const SHORTEST: i64 = 100_000;
/// The device's clock has a resolution of 10 ms: over less than this ours is the better one.
const SHORTEST_BY_DEVICE: i64 = 10_000_000;
/// How far the two clocks may differ: retries of a request, and a tenth of the time for bad oscillators.
const SLACK: i64 = 2_000_000;
/// A decrease of a Counter32 that would be so small a step over 2^32 is believed to be one: a cleared counter
/// looks like that one time in sixteen, and then gives no absurd rate.
const SMALL_WRAP: u64 = 1 << 28;
/// Larger steps over 2^32 are believed while the rate is at most so many times the last one.
const FASTER_AT_MOST: f64 = 4.0;
/// Beyond this a Counter64 jumped: 1e14 bytes per second are 800 Tb/s.
const MOST_PER_SECOND: f64 = 1e14;

/// How much time lies between two readings, in microseconds.
enum Elapsed {
    Known { micros: i64, same_boot: bool },
    Restarted,
    TooShort,
}

/// How old a baseline may be, in microseconds, that is compared every so many seconds.
pub(crate) fn oldest(every: u32) -> i64 {
    OLDEST.max(i64::from(every) * MOST_INTERVALS * 1_000_000)
}

/// The rate between the last reading, if it is not older than `oldest`, and this one, where there is one to be
/// believed.
pub(crate) fn step(before: &Baseline, now: &Reading, oldest: i64) -> Step {
    let Baseline { reading: then, rate: last_rate } = before;
    if then.width != now.width || now.at.saturating_sub(then.at) > oldest {
        return Step::First;
    }
    let (micros, same_boot) = match elapsed(then, now) {
        Elapsed::Known { micros, same_boot } => (micros, same_boot),
        Elapsed::Restarted => return Step::Reset,
        Elapsed::TooShort => return Step::TooSoon,
    };
    if let Some(grown) = now.value.checked_sub(then.value) {
        let rate = per_second(grown, micros);
        return if rate <= MOST_PER_SECOND { Step::Rate(rate) } else { Step::Implausible };
    }
    // Smaller than before: a Counter32 may have wrapped, if the device certainly did not restart.
    if now.width == Width::Bits64 || !same_boot {
        return Step::Reset;
    }
    let grown = (1 << 32) - then.value + now.value;
    let rate = per_second(grown, micros);
    if grown < SMALL_WRAP || last_rate.is_some_and(|last| rate <= FASTER_AT_MOST * last) {
        Step::Rate(rate)
    } else {
        Step::Implausible
    }
}

fn elapsed(then: &Reading, now: &Reading) -> Elapsed {
    let own = now.at.saturating_sub(then.at);
    let by_own_clock = |same_boot| {
        if own >= SHORTEST { Elapsed::Known { micros: own, same_boot } } else { Elapsed::TooShort }
    };
    let (Some(booted_then), Some(booted_now)) = (then.device, now.device) else { return by_own_clock(false) };
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
        return by_own_clock(false);
    } else if device + slack < own && uptime <= own.saturating_add(slack) {
        // It went on by less than the time that has passed, and may all have been counted since.
        return Elapsed::Restarted;
    }
    let agree = device.abs_diff(own) <= slack.unsigned_abs();
    // Where our own clock was set back between two lives of this process, the device's is all there is.
    if device >= SHORTEST && (own < SHORTEST || agree && own >= SHORTEST_BY_DEVICE) {
        Elapsed::Known { micros: device, same_boot: true }
    } else {
        by_own_clock(true)
    }
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
