//! The file: where it lies, who may open it, and what is found out before anything is changed.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::{OpenError, StoreError};
use super::migrations;

const FILE_NAME: &str = "hub.sqlite3";
const LOCK_NAME: &str = "hub.lock";
/// "GrHb": tells our files from others.
const APPLICATION_ID: i32 = 0x4772_4862;
/// Chunks of values fill a quarter of a page at most, so that none needs a page of its own.
const PAGE_BYTES: u32 = 8_192;
/// 16 MB of log before it is moved into the file: more would change again meanwhile and be moved once, but writers wait
/// for it.
const CHECKPOINT_PAGES: u32 = 2_048;
/// What stays of the log after that.
const LOG_BYTES_KEPT: u32 = 64 << 20;
/// The writer's page cache, in KiB.
const WRITER_CACHE_KIB: i32 = 16_384;
/// A reader's page cache, in KiB.
const READER_CACHE_KIB: i32 = 2_048;
/// Files up to this size are checked as a whole when they are opened; of larger ones all but the values, whose
/// pieces carry checksums of their own.
const CHECKED_WHOLE_BYTES: u64 = 32 << 20;

/// Holds the directory for this process. The system gives it back when the process dies, however it dies.
#[derive(Debug)]
pub(super) struct DirLock(File);

impl Drop for DirLock {
    /// Closing the file would do, but for a child that is being started: until it runs its own program it has a copy
    /// of the file, and the lock with it. An error leaves it at that.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Makes the directory and takes its lock.
pub(super) fn take_directory(directory: &Path) -> Result<DirLock, OpenError> {
    let not_writable = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::NotWritable { path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(not_writable(directory))?;
    let path = directory.join(LOCK_NAME);
    let file = private_file(&path).map_err(not_writable(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(DirLock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(not_writable(&path)(error)),
    }
}

/// Opens a file that only its owner can read, and makes it where there is none.
fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)
}

/// Where the database lies.
pub(super) fn path_in(directory: &Path) -> PathBuf {
    directory.join(FILE_NAME)
}

/// Opens the database for the one writer: checks what is there, then brings it to the version of this program.
pub(super) fn open(file: &Path) -> Result<Connection, OpenError> {
    let found = check(file)?;
    let made = private_file(file);
    made.map_err(|source| OpenError::NotWritable { path: file.to_owned(), source })?;
    let sql = |source| unreadable(file, source);
    let db = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(sql)?;
    configure_writer(&db).map_err(sql)?;
    migrations::migrate(&db, found).map_err(sql)?;
    Ok(db)
}

fn configure_writer(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "page_size", PAGE_BYTES)?;
    db.pragma_update(None, "application_id", APPLICATION_ID)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    db.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    db.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    configure(db)
}

/// Opens the database for questions.
pub(super) fn open_reader(file: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    db.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    configure(&db)?;
    Ok(db)
}

fn configure(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "foreign_keys", true)?;
    db.set_prepared_statement_cache_capacity(64);
    db.busy_timeout(Duration::from_secs(5))
}

