//! One run: its deadline, its panics, and its samples on their way to the outbox.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::ledger::{Measured, Outcome, RunMetrics};
use super::timetable::Start;
use crate::clock::{Clock, Timestamp};
use crate::collector::Collector;
use crate::context::Context;
use crate::delivery::Delivery;
use crate::error::{JobError, panic_message};
use crate::job::{Cancel, Run};
use crate::sample::{Samples, Unfit};

/// How far a run is, for the loop to see.
#[derive(Debug, Default)]
pub(crate) struct Progress(AtomicU8);

const PERFORMING: u8 = 1;
const HANDING_OVER: u8 = 2;

impl Progress {
    /// Whether the collector's own code is at work: neither waiting for a thread nor for the outbox.
    pub(crate) fn is_performing(&self) -> bool {
        self.0.load(Relaxed) == PERFORMING
    }

    fn reached(&self, phase: u8) {
        self.0.store(phase, Relaxed);
    }
}

/// What all runs share.
pub(crate) struct Performer<C> {
    pub(crate) bot: Arc<C>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) context: Context,
    pub(crate) delivery: Delivery,
    pub(crate) cancel: Cancel,
    pub(crate) metrics: Arc<RunMetrics>,
}

impl<C: Collector> Performer<C> {
    /// Performs a run from its start until its samples are accepted.
    pub(crate) async fn perform(
        &self,
        start: Start,
        id: Arc<str>,
        task: Arc<C::Task>,
        limit: Duration,
        progress: &Progress,
    ) -> Outcome {
        progress.reached(PERFORMING);
        let started = self.clock.now();
        let due = Timestamp::from_micros(start.due.saturating_mul(1_000));
        self.metrics.start_lag.observe(started.since(due));
        let begun = Instant::now();
        let run = Run {
            id,
            task,
            due,
            started,
            missed: start.missed,
            affecting: start.affecting,
            cancel: self.cancel.clone(),
            context: self.context.clone(),
        };
        let handed_over = match within(limit, || self.bot.perform(&run)).await {
            Ok(samples) => {
                progress.reached(HANDING_OVER);
                let failure = samples.failure().map(JobError::failed);
                let handed_over = self.hand_over(samples, started).await;
                handed_over.and_then(|measured| {
                    self.tell_accepted(&run)?;
                    Ok((measured, failure))
                })
            }
            Err(error) => Err(error),
        };
        let took = begun.elapsed();
        match handed_over {
            Ok((measured, failure)) => {
                let result = failure.map_or(Ok(()), Err);
                Outcome { started, took, missed: start.missed, measured, result }
            }
            Err(error) => Outcome::failed(started, took, start.missed, error),
        }
    }

    /// The collector's own code: its panic is the run's failure, though the samples are safe.
    fn tell_accepted(&self, run: &Run<C::Task>) -> Result<(), JobError> {
        catch_unwind(AssertUnwindSafe(|| self.bot.accepted(run)))
            .map_err(|panic| JobError::Panicked { message: panic_message(&*panic).to_owned() })
    }

    async fn hand_over(&self, samples: Samples, started: Timestamp) -> Result<Measured, JobError> {
        let account = samples.account();
        let (fit, unfit) = samples.stamp(started);
        let example =
            unfit.first().map(|Unfit { path, reason }| format!("the value at {path:?}: {reason}").into());
        let measured = Measured { samples: fit.len(), unfit: unfit.len(), example };
        if !fit.is_empty() {
            let accepted = self.delivery.accept(account, fit).await;
            accepted
                .map_err(|error| JobError::because("its samples were not accepted for delivery", error))?;
        }
        Ok(measured)
    }
}

/// Awaits what `call` gives until `limit`. A panic becomes an error, wherever it comes from: the call itself, the
/// future, or the future's end when its time is up.
pub(crate) async fn within<T, F: Future<Output = Result<T, JobError>>>(
    limit: Duration,
    call: impl FnOnce() -> F,
) -> Result<T, JobError> {
    let panicked =
        |panic: Box<dyn Any + Send>| JobError::Panicked { message: panic_message(&*panic).to_owned() };
    // What a panic may leave half-done is the collector's own; the loop shares none of it.
    let mut future = Box::pin(AssertUnwindSafe(async move { call().await }).catch_unwind());
    match tokio::time::timeout(limit, future.as_mut()).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(panicked(panic)),
        Err(_) => match catch_unwind(AssertUnwindSafe(|| drop(future))) {
            Ok(()) => Err(JobError::DeadlineExceeded { limit }),
            Err(panic) => Err(panicked(panic)),
        },
    }
}
