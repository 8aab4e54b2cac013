//! What the load programs need of the poll engine.

use std::time::Duration;

use tokio::time::Instant;

use crate::agent::Agent;
use crate::oid::Oid;
use crate::poll::{FetchMethod, Manners, PollOptions, Source, Wanted, poll};

/// As for a sensor of once a minute.
const LONGEST_POLL: Duration = Duration::from_secs(50);

/// What is polled of a device again and again, with what is learnt of it.
#[derive(Debug)]
pub struct Poller {
    wanted: Wanted,
    manners: Manners,
}

/// What a poll came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Requests, further tries not included.
    pub requests: u64,
    /// Scalars and rows that came with a value.
    pub values: usize,
    /// Objects that were not read, or not fully.
    pub problems: usize,
    /// From the first request to the last answer.
    pub duration: Duration,
}

impl Poller {
    /// Of a device that nothing is known of yet.
    #[must_use]
    pub fn new(scalars: &[Oid], columns: &[Oid]) -> Self {
        let sources = |oids: &[Oid], fetch| -> Vec<Source> {
            oids.iter().map(|oid| Source { oid: oid.clone(), fetch }).collect()
        };
        let sources = [sources(scalars, FetchMethod::Get), sources(columns, FetchMethod::Walk)].concat();
        Self { wanted: Wanted::of(&sources), manners: Manners::default() }
    }

    /// Polls the device once.
    pub async fn poll(&mut self, agent: &dyn Agent) -> Outcome {
        let options = PollOptions::until(Instant::now() + LONGEST_POLL);
        let polled = poll(agent, &self.wanted, &mut self.manners, &options).await;
        Outcome {
            requests: polled.stats.requests,
            values: polled.stats.values,
            problems: polled.problems.len(),
            duration: polled.stats.duration,
        }
    }
}
