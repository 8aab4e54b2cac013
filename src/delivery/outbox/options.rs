//! How an outbox is to be: what its users set.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::memory::Memory;
use super::sqlite::Sqlite;
use super::{Kind, OpenOutbox, OutboxError, Shared};
use crate::clock::Clock;

/// Half a million samples: a bot with 1,000 values a minute outlives 8 hours of outage with them. They take
/// some 50 MB.
const MAX_SAMPLES: usize = 500_000;
/// A week: longer than any weekend. Older values seldom help anybody.
const KEEP_FOR: Duration = Duration::from_secs(7 * 86_400);
/// 1 GiB: some 50 million samples at 20 bytes each, and no disk is filled by it.
const MAX_BYTES: u64 = 1 << 30;

/// Where samples wait until the backend has stored them.
///
/// ```
/// use std::time::Duration;
/// use grafoleancollector::Outbox;
/// let volatile = Outbox::memory().max_samples(100_000);
/// let durable = Outbox::sqlite("/var/lib/my-bot").keep_for(Duration::from_secs(86_400)).max_bytes(100 << 20);
/// # let _ = (volatile, durable);
/// ```
#[derive(Clone, Debug)]
pub struct Outbox {
    directory: Option<PathBuf>,
    pub(super) max_samples: usize,
    pub(super) keep_for: Duration,
    pub(super) max_bytes: u64,
    /// Makes the disk full, for tests.
    pub(super) max_pages: Option<u32>,
}

impl Outbox {
    /// Samples wait in memory and are lost with the process. Above [`max_samples`](Self::max_samples) the
    /// oldest are dropped, and counted.
    #[must_use]
    pub fn memory() -> Self {
        Self {
            directory: None,
            max_samples: MAX_SAMPLES,
            keep_for: KEEP_FOR,
            max_bytes: MAX_BYTES,
            max_pages: None,
        }
    }

    /// Samples wait in the file `outbox.sqlite` in `directory`, which is made if it is missing. An accepted
    /// sample survives the death of the process at any moment.
    ///
    /// While the file cannot be written (the disk is full), samples wait in memory, up to
    /// [`max_samples`](Self::max_samples).
    #[must_use]
    pub fn sqlite(directory: impl Into<PathBuf>) -> Self {
        Self { directory: Some(directory.into()), ..Self::memory() }
    }

    /// How many samples wait in memory at most: 500,000 unless set.
    #[must_use]
    pub const fn max_samples(mut self, samples: usize) -> Self {
        self.max_samples = samples;
        self
    }

    /// How old samples in a file may grow before they are dropped: 7 days unless set.
    #[must_use]
    pub const fn keep_for(mut self, age: Duration) -> Self {
        self.keep_for = age;
        self
    }

    /// How many bytes samples in a file may take before the oldest are dropped: 1 GiB unless set.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    #[cfg(test)]
    pub(crate) const fn max_pages(mut self, pages: u32) -> Self {
        self.max_pages = Some(pages);
        self
    }

    /// Opens it for the backend at `backend_url`.
    pub(crate) fn open(self, backend_url: &str, clock: Arc<dyn Clock>) -> Result<OpenOutbox, OutboxError> {
        let shared = Arc::new(Shared::default());
        let kind = match &self.directory {
            None => Kind::Memory(Memory::new(Arc::clone(&shared), self.max_samples)),
            Some(directory) => {
                Kind::Sqlite(Sqlite::open(directory, &self, backend_url, clock, Arc::clone(&shared))?)
            }
        };
        Ok(OpenOutbox { kind, shared })
    }
}
