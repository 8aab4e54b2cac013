//! What the backend offers beyond the original one, as it last said.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::backend::Api;
use crate::backend::wire::{self, Offers};

/// What the backend offers: nothing, until it has said so.
#[derive(Default, Debug)]
pub(crate) struct Offered {
    changes: AtomicBool,
    problems: AtomicBool,
}

impl Offered {
    pub(crate) fn set(&self, offers: Offers) {
        self.changes.store(offers.changes, Relaxed);
        self.problems.store(offers.problems, Relaxed);
    }

    /// Asks the backend. Where it gives no answer, all stays as it was.
    pub(crate) async fn ask(&self, api: &dyn Api) {
        if let Ok(status) = wire::status(api).await {
            self.set(status.offers);
        }
    }

    /// Whether it tells of changes.
    pub(crate) fn changes(&self) -> bool {
        self.changes.load(Relaxed)
    }

    /// Whether it wants to know what goes wrong.
    pub(crate) fn problems(&self) -> bool {
        self.problems.load(Relaxed)
    }

    /// It said that it tells of changes, but does not.
    pub(crate) fn no_changes(&self) {
        self.changes.store(false, Relaxed);
    }

    /// It said that it wants to know problems, but does not: until it says so again.
    pub(crate) fn no_problems(&self) {
        self.problems.store(false, Relaxed);
    }
}
