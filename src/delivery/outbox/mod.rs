//! Where samples wait for the backend: in memory, or in a file that survives the process.

mod backlog;
mod codec;
mod error;
mod keeper;
mod memory;
mod options;
pub(crate) mod parcel;
mod retention;
mod rows;
mod shelf;
mod sqlite;

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

pub use self::error::OutboxError;
pub use self::options::Outbox;

use self::memory::Memory;
use self::parcel::{Parcel, Seq};
use self::shelf::{Level, Shelf};
use self::sqlite::Sqlite;
use crate::clock::Timestamp;
use crate::ids::AccountId;
use crate::sample::Sample;
use crate::telemetry::{Counter, Gauge, Throttle};

/// How often dropped samples are said, for each reason.
const SAY_DROPPED: Duration = Duration::from_secs(60);

/// Why samples were dropped undelivered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dropped {
    /// The memory outbox was full.
    Full,
    /// They grew older than the outbox keeps them.
    Age,
    /// The outbox file reached its size limit.
    Size,
    /// The file could not be written, and the memory in its place was full.
    Overflow,
}

impl Dropped {
    pub(crate) const ALL: [Self; 4] = [Self::Full, Self::Age, Self::Size, Self::Overflow];

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Age => "age",
            Self::Size => "size",
            Self::Overflow => "overflow",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Full => "the outbox in memory is full: the oldest samples are dropped",
            Self::Age => "samples are too old to be kept and are dropped",
            Self::Size => "the outbox file has reached its size limit: the oldest samples are dropped",
            Self::Overflow => {
                "the outbox file cannot be written, and the memory in its place is full: \
                 the oldest samples are dropped"
            }
        }
    }
}

/// What all parts of an outbox know.
#[derive(Debug)]
pub(crate) struct Shared {
    shelf: Mutex<Shelf>,
    dropped: [Counter; Dropped::ALL.len()],
    say_dropped: [Throttle; Dropped::ALL.len()],
    /// Samples whose parcel could not be read back.
    damaged: Counter,
    disk_bytes: Gauge,
    /// When the first sample on disk was measured, in microseconds; `i64::MAX` without one.
    disk_oldest: AtomicI64,
    /// Why the file cannot be written.
    trouble: Mutex<Option<String>>,
    /// Why nobody writes it any more.
    given_up: OnceLock<String>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            shelf: Mutex::default(),
            dropped: Default::default(),
            say_dropped: std::array::from_fn(|_| Throttle::new(1, SAY_DROPPED)),
            damaged: Counter::default(),
            disk_bytes: Gauge::default(),
            disk_oldest: AtomicI64::new(i64::MAX),
            trouble: Mutex::default(),
            given_up: OnceLock::new(),
        }
    }
}

impl Shared {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dropped(&self, why: Dropped, samples: usize) {
        if samples == 0 {
            return;
        }
        self.dropped[why as usize].add(samples as u64);
        if let Some(unsaid) = self.say_dropped[why as usize].say_all(samples as u64) {
            tracing::warn!(samples = samples as u64 + unsaid.count(), "{}", why.words());
        }
    }
}

/// How one parcel fared.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) seq: Seq,
    /// How many samples it had when it was taken.
    pub(crate) had: usize,
    pub(crate) rest: Rest,
}

/// What is left of a parcel, to be tried again.
#[derive(Debug)]
pub(crate) enum Rest {
    Nothing,
    Unchanged(Vec<Sample>),
    Changed(Vec<Sample>),
}

/// An outbox in use.
#[derive(Debug)]
pub(crate) struct OpenOutbox {
    kind: Kind,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Kind {
    Memory(Memory),
    Sqlite(Sqlite),
}

/// The outbox was closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("delivery has stopped")]
pub(crate) struct Closed;

impl OpenOutbox {
    /// Accepts samples. When it returns, they are as safe as they get.
    pub(crate) async fn put(&self, account: AccountId, samples: Vec<Sample>) -> Result<(), Closed> {
        match &self.kind {
            Kind::Memory(memory) => {
                // Nothing else waits here: without this, a busy producer would starve the couriers.
                tokio::task::coop::consume_budget().await;
                memory.put(account, samples);
                Ok(())
            }
            Kind::Sqlite(sqlite) => sqlite.put(account, samples).await,
        }
    }

    /// Hands out live parcels: about `max` samples.
    pub(crate) fn take_live(&self, account: AccountId, max: usize) -> Vec<Parcel> {
        self.shared.shelf().take_live(account, max)
    }

