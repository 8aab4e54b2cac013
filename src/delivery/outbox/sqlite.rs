//! The outbox in a file: opening it, and the door to the thread that owns it.

use std::collections::HashSet;
use std::fs::TryLockError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _};
use tokio::sync::{mpsc, oneshot};

use super::keeper::{Command, Keeper, Keeping};
use super::parcel::{Parcel, Seq};
use super::{Closed, Outbox, OutboxError, Settled, Shared};
use crate::backend::http::shown_url;
use crate::clock::Clock;
use crate::dir_lock::DirLock;
use crate::error::panic_message;
use crate::ids::AccountId;
use crate::sample::Sample;

/// The newest format that this program reads and the one that it writes.
const SCHEMA_VERSION: u32 = 1;

/// Commands that wait for the thread. A full queue makes producers wait: that is the back pressure, and it
/// comes while one transaction still has enough to swallow.
const QUEUE: usize = 1_024;

const SCHEMA: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE parcel (
        seq     INTEGER PRIMARY KEY,
        account INTEGER NOT NULL,
        samples INTEGER NOT NULL,
        oldest  INTEGER NOT NULL,
        newest  INTEGER NOT NULL,
        blob    BLOB    NOT NULL
    );
    CREATE INDEX parcel_by_account ON parcel (account);
";

/// An open outbox file.
#[derive(Debug)]
pub(crate) struct Sqlite {
    commands: mpsc::Sender<Command>,
    file: PathBuf,
}

impl Sqlite {
    pub(crate) fn open(
        directory: &Path,
        options: &Outbox,
        backend_url: &str,
        clock: Arc<dyn Clock>,
        shared: Arc<Shared>,
    ) -> Result<Self, OutboxError> {
        std::fs::create_dir_all(directory)
            .map_err(|source| OutboxError::Create { directory: directory.to_owned(), source })?;
        let lock = lock(directory)?;
        let file = directory.join("outbox.sqlite");
        let (connection, next, bytes) = prepare(&file, options, backend_url, &shared)?;
        let (commands, queue) = mpsc::channel(QUEUE);
        let keeping =
            Keeping { age: options.keep_for, bytes: options.max_bytes, samples: options.max_samples };
        let watched = Arc::clone(&shared);
        let keeper = Keeper::new(connection, lock, shared, clock, keeping, next, bytes);
        std::thread::Builder::new()
            .name("outbox".to_owned())
            .spawn(move || watch_over(&watched, || keeper.run(queue)))
            .map_err(|source| OutboxError::NotWritable { file: file.clone(), source: source.into() })?;
        Ok(Self { commands, file })
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    pub(crate) async fn put(&self, account: AccountId, samples: Vec<Sample>) -> Result<(), Closed> {
        self.ask(|ack| Command::Put { account, samples, ack }).await.ok_or(Closed)
    }

    pub(crate) async fn take_backlog(
        &self,
        account: AccountId,
        max: usize,
        skip: HashSet<Seq>,
    ) -> Vec<Parcel> {
        self.ask(|reply| Command::Take { account, max, skip, reply }).await.unwrap_or_default()
    }

    pub(crate) async fn settle(&self, account: AccountId, settled: Vec<Settled>) {
        self.ask(|ack| Command::Settle { account, settled, ack }).await;
    }

    pub(crate) async fn sweep(&self) {
        self.ask(|ack| Command::Sweep { ack }).await;
    }

    pub(crate) async fn close(&self) {
        self.ask(|ack| Command::Close { ack }).await;
    }

    #[cfg(test)]
    pub(crate) async fn block(&self, time: std::time::Duration) {
        let _ = self.commands.send(Command::Block(time)).await;
    }

    #[cfg(test)]
    pub(crate) async fn die(&self) {
        self.ask(|_: oneshot::Sender<()>| Command::Die).await;
    }

    #[cfg(test)]
    pub(crate) async fn set_max_pages(&self, pages: u32) {
        self.ask(|ack| Command::SetMaxPages { pages, ack }).await;
    }

    /// Sends a command and waits until it is done; `None` once the thread has ended.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }
}

fn lock(directory: &Path) -> Result<DirLock, OutboxError> {
    let file = directory.join("outbox.lock");
    DirLock::take(&file).map_err(|error| match error {
        TryLockError::WouldBlock => OutboxError::InUse { directory: directory.to_owned() },
        TryLockError::Error(source) => OutboxError::NotWritable { file, source: source.into() },
    })
}

/// Runs the thread, and says it when it dies before its time: from then on nothing is accepted.
fn watch_over(shared: &Shared, run: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
        let why = format!(
            "the thread that keeps the outbox file has died, which is a bug, and no sample is accepted until \
             the bot is started again: {}",
            panic_message(&*panic)
        );
        tracing::error!("{why}");
        let _ = shared.given_up.set(why);
    }
}

