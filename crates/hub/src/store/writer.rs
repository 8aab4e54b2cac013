//! The one thread that writes.
//!
//! Changes that wait are taken together and committed as one transaction, each in a savepoint of its own: one that
//! fails or panics is taken back alone. Who asked hears of it after the commit. Between two commits there is room for
//! a slice of background work.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::error::StoreError;
use super::file::DirLock;
use super::values::Engine;

/// What may wait in the queue, weighed: a list of values weighs as many as it has. Who brings more waits before.
const QUEUE: u32 = 512 * 1_024;
/// What a change weighs at least.
const CHANGE: u32 = 512;
/// Changes in one commit: more would let the first wait for long.
const GROUP: usize = 256;
/// How often background work is looked for when nothing is written.
const IDLE: Duration = Duration::from_secs(1);

/// A change: what runs on the writer's thread, and what follows when its outcome is known.
pub(super) trait Job: Send {
    /// Changes the database, inside a savepoint.
    fn run(&mut self, db: &Connection, engine: &mut Engine) -> Result<(), StoreError>;
    /// How much room it takes in the queue: as much as so many values.
    fn weight(&self) -> usize {
        0
    }
    /// Tells who asked, after the commit.
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>, engine: &mut Engine);
}

/// Something to do between two commits.
type Work = Box<dyn FnOnce(&Connection, &mut Engine) + Send>;

/// A change in the queue, with its place there.
type Queued = (Box<dyn Job>, OwnedSemaphorePermit);

enum Command {
    Change(Box<dyn Job>, OwnedSemaphorePermit),
    Work(Work),
    Close(oneshot::Sender<()>),
    /// Nobody is left who could ask for anything.
    Abandon,
}

