//! Raw flows in files that every tool reads: Parquet, compressed with zstd.
//!
//! ```text
//! flows-2026-11-21T22.parquet           the flows received from 22:00 to 23:00 UTC
//! flows-2026-11-21T22-2.parquet         more of them: after a restart, or of more than 65 million
//! flows-2026-11-21T23.parquet.part      being written: not yet readable
//! flows-2026-11-21T23.parquet.footer    the end that it would have by now
//! ```
//!
//! What the bot knows of a file in the making is written every ten seconds, so that after a `kill -9` its next life
//! completes the file; lost is what was received since the last part was written, the last minute at most. The files
//! are removed by their age and, the oldest first, when they are too much together.
//!
//! [`Feed::offer`] never waits: what the disk is too slow for is dropped and [counted](Counts), and so is what comes
//! while it is full.
//!
//! # Columns
//!
//! They keep their names and types; new ones may be added at the end.
//!
//! | name | type | meaning |
//! |---|---|---|
//! | `received` | timestamp, ms, UTC | when the datagram came; the files go by it |
//! | `exporter` | text | address from which it came |
//! | `reported` | text or null | the exporter's address as the datagram has it (sFlow's agent, elements 130 and 131) |
//! | `domain` | uint32 | observation domain, source id, engine or sub-agent |
//! | `version` | text | `v5`, `v7`, `v9`, `ipfix` or `sflow` |
//! | `src`, `dst` | text or null | addresses; null where a record has none |
//! | `src_port`, `dst_port` | uint16 or null | ports |
//! | `protocol` | uint8 or null | IP protocol |
//! | `bytes`, `packets` | uint64 | as the record has them, not multiplied by the sampling rate |
//! | `sampling` | uint32 or null | each packet stands for so many; null where the exporter did not say |
//! | `ended` | timestamp, ms, UTC, or null | last packet, by the exporter's clock |
//! | `duration_ms` | int64 or null | since the first packet; negative where the exporter says so |
//! | `input`, `output` | uint32 or null | SNMP indexes of the interfaces |
//! | `direction` | text or null | `ingress` or `egress`, where the record says |
//! | `event` | text or null | a firewall's event: `delete`, `update`, or `none` for one without traffic |
//! | `tcp_flags`, `tos` | uint8 | 0 where the record has none |
//!
//! ```sql
//! -- DuckDB: who sent most yesterday evening?
//! select src, sum(bytes * coalesce(sampling, 1)) as total from 'flows-2026-11-20T2*.parquet'
//! group by src order by total desc limit 10;
//! ```

mod batch;
mod columns;
mod dictionary;
mod file;
mod limits;
mod pages;
mod shelf;
mod writer;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use grafoleancollector::Clock;
use grafoleancollector::telemetry::{Counter, Gauge};

pub use batch::Feed;
use batch::{Batch, Empties};
use columns::Columns;
pub use limits::{LimitError, keep, size};
use shelf::Shelf;
use writer::Writer;

/// Batches that wait for the writer at most, some 13 MB.
const QUEUE: usize = 16;
/// So much may be kept where nobody says otherwise.
pub const DEFAULT_MAX_BYTES: u64 = 50_000_000_000;

/// How much is kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ArchiveOptions {
    /// How long.
    pub keep: Duration,
    /// How many bytes all files may have together. [`DEFAULT_MAX_BYTES`].
    pub max_bytes: u64,
}

impl ArchiveOptions {
    /// Keeps flows so long.
    #[must_use]
    pub fn new(keep: Duration) -> Self {
        Self { keep, max_bytes: DEFAULT_MAX_BYTES }
    }

    /// Another size.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }
}

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The directory cannot be made or read.
    #[error("the directory {directory} for raw flows cannot be used")]
    Directory {
        /// Which one.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The compression does not start.
    #[error("raw flows cannot be compressed")]
    Compression(#[source] io::Error),
    /// There is no thread for it.
    #[error("the thread that writes raw flows cannot be started")]
    Thread(#[source] io::Error),
}

/// What is counted.
#[derive(Debug, Default)]
pub struct Counts {
    /// Flows that were handed over.
    pub offered: Counter,
    /// Those that are on the disk, safe from a kill.
    pub written: Counter,
    /// Those that were dropped because the disk was too slow.
    pub dropped_queue: Counter,
    /// Those that were dropped because the disk was full or failed.
    pub dropped_disk: Counter,
    /// Files that were completed.
    pub files: Counter,
    /// Files that were removed because of their age or size.
    pub removed: Counter,
    /// Bytes of the file that is being written.
    pub open_bytes: Gauge,
}

enum Message {
    Flows(Batch),
    Close,
}

/// Writes flows to files, on a thread of its own.
///
/// ```
/// use grafolean_netflow_bot::archive::{Archive, ArchiveOptions};
/// use grafolean_netflow_bot::{Flow, Ip, Origin, Version};
/// use grafoleancollector::{Clock, SystemClock};
/// use std::{sync::Arc, time::Duration};
///
/// let directory = tempfile::tempdir().unwrap();
/// let options = ArchiveOptions::new(Duration::from_secs(5 * 86_400));
/// let archive = Archive::start(directory.path(), &options, Arc::new(SystemClock)).unwrap();
/// let mut feed = archive.feed();
/// let source = Ip::v4(0x0a00_0001);
/// let origin = Origin { source, reported: Ip::NONE, domain: 0, version: Version::V9, received: SystemClock.now() };
/// feed.offer(&origin, &[Flow { bytes: 1_500, packets: 1, ..Flow::default() }]);
/// feed.flush();
/// archive.close();
/// assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
/// ```
#[derive(Debug)]
pub struct Archive {
    to: SyncSender<Message>,
    empties: Empties,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

impl Archive {
    /// Begins to keep flows in that directory, which is made if need be, and takes up what a former life left there.
    pub fn start(
        directory: &Path,
        options: &ArchiveOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ArchiveError> {
        Self::start_with(directory, options, clock, file::create_new)
    }

    fn start_with(
        directory: &Path,
        options: &ArchiveOptions,
        clock: Arc<dyn Clock>,
        open: file::Open,
    ) -> Result<Self, ArchiveError> {
        let shelf =
            Shelf { directory: directory.to_owned(), keep: options.keep, max_bytes: options.max_bytes };
        fs::create_dir_all(directory)
            .and_then(|()| shelf.take_up())
            .map_err(|source| ArchiveError::Directory { directory: directory.to_owned(), source })?;
        let (to, messages) = sync_channel(QUEUE);
        let (empties, counts) = (Empties::default(), Arc::<Counts>::default());
        let columns = Columns::new().map_err(ArchiveError::Compression)?;
        let writer = Writer::new(shelf, clock, Arc::clone(&counts), empties.clone(), open, columns);
        let thread = std::thread::Builder::new()
            .name("archive".to_owned())
            .spawn(move || writer.run(&messages))
            .map_err(ArchiveError::Thread)?;
        Ok(Self { to, empties, counts, thread: Some(thread) })
    }

    /// The way in for one thread.
    #[must_use]
    pub fn feed(&self) -> Feed {
        Feed {
            batch: Batch::default(),
            to: self.to.clone(),
            empties: self.empties.clone(),
            counts: Arc::clone(&self.counts),
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Writes what has come so far and completes the file. What comes through a [`Feed`] afterwards is dropped and
    /// counted.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Either fails only if the thread is gone, which has said why.
            let _ = self.to.send(Message::Close);
            let _ = thread.join();
        }
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests;
