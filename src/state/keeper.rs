//! The thread that owns the state file.
//!
//! Changes gather in memory, one per key, and about every second it writes them in one transaction, those of all
//! tables: what is in the file was true at one moment, whenever the process is killed. In pieces it would not be, as a
//! key that changed twice has only its last place in the order of changes. While the file cannot be written they stay in
//! memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::books::Dropped;
use super::file::{self, Unopened};
use super::waiting::{Change, Size};
use super::{Remembered, Shared, rows};
use crate::dir_lock::DirLock;

/// How long changes gather: as much is lost when the process is killed.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// While the file cannot be written: a full disk is seldom emptied within seconds.
const RETRY_EVERY: Duration = Duration::from_secs(10);

/// What the thread is asked.
pub(super) enum Command {
    /// Changes begin to wait.
    Begin,
    /// So many wait that they are to be written now.
    Write,
    Load {
        table: usize,
        reply: oneshot::Sender<Remembered>,
    },
    Close {
        ack: oneshot::Sender<()>,
    },
    #[cfg(test)]
    Test(Box<dyn FnOnce(&mut Keeper) + Send>),
}

pub(super) struct Keeper {
    pub(super) store: Store,
    file: PathBuf,
    backend: String,
    trouble_since: Option<Instant>,
    shared: Arc<Shared>,
    /// Held as long as the file is open.
    _lock: DirLock,
}

pub(super) enum Store {
    /// Not yet, or not now.
    Closed,
    Open(Connection),
    /// Written by a newer version: it is not touched.
    Newer(u32),
}

impl Keeper {
    pub(super) fn new(file: PathBuf, backend: String, lock: DirLock, shared: Arc<Shared>) -> Self {
        Self { store: Store::Closed, file, backend, trouble_since: None, shared, _lock: lock }
    }

    /// Works until it is told to close, or nobody is left who could.
    pub(super) fn run(mut self, queue: &Receiver<Command>) {
        loop {
            let idle = matches!(self.store, Store::Newer(_)) || self.shared.waiting().is_empty();
            let command = if idle {
                queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                let pause = if self.trouble_since.is_some() { RETRY_EVERY } else { WRITE_EVERY };
                queue.recv_timeout(pause)
            };
            match command {
                Ok(Command::Begin) => {}
                Ok(Command::Write) if self.trouble_since.is_some() => {}
                Ok(Command::Write) | Err(RecvTimeoutError::Timeout) => self.write(),
                Ok(Command::Load { table, reply }) => {
                    let _ = reply.send(self.load(table));
                }
                Ok(Command::Close { ack }) => {
                    self.write_a_last_time();
                    drop(self);
                    let _ = ack.send(());
                    return;
                }
                Err(RecvTimeoutError::Disconnected) => return self.write_a_last_time(),
                #[cfg(test)]
                Ok(Command::Test(act)) => act(&mut self),
            }
        }
    }

    /// Writes what waits; what cannot be written waits on.
    pub(super) fn write(&mut self) {
        if matches!(self.store, Store::Newer(_)) {
            return;
        }
        let taken = self.shared.waiting().take();
        let changes = taken.into_changes();
        if changes.is_empty() {
            return;
        }
        if let Err(why) = self.write_all(&changes) {
            self.shared.waiting().put_back(changes);
            self.shared.books.write_errors.inc();
            return self.in_trouble(&why);
        }
        self.shared.waiting().done(changes.iter().map(Change::bytes).sum());
        if let Some(since) = self.trouble_since.take() {
            self.shared.books.trouble.set(0);
            tracing::info!(after = ?since.elapsed(), "the state file can be written again");
        }
    }

    /// All of them, or none.
    fn write_all(&mut self, changes: &[Change]) -> Result<(), Unopened> {
        let shared = Arc::clone(&self.shared);
        let written = self.with_file(|db| transact(db, changes, &shared))?;
        let refused: u64 = written.iter().map(|table| table.refused).sum();
        shared.books.written.add(changes.len() as u64 - refused);
        for Written { table, name, size, refused } in written {
            shared.waiting().set_size(table, size);
            shared.books.dropped(Dropped::Full, name, refused);
        }
        Ok(())
    }

