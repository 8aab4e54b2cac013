//! The database: one file, one writer, a few readers.
//!
//! ```text
//! write ──▶ queue ──▶ one thread: group commit ──▶ hub.sqlite3 (WAL, synced)
//! read  ──▶ a few connections, each with a state of its own
//! ```
//!
//! What [`Store::write`] has answered survives `kill -9` and a power cut.

pub(crate) mod accounts;
#[doc(hidden)]
pub mod benching;
pub(crate) mod entities;
mod error;
mod file;
mod inventory;
mod migrations;
pub(crate) mod overview;
pub(crate) mod pieces;
mod readers;
pub(crate) mod records;
pub(crate) mod sessions;
#[cfg(test)]
mod tests;
pub(crate) mod users;
pub(crate) mod values;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;

pub use error::OpenError;
pub(crate) use error::StoreError;
use readers::Readers;
use values::{Engine, Limits, Values};
use writer::Writer;

use crate::clock::Clock;

/// The database of a hub. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    writer: Arc<Writer>,
    readers: Arc<Readers>,
    values: Values,
}

impl Store {
    /// Opens the database in `directory`, and makes both where there is nothing.
    pub(crate) fn open(directory: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Self::open_with(directory, clock, Limits::DEFAULT)
    }

    fn open_with(directory: &Path, clock: Arc<dyn Clock>, limits: Limits) -> Result<Self, OpenError> {
        let lock = file::take_directory(directory)?;
        let file = file::path_in(directory);
        let db = file::open(&file)?;
        let damaged = |error| {
            let what = if let StoreError::Damaged(what) = error { what } else { error.to_string() };
            OpenError::Damaged { file: file.clone(), what }
        };
        let engine = Engine::open(&db, clock, limits).map_err(damaged)?;
        let shared = engine.shared();
        let not_writable = |source| OpenError::NotWritable { path: directory.to_owned(), source };
        let writer = Writer::start(db, engine, lock).map_err(not_writable)?;
        let readers = Readers::new(file.clone());
        let values = Values::new(shared, Arc::clone(&writer), Arc::clone(&readers));
        Ok(Self(Arc::new(Inner { file, writer, readers, values })))
    }

    /// Runs a change on the one thread that writes, in a savepoint of the next commit. Returns when it is committed:
    /// then it survives whatever happens. When the change fails or panics, it alone is taken back.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.writer.write(change).await
    }

    /// Answers a question from one state of the database, on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.readers.read(question).await
    }

    /// Measured values.
    pub(crate) fn values(&self) -> &Values {
        &self.0.values
    }

    /// Writes a copy of one state of the database to `file`, which must not exist; writing goes on meanwhile.
    pub(crate) async fn backup(&self, file: PathBuf) -> Result<(), StoreError> {
        let source = self.0.file.clone();
        let copied = tokio::task::spawn_blocking(move || file::copy(&source, &file)).await;
        copied.map_err(|_| StoreError::Panicked)?
    }

    /// Writes what waits and closes the file. Whoever still has a clone is answered [`StoreError::Closed`].
    pub(crate) async fn close(self) {
        self.0.readers.close();
        self.0.writer.close().await;
    }
}

/// Copies the database of a data directory, whoever has it open, to a file that must not exist.
pub(crate) fn copy(directory: &Path, to: &Path) -> Result<(), StoreError> {
    file::copy(&file::path_in(directory), to)
}

/// A text of a row, where it stands.
pub(crate) fn text<'row>(row: &'row rusqlite::Row<'_>, column: usize) -> Result<&'row str, StoreError> {
    Ok(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}