/// Hands changes to the thread that writes.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Sender<Command>,
    room: Arc<Semaphore>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(db: Connection, engine: Engine, lock: DirLock) -> std::io::Result<Arc<Self>> {
        let (queue, commands) = channel();
        let work = move || Thread { db, engine, refused: Refused::default(), _lock: lock }.run(&commands);
        let thread = std::thread::Builder::new().name("hub-store".to_owned()).spawn(work)?;
        let room = Arc::new(Semaphore::new(QUEUE as usize));
        Ok(Arc::new(Self { queue, room, thread: Mutex::new(Some(thread)) }))
    }

    /// Lines a change up; waits for room, not for the change.
    pub(super) async fn submit(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        let weight = u32::try_from(job.weight()).unwrap_or(QUEUE).clamp(CHANGE, QUEUE);
        let room = Arc::clone(&self.room).acquire_many_owned(weight);
        let permit = room.await.map_err(|_| StoreError::Closed)?;
        self.queue.send(Command::Change(job, permit)).map_err(|_| StoreError::Closed)
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Box::new(Change { change: Some(change), result: None, reply })).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Runs `work` on the writer's thread, between two commits.
    pub(super) async fn between<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &mut Engine) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let work = move |db: &Connection, engine: &mut Engine| {
            let _ = reply.send(work(db, engine));
        };
        self.queue.send(Command::Work(Box::new(work))).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)
    }

    /// Takes no more changes, writes those that wait, and ends the thread.
    pub(super) async fn close(&self) {
        self.room.close();
        let (done, closed) = oneshot::channel();
        if self.queue.send(Command::Close(done)).is_ok() {
            let _ = closed.await;
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for Writer {
    /// Lets the thread end, so that the directory is free; what is committed is in the file, or in its log.
    fn drop(&mut self) {
        let _ = self.queue.send(Command::Abandon);
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let _ = thread.map(JoinHandle::join);
    }
}

/// A change that is a function.
struct Change<T, F> {
    change: Option<F>,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnOnce(&Connection) -> Result<T, StoreError> + Send> Job for Change<T, F> {
    fn run(&mut self, db: &Connection, _: &mut Engine) -> Result<(), StoreError> {
        let change = self.change.take().ok_or(StoreError::Panicked)?;
        self.result = Some(change(db)?);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>, _: &mut Engine) {
        let Self { result, reply, .. } = *self;
        let _ = reply.send(outcome.and_then(|()| result.ok_or(StoreError::Panicked)));
    }
}

struct Thread {
    db: Connection,
    engine: Engine,
    refused: Refused,
    /// Held as long as the file is open.
    _lock: DirLock,
}

/// Changes that could not be written, since it was said: a full disk is said once, or the log would fill it further.
#[derive(Default)]
struct Refused {
    why: Option<String>,
    changes: usize,
}

impl Refused {
    /// Says what is news of it, and tells whether anything was.
    fn say(&mut self, whole: &Result<(), StoreError>, changes: usize) -> bool {
        match whole {
            Ok(()) if self.why.take().is_none() => false,
            Ok(()) => {
                let changes = std::mem::take(&mut self.changes);
                tracing::info!("changes are written again; {changes} could not be");
                true
            }
            Err(error) => {
                self.changes += changes;
                let why = error.to_string();
                let is_news = self.why.as_ref() != Some(&why);
                if is_news {
                    tracing::warn!("changes cannot be written: {why}");
                }
                self.why = Some(why);
                is_news
            }
        }
    }
}

impl Thread {
    fn run(mut self, commands: &Receiver<Command>) {
        // What the last life has left may be all that memory holds.
        self.engine.work(&self.db);
        loop {
            let (group, next) = self.gather(commands);
            if !group.is_empty() {
                self.commit(group);
            }
            match next {
                Next::Go => self.engine.work(&self.db),
                Next::Work(work) => work(&self.db, &mut self.engine),
                Next::Abandoned => return,
                Next::Close(done) => {
                    // The journal keeps what memory has: stopping is quick.
                    let _ = self.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
                    drop(self);
                    let _ = done.send(());
                    return;
                }
            }
        }
    }

    /// Waits for a change, unless there is other work, and takes those that are there by then.
    fn gather(&self, commands: &Receiver<Command>) -> (Vec<Queued>, Next) {
        let mut group = Vec::new();
        let wait = if self.engine.has_work() { Duration::ZERO } else { IDLE };
        let mut next = commands.recv_timeout(wait);
        loop {
            match next {
                Ok(Command::Change(job, permit)) => group.push((job, permit)),
                Ok(Command::Work(work)) => return (group, Next::Work(work)),
                Ok(Command::Close(done)) => return (group, Next::Close(done)),
                Err(RecvTimeoutError::Timeout) => return (group, Next::Go),
                Ok(Command::Abandon) | Err(RecvTimeoutError::Disconnected) => {
                    return (group, Next::Abandoned);
                }
            }
            if group.len() == GROUP {
                return (group, Next::Go);
            }
            next = commands.recv_timeout(Duration::ZERO);
        }
    }

    /// Runs the changes in one transaction, then tells each what became of it.
    fn commit(&mut self, group: Vec<Queued>) {
        let mut outcomes = Vec::with_capacity(group.len());
        let (mut jobs, permits): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let whole = self.transact(&mut jobs, &mut outcomes);
        self.refused.say(&whole, jobs.len());
        // Those that wait for room may come while these hear of their outcome.
        drop(permits);
        // Those that did not run share the fate of the others.
        outcomes.resize_with(jobs.len(), || Ok(()));
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            let outcome = match &whole {
                Ok(()) => outcome,
                Err(error) => outcome.and(Err(error.clone())),
            };
            job.finish(outcome, &mut self.engine);
        }
        self.engine.end_group();
    }

    fn transact(
        &mut self,
        jobs: &mut [Box<dyn Job>],
        outcomes: &mut Vec<Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        let transaction = self.db.unchecked_transaction()?;
        for job in jobs {
            transaction.execute_batch("SAVEPOINT change")?;
            self.engine.begin_change();
            let ran = catch_unwind(AssertUnwindSafe(|| job.run(&transaction, &mut self.engine)));
            let outcome = ran.unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
            // A full disk may end the whole transaction, and with it what ran before.
            if transaction.is_autocommit() {
                let why = outcome.as_ref().err().cloned();
                outcomes.push(outcome);
                return Err(why.unwrap_or(StoreError::TakenBack("a change ended the transaction".to_owned())));
            }
            if outcome.is_err() {
                self.engine.take_change_back();
                transaction.execute_batch("ROLLBACK TO change")?;
            }
            transaction.execute_batch("RELEASE change")?;
            outcomes.push(outcome);
        }
        self.engine.before_commit(&transaction)?;
        Ok(transaction.commit()?)
    }
}

/// What follows a commit.
enum Next {
    Go,
    Work(Work),
    Close(oneshot::Sender<()>),
    Abandoned,
}

fn panicked(panic: &(dyn Any + Send)) -> StoreError {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text");
    tracing::error!("a change to the database panicked: {text}");
    StoreError::Panicked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_was_said_for_each_change_until_the_log_filled_it_further() {
        let mut refused = Refused::default();
        let (full, other) = (Err(StoreError::DiskFull), Err(StoreError::Busy));
        let outcomes = [&Ok(()), &full, &full, &full, &other, &other, &Ok(()), &Ok(()), &full];
        let said = outcomes.map(|outcome| refused.say(outcome, 1));
        assert_eq!(said, [false, true, false, false, true, false, true, false, true]);
        assert_eq!(refused.changes, 1);
    }
}
