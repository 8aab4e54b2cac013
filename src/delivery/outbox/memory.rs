//! The outbox in memory: bounded, and gone with the process.

use std::collections::HashSet;
use std::sync::Arc;

use super::parcel::{Parcel, Seq};
use super::{Dropped, Rest, Settled, Shared};
use crate::ids::AccountId;
use crate::sample::Sample;

/// Keeps at most so many samples and drops the oldest.
#[derive(Debug)]
pub(crate) struct Memory {
    shared: Arc<Shared>,
    max_samples: usize,
}

impl Memory {
    pub(crate) fn new(shared: Arc<Shared>, max_samples: usize) -> Self {
        Self { shared, max_samples }
    }

    pub(crate) fn put(&self, account: AccountId, samples: Vec<Sample>) {
        let dropped = {
            let mut shelf = self.shared.shelf();
            shelf.add(account, samples);
            shelf.trim(self.max_samples)
        };
        self.shared.dropped(Dropped::Full, dropped);
    }

    pub(crate) fn take_backlog(&self, account: AccountId, max: usize, skip: &HashSet<Seq>) -> Vec<Parcel> {
        self.shared.shelf().take_backlog(account, max, skip)
    }

    pub(crate) fn settle(&self, account: AccountId, settled: Vec<Settled>) {
        let dropped = {
            let mut shelf = self.shared.shelf();
            for item in settled {
                put_back(&mut shelf, account, item);
            }
            shelf.trim(self.max_samples)
        };
        self.shared.dropped(Dropped::Full, dropped);
    }
}

/// Settles one parcel that is nowhere but in memory.
pub(crate) fn put_back(shelf: &mut super::shelf::Shelf, account: AccountId, item: Settled) {
    match item.rest {
        Rest::Nothing => shelf.settled(account, item.had),
        Rest::Unchanged(samples) | Rest::Changed(samples) => {
            shelf.settled(account, item.had - samples.len());
            shelf.put_back(account, Parcel { seq: item.seq, samples });
        }
    }
}
