//! One run: its deadline, its panics, and its samples on their way to the outbox.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::ledger::{Measured, Outcome, RunMetrics};
use super::timetable::Start;
use crate::clock::{Clock, Timestamp};
use crate::collector::Collector;
use crate::delivery::Delivery;
use crate::error::JobError;
use crate::job::{Cancel, Run};
use crate::sample::{Samples, Unfit};
use crate::telemetry::Throttle;

/// What all runs share.
pub(crate) struct Performer<C> {
    pub(crate) bot: Arc<C>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) delivery: Delivery,
    pub(crate) cancel: Cancel,
    pub(crate) metrics: Arc<RunMetrics>,
    pub(crate) unfit_said: Throttle,
}

impl<C: Collector> Performer<C> {
    /// Performs a run from its start until its samples are accepted.
    pub(crate) async fn perform(
        &self,
        start: Start,
        id: Arc<str>,
        task: Arc<C::Task>,
        limit: Duration,
    ) -> Outcome {
        let started = self.clock.now();
        let due = Timestamp::from_micros(start.due.saturating_mul(1_000));
        self.metrics.start_lag.observe(started.since(due));
        let begun = Instant::now();
        let run =
            Run::new(id.clone(), task, due, started, start.missed, start.affecting, self.cancel.clone());
        let result = match within(limit, self.bot.perform(&run)).await {
            Ok(samples) => self.hand_over(&id, samples, started).await,
            Err(error) => Err(error),
        };
        Outcome { started, took: begun.elapsed(), missed: start.missed, result }
    }

    async fn hand_over(&self, id: &str, samples: Samples, started: Timestamp) -> Result<Measured, JobError> {
        let account = samples.account();
        let (fit, unfit) = samples.stamp(started);
        let measured = Measured { samples: fit.len(), unfit: unfit.len() };
        self.name_unfit(id, &unfit);
        if !fit.is_empty() {
            let accepted = self.delivery.accept(account, fit).await;
            accepted
                .map_err(|error| JobError::because("its samples were not accepted for delivery", error))?;
        }
        Ok(measured)
    }

    fn name_unfit(&self, id: &str, unfit: &[Unfit]) {
        for Unfit { path, reason } in unfit {
            if let Some(more) = self.unfit_said.say() {
                tracing::warn!("job {id}: the value at {path:?} is not delivered: {reason}{more}");
            }
        }
    }
}

/// Awaits `future` until `limit`; a panic in it becomes an error.
pub(crate) async fn within<T>(
    limit: Duration,
    future: impl Future<Output = Result<T, JobError>>,
) -> Result<T, JobError> {
    // What a panic may leave half-done is the collector's own; the loop shares none of it.
    match tokio::time::timeout(limit, AssertUnwindSafe(future).catch_unwind()).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(JobError::Panicked { message: panic_message(&*panic) }),
        Err(_) => Err(JobError::DeadlineExceeded { limit }),
    }
}

pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}