    /// Hands out parcels of the backlog, about `max` samples, the oldest first; those that were tried go
    /// behind all others.
    pub(crate) async fn take_backlog(
        &self,
        account: AccountId,
        max: usize,
        skip: HashSet<Seq>,
    ) -> Vec<Parcel> {
        match &self.kind {
            Kind::Memory(memory) => memory.take_backlog(account, max, &skip),
            Kind::Sqlite(sqlite) => sqlite.take_backlog(account, max, skip).await,
        }
    }

    /// Takes note of what became of parcels that were handed out.
    pub(crate) async fn settle(&self, account: AccountId, settled: Vec<Settled>) {
        match &self.kind {
            Kind::Memory(memory) => memory.settle(account, settled),
            Kind::Sqlite(sqlite) => sqlite.settle(account, settled).await,
        }
    }

    /// What waits for `account` is backlog from now on.
    pub(crate) fn demote(&self, account: AccountId) {
        self.shared.shelf().demote(account);
    }

    /// Drops what is too old, writes down what could not be written before. Due every minute.
    pub(crate) async fn sweep(&self) {
        if let Kind::Sqlite(sqlite) = &self.kind {
            sqlite.sweep().await;
        }
    }

    /// Whether it needs [`sweep`](Self::sweep).
    pub(crate) const fn needs_sweeping(&self) -> bool {
        matches!(self.kind, Kind::Sqlite(_))
    }

    /// Closes the file, so that another may open it.
    pub(crate) async fn close(&self) {
        if let Kind::Sqlite(sqlite) = &self.kind {
            sqlite.close().await;
        }
    }

    pub(crate) fn level(&self, account: AccountId) -> Level {
        self.shared.shelf().level(account)
    }

    pub(crate) fn bell(&self, account: AccountId) -> Arc<tokio::sync::Notify> {
        self.shared.shelf().bell(account)
    }

    /// Accounts for which samples wait, and how many.
    pub(crate) fn waiting(&self) -> Vec<(AccountId, usize)> {
        self.shared.shelf().waiting().collect()
    }

    /// How many samples wait in memory only; couriers' hands not counted.
    pub(crate) fn only_in_memory(&self) -> usize {
        self.shared.shelf().only_here()
    }

    /// Whether samples of `account` wait in memory only; those in its courier's hands not counted.
    pub(crate) fn is_only_in_memory(&self, account: AccountId) -> bool {
        self.shared.shelf().is_only_here(account)
    }

    /// The bytes that samples take, in the file or in memory.
    pub(crate) fn bytes(&self) -> u64 {
        let disk = u64::try_from(self.shared.disk_bytes.get()).unwrap_or(0);
        self.shared.shelf().only_here_bytes() + disk
    }

    /// When the first of the waiting samples was measured.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        let disk = self.shared.disk_oldest.load(Relaxed);
        let disk = (disk != i64::MAX).then(|| Timestamp::from_micros(disk));
        self.shared.shelf().oldest().into_iter().chain(disk).min()
    }

    /// Samples dropped undelivered, by reason.
    pub(crate) fn dropped(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Dropped::ALL.iter().map(|why| (why.label(), self.shared.dropped[*why as usize].get()))
    }

    /// Samples whose parcel could not be read back.
    pub(crate) fn damaged(&self) -> u64 {
        self.shared.damaged.get()
    }

    /// Why the file cannot be written, while that is so.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.shared.trouble().clone()
    }

    /// Why the file is not written any more.
    pub(crate) fn given_up(&self) -> Option<String> {
        self.shared.given_up.get().cloned()
    }

    /// The file in which samples wait.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Memory(_) => None,
            Kind::Sqlite(sqlite) => Some(sqlite.file()),
        }
    }

    #[cfg(test)]
    pub(crate) async fn block(&self, time: Duration) {
        if let Kind::Sqlite(sqlite) = &self.kind {
            sqlite.block(time).await;
        }
    }

    #[cfg(test)]
    pub(crate) async fn die(&self) {
        if let Kind::Sqlite(sqlite) = &self.kind {
            sqlite.die().await;
        }
    }

    #[cfg(test)]
    pub(crate) async fn set_max_pages(&self, pages: u32) {
        if let Kind::Sqlite(sqlite) = &self.kind {
            sqlite.set_max_pages(pages).await;
        }
    }
}
