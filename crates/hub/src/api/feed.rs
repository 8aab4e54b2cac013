//! What changes, for those who listen. Bounded: who is too slow is told so, and starts anew.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::broadcast;

/// Changes that a listener may be behind.
const CHANGES: usize = 1_024;

/// Lists of values that a listener may be behind.
const BATCHES: usize = 128;

/// Values of one list that are told; a longer list is history that is being filled in.
const VALUES_TOLD: usize = 10_000;

/// Something that a list or record shows has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    /// The resource: `accounts/1/entities`.
    pub(crate) topic: Arc<str>,
    /// The record of it.
    pub(crate) id: Option<i64>,
}

/// Values that were stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) account: i64,
    /// Path, time in microseconds, value.
    pub(crate) points: Arc<[(Box<str>, i64, f64)]>,
    /// There were more than are told.
    pub(crate) cut: bool,
}

/// Tells all who listen.
pub(crate) struct Feed {
    changes: broadcast::Sender<Changed>,
    values: broadcast::Sender<Stored>,
    listeners: Arc<AtomicUsize>,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

impl Default for Feed {
    fn default() -> Self {
        let listeners = Arc::default();
        Self { changes: broadcast::channel(CHANGES).0, values: broadcast::channel(BATCHES).0, listeners }
    }
}

/// A place among those who listen, given back when it is dropped.
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Feed {
    pub(crate) fn changed(&self, topic: impl Into<Arc<str>>, id: Option<i64>) {
        // An error means that nobody listens.
        let _ = self.changes.send(Changed { topic: topic.into(), id });
    }

    /// Whether anybody wants values.
    pub(crate) fn wants_values(&self) -> bool {
        self.values.receiver_count() > 0
    }

    pub(crate) fn stored<'a>(&self, account: i64, points: impl Iterator<Item = (&'a str, i64, f64)>) {
        let mut points = points.map(|(path, time, value)| (Box::from(path), time, value));
        let told = points.by_ref().take(VALUES_TOLD).collect();
        let cut = points.next().is_some();
        let _ = self.values.send(Stored { account, points: told, cut });
    }

    pub(crate) fn changes(&self) -> broadcast::Receiver<Changed> {
        self.changes.subscribe()
    }

    pub(crate) fn values(&self) -> broadcast::Receiver<Stored> {
        self.values.subscribe()
    }

    /// A place, as long as no more than `most` have one.
    pub(crate) fn place(&self, most: usize) -> Option<Place> {
        if self.listeners.fetch_add(1, Ordering::Relaxed) >= most {
            self.listeners.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Place(Arc::clone(&self.listeners)))
    }
}
