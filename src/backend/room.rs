//! How much memory lists take while they are read.

use std::sync::Arc;

use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

/// Lists up to this many bytes are read side by side: those of some 5,000 entities.
const SIDE_BY_SIDE: usize = 16 << 20;

/// Held by the one account whose lists may be larger. However many accounts there are, its three lists and nine
/// of others up to the size above are all that is in memory: some 500 MB at most.
static LARGE: Semaphore = Semaphore::const_new(1);

tokio::task_local! {
    static ROOM: Room;
}

/// The memory for the lists of one account, from the reading until entities are made of them.
#[derive(Clone, Default)]
pub(super) struct Room(Arc<OnceCell<Option<SemaphorePermit<'static>>>>);

impl Room {
    /// Lets `future` read lists that share a room, which is left when it is done.
    pub(super) async fn share<F: Future>(future: F) -> F::Output {
        ROOM.scope(Self::default(), future).await
    }

    /// The room that the caller shares, or else one of its own.
    pub(super) fn of_caller() -> Self {
        ROOM.try_with(Clone::clone).unwrap_or_default()
    }

    /// Waits until a list may have so many bytes.
    pub(super) async fn grow(&self, bytes: usize) {
        if bytes > SIDE_BY_SIDE {
            // It is never closed, so that there always is a permit in the end.
            self.0.get_or_init(|| async { LARGE.acquire().await.ok() }).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn twelve_large_lists_were_in_memory_at_once() {
        let second = std::time::Duration::from_secs(1);
        let account = || {
            Room::share(async move {
                let room = Room::of_caller();
                room.grow(SIDE_BY_SIDE).await;
                // Its lists share the room, and none waits for another of them.
                let same = Room::of_caller();
                tokio::join!(room.grow(SIDE_BY_SIDE + 1), same.grow(usize::MAX));
                tokio::time::sleep(second).await;
            })
        };
        let began = tokio::time::Instant::now();
        tokio::join!(account(), account(), account());
        assert!(began.elapsed() >= 3 * second, "{:?}", began.elapsed());
    }
}
