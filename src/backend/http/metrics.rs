//! What is counted of requests.

use std::time::Duration;

use super::exchange::Answer;
use crate::backend::{ApiError, Resource};
use crate::telemetry::{Counter, Histogram, MetricsText};

/// Upper bounds for the durations of requests, in seconds.
const DURATIONS: &[f64] = &[0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// What a request is about, as metrics tell them apart.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Status,
    Profile,
    Accounts,
    Entities,
    Credentials,
    Sensors,
    Values,
    EntityWrites,
    Changes,
    Problems,
}

impl Kind {
    const NAMES: [&'static str; 10] = [
        "status",
        "profile",
        "accounts",
        "entities",
        "credentials",
        "sensors",
        "values",
        "entity_writes",
        "changes",
        "problems",
    ];

    pub(super) const fn of(resource: Resource) -> Self {
        match resource {
            Resource::Status => Self::Status,
            Resource::Profile => Self::Profile,
            Resource::Accounts => Self::Accounts,
            Resource::Entities(_) => Self::Entities,
            Resource::Credentials(_) => Self::Credentials,
            Resource::Sensors(_) => Self::Sensors,
        }
    }

    pub(super) const fn is_list(self) -> bool {
        matches!(self, Self::Accounts | Self::Entities | Self::Credentials | Self::Sensors)
    }
}

/// How a request ended, as metrics tell it.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    Success,
    Redirect,
    ClientError,
    ServerError,
    Timeout,
    Broken,
}

impl Outcome {
    const NAMES: [&'static str; 6] = ["2xx", "3xx", "4xx", "5xx", "timeout", "error"];

    pub(super) fn of(result: &Result<Answer, ApiError>) -> Self {
        match result {
            Ok(Answer::Success { .. }) => Self::Success,
            Ok(Answer::Refusal { status, .. }) if status.is_redirection() => Self::Redirect,
            Ok(Answer::Refusal { status, .. }) if status.is_client_error() => Self::ClientError,
            Ok(Answer::Refusal { .. }) => Self::ServerError,
            Err(ApiError::Timeout { .. }) => Self::Timeout,
            Err(_) => Self::Broken,
        }
    }
}

pub(super) struct Metrics {
    requests: [[Counter; Outcome::NAMES.len()]; Kind::NAMES.len()],
    durations: [Histogram; Kind::NAMES.len()],
}

impl Default for Metrics {
    fn default() -> Self {
        Self { requests: Default::default(), durations: std::array::from_fn(|_| Histogram::new(DURATIONS)) }
    }
}

impl Metrics {
    pub(super) fn count(&self, kind: Kind, outcome: Outcome, took: Duration) {
        self.requests[kind as usize][outcome as usize].inc();
        self.durations[kind as usize].observe(took);
    }

    pub(super) fn write(&self, out: &mut MetricsText) {
        let name = "grafolean_requests_total";
        out.family(name, "counter", "Requests to the backend, by what they are about and how they ended.");
        for (kind, outcomes) in Kind::NAMES.iter().zip(&self.requests) {
            for (status, counter) in Outcome::NAMES.iter().zip(outcomes).filter(|(_, n)| n.get() > 0) {
                #[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
                out.sample(name, &[("kind", kind), ("status", status)], counter.get() as f64);
            }
        }
        let name = "grafolean_request_duration_seconds";
        out.family(name, "histogram", "How long requests to the backend took, until the end of the answer.");
        for (index, kind) in Kind::NAMES.iter().enumerate() {
            if self.requests[index].iter().any(|n| n.get() > 0) {
                out.histogram(name, &[("kind", kind)], &self.durations[index]);
            }
        }
    }
}
