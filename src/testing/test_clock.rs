//! A clock that follows tokio's time, and that a test can set.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{Clock, Timestamp};

/// A clock for tests: it starts where it is told to, goes on as tokio's time does (paused time included), and
/// jumps when somebody sets it.
///
/// ```
/// use std::time::Duration;
/// use grafoleancollector::{Clock, Timestamp, testing::TestClock};
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?.block_on(async {
/// let clock = TestClock::at(Timestamp::from_secs(1_000));
/// tokio::time::advance(Duration::from_secs(5)).await;
/// assert_eq!(clock.now(), Timestamp::from_secs(1_005));
/// clock.jump_back(Duration::from_secs(3_600));
/// assert_eq!(clock.now(), Timestamp::from_secs(1_005 - 3_600));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TestClock {
    began: Instant,
    /// What the clock showed when it began, and all jumps since.
    offset_micros: AtomicI64,
}

impl TestClock {
    /// A clock that shows `start` now. Call it inside a runtime.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self { began: Instant::now(), offset_micros: AtomicI64::new(start.as_micros()) }
    }

    /// Sets the clock forward.
    pub fn jump(&self, by: Duration) {
        self.offset_micros.fetch_add(micros(by), Relaxed);
    }

    /// Sets the clock back.
    pub fn jump_back(&self, by: Duration) {
        self.offset_micros.fetch_sub(micros(by), Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.offset_micros.load(Relaxed)).plus(self.began.elapsed())
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
