//! The thread that writes.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use grafoleancollector::{Clock, Timestamp};

use super::batch::{BATCH, Batch, Empties};
use super::columns::{Columns, first_received};
use super::file::{Open, OpenFile};
use super::shelf::{Shelf, hour_of};
use super::{Counts, Message};

/// Flows that are written as one part of a file: the more, the less they take, as each part has all of its addresses
/// once, and the more memory they need until then (96 bytes each: 50 MB).
const PART_FLOWS: usize = 524_288;
/// Where there are fewer, they are written after this time: that is what a kill may cost.
const PART_EVERY: Duration = Duration::from_secs(60);
/// How often what was written is made safe against a kill.
const SAVE_EVERY: Duration = Duration::from_secs(10);
/// Parts of a file before the next one is begun: 65 million flows, an hour of a million a minute. What is known of the
/// parts is kept in memory until the end.
const PARTS: usize = 125;
/// A file that makes up this share of all that may be kept is finished, as only whole files can be removed.
const SHARE: u64 = 8;
/// How often the directory is looked at.
const TIDY_EVERY: Duration = Duration::from_secs(300);
/// After trouble with the disk nothing is written for so long.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// Flows of an hour that is over come until so long after its end, from threads that lag behind, and go into the file
/// of the next.
const LATE: Duration = Duration::from_secs(60);
/// The thread looks at the clock so often.
const TURN: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    pub(super) shelf: Shelf,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) counts: Arc<Counts>,
    pub(super) empties: Empties,
    pub(super) open: Open,
    columns: Columns,
    pending: Batch,
    pending_since: Timestamp,
    hour: String,
    file: Option<OpenFile>,
    saved_at: Timestamp,
    tidied_at: Timestamp,
    trouble: Option<Trouble>,
}

struct Trouble {
    since: Timestamp,
    dropped_before: u64,
}

impl Writer {
    pub(super) fn new(
        shelf: Shelf,
        clock: Arc<dyn Clock>,
        counts: Arc<Counts>,
        empties: Empties,
        open: Open,
        columns: Columns,
    ) -> Self {
        let never = Timestamp::from_secs(0);
        Self {
            shelf,
            clock,
            counts,
            empties,
            open,
            columns,
            pending: Batch::default(),
            pending_since: never,
            hour: String::new(),
            file: None,
            saved_at: never,
            tidied_at: never,
            trouble: None,
        }
    }

