//! The writer's side: what is put goes to the journal and to memory, and from there into chunks.
//!
//! ```text
//! put ──▶ journal (in the commit) ──▶ memory: active ──▶ frozen ──▶ chunks and hours, slice by slice
//!                                                                   then the journal up to there is removed
//! ```
//!
//! A slice is a short transaction between two commits. When the process dies, the journal has what memory had; what is in
//! chunks already is put once more, which changes nothing.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::Connection;

use super::super::error::StoreError;
use super::chores::Chores;
use super::chunks::Size;
use super::codec::journal::{self, Entry, Mark, Row};
use super::flush::Flush;
use super::shared::Shared;
use crate::clock::Clock;

/// When and how values are moved.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Limits {
    /// Values in memory at which they are moved: about 50 MB, and as much again while they are.
    pub(super) flush_points: usize,
    /// How old a value in memory may become, in microseconds. The longer, the fewer times a chunk is written.
    pub(super) flush_age: i64,
    /// Values in memory at which no more are taken: it comes to that only when the file cannot be written.
    pub(super) max_points: usize,
    /// Paths in a slice.
    pub(super) slice_paths: usize,
    /// Values in a slice.
    pub(super) slice_points: usize,
    pub(super) chunk: Size,
    /// Whether slices are run without being asked for.
    pub(super) automatic: bool,
}

impl Limits {
    pub(in super::super) const DEFAULT: Self = Self {
        flush_points: 2_000_000,
        flush_age: 15 * 60 * 1_000_000,
        max_points: 4_000_000,
        slice_paths: 256,
        slice_points: 16_384,
        chunk: Size::DEFAULT,
        automatic: true,
    };
}

/// After an error in the background; a full disk is seldom emptied within seconds. In microseconds.
const RETRY_AFTER: i64 = 10_000_000;
/// Slices after a commit, when values come faster than they are moved.
const SLICES_IN_A_HURRY: usize = 8;
/// Rows of the journal that are removed in a slice.
const TRIM_ROWS: i64 = 256;

#[derive(Debug)]
pub(in super::super) struct Engine {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shared: Arc<Shared>,
    pub(super) limits: Limits,
    row: Row,
    /// Where the row was when the change began that is being run.
    change: Mark,
    next_row: i64,
    pub(super) group: Group,
    /// When memory got its first value since it was frozen.
    since: Option<i64>,
    /// The last row of the journal that memory has.
    newest_row: i64,
    flush: Option<Flush>,
    /// The row of the journal up to which all is in chunks.
    trim: Option<i64>,
    chores: Chores,
    trouble_at: Option<i64>,
}

/// What the changes of one commit tell each other.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// The row of the journal that has its values.
    written: Option<i64>,
    /// Paths that lose their name.
    pub(super) moved: HashSet<i64>,
    /// What counters have become.
    pub(super) counters: HashMap<(i64, i64), f64>,
}

