//! Delivery against a backend in memory that can be told to misbehave.

mod interleavings;
mod memory;
mod sqlite;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{Delivery, DeliveryOptions, DeliveryState, Outbox};
use crate::backend::{Api, ApiError, EntityWrite, Resource};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::ids::{AccountId, EntityId};
use crate::sample::{Path, Sample};

pub(super) const URL: &str = "https://grafolean.example.org/api";
pub(super) const ACCOUNT: AccountId = AccountId::new(7);
pub(super) const OTHER: AccountId = AccountId::new(8);

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// As the observed backend would.
    Honest,
    /// Nothing is stored.
    Fail(ApiError),
    /// It is stored, but the answer is lost.
    Lose,
}

type Script = Box<dyn FnMut(AccountId, &[Sample]) -> Answer + Send>;

/// Keeps values as the observed backend does.
#[derive(Default)]
pub(super) struct Model(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    stored: HashMap<(AccountId, String, i64), f64>,
    requests: Vec<(AccountId, Vec<String>)>,
    bad: HashSet<String>,
    script: Option<Script>,
    /// Done once, when values were stored and before that is answered.
    after_store: Option<Box<dyn FnOnce() + Send>>,
    /// How often a value was stored where one was before.
    repeated: usize,
    delay: Duration,
}

impl Model {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A script may panic: that is what some tests are about.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn behave(&self, script: impl FnMut(AccountId, &[Sample]) -> Answer + Send + 'static) {
        self.inner().script = Some(Box::new(script));
    }

    pub(super) fn behave_well(&self) {
        self.inner().script = None;
    }

    pub(super) fn fail(&self, status: u16) {
        self.behave(move |_, _| Answer::Fail(answer(status)));
    }

    pub(super) fn after_store(&self, then: impl FnOnce() + Send + 'static) {
        self.inner().after_store = Some(Box::new(then));
    }

    /// Whether what was to be done after storing is still to be done: not any more then.
    pub(super) fn forget_after_store(&self) -> bool {
        self.inner().after_store.take().is_some()
    }

    pub(super) fn refuse(&self, paths: impl IntoIterator<Item = impl Into<String>>) {
        self.inner().bad.extend(paths.into_iter().map(Into::into));
    }

    pub(super) fn take(&self, delay: Duration) {
        self.inner().delay = delay;
    }

    pub(super) fn stored(&self) -> HashMap<(AccountId, String, i64), f64> {
        self.inner().stored.clone()
    }

    pub(super) fn repeated(&self) -> usize {
        self.inner().repeated
    }

    pub(super) fn requests(&self) -> Vec<(AccountId, Vec<String>)> {
        self.inner().requests.clone()
    }
}

#[async_trait]
impl Api for Model {
    async fn get(&self, _: Resource) -> Result<Vec<u8>, ApiError> {
        Ok(Vec::new())
    }

    async fn store(&self, account: AccountId, samples: &[Sample]) -> Result<(), ApiError> {
        let delay = self.inner().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut inner = self.inner();
        let paths = samples.iter().map(|sample| sample.path.to_string()).collect();
        inner.requests.push((account, paths));
        let answer = inner.script.as_mut().map_or(Answer::Honest, |script| script(account, samples));
        if let Answer::Fail(error) = answer {
            return Err(error);
        }
        assert!(!samples.is_empty() && samples.len() <= 1_000, "{} samples in one request", samples.len());
        let mut seen = HashSet::new();
        if !samples.iter().all(|sample| seen.insert((&sample.path, sample.time))) {
            return Err(super::tests::answer(500));
        }
        if samples.iter().any(|sample| inner.bad.contains(sample.path.as_str())) {
            return Err(super::tests::answer(400));
        }
        for sample in samples {
            let key = (account, sample.path.to_string(), sample.time.as_micros());
            if inner.stored.insert(key, sample.value).is_some() {
                inner.repeated += 1;
            }
        }
        if let Some(then) = inner.after_store.take() {
            then();
        }
        if matches!(answer, Answer::Lose) { Err(broken()) } else { Ok(()) }
    }

    async fn may_store(&self, _: AccountId) -> Result<(), ApiError> {
        Ok(())
    }

    async fn write_entity(&self, _: AccountId, _: &EntityWrite) -> Result<EntityId, ApiError> {
        Ok(EntityId::new(1))
    }
}

pub(super) fn answer(status: u16) -> ApiError {
    answer_with(status, None)
}

pub(super) fn answer_with(status: u16, retry_after: Option<Duration>) -> ApiError {
    let request = "PUT accounts/7/values".to_owned();
    ApiError::Status { request, status, message: "words of the backend".into(), retry_after }
}

pub(super) fn broken() -> ApiError {
    ApiError::Transport { request: "PUT accounts/7/values".into(), reason: "connection reset".into() }
}

pub(super) fn sample(path: impl std::fmt::Display, seconds: i64) -> Sample {
    let path = Path::new(path.to_string()).unwrap();
    Sample { path, value: seconds as f64, time: Timestamp::from_secs(seconds) }
}

pub(super) fn run(name: &str, n: usize, seconds: i64) -> Vec<Sample> {
    (0..n).map(|i| sample(format_args!("{name}.{i}"), seconds)).collect()
}

/// A clock that stands still unless it is moved.
pub(super) struct Hand(Mutex<Timestamp>);

impl Hand {
    pub(super) fn at(seconds: i64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Timestamp::from_secs(seconds))))
    }

    pub(super) fn set(&self, seconds: i64) {
        *self.0.lock().unwrap() = Timestamp::from_secs(seconds);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

pub(super) fn start(api: &Arc<Model>, outbox: Outbox) -> Delivery {
    start_with(api, outbox, DeliveryOptions::default())
}

pub(super) fn start_with(api: &Arc<Model>, outbox: Outbox, options: DeliveryOptions) -> Delivery {
    let clock = Arc::new(SystemClock);
    let outbox = outbox.open(URL, Arc::<SystemClock>::clone(&clock)).unwrap();
    Delivery::start(Arc::<Model>::clone(api), clock, outbox, options)
}

pub(super) fn empty(state: &DeliveryState) -> bool {
    state.waiting == 0
}
