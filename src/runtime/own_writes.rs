//! What the bot itself writes of entities: the backend tells of it as of any other change.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::backend::{Api, ApiError, EntityWrite, OnChange, Problem, Resource};
use crate::ids::{AccountId, EntityId};
use crate::sample::Sample;
use crate::telemetry::MetricsText;

/// The backend tells of a write about when it answers it; later than this it is somebody else's.
const TOLD_WITHIN: Duration = Duration::from_secs(10);
/// Writes that are remembered: a bot that writes more in that time looks once more than it had to.
const MOST_REMEMBERED: usize = 4_096;

/// The writes of the last seconds, each good for one change that is told.
#[derive(Default, Debug)]
pub(crate) struct OwnWrites {
    under_way: AtomicUsize,
    done: Mutex<VecDeque<(Instant, (u64, u64))>>,
}

/// A write that is not answered yet.
pub(crate) struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl OwnWrites {
    /// A write begins.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Relaxed);
        UnderWay(&self.under_way)
    }

    /// An entity was written.
    pub(crate) fn done(&self, account: AccountId, entity: EntityId) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if done.len() == MOST_REMEMBERED {
            done.pop_front();
        }
        done.push_back((Instant::now(), (account.get(), entity.get())));
    }

    /// Nothing is told any more of the writes until now.
    pub(crate) fn forget(&self) {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn are_under_way(&self) -> bool {
        self.under_way.load(Relaxed) > 0
    }

    /// Whether a change of this entity was a write of ours; the next one of it is not, unless we wrote twice.
    pub(crate) fn did(&self, entity: (u64, u64)) -> bool {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        while done.front().is_some_and(|(at, _)| at.elapsed() > TOLD_WITHIN) {
            done.pop_front();
        }
        let found = done.iter().position(|(_, written)| *written == entity);
        found.and_then(|at| done.remove(at)).is_some()
    }
}

/// A backend of which the bot's own writes are noted.
pub(crate) struct Noted {
    pub(crate) api: Arc<dyn Api>,
    pub(crate) writes: Arc<OwnWrites>,
}

#[async_trait]
impl Api for Noted {
    async fn write_entity(&self, account: AccountId, write: &EntityWrite) -> Result<EntityId, ApiError> {
        let _under_way = self.writes.begin();
        let written = self.api.write_entity(account, write).await;
        if let Ok(entity) = &written {
            self.writes.done(account, *entity);
        }
        written
    }

    async fn get(&self, resource: Resource) -> Result<Vec<u8>, ApiError> {
        self.api.get(resource).await
    }

    async fn store(&self, account: AccountId, samples: &[Sample]) -> Result<(), ApiError> {
        self.api.store(account, samples).await
    }

    async fn may_store(&self, account: AccountId) -> Result<(), ApiError> {
        self.api.may_store(account).await
    }

    async fn follow_changes(&self, heard: OnChange) -> Result<(), ApiError> {
        self.api.follow_changes(heard).await
    }

    async fn report_problems(&self, problems: &[Problem]) -> Result<(), ApiError> {
        self.api.report_problems(problems).await
    }

    fn clock_skew(&self) -> Option<f64> {
        self.api.clock_skew()
    }

    fn write_metrics(&self, out: &mut MetricsText) {
        self.api.write_metrics(out);
    }
}
