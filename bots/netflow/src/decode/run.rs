//! Flows on their way out.

use std::num::NonZeroU32;

use crate::books::RateOrigin;
use crate::flow::{Flow, Ip, Origin};

/// Flows are handed over in runs of at most so many, so that a datagram of tiny records takes little memory.
const LONGEST_RUN: usize = 4_096;

/// Flows that last longer, in milliseconds, are counted: two of the shortest windows.
const LONG_FLOW: i64 = 120_000;

/// What was found in a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Tally {
    pub(super) flows: u64,
    pub(super) octets: u64,
    pub(super) long_flows: u64,
    pub(super) options: u64,
    /// Sampling rates that nobody can mean.
    pub(super) nonsense_rates: u64,
    /// The sampling rate of the last record, and who said it.
    pub(super) rate: Option<(u32, RateOrigin)>,
}

impl Tally {
    #[inline(always)]
    fn add(&mut self, flow: &Flow) {
        self.octets = self.octets.saturating_add(flow.bytes);
        self.long_flows += u64::from(flow.start != 0 && flow.end.saturating_sub(flow.start) > LONG_FLOW);
    }
}

/// Gathers flows of one origin.
pub(super) struct Run<'a, S> {
    pub(super) origin: Origin,
    pub(super) flows: &'a mut Vec<Flow>,
    pub(super) sink: &'a mut S,
    pub(super) tally: Tally,
}

impl<S: FnMut(&Origin, &[Flow])> Run<'_, S> {
    #[inline(always)]
    pub(super) fn push(&mut self, flow: Flow) {
        self.tally.add(&flow);
        if self.flows.len() == LONGEST_RUN {
            self.flush();
        }
        self.flows.push(flow);
    }

    /// Puts in so many flows, which are made one after the other.
    #[inline(always)]
    pub(super) fn extend(&mut self, count: usize, mut flow: impl FnMut(usize) -> Flow) {
        let mut at = 0;
        while at < count {
            if self.flows.len() == LONGEST_RUN {
                self.flush();
            }
            let end = count.min(at + LONGEST_RUN - self.flows.len());
            let before = self.flows.len();
            self.flows.extend((at..end).map(&mut flow));
            self.count(before);
            at = end;
        }
    }

    /// Counts flows that were put into the run in another way, from that one on.
    #[inline]
    pub(super) fn count(&mut self, from: usize) {
        // A copy, so that the sums are in registers.
        let mut tally = self.tally;
        self.flows[from..].iter().for_each(|flow| tally.add(flow));
        self.tally = tally;
    }

    /// Those behind come from an exporter that calls itself so.
    pub(super) fn reported(&mut self, exporter: Ip) {
        if exporter != self.origin.reported {
            self.flush();
            self.origin.reported = exporter;
        }
    }

    pub(super) fn flush(&mut self) {
        if !self.flows.is_empty() {
            self.tally.flows += self.flows.len() as u64;
            (self.sink)(&self.origin, self.flows);
            self.flows.clear();
        }
    }
}

/// The highest sampling rate that is believed.
const HIGHEST_RATE: u64 = 1 << 24;

/// A sampling rate, if it is one; nonsense is counted. 0 says nothing.
pub(super) fn rate(value: u64, nonsense: &mut u64) -> Option<NonZeroU32> {
    if value > HIGHEST_RATE {
        *nonsense += 1;
        return None;
    }
    u32::try_from(value).ok().and_then(NonZeroU32::new)
}

/// Of how many one is taken, when `taken` of `all` are.
pub(super) fn ratio(all: u64, taken: u64, nonsense: &mut u64) -> Option<NonZeroU32> {
    if taken == 0 || all == 0 {
        return None;
    }
    rate(((all + taken / 2) / taken).max(1), nonsense)
}
