//! A token bucket with a queue in front: requests leave at a bounded rate, first come first served.

use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// Tokio's timer wakes on whole milliseconds and rounds up, so a sleeper may come two of them late; a bucket that
/// holds less than that much time would throw away the tokens of every sleep.
const TIMER_GRAIN: Duration = Duration::from_millis(2);
/// Longest sleep for more tokens than the next one: waking costs more than sending a packet, and nobody who waits
/// in a queue minds a few milliseconds.
const LONGEST_REFILL: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(crate) struct Pacer {
    /// The time that one token takes to come.
    interval: Duration,
    /// The time that a full bucket is worth.
    depth: Duration,
    /// The time to let an empty bucket fill, at least one token's.
    refill: Duration,
    // Tokio's mutex serves its waiters in order, and one that gives up waiting leaves the queue at no cost to those
    // behind it. Whoever holds it is the head of the queue and the only one to sleep.
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// When the bucket was, or will be, empty: it now holds the tokens of the time since then.
    empty_at: Instant,
}

impl Pacer {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        let depth = (interval * burst.max(1)).max(TIMER_GRAIN);
        let empty_at = Instant::now().checked_sub(depth).unwrap_or_else(Instant::now);
        // Half of the bucket, so that a timer that fires late does not let it run over.
        let refill = (depth / 2).min(LONGEST_REFILL).max(interval);
        Self { interval, depth, refill, bucket: Mutex::new(Bucket { empty_at }) }
    }

    /// Waits for this caller's turn and token. Dropped while waiting, it takes nothing.
    pub(crate) async fn take(&self) {
        let mut bucket = self.bucket.lock().await;
        loop {
            let now = Instant::now();
            let held = now.saturating_duration_since(bucket.empty_at);
            if held >= self.interval {
                let kept = held.min(self.depth) - self.interval;
                bucket.empty_at = now.checked_sub(kept).unwrap_or(now);
                return;
            }
            sleep(self.refill.saturating_sub(held)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex as StdMutex};

    #[tokio::test(start_paused = true)]
    async fn a_burst_leaves_at_once_and_the_rest_at_the_rate() {
        let pacer = Pacer::new(1_000, 32);
        let start = Instant::now();
        for _ in 0..32 {
            pacer.take().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..1_000 {
            pacer.take().await;
        }
        let took = start.elapsed();
        assert!((990..=1_010).contains(&took.as_millis()), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_above_the_timers_grain_is_reached() {
        let pacer = Pacer::new(100_000, 1);
        let start = Instant::now();
        for _ in 0..100_000 {
            pacer.take().await;
        }
        let took = start.elapsed();
        assert!((980..=1_200).contains(&took.as_millis()), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_time_earns_one_burst_not_more() {
        let pacer = Pacer::new(100, 10);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let start = Instant::now();
        for _ in 0..20 {
            pacer.take().await;
        }
        assert!(start.elapsed() >= Duration::from_millis(95), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn first_come_is_first_served_and_who_leaves_the_queue_costs_the_others_nothing() {
        let pacer = Arc::new(Pacer::new(10, 1));
        pacer.take().await;
        let order = Arc::new(StdMutex::new(Vec::new()));
        let start = Instant::now();
        let mut tasks = Vec::new();
        for n in 0..30 {
            let (pacer, order) = (pacer.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                pacer.take().await;
                order.lock().unwrap().push(n);
            }));
            tokio::task::yield_now().await;
        }
        for task in &tasks[..25] {
            task.abort();
        }
        for task in tasks.drain(..).skip(25) {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [25, 26, 27, 28, 29]);
        assert!(start.elapsed() <= Duration::from_millis(510), "{:?}", start.elapsed());
    }
}
