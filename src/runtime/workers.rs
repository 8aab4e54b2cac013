//! Where runs are performed: threads of their own, so that a run that blocks its thread cannot stop the loop.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

/// So many runs may block their threads at a time before the others have none. Threads that have nothing to do
/// cost next to nothing.
const MOST_THREADS: usize = 16;
/// The look at the jobs needs one as well, however few runs there are.
const FEWEST_THREADS: usize = 4;

/// Idle threads end at once; one that is blocked is given up after this.
const LONGEST_END: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct Workers {
    handle: Handle,
    /// None where runs share the runtime of the loop.
    own: Option<Runtime>,
}

impl Workers {
    /// Threads of their own, for so many runs at once.
    pub(crate) fn start(runs: usize) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(runs.clamp(FEWEST_THREADS, MOST_THREADS))
            .thread_name("perform")
            .enable_all()
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), own: Some(runtime) })
    }

    /// The runtime that this is called in. Simulated time needs all in one.
    pub(crate) fn here() -> Self {
        Self { handle: Handle::current(), own: None }
    }

    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.handle.spawn(future.in_current_span())
    }
}

impl Workers {
    /// Ends the threads, and waits until they have ended, but not for those that runs still block.
    ///
    /// Not to wait at all is dangerous: glibc (seen with 2.36) reads freed memory where a thread is detached in
    /// the very moment in which it ends, and the process dies of it now and then.
    pub(crate) async fn stop(mut self) {
        if let Some(runtime) = self.own.take() {
            // Waiting is not for a thread that drives futures. Nothing there can panic.
            let _ = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(LONGEST_END)).await;
        }
    }
}

impl Drop for Workers {
    /// Only where something else went wrong before.
    fn drop(&mut self) {
        if let Some(runtime) = self.own.take() {
            runtime.shutdown_background();
        }
    }
}
