//! Measured values.
//!
//! ```text
//! put ──▶ journal (a blob per group commit) ──▶ memory, by path ──▶ flush, in slices ──▶ chunks: compressed points
//!         replayed at start                     newest wins                             hours: count, sum, min, max
//! read ──▶ chunks, with memory laid over them; roll-ups of 3^level hours are made of the hours
//! ```
//!
//! Rules that all of this keeps: a value is one path, one time and one number; a later one takes the place of an earlier
//! one with the same path and time; what is asked sees all that was put before, wherever it is.

mod chores;
mod chunks;
mod codec;
mod engine;
mod flush;
mod hours;
mod jobs;
mod memory;
mod names;
mod path;
mod query;
mod shared;
#[cfg(test)]
mod tests;
mod types;

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;

pub(crate) use path::{PathFilter, is_path};
pub(crate) use query::{MOST_STEPS, too_costly};
pub(crate) use types::{Bucket, NewPoint, PutDone, Range, Renamed, Rollups, Series, Top};

use super::error::StoreError;
use super::readers::Readers;
use super::writer::Writer;
pub(super) use engine::{Engine, Limits};
use shared::Shared;

/// The tables of the values.
pub(super) const TABLES: &str = "
    -- Ids are never used again: values of a path that is gone must not appear under another.
    CREATE TABLE paths (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account INTEGER NOT NULL,
        path TEXT NOT NULL,
        UNIQUE (account, path)
    );
    -- What was put and is not in chunks yet.
    CREATE TABLE journal (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
    -- Values of a path, compressed; chunks of a path do not overlap.
    CREATE TABLE chunks (
        path INTEGER NOT NULL,
        start INTEGER NOT NULL,
        stop INTEGER NOT NULL,
        last REAL NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (path, start)
    ) WITHOUT ROWID;
    -- Count, sum, minimum and maximum of each hour, some hours in a row.
    CREATE TABLE hours (
        path INTEGER NOT NULL,
        block INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (path, block)
    ) WITHOUT ROWID;
    -- How long raw values are kept, where it is not the default.
    CREATE TABLE retention (account INTEGER PRIMARY KEY, raw_days INTEGER NOT NULL);
    -- What is to be removed in the background.
    CREATE TABLE doomed_paths (path INTEGER PRIMARY KEY);
    CREATE TABLE doomed_accounts (account INTEGER PRIMARY KEY);
    -- What could not be read any more.
    CREATE TABLE damaged (path INTEGER NOT NULL, start INTEGER NOT NULL, body BLOB NOT NULL);
";

/// Tables that grow with the values: too large to be looked through at each start.
pub(super) const LARGE_TABLES: [&str; 2] = ["chunks", "hours"];

/// How long raw values are kept unless the account says otherwise.
pub(crate) const DEFAULT_RAW_DAYS: u32 = 90;

/// How long raw values of an account are kept.
pub(crate) fn raw_days(db: &Connection, account: i64) -> Result<u32, StoreError> {
    let mut found = db.prepare_cached("SELECT raw_days FROM retention WHERE account = ?1")?;
    let mut rows = found.query([account])?;
    Ok(match rows.next()? {
        Some(row) => row.get(0)?,
        None => DEFAULT_RAW_DAYS,
    })
}

/// Sets how long raw values of an account are kept: for use inside [`Store::write`](super::Store::write).
pub(crate) fn set_raw_days(db: &Connection, account: i64, days: u32) -> Result<(), StoreError> {
    db.prepare_cached("INSERT OR REPLACE INTO retention (account, raw_days) VALUES (?1, ?2)")?
        .execute((account, days))?;
    Ok(())
}

/// Lets all paths and values of an account go, in the background: for use inside [`Store::write`](super::Store::write),
/// together with the removal of the account itself. Its id must not be used again.
pub(crate) fn doom_account(db: &Connection, account: i64) -> Result<(), StoreError> {
    db.execute("INSERT OR IGNORE INTO doomed_accounts (account) VALUES (?1)", [account])?;
    db.execute("DELETE FROM retention WHERE account = ?1", [account])?;
    Ok(())
}

/// Measured values of all accounts. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    shared: Arc<Shared>,
    writer: Arc<Writer>,
    readers: Arc<Readers>,
}

impl Values {
    pub(super) fn new(shared: Arc<Shared>, writer: Arc<Writer>, readers: Arc<Readers>) -> Self {
        Self { shared, writer, readers }
    }

    /// Stores values, each in the place of one that its path may have at the same time. Durable when it returns: all
    /// of them, or none.
    ///
    /// The paths are taken as they are: whoever calls has looked at them with [`is_path`].
    pub(crate) async fn put(&self, account: i64, points: Vec<NewPoint>) -> Result<PutDone, StoreError> {
        let (reply, done) = oneshot::channel();
        self.writer.submit(Box::new(jobs::Put::new(account, points, reply))).await?;
        done.await.map_err(|_| StoreError::Closed)?
    }

    /// Adds to the value that the path has at that time, or begins with zero. Returns when it is in the queue; what
    /// cannot be written is only told to the log.
    pub(crate) async fn add(&self, account: i64, path: &str, time: i64, value: f64) {
        let _ = self.writer.submit(Box::new(jobs::Add::new(account, path, time, value))).await;
    }

