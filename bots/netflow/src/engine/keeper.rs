//! The thread that keeps the windows: it takes the shards' slices, closes what is over, and has all of it remembered.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use grafoleancollector::{Table, Timestamp};

use super::reports::Reports;
use super::sightings::Sightings;
use crate::aggregate::{Level, Slice, Windows};

/// Slices of the next minute that are held back for shards that are behind. Beyond it, these are not waited for.
const MOST_HELD: usize = 64;

/// What is to be remembered of something: None removes it.
pub(super) type Change = (Vec<u8>, Option<Vec<u8>>);

/// What a shard received since it was heard of last.
pub(super) struct Received {
    pub(super) shard: usize,
    pub(super) slice: Slice,
    /// Everything that was received before is in this slice or in one before.
    pub(super) until: Timestamp,
    /// What is new about the streams.
    pub(super) streams: Vec<Change>,
}

/// What the shards send.
pub(super) enum Message {
    Received(Box<Received>),
    /// It has stopped: nobody waits for it any more.
    Gone {
        shard: usize,
    },
}

/// Slices that were added up, for the shards to fill again: memory that is asked for anew every few seconds costs more
/// than what is put there. Looked at once for each slice.
#[derive(Default)]
pub(super) struct SpareSlices {
    slices: Mutex<Vec<Slice>>,
    most: usize,
}

impl SpareSlices {
    pub(super) fn new(most: usize) -> Self {
        Self { slices: Mutex::default(), most }
    }

    pub(super) fn take(&self) -> Option<Slice> {
        self.slices.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put(&self, slice: Slice) {
        let mut slices = self.slices.lock().unwrap_or_else(PoisonError::into_inner);
        if slices.len() < self.most {
            slices.push(slice);
        }
    }
}

pub(super) struct Keeper {
    pub(super) windows: Windows,
    pub(super) reports: Arc<Reports>,
    pub(super) sightings: Arc<Sightings>,
    /// How far each shard is. Windows are closed when all are past their end.
    pub(super) shards: HashMap<usize, Timestamp>,
    /// Up to when windows were closed.
    pub(super) closed: Timestamp,
    pub(super) held: Vec<Slice>,
    /// Where slices go that were added up.
    pub(super) spare: Arc<SpareSlices>,
    pub(super) streams: Table,
    pub(super) kept: Table,
}

impl Keeper {
    /// Works until all shards are gone.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(message) = messages.recv() {
            match message {
                Message::Gone { shard } => drop(self.shards.remove(&shard)),
                Message::Received(received) => {
                    let turn = AssertUnwindSafe(|| self.take(*received));
                    if catch_unwind(turn).is_err() {
                        tracing::error!(
                            "a slice of flows could not be added up, which is a bug: it is left out"
                        );
                    }
                }
            }
            if self.shards.is_empty() {
                return;
            }
        }
    }

    fn take(&mut self, received: Received) {
        let Received { shard, slice, until, streams } = received;
        put(&self.streams, streams);
        self.sightings.seen(slice.exporters(), until);
        self.held.push(slice);
        if let Some(of_shard) = self.shards.get_mut(&shard) {
            *of_shard = until;
        }
        self.merge(self.closed);
        if let Some(&all) = self.shards.values().min() {
            while let Some(report) = self.windows.close_next(all) {
                self.reports.push(report);
            }
            self.closed = all;
            self.merge(all);
            put(&self.kept, self.windows.changes());
            self.reports.closed_until(all);
        }
    }

    /// Adds up what belongs to the minute of this moment, or to one before. A slice of the next minute waits until all
    /// shards are there: the minute before is still open.
    fn merge(&mut self, moment: Timestamp) {
        let open = Level::Minute.begin(moment);
        let too_many = self.held.len() > MOST_HELD;
        for slice in self.held.extract_if(.., |slice| too_many || Level::Minute.begin(slice.begin()) <= open)
        {
            self.spare.put(self.windows.merge(slice));
        }
    }
}

fn put(table: &Table, changes: Vec<Change>) {
    for (key, value) in changes {
        match value {
            Some(value) => table.put(&key, value),
            None => table.remove(&key),
        }
    }
}
