//! The state file: opening it, and what is done when it is not what it should be.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

use super::rows;

/// The newest format that this program reads and the one that it writes.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// Why there is no file to work with.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unopened {
    /// A newer version of this library wrote it.
    #[error("format version {0}")]
    Newer(u32),
    /// It cannot be read or written now; perhaps later.
    #[error("{0}")]
    Trouble(String),
}

/// What was found in a file, if not what is wanted.
enum Unfit {
    Newer(u32),
    Trouble(String),
    Damaged(String),
    OtherBackend(String),
}

impl From<rusqlite::Error> for Unfit {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { Self::Damaged(error.to_string()) } else { Self::Trouble(error.to_string()) }
    }
}

/// Whether an error says that the file is not as it should be, rather than the world around it.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    !matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OutOfMemory
        )
    )
}

/// Opens the file, and makes it where there is none. One that is damaged or of another backend is set aside
/// first.
pub(super) fn open(file: &Path, backend: &str) -> Result<Connection, Unopened> {
    match try_open(file, backend) {
        Ok(connection) => return Ok(connection),
        Err(Unfit::Newer(version)) => return Err(Unopened::Newer(version)),
        Err(Unfit::Trouble(why)) => return Err(Unopened::Trouble(why)),
        Err(Unfit::Damaged(why)) => set_damaged_aside(file, &why)?,
        Err(Unfit::OtherBackend(other)) => {
            let aside = set_aside(file, "other-backend")?;
            tracing::warn!(
                "{} has the state of another backend, {other}, which means nothing to this one: it is now {}, \
                 and the bot begins anew",
                file.display(),
                aside.display()
            );
        }
    }
    try_open(file, backend).map_err(|unfit| match unfit {
        Unfit::Newer(version) => Unopened::Newer(version),
        Unfit::Trouble(why) | Unfit::Damaged(why) | Unfit::OtherBackend(why) => Unopened::Trouble(why),
    })
}

pub(super) fn set_damaged_aside(file: &Path, why: &str) -> Result<(), Unopened> {
    let aside = set_aside(file, "damaged")?;
    tracing::warn!(
        "{} is damaged ({why}): it is now {}, and the bot begins anew without what it remembered",
        file.display(),
        aside.display()
    );
    Ok(())
}

fn try_open(file: &Path, backend: &str) -> Result<Connection, Unfit> {
    if fs::metadata(file).is_ok_and(|found| !found.is_file()) {
        return Err(Unfit::Damaged("it is not a file".to_owned()));
    }
    let connection = Connection::open(file)?;
    let things: u64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if things == 0 {
        configure(&connection)?;
        let tx = connection.unchecked_transaction()?;
        tx.execute_batch(rows::SCHEMA)?;
        rows::set_meta(&tx, "schema_version", &SCHEMA_VERSION.to_string())?;
        rows::set_meta(&tx, "backend", backend)?;
        tx.commit()?;
        return Ok(connection);
    }
    // Nothing is changed before it is clear that the file is ours.
    let version = rows::meta(&connection, "schema_version")?.and_then(|version| version.parse().ok());
    match version {
        None => return Err(Unfit::Damaged("it does not say its format version".to_owned())),
        Some(newer) if newer > SCHEMA_VERSION => return Err(Unfit::Newer(newer)),
        Some(_) => {}
    }
    match rows::meta(&connection, "backend")? {
        Some(of) if of == backend => {}
        other => return Err(Unfit::OtherBackend(other.unwrap_or_else(|| "unnamed".to_owned()))),
    }
    configure(&connection)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // A change writes the whole page, and keys change in no order: pages that hold a few entries write less than
    // the usual 4 KiB. Works only while the file has no tables.
    connection.pragma_update(None, "page_size", 2_048)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // What is committed survives the death of the process; when the power fails, the last of it may be missing,
    // but the file is whole.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // 64 MB of log before it is moved into the file: what changes twice meanwhile is moved once.
    connection.pragma_update(None, "wal_autocheckpoint", 32_768)?;
    connection.pragma_update(None, "journal_size_limit", 128 << 20)?;
    connection.pragma_update(None, "cache_size", -8_192)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// Renames the file, with the log that belongs to it; one that was set aside before makes room.
fn set_aside(file: &Path, suffix: &str) -> Result<PathBuf, Unopened> {
    let with = |end: &str| {
        let mut path = file.as_os_str().to_owned();
        path.push(end);
        PathBuf::from(path)
    };
    for part in ["-wal", "-shm", ""] {
        let (from, to) = (with(part), with(&format!(".{suffix}{part}")));
        replace(&from, &to).map_err(|error| {
            Unopened::Trouble(format!("cannot rename {} to {}: {error}", from.display(), to.display()))
        })?;
    }
    Ok(with(&format!(".{suffix}")))
}

/// Puts what is at `from`, if there is something, in the place of what is at `to`.
fn replace(from: &Path, to: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    // A directory, which may have come in the place of a file, cannot be replaced by renaming.
    gone(if to.is_dir() { fs::remove_dir(to) } else { fs::remove_file(to) })?;
    gone(fs::rename(from, to))
}