/// Looks at the file without changing it; gives its version, 0 when there is nothing yet.
fn check(file: &Path) -> Result<u32, OpenError> {
    let bytes = match fs::metadata(file) {
        Ok(found) if found.is_file() => found.len(),
        Ok(_) => return Err(damaged(file, "it is not a file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(source) => return Err(OpenError::NotWritable { path: file.to_owned(), source }),
    };
    if bytes == 0 {
        return Ok(0);
    }
    let sql = |source| unreadable(file, source);
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sql)?;
    let number = |question: &str| db.query_row(question, [], |row| row.get::<_, i64>(0)).map_err(sql);
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let version = u32::try_from(number("PRAGMA user_version")?).unwrap_or(u32::MAX);
    if tables == 0 && version == 0 {
        return Ok(0);
    }
    if number("PRAGMA application_id")? != i64::from(APPLICATION_ID) {
        return Err(damaged(file, "it is a database of another program"));
    }
    if version > migrations::version() {
        return Err(OpenError::Newer { file: file.to_owned(), found: version, known: migrations::version() });
    }
    check_integrity(&db, bytes <= CHECKED_WHOLE_BYTES)
        .map_err(sql)?
        .map_or(Ok(version), |what| Err(damaged(file, &what)))
}

/// What is wrong with the file, if anything is.
fn check_integrity(db: &Connection, whole: bool) -> rusqlite::Result<Option<String>> {
    let mut questions = vec!["PRAGMA quick_check(1)".to_owned()];
    if !whole {
        let mut names =
            db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?;
        let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let small = names.iter().filter(|name| !super::values::LARGE_TABLES.contains(&name.as_str()));
        questions = small.map(|name| format!("PRAGMA quick_check({name})")).collect();
    }
    for question in questions {
        let answer: String = db.query_row(&question, [], |row| row.get(0))?;
        if answer != "ok" {
            return Ok(Some(answer.lines().next().unwrap_or_default().to_owned()));
        }
    }
    Ok(None)
}

fn damaged(file: &Path, what: &str) -> OpenError {
    OpenError::Damaged { file: file.to_owned(), what: what.to_owned() }
}

fn unreadable(file: &Path, source: rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseCorrupt, DiskFull, NotADatabase, PermissionDenied};
    // SQLite says of its index of the log, which is first of all, that its file cannot be made longer.
    let code = source.sqlite_error().map(|error| error.extended_code);
    if code == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) {
        return OpenError::Full(file.to_owned());
    }
    match source.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => damaged(file, &source.to_string()),
        Some(DiskFull) => OpenError::Full(file.to_owned()),
        Some(CannotOpen | PermissionDenied) => {
            OpenError::NotWritable { path: file.to_owned(), source: io::Error::other(source.to_string()) }
        }
        _ => OpenError::Sql { file: file.to_owned(), source },
    }
}

/// Writes a copy of one state of the database; `to` appears when it is complete.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let failed = |error: io::Error| StoreError::Invalid(format!("cannot write {}: {error}", to.display()));
    if fs::symlink_metadata(to).is_ok() {
        return Err(StoreError::Invalid(format!("{} exists: name a file that does not", to.display())));
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let copied = copy_to(from, &part, to).map_err(|error| match error {
        CopyError::Sql(error) => match error.into() {
            StoreError::DiskFull => failed(io::ErrorKind::StorageFull.into()),
            error => error,
        },
        CopyError::Io(error) => failed(error),
    });
    if copied.is_err() {
        let _ = fs::remove_file(&part);
    }
    copied
}

enum CopyError {
    Sql(rusqlite::Error),
    Io(io::Error),
}

fn copy_to(from: &Path, part: &Path, to: &Path) -> Result<(), CopyError> {
    // What a copy that was broken off has left; or somebody else, who could read the copy, or have it write through a link.
    match fs::remove_file(part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(CopyError::Io(error)),
        _ => {}
    }
    let made = OpenOptions::new().create_new(true).read(true).write(true).mode(0o600).open(part);
    let file = made.map_err(CopyError::Io)?;
    let name = part.to_str().ok_or_else(|| CopyError::Io(io::Error::other("its name is not UTF-8")))?;
    let db = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(CopyError::Sql)?;
    db.execute("VACUUM INTO ?1", [name]).map_err(CopyError::Sql)?;
    file.sync_all().and_then(|()| fs::rename(part, to)).map_err(CopyError::Io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_and_not_the_number_that_sqlite_gives_it() {
        for code in [rusqlite::ffi::SQLITE_FULL, rusqlite::ffi::SQLITE_IOERR_SHMSIZE] {
            let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            let said = unreadable(Path::new("/data/hub.sqlite3"), error).to_string();
            assert!(said.contains("/data/hub.sqlite3") && said.contains("the disk is full"), "{said}");
        }
    }
}
