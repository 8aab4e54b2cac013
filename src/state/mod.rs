//! What a bot remembers between its runs and lives: small values by key, in tables.

mod books;
mod error;
mod file;
mod keeper;
mod rows;
#[cfg(test)]
mod tests;
mod waiting;

use std::fs::TryLockError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use tokio::sync::oneshot;

pub use self::error::StateError;
#[cfg(test)]
pub(crate) use self::tests::hold;

use self::books::{Books, Dropped};
use self::keeper::{Command, Keeper};
use self::waiting::{NoRoom, Waiting};
use crate::backend::http::shown_url;
use crate::dir_lock::DirLock;
use crate::error::panic_message;
use crate::telemetry::MetricsText;

/// Keys are names, not data.
const MAX_KEY: usize = 1 << 10;
const MAX_VALUE: usize = 16 << 20;
/// What one table may hold in the file, keys and values together.
const MAX_TABLE_BYTES: u64 = 1 << 30;
/// What may wait in memory for the file, and what is kept at all where there is none: 100,000 keys of 1,000 bytes.
const MAX_WAITING_BYTES: u64 = 128 << 20;
/// When so much waits, it is written at once: far from the limit above.
const WRITE_EARLY_BYTES: u64 = 16 << 20;

/// The entries of a table: keys with their values, in no order.
type Remembered = Vec<(Box<[u8]>, Box<[u8]>)>;

/// What a bot remembers, between its runs and, where there is a file, between its lives.
///
/// It is meant for what can be lost without harm, such as the last value of a counter: a bot that is killed forgets
/// what was put within the last second or two, and a file that is damaged is set aside.
///
/// What was put first is never missing when what was put later is there, in all tables together: a bot that is killed
/// at any moment finds what was true at one moment before. Only what [was refused](Table::put) is missing.
///
/// A bot gets it from its [`Context`](crate::Context::state); clones are the same state.
///
/// ```
/// use grafoleancollector::State;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let baselines = State::memory().table("baselines");
/// baselines.put(b"router/1.3.6.1.2.1.2.2.1.10.1", 42_u64.to_le_bytes().into());
/// baselines.put(b"switch/1.3.6.1.2.1.2.2.1.10.7", 43_u64.to_le_bytes().into());
/// baselines.remove(b"switch/1.3.6.1.2.1.2.2.1.10.7");
/// let remembered = baselines.load().await;
/// assert_eq!(remembered.len(), 1);
/// assert_eq!(*remembered[0].1, 42_u64.to_le_bytes());
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct State {
    shared: Arc<Shared>,
    /// The thread that owns the file, where there is one.
    keeper: Option<mpsc::Sender<Command>>,
}

/// A part of a bot's [`State`], with keys of its own.
#[derive(Clone, Debug)]
pub struct Table {
    name: &'static str,
    number: usize,
    state: State,
}

/// What handles and the thread have in common.
#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    books: Books,
    max_table_bytes: u64,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Remembers as long as one of its clones lives.
    #[must_use]
    pub fn memory() -> Self {
        Self::memory_of(MAX_WAITING_BYTES)
    }

    fn memory_of(max_bytes: u64) -> Self {
        Self { shared: Shared::new(max_bytes, false, MAX_TABLE_BYTES), keeper: None }
    }

    /// Remembers in the file `state.sqlite` in `directory`, which is made if it is missing. What another backend's
    /// bot remembered there is set aside.
    ///
    /// Nothing else can go wrong for the caller: while the file cannot be used, what is put waits in memory.
    ///
    /// # Errors
    /// When the directory cannot be made or written, or another bot uses it.
    pub fn sqlite(directory: impl AsRef<Path>, backend_url: &str) -> Result<Self, StateError> {
        Self::sqlite_of(directory.as_ref(), backend_url, MAX_WAITING_BYTES, MAX_TABLE_BYTES)
    }

    fn sqlite_of(
        directory: &Path,
        backend_url: &str,
        max_waiting_bytes: u64,
        max_table_bytes: u64,
    ) -> Result<Self, StateError> {
        std::fs::create_dir_all(directory)
            .map_err(|source| StateError::Create { directory: directory.to_owned(), source })?;
        let lock = lock(directory)?;
        let file = directory.join("state.sqlite");
        let shared = Shared::new(max_waiting_bytes, true, max_table_bytes);
        let keeper = Keeper::new(file.clone(), shown_url(backend_url), lock, Arc::clone(&shared));
        let (commands, queue) = mpsc::channel();
        let watched = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("state".to_owned())
            .spawn(move || watch_over(&watched, || keeper.run(&queue)))
            .map_err(|source| StateError::NotWritable { file, source })?;
        Ok(Self { shared, keeper: Some(commands) })
    }

    /// The table of this name. It stays in the file as long as that does: what may change its form one day carries a
    /// version in its values.
    #[must_use]
    pub fn table(&self, name: &'static str) -> Table {
        Table { name, number: self.shared.waiting().table(name), state: self.clone() }
    }

    /// Writes what was put, and closes the file, so that another may open it. What is put later is forgotten.
    pub async fn close(&self) {
        self.ask(|ack| Command::Close { ack }).await;
    }

    /// Asks the thread and waits for the answer; `None` where there is no thread, or not any more.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.keeper.as_ref()?.send(command(reply)).ok()?;
        answer.await.ok()
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
    pub(crate) fn write_metrics(&self, out: &mut MetricsText) {
        let sizes: Vec<_> = self.shared.waiting().sizes().collect();
        if sizes.is_empty() {
            return;
        }
        let mut gauge = |name, help, value: fn(&waiting::TableSize) -> u64| {
            out.family(name, "gauge", help);
            for size in &sizes {
                out.sample(name, &[("table", size.name)], value(size) as f64);
            }
        };
        gauge("grafolean_state_keys", "Keys that the bot remembers.", |size| size.remembered.keys);
        gauge("grafolean_state_bytes", "Bytes of them and their values.", |size| size.remembered.bytes);
        gauge("grafolean_state_pending", "Changes that wait for the state file.", |size| size.pending);
        let books = &self.shared.books;
        out.counter("grafolean_state_written_total", "Changes written to the state file.", &books.written);
        out.counter(
            "grafolean_state_write_errors_total",
            "Attempts to write the state file that failed.",
            &books.write_errors,
        );
        let name = "grafolean_state_dropped_total";
        out.family(name, "counter", "Changes that are not remembered, by reason.");
        for (reason, count) in books.dropped_by_reason() {
            out.sample(name, &[("reason", reason)], count as f64);
        }
        out.gauge(
            "grafolean_state_file_trouble",
            "Whether the state file cannot be used (1) or can (0).",
            books.trouble.get() as f64,
        );
    }
}

