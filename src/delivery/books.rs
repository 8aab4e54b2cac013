//! The books of delivery: what was accepted, stored and set aside, in numbers and in words.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::clock::{Timestamp, as_text};
use crate::ids::AccountId;
use crate::sample::Sample;
use crate::telemetry::{Counter, MetricsText, Throttle};

/// Samples set aside that are remembered by name: enough to see a pattern.
const REMEMBERED: usize = 50;
/// Samples set aside that are named in the log within a minute.
const NAMED_A_MINUTE: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);

/// Why a sample is never sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aside {
    /// The backend refused it.
    Refused,
    /// Another value at the same path and time was sent along with it.
    Duplicate,
    /// There can be no such account.
    NoAccount,
}

impl Aside {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Refused, "refused"), (Self::Duplicate, "duplicate"), (Self::NoAccount, "no_account")];
}

/// A sample that was set aside.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SetAside {
    pub(crate) account: AccountId,
    pub(crate) path: String,
    pub(crate) value: f64,
    #[serde(serialize_with = "as_text")]
    pub(crate) measured: Timestamp,
    pub(crate) why: Aside,
    /// The backend's words.
    pub(crate) words: String,
}

#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) accepted: Counter,
    pub(crate) stored: Counter,
    set_aside: [Counter; Aside::ALL.len()],
    pub(crate) requests_stored: Counter,
    pub(crate) requests_failed: Counter,
    last: Mutex<VecDeque<SetAside>>,
    named: Throttle,
    pub(crate) kept: Throttle,
}

impl Default for Books {
    fn default() -> Self {
        Self {
            accepted: Counter::default(),
            stored: Counter::default(),
            set_aside: Default::default(),
            requests_stored: Counter::default(),
            requests_failed: Counter::default(),
            last: Mutex::default(),
            named: Throttle::new(NAMED_A_MINUTE, MINUTE),
            kept: Throttle::new(1, MINUTE),
        }
    }
}

impl Books {
    pub(crate) fn set_aside(&self, account: AccountId, sample: &Sample, why: Aside, words: String) {
        self.set_aside[why as usize].inc();
        let path = sample.path.as_str();
        if let Some(unsaid) = self.named.say() {
            tracing::warn!(%account, path, value = sample.value, measured = %sample.time,
                "a sample is set aside: {words}{unsaid}");
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == REMEMBERED {
            last.pop_front();
        }
        let (path, value, measured) = (path.to_owned(), sample.value, sample.time);
        last.push_back(SetAside { account, path, value, measured, why, words });
    }

    pub(crate) fn set_aside_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Aside::ALL.iter().map(|(why, label)| (*label, self.set_aside[*why as usize].get()))
    }

    /// The samples set aside last, the newest at the end.
    pub(crate) fn last_set_aside(&self) -> Vec<SetAside> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(crate) fn write_metrics(&self, out: &mut MetricsText) {
        out.counter("grafolean_samples_accepted_total", "Samples accepted for delivery.", &self.accepted);
        out.counter("grafolean_samples_stored_total", "Samples that the backend stored.", &self.stored);
        let requests = "grafolean_store_requests_total";
        out.family(requests, "counter", "Requests to store samples, by result.");
        for (result, counter) in [("stored", &self.requests_stored), ("failed", &self.requests_failed)] {
            out.sample(requests, &[("result", result)], float(counter.get()));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
pub(crate) fn float(n: u64) -> f64 {
    n as f64
}
