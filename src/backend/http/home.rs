//! Where a client's connections live.

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

/// The runtime on which a client performs all its requests.
///
/// A connection is moved forward by the runtime on which it was opened, whoever takes it from the pool later.
/// One that was opened among the runs would stand still while they block their threads, and break when those
/// threads end.
pub(super) struct Home(Option<Handle>);

impl Home {
    /// The runtime that this is called in. Outside of any, requests are performed where they are awaited.
    pub(super) fn here() -> Self {
        Self(Handle::try_current().ok())
    }

    /// Performs `work` there, for as long as somebody waits for it. None when that runtime has ended.
    pub(super) async fn perform<F>(&self, work: F) -> Option<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let Some(home) = &self.0 else { return Some(work.await) };
        let mut task = AbortOnDrop(home.spawn(work.in_current_span()));
        match (&mut task.0).await {
            Ok(output) => Some(output),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => None,
            },
        }
    }
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_ends_when_nobody_waits_for_it() {
        let (held, watched) = tokio::sync::oneshot::channel::<()>();
        let home = Home::here();
        let work = home.perform(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), work).await.is_err());
        assert!(watched.await.is_err());
    }

    #[test]
    fn a_runtime_that_has_ended_performs_nothing() {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let home = runtime().block_on(async { Home::here() });
        assert_eq!(runtime().block_on(home.perform(async { 1 })), None);
        assert_eq!(runtime().block_on(Home::here().perform(async { 1 })), Some(1));
    }
}
