//! Flows on their way to a file.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Counts, Message};
use crate::{Flow, Origin};

/// Flows handed over at a time, some 800 kB.
pub(super) const BATCH: usize = 8_192;

/// Flows, and who sent them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) runs: Vec<Run>,
    pub(super) flows: Vec<Flow>,
}

/// So many flows of one origin.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) origin: Origin,
    pub(super) flows: usize,
}

impl Batch {
    pub(super) fn add(&mut self, origin: &Origin, flows: &[Flow]) {
        self.flows.extend_from_slice(flows);
        match self.runs.last_mut() {
            Some(run) if run.origin == *origin => run.flows += flows.len(),
            _ => self.runs.push(Run { origin: *origin, flows: flows.len() }),
        }
    }

    pub(super) fn append(&mut self, other: &Self) {
        self.runs.extend_from_slice(&other.runs);
        self.flows.extend_from_slice(&other.flows);
    }

    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.flows.clear();
    }
}

/// Batches that were written, to be filled anew.
#[derive(Debug, Clone, Default)]
pub(super) struct Empties(Arc<Mutex<Vec<Batch>>>);

impl Empties {
    pub(super) fn put(&self, mut batch: Batch) {
        batch.clear();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
    }

    fn take(&self) -> Batch {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }
}

/// Takes the flows of one thread to the [`Archive`](super::Archive).
#[derive(Debug)]
pub struct Feed {
    pub(super) batch: Batch,
    pub(super) to: SyncSender<Message>,
    pub(super) empties: Empties,
    pub(super) counts: Arc<Counts>,
}

impl Feed {
    /// Hands flows over. It never waits: when the disk is too slow, the flows are dropped and counted.
    #[inline]
    pub fn offer(&mut self, origin: &Origin, flows: &[Flow]) {
        self.batch.add(origin, flows);
        if self.batch.flows.len() >= BATCH {
            self.flush();
        }
    }

    /// Sends off what is not yet a full batch. To be called every few seconds.
    pub fn flush(&mut self) {
        let flows = self.batch.flows.len() as u64;
        if flows == 0 {
            return;
        }
        self.counts.offered.add(flows);
        let full = std::mem::replace(&mut self.batch, self.empties.take());
        match self.to.try_send(Message::Flows(full)) {
            Ok(()) => {}
            Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => {
                self.counts.dropped_queue.add(flows);
                if let Message::Flows(batch) = message {
                    self.empties.put(batch);
                }
            }
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.flush();
    }
}
