//! What readers and the writer share.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rusqlite::{Connection, OptionalExtension};

use super::super::error::StoreError;
use super::memory::Memory;
use super::names::Names;

/// What is known beside the file.
///
/// A reader looks into memory first, and begins to read the file after that: what leaves memory in between is in the
/// file by then. Both may have the same values; memory's are never older.
#[derive(Debug, Default)]
pub(in super::super) struct Shared {
    names: RwLock<Names>,
    memory: RwLock<Memory>,
}

impl Shared {
    pub(super) fn names(&self) -> RwLockReadGuard<'_, Names> {
        self.names.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn names_mut(&self) -> RwLockWriteGuard<'_, Names> {
        self.names.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn memory(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn memory_mut(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of a path, for a reader that is in no transaction.
    pub(super) fn path_id(
        &self,
        db: &Connection,
        account: i64,
        path: &str,
    ) -> Result<Option<i64>, StoreError> {
        let epoch = {
            let names = self.names();
            if let Some(id) = names.get(account, path) {
                return Ok(Some(id));
            }
            names.epoch()
        };
        let id = path_id(db, account, path)?;
        if let Some(id) = id {
            let mut names = self.names_mut();
            if names.epoch() == epoch {
                names.insert(account, path, id);
            }
        }
        Ok(id)
    }
}

/// The id of a path, as the file has it.
pub(super) fn path_id(db: &Connection, account: i64, path: &str) -> Result<Option<i64>, StoreError> {
    let mut find = db.prepare_cached("SELECT id FROM paths WHERE account = ?1 AND path = ?2")?;
    Ok(find.query_row((account, path), |row| row.get(0)).optional()?)
}
