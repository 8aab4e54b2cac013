//! Saying a thing seldom.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lets a few lines a minute through and counts the others.
#[derive(Debug)]
pub(crate) struct Seldom {
    a_minute: u32,
    state: Mutex<(Option<Instant>, u32, u64)>,
}

impl Seldom {
    pub(crate) const fn new(a_minute: u32) -> Self {
        Self { a_minute, state: Mutex::new((None, 0, 0)) }
    }

    /// Whether `n` more events may be said now; if so, how many were not said since the last time.
    pub(crate) fn may_say(&self, n: u64) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, said, unsaid) = &mut *state;
        let now = Instant::now();
        if began.is_none_or(|began| now.duration_since(began) >= Duration::from_secs(60)) {
            (*began, *said) = (Some(now), 0);
        }
        if *said >= self.a_minute {
            *unsaid += n;
            return None;
        }
        *said += 1;
        Some(std::mem::take(unsaid))
    }
}