    /// All that a table remembers: what is in the file, with what could not be written.
    fn load(&mut self, table: usize) -> Remembered {
        self.write();
        let mut changes = self.shared.waiting().changes(table);
        let name = self.shared.waiting().name(table);
        let read = self.with_file(|db| {
            let Some(row) = rows::table(db, name)? else { return Ok((Size::default(), Vec::new())) };
            Ok((row.size, rows::read(db, &row)?))
        });
        let mut remembered = match read {
            Ok((size, read)) => {
                self.shared.waiting().set_size(table, size);
                read
            }
            Err(why) => {
                self.in_trouble(&why);
                Vec::new()
            }
        };
        if !changes.is_empty() {
            remembered.retain(|(key, _)| !changes.contains_key(key));
            let put = changes.drain().filter_map(|(key, value)| Some((key, value?.into_boxed_slice())));
            remembered.extend(put);
        }
        remembered
    }

    /// Does something with the file, which is opened for it where it is not, and replaced where it is damaged.
    fn with_file<T>(&mut self, act: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T, Unopened> {
        let connection = self.open()?;
        match act(connection) {
            Ok(done) => return Ok(done),
            Err(error) if !file::is_damage(&error) => {
                // SQLite opens what may not be written for reading, and leaves it at that.
                if connection.is_readonly("main").unwrap_or(true) {
                    self.store = Store::Closed;
                }
                return Err(Unopened::Trouble(error.to_string()));
            }
            Err(error) => {
                self.store = Store::Closed;
                file::set_damaged_aside(&self.file, &error.to_string())?;
            }
        }
        act(self.open()?).map_err(|error| Unopened::Trouble(error.to_string()))
    }

    fn open(&mut self) -> Result<&Connection, Unopened> {
        if matches!(self.store, Store::Closed) {
            self.store = Store::Open(file::open(&self.file, &self.backend)?);
        }
        match &self.store {
            Store::Open(connection) => Ok(connection),
            Store::Newer(version) => Err(Unopened::Newer(*version)),
            Store::Closed => Err(Unopened::Trouble("it is closed".to_owned())),
        }
    }

    fn in_trouble(&mut self, why: &Unopened) {
        match why {
            Unopened::Newer(found) if !matches!(self.store, Store::Newer(_)) => {
                self.store = Store::Newer(*found);
                self.shared.waiting().is_all_there_is();
                tracing::warn!(
                    "{} has format version {found}, this program knows {}: it is left as it is, and what the \
                     bot is to remember is kept in memory only",
                    self.file.display(),
                    file::SCHEMA_VERSION
                );
            }
            Unopened::Trouble(why) if self.trouble_since.is_none() => {
                self.trouble_since = Some(Instant::now());
                self.shared.books.trouble.set(1);
                tracing::warn!(
                    "{} cannot be used: what the bot is to remember waits in memory until it can: {why}",
                    self.file.display()
                );
            }
            _ => {}
        }
    }

    pub(super) fn write_a_last_time(&mut self) {
        self.write();
        let lost = self.shared.waiting().count();
        if lost > 0 && !matches!(self.store, Store::Newer(_)) {
            tracing::warn!("{} was not written: the last {lost} changes are forgotten", self.file.display());
        }
    }
}

/// What became of one table in a transaction.
struct Written {
    table: usize,
    name: &'static str,
    size: Size,
    refused: u64,
}

fn transact(db: &Connection, changes: &[Change], shared: &Shared) -> rusqlite::Result<Vec<Written>> {
    let mut written = Vec::new();
    let tx = db.unchecked_transaction()?;
    for changes in changes.chunk_by(|one, next| one.table == next.table) {
        let table = changes[0].table;
        let name = shared.waiting().name(table);
        let mut row = match rows::table(&tx, name)? {
            Some(row) => row,
            None => rows::add_table(&tx, name)?,
        };
        let mut refused = 0;
        for change in changes {
            match &change.value {
                None => rows::remove(&tx, &mut row, &change.key)?,
                Some(value) => {
                    let fits = rows::put(&tx, &mut row, &change.key, value, shared.max_table_bytes)?;
                    refused += u64::from(!fits);
                }
            }
        }
        rows::set_size(&tx, &row)?;
        written.push(Written { table, name, size: row.size, refused });
    }
    tx.commit()?;
    Ok(written)
}
