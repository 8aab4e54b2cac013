//! How an exporter samples, as far as it says so in its options.

use std::num::NonZeroU32;

/// Samplers of one stream that are remembered.
const MOST_SAMPLERS: usize = 256;

/// The sampling rates of one stream.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Sampling {
    /// Of all its flows.
    pub(super) stream: Option<NonZeroU32>,
    /// By id, sorted.
    samplers: Vec<(u64, NonZeroU32)>,
    /// The one rate that all samplers have.
    common: Option<NonZeroU32>,
}

impl Sampling {
    /// Whether that is news.
    pub(super) fn set_stream(&mut self, rate: NonZeroU32) -> bool {
        self.stream.replace(rate) != Some(rate)
    }

    /// Whether that is news.
    pub(super) fn set_sampler(&mut self, id: u64, rate: NonZeroU32) -> bool {
        let changed = match self.samplers.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => std::mem::replace(&mut self.samplers[at].1, rate) != rate,
            Err(at) if self.samplers.len() < MOST_SAMPLERS => {
                self.samplers.insert(at, (id, rate));
                true
            }
            Err(_) => false,
        };
        if changed {
            let first = self.samplers.first().map(|(_, rate)| *rate);
            self.common = first.filter(|first| self.samplers.iter().all(|(_, rate)| rate == first));
        }
        changed
    }

    /// Whether it is known already.
    pub(super) fn has_sampler(&self, id: u64) -> bool {
        self.samplers.binary_search_by_key(&id, |(id, _)| *id).is_ok()
    }

    pub(super) fn samplers(&self) -> &[(u64, NonZeroU32)] {
        &self.samplers
    }

    /// The rate of records that do not say which sampler chose them. 0: not known.
    pub(super) fn usual(&self) -> u32 {
        self.stream.or(self.common).map_or(0, NonZeroU32::get)
    }

    /// The rate of records that a sampler chose. 0: not known.
    pub(super) fn of(&self, sampler: u64) -> u32 {
        match self.samplers.binary_search_by_key(&sampler, |(id, _)| *id) {
            Ok(at) => self.samplers[at].1.get(),
            // Where samplers have numbers from 1, no sampler is 0: the flow was not sampled.
            Err(_) if sampler == 0 && !self.samplers.is_empty() => 1,
            Err(_) => self.stream.map_or(0, NonZeroU32::get),
        }
    }
}
