//! What is done now and then: raw values that are old enough go, and so does what was deleted.
//!
//! Whole chunks go, so raw values stay a little longer than they must; hours stay for ever.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::super::error::StoreError;
use super::hours;
use super::shared::Shared;
use super::{chunks, raw_days};

/// How often it is looked for what was deleted, in microseconds.
const LOOK_EVERY: i64 = 1_000_000;
/// How often raw values are looked through, in microseconds.
const RETENTION_EVERY: i64 = 6 * 3_600_000_000;
/// After the start, when there is enough else to do, in microseconds.
const FIRST_RETENTION_AFTER: i64 = 600_000_000;
const DAY: i64 = 24 * 3_600_000_000;
/// Paths that are looked at in a slice.
const PATHS: i64 = 500;
/// Rows that are removed in a slice.
const ROWS: i64 = 200;

#[derive(Debug)]
pub(super) struct Chores {
    looked_at: i64,
    doomed: bool,
    retained_at: i64,
    retention: Option<Retention>,
    /// What readers are told when the slice is committed.
    told: Vec<Told>,
}

/// A walk through all paths.
#[derive(Debug, Default)]
struct Retention {
    after: i64,
    /// Before when raw values of an account go.
    limits: HashMap<i64, i64>,
}

#[derive(Debug)]
enum Told {
    /// The file has no more raw values of the path.
    NoRawValues(i64),
    AccountIsGone(i64),
}

impl Chores {
    pub(super) fn new(now: i64) -> Self {
        let retained_at = now.saturating_sub(RETENTION_EVERY - FIRST_RETENTION_AFTER);
        Self { looked_at: 0, doomed: true, retained_at, retention: None, told: Vec::new() }
    }

    /// Whether there is more to do than to look at the time.
    pub(super) fn has_work(&self) -> bool {
        self.doomed || self.retention.is_some()
    }

    /// Whether there may be something to do.
    pub(super) fn is_due(&self, now: i64) -> bool {
        self.has_work()
            || (now - self.looked_at).abs() >= LOOK_EVERY
            || (now - self.retained_at).abs() >= RETENTION_EVERY
    }

    /// Does a little; whether there was something to do.
    pub(super) fn slice(&mut self, db: &Connection, now: i64) -> Result<bool, StoreError> {
        self.told.clear();
        if self.doomed || (now - self.looked_at).abs() >= LOOK_EVERY {
            self.looked_at = now;
            self.doomed = self.remove_doomed(db)?;
            if self.doomed {
                return Ok(true);
            }
        }
        if self.retention.is_none() && (now - self.retained_at).abs() >= RETENTION_EVERY {
            self.retained_at = now;
            self.retention = Some(Retention::default());
        }
        let Some(retention) = &mut self.retention else { return Ok(false) };
        if !retention.slice(db, now, &mut self.told)? {
            self.retention = None;
        }
        Ok(true)
    }

    /// Tells readers what the last slice has changed.
    pub(super) fn committed(&mut self, shared: &Shared) {
        for told in self.told.drain(..) {
            match told {
                Told::NoRawValues(path) => shared.memory_mut().file_changed(path),
                Told::AccountIsGone(account) => shared.names_mut().remove_account(account),
            }
        }
    }

    /// Removes a little of what was deleted; whether there was something.
    fn remove_doomed(&mut self, db: &Connection) -> Result<bool, StoreError> {
        let first = |question: &str| -> Result<Option<i64>, StoreError> {
            Ok(db.prepare_cached(question)?.query_row([], |row| row.get(0)).optional()?)
        };
        if let Some(path) = first("SELECT path FROM doomed_paths LIMIT 1")? {
            remove_values(db, path)?;
            return Ok(true);
        }
        let Some(account) = first("SELECT account FROM doomed_accounts LIMIT 1")? else { return Ok(false) };
        let doomed = db
            .prepare_cached("INSERT INTO doomed_paths SELECT id FROM paths WHERE account = ?1 LIMIT ?2")?
            .execute((account, PATHS))?;
        db.prepare_cached("DELETE FROM paths WHERE id IN (SELECT path FROM doomed_paths)")?.execute([])?;
        self.told.push(Told::AccountIsGone(account));
        if doomed == 0 {
            db.execute("DELETE FROM doomed_accounts WHERE account = ?1", [account])?;
        }
        Ok(true)
    }
}

/// Removes some rows of a path that is gone, and its doom with the last of them.
fn remove_values(db: &Connection, path: i64) -> Result<(), StoreError> {
    let mut removed = 0;
    for question in [
        "DELETE FROM chunks WHERE path = ?1 AND start IN
            (SELECT start FROM chunks WHERE path = ?1 ORDER BY start LIMIT ?2)",
        "DELETE FROM hours WHERE path = ?1 AND block IN
            (SELECT block FROM hours WHERE path = ?1 ORDER BY block LIMIT ?2)",
    ] {
        removed += db.prepare_cached(question)?.execute((path, ROWS))?;
    }
    if removed == 0 {
        db.prepare_cached("DELETE FROM doomed_paths WHERE path = ?1")?.execute([path])?;
    }
    Ok(())
}

impl Retention {
    /// Goes on with the next paths; whether there are more.
    fn slice(&mut self, db: &Connection, now: i64, told: &mut Vec<Told>) -> Result<bool, StoreError> {
        let mut find =
            db.prepare_cached("SELECT id, account FROM paths WHERE id > ?1 ORDER BY id LIMIT ?2")?;
        let paths = find.query_map((self.after, PATHS), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let paths: Vec<(i64, i64)> = paths.collect::<Result<_, _>>()?;
        for (path, account) in &paths {
            let limit = match self.limits.get(account) {
                Some(limit) => *limit,
                None => {
                    let limit = now.saturating_sub(i64::from(raw_days(db, *account)?).saturating_mul(DAY));
                    let limit = hours::start_of(hours::hour_of(limit));
                    self.limits.insert(*account, limit);
                    limit
                }
            };
            let removed = remove_before(db, *path, limit)?;
            if removed > 0 && chunks::last(db, *path)?.is_none() {
                told.push(Told::NoRawValues(*path));
            }
            if removed >= ROWS {
                // There may be more of this one.
                return Ok(true);
            }
            self.after = *path;
        }
        Ok(!paths.is_empty())
    }
}

/// Removes chunks of a path that end before `limit`, some at a time.
fn remove_before(db: &Connection, path: i64, limit: i64) -> Result<i64, StoreError> {
    let mut remove = db.prepare_cached(
        "DELETE FROM chunks WHERE path = ?1 AND stop < ?2 AND start IN
            (SELECT start FROM chunks WHERE path = ?1 ORDER BY start LIMIT ?3)",
    )?;
    Ok(i64::try_from(remove.execute((path, limit, ROWS))?).unwrap_or(i64::MAX))
}
