//! What changes, for those who listen. Bounded: who is too slow is told so, and starts anew.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::broadcast;

/// Changes that a listener may be behind.
const CHANGES: usize = 1_024;

/// Lists of values that a listener may be behind. All of them are in memory as long as one listener is.
const BATCHES: usize = 64;

/// Values of one list that are told; a longer list is history that is being filled in.
const VALUES_TOLD: usize = 10_000;

/// Bytes of the paths of one list that are told.
const BYTES_TOLD: usize = 1 << 20;

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
    listeners: Listeners,
}

/// How many listen, by user.
type Listeners = Arc<Mutex<HashMap<i64, usize>>>;

fn lock(listeners: &Listeners) -> MutexGuard<'_, HashMap<i64, usize>> {
    listeners.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

impl Default for Feed {
    fn default() -> Self {
        let listeners = Listeners::default();
        Self { changes: broadcast::channel(CHANGES).0, values: broadcast::channel(BATCHES).0, listeners }
    }
}

/// A place among those who listen, given back when it is dropped.
pub(crate) struct Place {
    listeners: Listeners,
    user: i64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut listeners = lock(&self.listeners);
        if let Some(count) = listeners.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                listeners.remove(&self.user);
            }
        }
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
        let (mut told, mut bytes, mut cut) = (Vec::new(), 0, false);
        for (path, time, value) in points {
            bytes += path.len();
            cut = told.len() == VALUES_TOLD || bytes > BYTES_TOLD;
            if cut {
                break;
            }
            told.push((Box::from(path), time, value));
        }
        let told = told.into();
        let _ = self.values.send(Stored { account, points: told, cut });
    }

    pub(crate) fn changes(&self) -> broadcast::Receiver<Changed> {
        self.changes.subscribe()
    }

    pub(crate) fn values(&self) -> broadcast::Receiver<Stored> {
        self.values.subscribe()
    }

    /// A place for this user, as long as there are fewer than `most`, and fewer than `of_user` of the same user.
    pub(crate) fn place(&self, user: i64, most: usize, of_user: usize) -> Option<Place> {
        let mut listeners = lock(&self.listeners);
        if listeners.values().sum::<usize>() >= most || listeners.get(&user).is_some_and(|n| *n >= of_user) {
            return None;
        }
        *listeners.entry(user).or_default() += 1;
        Some(Place { listeners: Arc::clone(&self.listeners), user })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_places_and_each_is_given_back() {
        let feed = Feed::default();
        let places: Vec<_> = (0..3).map_while(|_| feed.place(1, 4, 2)).collect();
        assert_eq!(places.len(), 2);
        let others: Vec<_> = (0..3).map_while(|user| feed.place(10 + user, 4, 2)).collect();
        assert_eq!(others.len(), 2);
        drop(places);
        assert!(feed.place(1, 4, 2).is_some());
        drop(others);
        assert!(lock(&feed.listeners).is_empty());
    }

    #[tokio::test]
    async fn of_a_list_with_long_paths_as_much_is_told_as_memory_is_meant_for_it() {
        let feed = Feed::default();
        let mut values = feed.values();
        let path = "a".repeat(2_000);
        feed.stored(1, (0..8_000).map(|i| (&*path, i, 1.0)));
        let stored = values.recv().await.unwrap();
        assert!(stored.cut);
        assert!(stored.points.iter().map(|point| point.0.len()).sum::<usize>() <= BYTES_TOLD);
        feed.stored(1, [("a", 1, 1.0)].into_iter());
        let stored = values.recv().await.unwrap();
        assert_eq!((stored.cut, stored.points.len()), (false, 1));
    }
}
