//! What is told to the shards while they work.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use grafoleancollector::telemetry::Throttle;

use super::directives::Directives;

/// What is told to the shards while they work.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) stopping: AtomicBool,
    /// How often it was told: so that a look costs nothing as long as nothing is new.
    version: AtomicU64,
    directives: Mutex<Arc<Directives>>,
    /// Lines about sockets that fail.
    pub(super) errors: Throttle,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            stopping: AtomicBool::new(false),
            version: AtomicU64::new(0),
            directives: Mutex::default(),
            errors: Throttle::new(1, Duration::from_secs(60)),
        }
    }
}

impl Control {
    pub(super) fn version(&self) -> u64 {
        self.version.load(Relaxed)
    }

    pub(super) fn directives(&self) -> (u64, Arc<Directives>) {
        let directives = self.directives.lock().unwrap_or_else(PoisonError::into_inner);
        (self.version(), Arc::clone(&directives))
    }

    pub(super) fn direct(&self, new: Directives) {
        let mut directives = self.directives.lock().unwrap_or_else(PoisonError::into_inner);
        *directives = Arc::new(new);
        self.version.fetch_add(1, Relaxed);
    }
}
