//! Asks the collector for its jobs, again and again, and when something changed: one look at a time, away from the
//! loop.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::heard::Heard;
use super::vitals::Vitals;
use super::workers::Workers;
use crate::clock::Clock;
use crate::collector::Collector;
use crate::context::Context;
use crate::error::{Chain, FetchError, panic_message};
use crate::job::Job;
use crate::settings::{LONGEST_REFRESH, SHORTEST_REFRESH};

/// A look that takes longer than this hangs. Lists of 100,000 entities take the original backend minutes.
const LONGEST_LOOK: Duration = Duration::from_secs(600);
/// A look that is still there this long after its time keeps its thread.
const BLOCKED_AFTER: Duration = Duration::from_secs(5);
/// Looks that may keep a thread each; then none is tried any more.
const MOST_BLOCKED: u32 = 3;
/// After a look that failed, the next comes after this, then twice this, up to the usual interval.
const FIRST_RETRY: Duration = Duration::from_secs(5);

type Listed<T> = Result<Vec<Job<T>>, FetchError>;

pub(crate) struct Refresher<C: Collector> {
    bot: Arc<C>,
    context: Context,
    clock: Arc<dyn Clock>,
    vitals: Arc<Vitals>,
    heard: Arc<Heard>,
    interval: Duration,
    due: Instant,
    /// Failures in a row, and the reason that was said last.
    failures: u32,
    said: Option<String>,
    /// Looks that never came back.
    blocked: u32,
    under_way: Option<(Instant, oneshot::Receiver<Listed<C::Task>>)>,
}

impl<C: Collector> Refresher<C> {
    pub(crate) fn new(
        bot: Arc<C>,
        context: Context,
        clock: Arc<dyn Clock>,
        vitals: Arc<Vitals>,
        heard: Arc<Heard>,
        interval: Duration,
    ) -> Self {
        let due = Instant::now();
        let interval = interval.clamp(SHORTEST_REFRESH, LONGEST_REFRESH);
        Self {
            bot,
            context,
            clock,
            vitals,
            heard,
            interval,
            due,
            failures: 0,
            said: None,
            blocked: 0,
            under_way: None,
        }
    }

    /// Starts the next look if its time has come, or something changed, and none is under way.
    pub(crate) fn start_if_due(&mut self, workers: &Workers) {
        let now = Instant::now();
        if self.under_way.is_some() || now < self.due && !self.heard.wants_look() {
            return;
        }
        self.due = now + self.interval;
        self.heard.look_begins();
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

    /// How long until a change is worth a look, at the longest `limit`.
    pub(crate) fn pause(&self, limit: Duration) -> Duration {
        let next = self.heard.next_look().filter(|_| self.under_way.is_none());
        next.map_or(limit, |moment| moment.saturating_duration_since(Instant::now())).min(limit)
    }

    /// What was heard of changes.
    pub(crate) fn heard(&self) -> Arc<Heard> {
        self.heard.clone()
    }

    /// The jobs, when the look under way is over and went well. Waits for ever where none is under way.
    pub(crate) async fn done(&mut self) -> Option<Vec<Job<C::Task>>> {
        let Some((began, listed)) = &mut self.under_way else { return std::future::pending().await };
        let began = *began;
        let listed =
            listed.await.unwrap_or_else(|_| Err(FetchError::collector("the look at the jobs was dropped")));
        self.under_way = None;
        let took = began.elapsed();
        self.heard.look_ended(took);
        match listed {
            Ok(jobs) => {
                if self.said.is_some() {
                    tracing::info!("the configuration can be read again");
                }
                self.said = None;
                let report = self.context.configs.report();
                if report.failed.is_empty() {
                    self.failures = 0;
                } else {
                    // The other accounts are served; those that failed should not wait a whole interval.
                    self.retry_sooner();
                }
                self.vitals.refreshed(self.clock.now(), took);
                // An account that was read before goes on with what it had; one that never was is not served.
                if let Some(unserved) = report.failed.iter().find(|account| account.never_read) {
                    self.vitals.refresh_failed(&unserved.to_string());
                }
                Some(jobs)
            }
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    fn retry_sooner(&mut self) {
        let retry = FIRST_RETRY.saturating_mul(1 << self.failures.min(16)).min(self.interval);
        self.failures = self.failures.saturating_add(1);
        self.due = Instant::now() + retry;
    }

    /// A look that blocks its thread never comes back by itself: another is tried, a few times.
    pub(crate) fn give_up_if_blocked(&mut self) {
        let blocked = |began: Instant| began.elapsed() > LONGEST_LOOK + BLOCKED_AFTER;
        if self.blocked < MOST_BLOCKED && self.under_way.as_ref().is_some_and(|(began, _)| blocked(*began)) {
            self.blocked += 1;
            self.under_way = None;
            let why = "jobs() blocks its thread: use spawn_blocking for what cannot await";
            self.failed(&FetchError::collector(why));
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

async fn look<C: Collector>(bot: &C, context: &Context) -> Listed<C::Task> {
    let listed = AssertUnwindSafe(async { bot.jobs(context).await }).catch_unwind();
    match tokio::time::timeout(LONGEST_LOOK, listed).await {
        Ok(Ok(listed)) => listed,
        Ok(Err(panic)) => {
            Err(FetchError::collector(format_args!("jobs() panicked: {}", panic_message(&*panic))))
        }
        Err(_) => Err(FetchError::collector(format_args!("jobs() was not done after {LONGEST_LOOK:?}"))),
    }
}
