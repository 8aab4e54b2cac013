//! Samples that wait together.

use crate::sample::Sample;

/// Samples of one account that are kept, taken and settled together.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) seq: Seq,
    pub(crate) samples: Vec<Sample>,
}

/// Which parcel. They grow in the order of acceptance; those that are only in memory lie above all others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Seq(pub(crate) u64);

impl Seq {
    pub(crate) const FIRST_IN_MEMORY: Self = Self(1 << 63);

    /// Whether the parcel is nowhere else.
    pub(crate) fn only_in_memory(self) -> bool {
        self >= Self::FIRST_IN_MEMORY
    }
}

/// How many samples a parcel holds at most: as many as a batch.
pub(crate) const PARCEL_SAMPLES: usize = 1_000;

/// The bytes that a sample takes in memory.
pub(crate) fn memory_bytes(samples: &[Sample]) -> u64 {
    samples.iter().map(|sample| (size_of::<Sample>() + sample.path.as_str().len()) as u64).sum()
}
