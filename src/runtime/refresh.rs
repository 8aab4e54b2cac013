//! Asks the collector for its jobs, again and again: one look at a time, away from the loop.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::perform::panic_message;
use super::vitals::Vitals;
use super::workers::Workers;
use crate::clock::Clock;
use crate::collector::Collector;
use crate::context::Context;
use crate::error::{Chain, FetchError};
use crate::job::Job;

/// A look that takes longer than this hangs. Lists of 100,000 entities take the original backend minutes.
const LONGEST_LOOK: Duration = Duration::from_secs(600);
/// After a look that failed, the next comes after this, then twice this, up to the usual interval.
const FIRST_RETRY: Duration = Duration::from_secs(5);

type Listed<T> = Result<Vec<Job<T>>, FetchError>;

pub(crate) struct Refresher<C: Collector> {
    bot: Arc<C>,
    context: Context,
    clock: Arc<dyn Clock>,
    vitals: Arc<Vitals>,
    interval: Duration,
    due: Instant,
    /// Failures in a row, and the reason that was said last.
    failures: u32,
    said: Option<String>,
    under_way: Option<(Instant, oneshot::Receiver<Listed<C::Task>>)>,
}

impl<C: Collector> Refresher<C> {
    pub(crate) fn new(
        bot: Arc<C>,
        context: Context,
        clock: Arc<dyn Clock>,
        vitals: Arc<Vitals>,
        interval: Duration,
    ) -> Self {
        let due = Instant::now();
        Self { bot, context, clock, vitals, interval, due, failures: 0, said: None, under_way: None }
    }

    /// Starts the next look if its time has come and none is under way.
    pub(crate) fn start_if_due(&mut self, workers: &Workers) {
        let now = Instant::now();
        if self.under_way.is_some() || now < self.due {
            return;
        }
        self.due = now + self.interval;
        let (done, listed) = oneshot::channel();
        let (bot, context) = (self.bot.clone(), self.context.clone());
        workers.spawn(async move {
            let listed = look(&*bot, &context).await;
            context.settle();
            // The loop is gone only when the bot has stopped.
            let _ = done.send(listed);
        });
        self.under_way = Some((now, listed));
    }

    /// The jobs, when the look under way is over and went well. Waits for ever where none is under way.
    pub(crate) async fn done(&mut self) -> Option<Vec<Job<C::Task>>> {
        let Some((began, listed)) = &mut self.under_way else { return std::future::pending().await };
        let began = *began;
        let listed =
            listed.await.unwrap_or_else(|_| Err(FetchError::collector("the look at the jobs was dropped")));
        self.under_way = None;
        let took = began.elapsed();
        match listed {
            Ok(jobs) => {
                if self.said.is_some() {
                    tracing::info!("the configuration can be read again");
                }
                self.said = None;
                if self.context.configs.report().failed.is_empty() {
                    self.failures = 0;
                } else {
                    // The other accounts are served; those that failed should not wait a whole interval.
                    self.retry_sooner();
                }
                self.vitals.refreshed(self.clock.now(), took);
                Some(jobs)
            }
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    fn failed(&mut self, error: &FetchError) {
        self.retry_sooner();
        let reason = Chain(error).to_string();
        if self.said.as_ref() != Some(&reason) {
            tracing::warn!("the configuration cannot be read, so jobs stay as they are: {reason}");
        }
        self.vitals.refresh_failed(&reason);
        self.said = Some(reason);
    }
}

impl<C: Collector> Refresher<C> {
    fn retry_sooner(&mut self) {
        let retry = FIRST_RETRY.saturating_mul(1 << self.failures.min(16)).min(self.interval);
        self.failures = self.failures.saturating_add(1);
        self.due = Instant::now() + retry;
    }
}

async fn look<C: Collector>(bot: &C, context: &Context) -> Listed<C::Task> {
    match tokio::time::timeout(LONGEST_LOOK, AssertUnwindSafe(bot.jobs(context)).catch_unwind()).await {
        Ok(Ok(listed)) => listed,
        Ok(Err(panic)) => {
            Err(FetchError::collector(format_args!("jobs() panicked: {}", panic_message(&*panic))))
        }
        Err(_) => Err(FetchError::collector(format_args!("jobs() was not done after {LONGEST_LOOK:?}"))),
    }
}