    /// Writes what comes, until it is told to stop.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        loop {
            match messages.recv_timeout(TURN) {
                Ok(Message::Flows(batch)) => {
                    self.take(&batch);
                    self.empties.put(batch);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => break,
            }
            self.turn();
        }
        self.write_pending();
        self.finish_file();
    }

    fn take(&mut self, batch: &Batch) {
        let Some(received) = first_received(batch) else { return };
        let hour = hour_of(received);
        if hour != self.hour && !self.is_only_late(&hour, received) {
            self.write_pending();
            self.finish_file();
            self.hour = hour;
        }
        if self.pending.flows.is_empty() {
            self.pending_since = self.clock.now();
            self.pending.flows.reserve(PART_FLOWS + BATCH);
        }
        self.pending.append(batch);
        if self.pending.flows.len() >= PART_FLOWS {
            self.write_pending();
        }
    }

    fn is_only_late(&self, hour: &str, received: Timestamp) -> bool {
        hour < self.hour.as_str() && hour_of(received.plus(LATE)) == self.hour
    }

    /// What the time demands.
    fn turn(&mut self) {
        let now = self.clock.now();
        if !self.pending.flows.is_empty() && is_over(self.pending_since, PART_EVERY, now) {
            self.write_pending();
        }
        if !self.hour.is_empty() && hour_of(now.minus(TURN * 10)) > self.hour {
            self.write_pending();
            self.finish_file();
            self.hour.clear();
        }
        if is_over(self.saved_at, SAVE_EVERY, now) {
            self.saved_at = now;
            self.save();
        }
        if is_over(self.tidied_at, TIDY_EVERY, now) {
            self.tidy(now);
        }
    }

    fn write_pending(&mut self) {
        if self.pending.flows.is_empty() {
            return;
        }
        let now = self.clock.now();
        let flows = self.pending.flows.len() as u64;
        match &self.trouble {
            Some(trouble) if !is_over(trouble.since, RETRY_AFTER, now) => self.counts.dropped_disk.add(flows),
            _ => match self.try_write() {
                Ok(()) => self.see_what_is_full(now),
                Err(error) => {
                    self.counts.dropped_disk.add(flows);
                    self.give_up(&error, now);
                }
            },
        }
        self.pending.clear();
    }

    fn try_write(&mut self) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => OpenFile::create(self.shelf.free_name(&self.hour), self.open)?,
        };
        let written = file.write(&mut self.columns, &self.pending);
        self.counts.open_bytes.set(i64::try_from(file.bytes()).unwrap_or(i64::MAX));
        self.file = Some(file);
        written
    }

    fn see_what_is_full(&mut self, now: Timestamp) {
        let Some(file) = &self.file else { return };
        if file.parts() >= PARTS || file.bytes() > self.shelf.max_bytes / SHARE {
            self.finish_file();
            self.tidy(now);
        }
    }

    fn save(&mut self) {
        let Some(file) = self.file.as_mut().filter(|file| file.has_unsaved()) else { return };
        match file.save() {
            Ok(rows) => self.well(rows),
            Err(error) => self.give_up(&error, self.clock.now()),
        }
    }

    fn finish_file(&mut self) {
        let Some(file) = self.file.take() else { return };
        self.counts.open_bytes.set(0);
        match file.finish() {
            Ok(rows) => {
                self.counts.files.inc();
                self.well(rows);
            }
            Err((error, lost)) => {
                self.counts.dropped_disk.add(lost);
                self.give_up(&error, self.clock.now());
            }
        }
    }

    /// Rows are on the disk.
    fn well(&mut self, rows: u64) {
        self.counts.written.add(rows);
        if let Some(trouble) = self.trouble.take() {
            let dropped = self.counts.dropped_disk.get() - trouble.dropped_before;
            tracing::info!("raw flows are kept again; {dropped} were not");
        }
    }

    fn give_up(&mut self, error: &io::Error, now: Timestamp) {
        let dropped_before = self
            .trouble
            .as_ref()
            .map_or_else(|| self.counts.dropped_disk.get(), |trouble| trouble.dropped_before);
        if self.trouble.is_none() {
            let directory = self.shelf.directory.display();
            tracing::warn!("raw flows cannot be kept in {directory} for now, all else goes on: {error}");
        }
        self.trouble = Some(Trouble { since: now, dropped_before });
        if let Some(file) = self.file.take() {
            self.counts.open_bytes.set(0);
            self.counts.dropped_disk.add(file.abandon());
        }
    }

    fn tidy(&mut self, now: Timestamp) {
        self.tidied_at = now;
        let being_written = self.file.as_ref().map_or(0, OpenFile::bytes);
        match self.shelf.tidy(now, being_written) {
            Ok(removed) => {
                self.counts.removed.add(removed.for_age + removed.for_size);
                if removed.for_size > 0 {
                    let files = removed.for_size;
                    let bytes = self.shelf.max_bytes;
                    tracing::info!(
                        "the oldest {files} files of raw flows went, as there were over {bytes} bytes"
                    );
                }
            }
            Err(error) => {
                let directory = self.shelf.directory.display();
                tracing::warn!("old raw flows in {directory} cannot be removed: {error}");
            }
        }
    }
}

/// Whether so long has passed. A clock that was set back is as good as one that went on.
fn is_over(since: Timestamp, duration: Duration, now: Timestamp) -> bool {
    now < since || now.since(since) >= duration
}