impl Engine {
    /// Reads the journal into memory.
    pub(in super::super) fn open(
        db: &Connection,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared::default());
        let mut newest_row = 0;
        {
            let mut memory = shared.memory_mut();
            let mut rows = db.prepare("SELECT id, body FROM journal ORDER BY id")?;
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                newest_row = row.get(0)?;
                let body = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                journal::decode(body, |entry| memory.push(entry)).map_err(|damage| {
                    StoreError::Damaged(format!("row {newest_row} of the journal: {damage}"))
                })?;
            }
        }
        let now = clock.now();
        Ok(Self {
            since: (newest_row > 0).then_some(now),
            chores: Chores::new(now),
            clock,
            shared,
            limits,
            change: Row::default().mark(),
            row: Row::default(),
            next_row: newest_row + 1,
            group: Group::default(),
            newest_row,
            flush: None,
            trim: None,
            trouble_at: None,
        })
    }

    pub(in super::super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Lines a value up for the journal.
    pub(super) fn record(&mut self, entry: Entry) {
        self.row.push(entry);
    }

    /// Whether memory takes more values.
    pub(super) fn has_room(&self) -> bool {
        self.shared.memory().active_len() < self.limits.max_points
    }

    /// A change begins.
    pub(in super::super) fn begin_change(&mut self) {
        self.change = self.row.mark();
    }

    /// Forgets what the change has lined up.
    pub(in super::super) fn take_change_back(&mut self) {
        self.row.back_to(self.change);
    }

    /// Writes what the changes have lined up.
    pub(in super::super) fn before_commit(&mut self, db: &Connection) -> Result<(), StoreError> {
        if let Some(body) = self.row.take() {
            let id = self.next_row;
            self.next_row += 1;
            db.prepare_cached("INSERT INTO journal (id, body) VALUES (?1, ?2)")?.execute((id, body))?;
            self.group.written = Some(id);
        }
        Ok(())
    }

    /// Takes values into memory that are in the journal now.
    pub(super) fn committed(&mut self) {
        self.newest_row = self.group.written.unwrap_or(self.newest_row);
        if self.since.is_none() {
            self.since = Some(self.clock.now());
        }
    }

    /// Forgets what the changes of a commit told each other.
    pub(in super::super) fn end_group(&mut self) {
        self.row.take();
        self.group = Group::default();
    }

    /// Whether there is work that need not wait for a change or a second.
    pub(in super::super) fn has_work(&self) -> bool {
        self.limits.automatic
            && self.trouble_at.is_none()
            && (self.flush.is_some() || self.trim.is_some() || self.chores.has_work())
    }

    /// Does a slice of what there is to do in the background; more when values come faster than they are moved.
    pub(in super::super) fn work(&mut self, db: &Connection) {
        let now = self.clock.now();
        // The clock may have been set back.
        if !self.limits.automatic || self.trouble_at.is_some_and(|at| (now - at).abs() < RETRY_AFTER) {
            return;
        }
        let waiting = self.shared.memory().active_len();
        let slices = if waiting > self.limits.max_points / 4 * 3 {
            usize::MAX
        } else if waiting > self.limits.flush_points {
            SLICES_IN_A_HURRY
        } else {
            1
        };
        for _ in 0..slices {
            match self.slice(db, now) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    self.trouble_at = Some(now);
                    tracing::error!("values cannot be moved to their place, which is tried again: {error}");
                    return;
                }
            }
            // In a hurry there is no time for anything else.
            if slices > 1 && self.flush.is_none() && self.trim.is_none() {
                return;
            }
        }
    }

    /// Moves all that is in memory into chunks.
    pub(in super::super) fn settle(&mut self, db: &Connection) -> Result<(), StoreError> {
        while self.flush.is_some() || self.trim.is_some() || !self.is_settled() {
            if self.flush.is_none() && !self.is_settled() {
                self.freeze();
            }
            self.slice(db, self.clock.now())?;
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        self.shared.memory().active_len() == 0
    }

    /// The next slice, if there is something to do.
    pub(super) fn slice(&mut self, db: &Connection, now: i64) -> Result<bool, StoreError> {
        // The journal of the last time goes first, so that it is never that of more than two.
        if self.flush.is_none() && self.trim.is_none() && self.is_time_to_flush(now) {
            self.freeze();
        }
        if self.flush.is_none() && self.trim.is_none() && !self.chores.is_due(now) {
            return Ok(false);
        }
        let did = in_transaction(db, |db| self.slice_in_transaction(db, now))?;
        match &did {
            Did::Nothing => {}
            Did::Flushed(lasts) => {
                let mut memory = self.shared.memory_mut();
                lasts.iter().for_each(|(path, last)| memory.remember_last(*path, Some(*last)));
                if let Some(flush) = &mut self.flush {
                    flush.committed();
                }
                if let Some(flush) = self.flush.take_if(|flush| flush.is_done()) {
                    memory.drop_frozen();
                    self.trim = Some(flush.newest_row);
                }
            }
            Did::Trimmed { all } => {
                if *all {
                    self.trim = None;
                }
            }
            Did::Chore => self.chores.committed(&self.shared),
        }
        if self.trouble_at.take().is_some() {
            tracing::info!("values are moved to their place again");
        }
        Ok(!matches!(did, Did::Nothing))
    }

    fn slice_in_transaction(&mut self, db: &Connection, now: i64) -> Result<Did, StoreError> {
        if let Some(flush) = &mut self.flush {
            return Ok(Did::Flushed(flush.slice(db, &self.limits)?));
        }
        if let Some(upto) = self.trim {
            let mut remove = db.prepare_cached(
                "DELETE FROM journal WHERE id IN (SELECT id FROM journal WHERE id <= ?1 ORDER BY id LIMIT ?2)",
            )?;
            let removed = remove.execute((upto, TRIM_ROWS))?;
            return Ok(Did::Trimmed { all: (removed as i64) < TRIM_ROWS });
        }
        Ok(if self.chores.slice(db, now)? { Did::Chore } else { Did::Nothing })
    }

    fn is_time_to_flush(&self, now: i64) -> bool {
        let old = |since: i64| (now - since).abs() >= self.limits.flush_age;
        let memory = self.shared.memory();
        memory.active_len() > 0
            && (memory.active_len() >= self.limits.flush_points || self.since.is_some_and(old))
    }

    #[cfg(test)]
    pub(super) fn is_flushing(&self) -> bool {
        self.flush.is_some()
    }

    pub(super) fn freeze(&mut self) {
        let frozen = self.shared.memory_mut().freeze();
        self.since = None;
        self.flush = Some(Flush::new(frozen, self.newest_row));
    }
}

/// What a slice has done.
enum Did {
    Nothing,
    /// Values of these paths are in chunks: the newest of each.
    Flushed(Vec<(i64, (i64, f64))>),
    Trimmed {
        all: bool,
    },
    Chore,
}

/// Runs a slice: all of it, or nothing.
///
/// It need not be on the disk before it counts: the journal goes after what was made of it, and the next commit takes
/// both to the disk, in that order.
fn in_transaction<T>(
    db: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    db.execute_batch("PRAGMA synchronous = NORMAL")?;
    let transact = || {
        let transaction = db.unchecked_transaction()?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    };
    // The thread that writes must live on.
    let done = catch_unwind(AssertUnwindSafe(transact)).unwrap_or(Err(StoreError::Panicked));
    db.execute_batch("PRAGMA synchronous = FULL")?;
    done
}
