//! Slices that were added up, to be filled again.

use std::sync::{Mutex, PoisonError};

use crate::aggregate::Slice;

/// Slices that were added up, for the shards to fill again: memory that is asked for anew every few seconds costs more
/// than what is put there. Looked at once for each slice.
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

    pub(super) fn put(&self, slice: Slice) {
        let mut slices = self.slices.lock().unwrap_or_else(PoisonError::into_inner);
        if slices.len() < self.most {
            slices.push(slice);
        }
    }
}
