//! The one place where the time of day is read.
//!
//! Everything that stamps or ages asks a [`Clock`], so that a test can put any time there.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time of day.
pub(crate) trait Clock: std::fmt::Debug + Send + Sync + 'static {
    /// Microseconds since 1970-01-01 UTC. It may jump, both ways: somebody may set it.
    fn now(&self) -> i64;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the time of day")]
    fn now(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        }
    }
}

/// A clock that stands until a test moves it.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct TestClock(std::sync::atomic::AtomicI64);

#[cfg(test)]
impl TestClock {
    pub(crate) fn at(micros: i64) -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self(micros.into()))
    }

    pub(crate) fn set(&self, micros: i64) {
        self.0.store(micros, std::sync::atomic::Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, by: std::time::Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(micros, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Clock for TestClock {
    fn now(&self) -> i64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_knows_the_century() {
        assert!(SystemClock.now() > 1_700_000_000_000_000);
    }

    #[test]
    fn a_test_clock_stands_where_it_was_put() {
        let clock = TestClock::at(5);
        clock.advance(std::time::Duration::from_micros(3));
        assert_eq!(clock.now(), 8);
        clock.set(2);
        assert_eq!(clock.now(), 2);
    }
}
