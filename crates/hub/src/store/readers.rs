//! A few connections for questions, used on the threads that may block.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::error::StoreError;
use super::file;

/// Questions that are answered at once; more wait in order.
const CONNECTIONS: usize = 4;

/// The connections for questions.
#[derive(Debug)]
pub(super) struct Readers {
    file: PathBuf,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(file: PathBuf) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        Arc::new(Self { file, permits, idle: Mutex::default() })
    }

    /// Answers a question from one state of the database, whatever is written meanwhile.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(|db| question(&*db.unchecked_transaction()?)).await
    }

    /// Runs a question that begins a transaction by itself, if it needs one.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = Arc::clone(self);
        let answer = tokio::task::spawn_blocking(move || {
            // Given back when the connection is idle again.
            let _permit = permit;
            readers.answer(question)
        });
        answer.await.map_err(|_| StoreError::Panicked)?
    }

    fn answer<T>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let db = match idle {
            Some(db) => db,
            None => file::open_reader(&self.file)?,
        };
        match catch_unwind(AssertUnwindSafe(|| question(&db))) {
            // After a panic nobody knows what state the connection is in.
            Err(_) => Err(StoreError::Panicked),
            Ok(answer) => {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                if !self.permits.is_closed() {
                    idle.push(db);
                }
                answer
            }
        }
    }

    /// Answers no more, and closes what is idle.
    pub(super) fn close(&self) {
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