    /// Values of a path; `None` where there is no such path.
    pub(crate) async fn read(
        &self,
        account: i64,
        path: &str,
        range: Range,
        newest_first: bool,
        limit: usize,
    ) -> Result<Option<Series>, StoreError> {
        let question = move |db: &Connection, shared: &Shared, id| {
            query::read(db, shared, id, range, newest_first, limit)
        };
        self.of_path(account, path, question).await
    }

    /// Roll-ups of a path whose buckets start in the range; `None` where there is no such path. Level 0 to 6: buckets
    /// of 3^level hours.
    pub(crate) async fn rollup(
        &self,
        account: i64,
        path: &str,
        level: u8,
        range: Range,
        newest_first: bool,
        limit: usize,
    ) -> Result<Option<Rollups>, StoreError> {
        let question = move |db: &Connection, shared: &Shared, id| {
            query::rollup(db, shared, id, level, range, newest_first, limit)
        };
        self.of_path(account, path, question).await
    }

    /// The newest value of each path; from memory, for the most part.
    pub(crate) async fn last(
        &self,
        account: i64,
        paths: &[String],
    ) -> Result<Vec<Option<(i64, f64)>>, StoreError> {
        let mut found: Vec<Option<(i64, f64)>> = Vec::with_capacity(paths.len());
        for paths in paths.chunks(2_048) {
            let ids: Vec<_> = {
                let names = self.shared.names();
                paths.iter().map(|path| names.get(account, path)).collect()
            };
            let memory = self.shared.memory();
            found.extend(ids.into_iter().map(|id| memory.last(id?)));
        }
        let missing = paths.iter().zip(&found).enumerate().filter(|(_, (_, last))| last.is_none());
        let missing: Vec<(usize, String)> = missing.map(|(at, (path, _))| (at, path.clone())).collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let question = move |db: &Connection, shared: &Shared| {
            let last = |(at, path): (usize, String)| {
                let id = shared.path_id(db, account, &path)?;
                let last = id.map_or(Ok(None), |id| query::last(db, shared, id))?;
                Ok((at, last))
            };
            missing.into_iter().map(last).collect::<Result<Vec<_>, StoreError>>()
        };
        for (at, last) in self.ask(question).await? {
            found[at] = last;
        }
        Ok(found)
    }

    /// The newest time up to `until` at which a matching path has a value, and the `n` largest values of that time.
    pub(crate) async fn top(
        &self,
        account: i64,
        filter: &PathFilter,
        n: usize,
        until: i64,
    ) -> Result<Option<Top>, StoreError> {
        let filter = filter.clone();
        self.ask(move |db, shared| query::top(db, shared, account, &filter, n, until)).await
    }

    /// Ids and names of matching paths in order, and whether there are more than `limit`.
    pub(crate) async fn paths(
        &self,
        account: i64,
        filter: &PathFilter,
        limit: usize,
    ) -> Result<(Vec<(i64, String)>, bool), StoreError> {
        let filter = filter.clone();
        let question =
            move |db: &Connection, _: &Shared| query::matching(db, account, &filter, limit.saturating_add(1));
        let mut paths = self.ask(question).await?;
        let more = paths.len() > limit;
        paths.truncate(limit);
        Ok((paths, more))
    }

    /// The id of a path.
    #[cfg(test)]
    pub(crate) async fn path_id(&self, account: i64, path: &str) -> Result<Option<i64>, StoreError> {
        self.of_path(account, path, |_, _, id| Ok(id)).await
    }

    /// The name of a path.
    pub(crate) async fn path_by_id(&self, account: i64, id: i64) -> Result<Option<String>, StoreError> {
        self.ask(move |db, _| jobs::name_of(db, account, id)).await
    }

    /// Gives a path another name; whoever calls has looked at it with [`is_path`].
    pub(crate) async fn rename_path(&self, account: i64, id: i64, path: &str) -> Result<Renamed, StoreError> {
        self.move_path(account, id, jobs::Fate::Rename(path.into())).await
    }

    /// Removes a path, and its values in the background; whether there was one.
    pub(crate) async fn delete_path(&self, account: i64, id: i64) -> Result<bool, StoreError> {
        Ok(self.move_path(account, id, jobs::Fate::Delete).await? == Renamed::Done)
    }

    /// Moves all that waits in memory to its place in the file, which otherwise happens in the background.
    pub(crate) async fn settle(&self) -> Result<(), StoreError> {
        self.writer.between(|db, engine| engine.settle(db)).await?
    }

    async fn move_path(&self, account: i64, id: i64, fate: jobs::Fate) -> Result<Renamed, StoreError> {
        let (reply, done) = oneshot::channel();
        self.writer.submit(Box::new(jobs::Move { account, id, fate, name: None, reply })).await?;
        done.await.map_err(|_| StoreError::Closed)?
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection, &Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        self.readers.run(move |db| question(db, &shared)).await
    }

    async fn of_path<T: Send + 'static>(
        &self,
        account: i64,
        path: &str,
        question: impl FnOnce(&Connection, &Shared, i64) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let path: Box<str> = path.into();
        let of_path = move |db: &Connection, shared: &Shared| {
            shared.path_id(db, account, &path)?.map(|id| question(db, shared, id)).transpose()
        };
        self.ask(of_path).await
    }
}
