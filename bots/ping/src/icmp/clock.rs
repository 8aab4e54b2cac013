//! The two clocks of a round trip: the kernel stamps arrivals with the wall clock, which can jump; the monotonic
//! clock cannot, but is only read once this process gets to run.
#![allow(
    clippy::disallowed_methods,
    reason = "kernel timestamps are wall-clock time of this host, so they can only be compared with that"
)]

use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Both clocks, read one right after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Since the Unix epoch.
    pub(crate) real: Duration,
    pub(crate) monotonic: Instant,
}

impl Moment {
    pub(crate) fn now() -> Self {
        // The wall clock is read last before a send, as it is the one that the round trip is taken from.
        let monotonic = Instant::now();
        let real = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { real, monotonic }
    }
}

/// Which clock a round trip was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RttClock {
    /// The kernel's timestamp of the arrival: not blurred by how busy this process is.
    Kernel,
    /// The monotonic clock when the reply was read, because the wall clock jumped or the kernel gave no timestamp.
    Monotonic,
}

/// The clocks may drift apart this much before it counts as a jump: being descheduled between two reads …
const JUMP: Duration = Duration::from_millis(1);
/// … and NTP, which slews the wall clock by at most 500 ppm: 1/1000 leaves room.
const SLEW_DIVISOR: u32 = 1000;

/// The round trip of a request sent at `sent`, whose reply the kernel stamped `arrived`, and which we read at `now`.
pub(crate) fn round_trip(sent: Moment, arrived: Option<Duration>, now: Moment) -> (Duration, RttClock) {
    let elapsed = now.monotonic.saturating_duration_since(sent.monotonic);
    let by_kernel = arrived.and_then(|arrived| {
        let elapsed_real = now.real.checked_sub(sent.real)?;
        let jumped = elapsed_real.abs_diff(elapsed) > JUMP + elapsed / SLEW_DIVISOR;
        let rtt = arrived.checked_sub(sent.real)?;
        (!jumped && rtt <= elapsed_real).then_some(rtt)
    });
    match by_kernel {
        Some(rtt) => (rtt, RttClock::Kernel),
        None => (elapsed, RttClock::Monotonic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const HOUR: Duration = Duration::from_secs(3600);

    fn moments(elapsed: Duration) -> (Moment, Moment) {
        let sent = Moment::now();
        (sent, Moment { real: sent.real + elapsed, monotonic: sent.monotonic + elapsed })
    }

    #[test]
    fn the_kernel_stamp_counts_however_late_we_read_it() {
        let (sent, now) = moments(500 * MS);
        assert_eq!(round_trip(sent, Some(sent.real + 3 * MS), now), (3 * MS, RttClock::Kernel));
    }

    #[test]
    fn without_a_stamp_the_monotonic_clock_counts() {
        let (sent, now) = moments(5 * MS);
        assert_eq!(round_trip(sent, None, now), (5 * MS, RttClock::Monotonic));
    }

    #[test]
    fn a_clock_that_jumps_an_hour_either_way_changes_no_round_trip() {
        let (sent, now) = moments(5 * MS);
        // Before the arrival, and between the arrival and our reading it.
        for (arrived, read) in [
            (sent.real + HOUR, now.real + HOUR),
            (sent.real - HOUR, now.real - HOUR),
            (sent.real + 3 * MS, now.real + HOUR),
            (sent.real + 3 * MS, now.real - HOUR),
        ] {
            let now = Moment { real: read, ..now };
            assert_eq!(round_trip(sent, Some(arrived), now), (5 * MS, RttClock::Monotonic));
        }
    }

    #[test]
    fn a_stamp_from_before_the_send_or_after_the_reading_is_not_believed() {
        let (sent, now) = moments(5 * MS);
        assert_eq!(round_trip(sent, Some(sent.real - MS), now).0, 5 * MS);
        assert_eq!(round_trip(sent, Some(sent.real + 6 * MS), now).0, 5 * MS);
    }

    #[test]
    fn a_slewed_clock_is_no_jump() {
        let (sent, mut now) = moments(Duration::from_secs(10));
        now.real += 5 * MS; // 500 ppm of ten seconds
        assert_eq!(round_trip(sent, Some(sent.real + 2 * MS), now).1, RttClock::Kernel);
    }
}