/// Opens the database, makes it where it is new, and counts what waits. Returns the next free number of a
/// parcel and the bytes of all.
fn prepare(
    file: &Path,
    options: &Outbox,
    backend_url: &str,
    shared: &Shared,
) -> Result<(Connection, u64, u64), OutboxError> {
    let judge = |error| judge(file, error);
    let connection = Connection::open(file).map_err(judge)?;
    configure(&connection, options).map_err(judge)?;
    let is_new = !connection.table_exists(None, "meta").map_err(judge)?;
    if is_new {
        let tx = connection.unchecked_transaction().map_err(judge)?;
        tx.execute_batch(SCHEMA).map_err(judge)?;
        set_meta(&tx, "schema_version", &SCHEMA_VERSION.to_string()).map_err(judge)?;
        tx.commit().map_err(judge)?;
    }
    let found = meta(&connection, "schema_version").map_err(judge)?;
    let found = found.and_then(|version| version.parse().ok()).ok_or_else(|| OutboxError::Damaged {
        file: file.to_owned(),
        source: "it does not say its format version".into(),
    })?;
    if found > SCHEMA_VERSION {
        return Err(OutboxError::Newer { file: file.to_owned(), found, known: SCHEMA_VERSION });
    }
    let (next, bytes, waiting) = count(&connection, shared).map_err(judge)?;
    // Never to the wrong backend: account numbers mean something else there.
    let backend = meta(&connection, "backend").map_err(judge)?;
    let ours = shown_url(backend_url);
    if backend.as_deref() != Some(ours.as_str()) {
        match backend {
            Some(backend) if waiting > 0 => {
                return Err(OutboxError::OtherBackend { file: file.to_owned(), backend, waiting });
            }
            _ => set_meta(&connection, "backend", &ours).map_err(judge)?,
        }
    }
    Ok((connection, next, bytes))
}

fn configure(connection: &Connection, options: &Outbox) -> rusqlite::Result<()> {
    // Works only while the file has no tables; lets the file shrink again after an outage.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit is a write into the log, without waiting for the disk: what is written survives the death of
    // the process, whatever kills it. When the power fails, the commits of the last moments may be missing,
    // but the file is whole. FULL would cost one fsync per commit, some milliseconds each.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // 16 MB of log before it is moved into the file: fewer fsyncs at high rates.
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    if let Some(pages) = options.max_pages {
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

fn count(connection: &Connection, shared: &Shared) -> rusqlite::Result<(u64, u64, u64)> {
    let sql = "SELECT account, max(seq), sum(samples), sum(length(blob)), min(oldest)
               FROM parcel GROUP BY account";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let (mut last, mut bytes, mut waiting, mut oldest) = (0, 0, 0, i64::MAX);
    while let Some(row) = rows.next()? {
        let samples: u64 = row.get(2)?;
        shared
            .shelf()
            .waiting_on_disk(AccountId::new(row.get(0)?), usize::try_from(samples).unwrap_or(usize::MAX));
        last = last.max(row.get(1)?);
        waiting += samples;
        bytes += row.get::<_, u64>(3)?;
        oldest = oldest.min(row.get(4)?);
    }
    shared.disk_oldest.store(oldest, std::sync::atomic::Ordering::Relaxed);
    shared.disk_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    Ok((last + 1, bytes, waiting))
}

fn meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()
}

fn set_meta(connection: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    connection.execute(sql, [key, value]).map(|_| ())
}

fn judge(file: &Path, error: rusqlite::Error) -> OutboxError {
    let file = file.to_owned();
    match error.sqlite_error_code() {
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked,
        ) => OutboxError::NotWritable { file, source: error.into() },
        _ => OutboxError::Damaged { file, source: error.into() },
    }
}
