//! One poll's conversation with a device: every request goes through here, so that it is counted, and ends
//! when the time is up.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::agent::{Agent, Binding, SnmpError};
use crate::oid::Oid;

/// What came back, and when.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) bindings: Vec<Binding>,
    pub(crate) received: Instant,
}

/// Why nothing came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// The poll's own time is up; the device may be well.
    TimeUp,
    Snmp(SnmpError),
}

/// Timeouts without an answer between them after which a device that was well is believed to be gone. One object
/// that an agent cannot stand may cost five: a batch of ten is halved until the object is alone.
const MOST_SILENCE: u32 = 6;
/// The same, where nothing was heard of the device in this poll.
const MOST_SILENCE_AT_FIRST: u32 = 2;

/// Ends a poll before its time: what it has read by then is kept.
#[derive(Default, Debug)]
pub(crate) struct Ending {
    over: AtomicBool,
    /// Wakes requests that are under way.
    hung_up: Notify,
}

impl Ending {
    /// To be called by the task that polls: a request that is about to begin on another thread would not notice.
    pub(crate) fn now(&self) {
        self.over.store(true, Relaxed);
        self.hung_up.notify_waiters();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }
}

/// What is said to a device for the length of one poll.
pub(crate) struct Conversation<'a> {
    agent: &'a dyn Agent,
    until: Instant,
    requests: AtomicU64,
    timeouts: AtomicU64,
    answers: AtomicU64,
    silence: AtomicU32,
    given_up: OnceLock<SnmpError>,
    ending: &'a Ending,
}

impl<'a> Conversation<'a> {
    /// One that is open until then, or until it is ended.
    pub(crate) fn new(agent: &'a dyn Agent, until: Instant, ending: &'a Ending) -> Self {
        let (requests, timeouts, answers) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let (silence, given_up) = (AtomicU32::new(0), OnceLock::new());
        Self { agent, until, requests, timeouts, answers, silence, given_up, ending }
    }

    pub(crate) async fn get(&self, oids: &[Oid]) -> Result<Answer, Failure> {
        self.ask(self.agent.get(oids)).await
    }

    pub(crate) async fn get_next(&self, oids: &[Oid]) -> Result<Answer, Failure> {
        self.ask(self.agent.get_next(oids)).await
    }

    pub(crate) async fn get_bulk(&self, oids: &[Oid], rows: u32) -> Result<Answer, Failure> {
        self.ask(self.agent.get_bulk(oids, rows)).await
    }

    pub(crate) fn has_bulk(&self) -> bool {
        self.agent.has_bulk()
    }

    /// Asks nothing more of this device: every later request fails with `error`, unsent.
    fn give_up(&self, error: SnmpError) {
        // Whoever gave up first knew the first reason.
        let _ = self.given_up.set(error);
        self.ending.hung_up.notify_waiters();
    }

    pub(crate) fn given_up(&self) -> Option<&SnmpError> {
        self.given_up.get()
    }

    /// Whether anything at all was heard of the device, be it an error that it reported.
    pub(crate) fn heard(&self) -> bool {
        self.answers.load(Relaxed) > 0
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    pub(crate) fn timeouts(&self) -> u64 {
        self.timeouts.load(Relaxed)
    }

    fn given_up_failure(&self) -> Failure {
        self.given_up().map_or(Failure::TimeUp, |error| Failure::Snmp(error.clone()))
    }

    fn hear(&self) {
        self.answers.fetch_add(1, Relaxed);
        self.silence.store(0, Relaxed);
    }

    async fn ask(
        &self,
        request: impl Future<Output = Result<Vec<Binding>, SnmpError>>,
    ) -> Result<Answer, Failure> {
        if self.given_up().is_some() {
            return Err(self.given_up_failure());
        }
        if self.ending.is_over() || Instant::now() >= self.until {
            return Err(Failure::TimeUp);
        }
        self.requests.fetch_add(1, Relaxed);
        // A GET and a walk are under way at once: when one finds out that the device is gone, the other need not.
        let outcome = tokio::select! {
            outcome = timeout_at(self.until, request) => outcome,
            () = self.ending.hung_up.notified() => return Err(self.given_up_failure()),
        };
        let error = match outcome {
            Err(_) => return Err(Failure::TimeUp),
            Ok(Ok(bindings)) => {
                self.hear();
                return Ok(Answer { bindings, received: Instant::now() });
            }
            Ok(Err(error)) => error,
        };
        match &error {
            SnmpError::Timeout { .. } => {
                self.timeouts.fetch_add(1, Relaxed);
                let patience = if self.heard() { MOST_SILENCE } else { MOST_SILENCE_AT_FIRST };
                if self.silence.fetch_add(1, Relaxed) + 1 >= patience {
                    self.give_up(error.clone());
                }
            }
            SnmpError::TooBig | SnmpError::Agent { .. } => self.hear(),
            // Neither becomes better within a poll.
            SnmpError::Unreachable(_) | SnmpError::Credential(_) => self.give_up(error.clone()),
            SnmpError::Transport(_) => {}
        }
        Err(Failure::Snmp(error))
    }
}

/// Whether an agent's error says that the object is not there: SNMPv1's way of saying so.
pub(crate) fn means_absent(status: &str) -> bool {
    status.eq_ignore_ascii_case("noSuchName")
}
