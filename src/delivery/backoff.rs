//! How long to wait before the next attempt.

use std::time::Duration;

/// The longest first wait: a backend that restarts is back within seconds.
const BASE: Duration = Duration::from_secs(1);
/// The longest wait: after an outage, delivery begins again within a minute.
const CAP: Duration = Duration::from_secs(60);
/// The longest wait that the backend may ask for: a wrong header must not silence a bot for a day.
const RETRY_AFTER_CAP: Duration = Duration::from_secs(600);

/// Exponential backoff with full jitter: each wait is drawn evenly between nothing and a bound that doubles,
/// so that a thousand bots that lost one backend at one moment do not come back at one moment.
#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    random: fastrand::Rng,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { failures: 0, random: fastrand::Rng::new() }
    }

    /// It went well: the next failure waits shortly again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// It failed once more: how long to wait now. What the backend asks for is a lower bound; asking for less
    /// than the usual wait changes nothing.
    pub(crate) fn next(&mut self, retry_after: Option<Duration>) -> Duration {
        let bound = BASE.saturating_mul(1 << self.failures.min(16)).min(CAP);
        self.failures = self.failures.saturating_add(1);
        let wait = bound.mul_f64(self.random.f64());
        match retry_after {
            // The jitter stays, on top: all the others were told the same time.
            Some(asked) => (asked.min(RETRY_AFTER_CAP) + wait.min(BASE)).max(wait),
            None => wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_are_spread() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..1_000).map(|_| backoff.next(None)).collect();
        assert!(waits[0] <= Duration::from_secs(1) && waits[1] <= Duration::from_secs(2));
        assert!(waits.iter().all(|wait| *wait <= CAP));
        let late = &waits[10..];
        let mean = late.iter().sum::<Duration>() / u32::try_from(late.len()).unwrap();
        assert!((25..35).contains(&mean.as_secs()), "mean {mean:?}");
        backoff.reset();
        assert!(backoff.next(None) <= Duration::from_secs(1));
    }

    #[test]
    fn the_backend_may_ask_for_a_longer_wait_but_not_for_a_day() {
        let mut backoff = Backoff::new();
        let wait = backoff.next(Some(Duration::from_secs(120)));
        assert!((120..=121).contains(&wait.as_secs()));
        assert!(backoff.next(Some(Duration::from_secs(86_400))) <= Duration::from_secs(601));
    }

    #[test]
    fn a_retry_after_of_zero_switched_the_backoff_off() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..1_000).map(|_| backoff.next(Some(Duration::ZERO))).collect();
        let mean = waits[10..].iter().sum::<Duration>() / 990;
        assert!((25..35).contains(&mean.as_secs()), "mean {mean:?}");
    }
}
