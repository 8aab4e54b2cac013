//! What is counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use grafoleancollector::telemetry::Histogram;

/// Upper bounds, in seconds: from one switch away to one that takes its time.
const ROUND_TRIPS: &[f64] = &[0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0];

/// What a [`Wire`](super::Wire) has seen since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct WireStats {
    /// Requests sent, further tries not included; SNMPv3's discoveries are.
    pub requests: u64,
    /// Further tries sent.
    pub retries: u64,
    /// Requests answered.
    pub answers: u64,
    /// Requests given up after all their tries.
    pub timeouts: u64,
    /// Answers to tries that had been given up.
    pub late: u64,
    /// Datagrams that answer no request of ours: duplicates, forgeries, other communities.
    pub unexpected: u64,
    /// Answers from another address than was asked, and therefore ignored.
    pub foreign: u64,
    /// Datagrams that are no SNMP messages.
    pub malformed: u64,
    /// Requests given up after all their tries because the port was closed, or a router knew no way.
    pub refused: u64,
    /// Requests that failed otherwise: not sent, or refused by an SNMPv3 agent.
    pub failed: u64,
    /// Datagrams that the kernel had dropped, because we did not read them in time, when it was asked for last.
    pub kernel_drops: u64,
    /// Devices with their credentials that are remembered.
    pub sessions: u64,
}

#[derive(Debug)]
pub(super) struct Counters {
    /// From a try to its answer.
    pub(super) round_trips: Histogram,
    pub(super) requests: Counter,
    pub(super) retries: Counter,
    pub(super) answers: Counter,
    pub(super) timeouts: Counter,
    pub(super) late: Counter,
    pub(super) unexpected: Counter,
    pub(super) foreign: Counter,
    pub(super) malformed: Counter,
    pub(super) refused: Counter,
    pub(super) failed: Counter,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            round_trips: Histogram::new(ROUND_TRIPS),
            requests: Counter::default(),
            retries: Counter::default(),
            answers: Counter::default(),
            timeouts: Counter::default(),
            late: Counter::default(),
            unexpected: Counter::default(),
            foreign: Counter::default(),
            malformed: Counter::default(),
            refused: Counter::default(),
            failed: Counter::default(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Counters {
    pub(super) fn snapshot(&self) -> WireStats {
        WireStats {
            requests: self.requests.get(),
            retries: self.retries.get(),
            answers: self.answers.get(),
            timeouts: self.timeouts.get(),
            late: self.late.get(),
            unexpected: self.unexpected.get(),
            foreign: self.foreign.get(),
            malformed: self.malformed.get(),
            refused: self.refused.get(),
            failed: self.failed.get(),
            kernel_drops: 0,
            sessions: 0,
        }
    }
}
