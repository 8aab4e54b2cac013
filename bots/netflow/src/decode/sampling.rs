//! How an exporter samples, as far as it says so in its options.

use std::num::NonZeroU32;

use crate::flow::{Direction, Flow};

/// Samplers of one stream that are remembered.
const MOST_SAMPLERS: usize = 256;
/// Interfaces of one stream whose rates are remembered.
const MOST_INTERFACES: usize = 1_024;

/// The sampling rates of one stream.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Sampling {
    /// Of all its flows.
    pub(super) stream: Option<NonZeroU32>,
    pub(super) samplers: Rates,
    /// Of the flows of some interfaces.
    pub(super) interfaces: Rates,
    /// The one rate that all samplers have.
    common: Option<NonZeroU32>,
}

/// Rates by some number, sorted by it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Rates(Vec<(u64, NonZeroU32)>);

impl Rates {
    pub(super) fn all(&self) -> &[(u64, NonZeroU32)] {
        &self.0
    }

    fn get(&self, id: u64) -> Option<NonZeroU32> {
        let at = self.0.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(self.0[at].1)
    }

    /// Whether that is news. There is room for so many, as long as one may be `taken`.
    fn set(&mut self, id: u64, rate: NonZeroU32, most: usize, taken: impl FnOnce() -> bool) -> bool {
        match self.0.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => std::mem::replace(&mut self.0[at].1, rate) != rate,
            Err(at) if self.0.len() < most && taken() => {
                self.0.insert(at, (id, rate));
                true
            }
            Err(_) => false,
        }
    }
}

impl Sampling {
    /// Whether that is news.
    pub(super) fn set_stream(&mut self, rate: NonZeroU32) -> bool {
        self.stream.replace(rate) != Some(rate)
    }

    /// Whether that is news.
    pub(super) fn set_sampler(&mut self, id: u64, rate: NonZeroU32, taken: impl FnOnce() -> bool) -> bool {
        let changed = self.samplers.set(id, rate, MOST_SAMPLERS, taken);
        if changed {
            let first = self.samplers.0.first().map(|(_, rate)| *rate);
            self.common = first.filter(|first| self.samplers.0.iter().all(|(_, rate)| rate == first));
        }
        changed
    }

    /// Whether that is news.
    pub(super) fn set_interface(
        &mut self,
        index: u64,
        rate: NonZeroU32,
        taken: impl FnOnce() -> bool,
    ) -> bool {
        self.interfaces.set(index, rate, MOST_INTERFACES, taken)
    }

    /// Whether some interfaces have rates of their own.
    pub(super) fn is_by_interface(&self) -> bool {
        !self.interfaces.0.is_empty()
    }

    /// The rate of the interface where a flow was seen.
    pub(super) fn of_interface(&self, flow: &Flow) -> Option<NonZeroU32> {
        let (input, output) = (u64::from(flow.input), u64::from(flow.output));
        let (first, second) =
            if flow.direction == Direction::Egress { (output, input) } else { (input, output) };
        self.interfaces.get(first).or_else(|| self.interfaces.get(second))
    }

    /// The rate of records that do not say which sampler chose them. 0: not known.
    pub(super) fn usual(&self) -> u32 {
        self.stream.or(self.common).map_or(0, NonZeroU32::get)
    }

    /// The rate of records that a sampler chose. 0: not known.
    pub(super) fn of(&self, sampler: u64) -> u32 {
        match self.samplers.get(sampler) {
            Some(rate) => rate.get(),
            // Where samplers have numbers from 1, no sampler is 0: the flow was not sampled.
            None if sampler == 0 && !self.samplers.0.is_empty() => 1,
            None => self.stream.map_or(0, NonZeroU32::get),
        }
    }
}
