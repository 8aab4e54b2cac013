//! What can go wrong with the database.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::ErrorCode;

/// Why a data directory was not opened. In every case it is left as it was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it.
    #[error("{} is in use by another process: stop that one first, or give this one another directory", .0.display())]
    InUse(PathBuf),
    /// A newer version of this program wrote it.
    #[error(
        "{} has format version {found}, this program knows {known}: use the newer program, or another directory",
        file.display()
    )]
    Newer {
        /// The database file.
        file: PathBuf,
        /// The version that it has.
        found: u32,
        /// The newest version that this program reads.
        known: u32,
    },
    /// It is not a database of ours, or no longer.
    #[error("{} is damaged ({what}): nothing was changed; restore it from a backup, or move it away", file.display())]
    Damaged {
        /// The database file.
        file: PathBuf,
        /// What was found.
        what: String,
    },
    /// It cannot be made, read or written.
    #[error("cannot use {}: it must be a directory that can be written", path.display())]
    NotWritable {
        /// The directory or a file in it.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no room on its disk.
    #[error("cannot open {}: the disk is full: make room, and start it again", .0.display())]
    Full(PathBuf),
    /// The database does not answer as it should.
    #[error("cannot open {}", file.display())]
    Sql {
        /// The database file.
        file: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
}

/// Why a question or a change was not answered. A change that ends in one of these is not stored.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// No room to write. It goes on by itself when there is room again.
    #[error("the disk is full: nothing of this was stored; make room, and send it again")]
    DiskFull,
    /// Values come faster than they can be moved to their place, or cannot be moved now.
    #[error("too much waits to be written: nothing of this was stored; send it again later")]
    Busy,
    /// What is stored is not as it should be.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// What SQLite said.
    #[error("the database refused: {0}")]
    Sql(Arc<rusqlite::Error>),
    /// The value is none that can be stored.
    #[error("{0}")]
    Invalid(String),
    /// The change takes itself back.
    #[error("the change was taken back: {0}")]
    TakenBack(String),
    /// The code that was to run panicked.
    #[error("an internal error: the change panicked and was taken back")]
    Panicked,
    /// The store was closed.
    #[error("the database is closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Sql(Arc::new(error)),
        }
    }
}

impl StoreError {
    /// Whether a `UNIQUE` constraint refused the change.
    pub(crate) fn is_duplicate(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        matches!(
            error.sqlite_error().map(|error| error.extended_code),
            Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
        )
    }
}
