//! Measured values.

mod codec;
mod path;
mod types;

use std::sync::Arc;

use rusqlite::Connection;

#[allow(unused_imports, reason = "for the API")]
pub(crate) use path::{FilterError, PathFilter, is_path};
#[allow(unused_imports, reason = "for the API")]
pub(crate) use types::{Bucket, NewPoint, PutDone, Range, Renamed, Rollups, Series, Top};

use super::error::StoreError;
use super::readers::Readers;
use super::writer::Writer;
use crate::clock::Clock;

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

/// What readers and the writer share.
#[derive(Debug)]
pub(super) struct Shared;

/// The writer's side.
#[derive(Debug)]
pub(super) struct Engine {
    clock: Arc<dyn Clock>,
}

pub(super) fn open(_: &Connection, clock: Arc<dyn Clock>) -> Result<(Engine, Arc<Shared>), StoreError> {
    Ok((Engine { clock }, Arc::new(Shared)))
}

impl Engine {
    pub(super) fn mark(&self) -> usize {
        0
    }

    pub(super) fn back_to(&mut self, _: usize) {}

    pub(super) fn forget(&mut self) {}

    pub(super) fn before_commit(&mut self, _: &Connection) -> Result<(), StoreError> {
        Ok(())
    }

    pub(super) fn has_work(&self) -> bool {
        false
    }

    pub(super) fn work(&mut self, _: &Connection, _idle: bool) {}

    pub(super) fn close(&mut self, _: &Connection) {}
}

impl Values {
    pub(super) fn new(shared: Arc<Shared>, writer: Arc<Writer>, readers: Arc<Readers>) -> Self {
        Self { shared, writer, readers }
    }

    /// Stores values, each in the place of one that its path may have at the same time. Durable when it returns: all
    /// of them, or none.
    pub(crate) async fn put(&self, _account: i64, _points: Vec<NewPoint>) -> Result<PutDone, StoreError> {
        Ok(PutDone::default())
    }

    /// Adds to the value that the path has at that time, or begins with zero. Returns when it is in the queue; what
    /// cannot be written is only told to the log.
    pub(crate) async fn add(&self, _account: i64, _path: &str, _time: i64, _value: f64) {}

    /// Values of a path; `None` where there is no such path.
    pub(crate) async fn read(
        &self,
        _account: i64,
        _path: &str,
        _range: Range,
        _newest_first: bool,
        _limit: usize,
    ) -> Result<Option<Series>, StoreError> {
        Ok(None)
    }

    /// Roll-ups of a path whose buckets start in the range; `None` where there is no such path. Level 0 to 6: buckets
    /// of 3^level hours.
    pub(crate) async fn rollup(
        &self,
        _account: i64,
        _path: &str,
        _level: u8,
        _range: Range,
        _newest_first: bool,
        _limit: usize,
    ) -> Result<Option<Rollups>, StoreError> {
        Ok(None)
    }

    /// The time of the oldest value that is known of a path, raw or as roll-up.
    pub(crate) async fn oldest(&self, _account: i64, _path: &str) -> Result<Option<i64>, StoreError> {
        Ok(None)
    }

    /// The newest value of each path.
    pub(crate) async fn last(
        &self,
        _account: i64,
        paths: &[String],
    ) -> Result<Vec<Option<(i64, f64)>>, StoreError> {
        Ok(vec![None; paths.len()])
    }

    /// The newest time up to `until` at which a matching path has a value, and the `n` largest values of that time.
    pub(crate) async fn top(
        &self,
        _account: i64,
        _filter: &PathFilter,
        _n: usize,
        _until: i64,
    ) -> Result<Option<Top>, StoreError> {
        Ok(None)
    }

    /// Ids and names of matching paths in order, and whether there are more than `limit`.
    pub(crate) async fn paths(
        &self,
        _account: i64,
        _filter: &PathFilter,
        _limit: usize,
    ) -> Result<(Vec<(i64, String)>, bool), StoreError> {
        Ok((Vec::new(), false))
    }

    /// The id of a path.
    pub(crate) async fn path_id(&self, _account: i64, _path: &str) -> Result<Option<i64>, StoreError> {
        Ok(None)
    }

    /// The name of a path.
    pub(crate) async fn path_by_id(&self, _account: i64, _id: i64) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    pub(crate) async fn rename_path(
        &self,
        _account: i64,
        _id: i64,
        _path: &str,
    ) -> Result<Renamed, StoreError> {
        Ok(Renamed::NoSuchPath)
    }

    /// Removes a path with its values; whether there was one.
    pub(crate) async fn delete_path(&self, _account: i64, _id: i64) -> Result<bool, StoreError> {
        Ok(false)
    }
}