impl Shared {
    fn new(max_waiting_bytes: u64, has_file: bool, max_table_bytes: u64) -> Arc<Self> {
        let waiting = Mutex::new(Waiting::new(max_waiting_bytes, has_file));
        Arc::new(Self { waiting, books: Books::default(), max_table_bytes })
    }
}

impl Table {
    /// All that is remembered: from the last life, and what was put since.
    ///
    /// It is read at once and in no order; meant for the start, into a map of the caller's own. What cannot be
    /// read is missing, and the log says why.
    pub async fn load(&self) -> Vec<(Box<[u8]>, Box<[u8]>)> {
        let table = self.number;
        if let Some(remembered) = self.state.ask(|reply| Command::Load { table, reply }).await {
            return remembered;
        }
        let changes = self.state.shared.waiting().changes(table);
        changes.into_iter().filter_map(|(key, value)| Some((key, value?.into_boxed_slice()))).collect()
    }

    /// Remembers `value` as that of `key`, in the place of the one before. It returns at once; the file follows
    /// within about a second.
    ///
    /// It is never in the file without all that was put, and that was [removed](Self::remove), before: in this table and
    /// in the others. So what becomes wrong without another change is put after it.
    ///
    /// ```
    /// # let (state, report) = (grafoleancollector::State::memory(), vec![1]);
    /// let (reports, windows) = (state.table("reports"), state.table("windows"));
    /// windows.put(b"minute", vec![1]);
    /// // Whenever the bot is killed: the window is open, or its report is there.
    /// reports.put(b"12:01", report);
    /// windows.remove(b"minute");
    /// ```
    ///
    /// A key may have up to 1 KiB, a value up to 16 MiB. What does not fit is not remembered, and counted.
    pub fn put(&self, key: &[u8], value: Vec<u8>) {
        if key.len() > MAX_KEY || value.len() > MAX_VALUE {
            return self.state.shared.books.dropped(Dropped::TooLarge, self.name, 1);
        }
        self.change(key, Some(value));
    }

    /// Forgets `key`; in the same order as what is [put](Self::put).
    pub fn remove(&self, key: &[u8]) {
        self.change(key, None);
    }

    fn change(&self, key: &[u8], value: Option<Vec<u8>>) {
        let State { shared, keeper } = &self.state;
        let mut waiting = shared.waiting();
        let (was_empty, before) = (waiting.is_empty(), waiting.bytes());
        let taken = waiting.change(self.number, key, value);
        let early = before < WRITE_EARLY_BYTES && waiting.bytes() >= WRITE_EARLY_BYTES;
        drop(waiting);
        if let Err(NoRoom) = taken {
            let why = if keeper.is_some() { Dropped::Overflow } else { Dropped::Full };
            return shared.books.dropped(why, self.name, 1);
        }
        if let Some(keeper) = keeper
            && (was_empty || early)
        {
            // When the thread is gone, the bot has stopped, or goes on with memory only.
            let _ = keeper.send(if early { Command::Write } else { Command::Begin });
        }
    }
}

fn lock(directory: &Path) -> Result<DirLock, StateError> {
    let file = directory.join("state.lock");
    DirLock::take(&file).map_err(|error| match error {
        TryLockError::WouldBlock => StateError::InUse { directory: directory.to_owned() },
        TryLockError::Error(source) => StateError::NotWritable { file, source },
    })
}

/// Runs the thread, and says it when it dies before its time: from then on there is memory only.
fn watch_over(shared: &Shared, run: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
        shared.waiting().is_all_there_is();
        tracing::error!(
            "the thread that keeps the state file has died, which is a bug, and what the bot is to remember is \
             kept in memory only: {}",
            panic_message(&*panic)
        );
    }
}
