//! Making a fake backend misbehave.

use std::time::Duration;

use super::{faults::Fault, grafolean::FakeGrafolean};

/// Misbehaving. Faults are taken in the order in which they were set, one per request; delays come on top.
impl FakeGrafolean {
    /// This backend, for faults of requests whose method and path contain `part` only:
    /// `backend.on("/values").fail_next(503)`, `backend.on("POST /accounts").lose_answers(1)`. Being down, skewed or picky about paths is not limited by it.
    #[must_use]
    pub fn on(&self, part: &str) -> Self {
        let mut this = self.clone();
        part.clone_into(&mut this.only);
        this
    }

    fn plan(&self, fault: Fault, times: Option<u64>) {
        self.lock().faults.plan(fault, &self.only, times);
    }

    /// From now on every connection is closed without an answer.
    pub fn down(&self) {
        let mut inner = self.lock();
        inner.faults.down = true;
        inner.state.announcer.end();
    }

    /// Ends all connections on which changes are told.
    pub fn end_streams(&self) {
        self.lock().state.announcer.end();
    }

    /// Answers again.
    pub fn up(&self) {
        self.lock().faults.down = false;
    }

    /// Answers the next request with this status; it has no effect.
    pub fn fail_next(&self, status: u16) {
        self.plan(Fault::Status(status), Some(1));
    }

    /// Answers the next `n` requests with this status.
    pub fn fail_next_n(&self, n: u64, status: u16) {
        self.plan(Fault::Status(status), Some(n));
    }

    /// Answers every request with this status, until told otherwise.
    pub fn fail_all(&self, status: Option<u16>) {
        self.lock().faults.take_back(&self.only, |fault| matches!(fault, Fault::Status(_)));
        if let Some(status) = status {
            self.plan(Fault::Status(status), None);
        }
    }

    /// Says in answers with a planned status how many seconds the client is to wait (`Retry-After`).
    pub fn with_retry_after(&self, seconds: Option<u32>) {
        self.lock().faults.retry_after = seconds;
    }

    /// Every request has its effect at once, but is answered this much later.
    pub fn answer_after(&self, delay: Duration) {
        self.lock().faults.take_back(&self.only, |fault| matches!(fault, Fault::Delay(_)));
        if !delay.is_zero() {
            self.plan(Fault::Delay(delay), None);
        }
    }

    /// The next request has its effect at once, but is answered this much later.
    pub fn slow_next(&self, delay: Duration) {
        self.plan(Fault::Delay(delay), Some(1));
    }

    /// The next `n` requests have their effect, but half of the answer is missing. Where an answer has no
    /// body, all of it is.
    pub fn half_answers(&self, n: u64) {
        self.plan(Fault::Half, Some(n));
    }

    /// The next `n` requests have their effect, but the connection is closed without an answer.
    pub fn lose_answers(&self, n: u64) {
        self.plan(Fault::Lost, Some(n));
    }

    /// Answers the next `n` requests with a page and status 200, as a wrongly configured proxy does.
    pub fn html_instead_of_json(&self, n: u64) {
        self.plan(Fault::Html, Some(n));
    }

    /// Answers the next `n` requests with a list of this many bytes, made while it is sent.
    pub fn huge_body(&self, n: u64, bytes: u64) {
        self.plan(Fault::Huge(bytes), Some(n));
    }

    /// Refuses, with the 400 for an invalid path, every list of values that holds a path with this prefix.
    pub fn refuse_paths(&self, prefix: &str) {
        self.lock().state.refused_prefixes.push(prefix.to_owned());
    }

    /// Refuses no paths any more, but for the rules.
    pub fn accept_paths(&self) {
        self.lock().state.refused_prefixes.clear();
    }

    /// Moves the backend's clock by this many seconds: its `Date` header, and the time it stamps.
    #[expect(clippy::cast_possible_truncation, reason = "a skew out of range becomes the largest one")]
    pub fn skew(&self, seconds: f64) {
        self.lock().skew = (seconds * 1e6) as i64;
    }
}
