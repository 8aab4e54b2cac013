//! How far the backend's clock is from ours.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// A difference of clocks worth saying, in seconds: what is measured now would be drawn visibly elsewhere.
pub(crate) const SKEW_SAID_ABOVE: f64 = 5.0;

/// A difference of clocks that counts as gone, in seconds: less than above, so that one on the edge is not said
/// again and again.
const SKEW_GONE_BELOW: f64 = 3.0;

/// Of a longer request nobody knows when the backend wrote its time.
const TELLING: Duration = Duration::from_secs(5);

/// The difference of the two clocks, as the last answer showed it.
#[derive(Default)]
pub(super) struct Skew {
    seconds: Mutex<Option<f64>>,
    said: AtomicBool,
}

impl Skew {
    /// The backend's time less ours, in seconds.
    pub(super) fn seconds(&self) -> Option<f64> {
        *self.seconds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compares the time in an answer with ours, `now`, when the answer came; and says so when it matters.
    pub(super) fn compare(&self, theirs: Timestamp, now: Timestamp, took: Duration) {
        if took > TELLING {
            return;
        }
        // The backend wrote its time at some moment of the request, and cut it to whole seconds.
        let ours = now.minus(took / 2).as_secs_f64();
        let skew = theirs.as_secs_f64() + 0.5 - ours;
        let uncertain = 0.5 + took.as_secs_f64() / 2.0;
        *self.seconds.lock().unwrap_or_else(PoisonError::into_inner) = Some(skew);
        if skew.abs() - uncertain > SKEW_SAID_ABOVE {
            if !self.said.swap(true, Ordering::Relaxed) {
                let (seconds, side) = (skew.abs(), if skew > 0.0 { "ahead of" } else { "behind" });
                tracing::warn!(
                    "the backend's clock is {seconds:.0} s {side} ours: values will appear at the wrong time \
                     until one of them is set right"
                );
            }
        } else if skew.abs() + uncertain < SKEW_GONE_BELOW && self.said.swap(false, Ordering::Relaxed) {
            tracing::warn!("the backend's clock and ours agree again");
        }
    }

    #[cfg(test)]
    pub(super) fn was_said(&self) -> bool {
        self.said.load(Ordering::Relaxed)
    }
}
