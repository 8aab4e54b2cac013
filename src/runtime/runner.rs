//! Starts a bot, keeps it running, and stops it without losing what it measured.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tracing::Instrument as _;

use super::connect::connect;
use super::control::{Control, Crew};
use super::dispatch::Limits;
use super::follow::follow;
use super::heard::Heard;
use super::ledger::RunMetrics;
use super::offered::Offered;
use super::own_writes::{Noted, OwnWrites};
use super::perform::Performer;
use super::problems::Reporter;
use super::refresh::Refresher;
use super::report::BotReport;
use super::shutdown::Stop;
use super::timetable::Timetable;
use super::vitals::Vitals;
use super::workers::Workers;
use crate::backend::{Api, HttpApi};
use crate::clock::{Clock, SystemClock};
use crate::collector::Collector;
use crate::context::Context;
use crate::delivery::{Delivery, DeliveryOptions, Drained, Outbox};
use crate::error::StartError;
use crate::job::Cancel;
use crate::settings::Settings;
use crate::state::State;
use crate::telemetry::health;

/// Runs at once, over all lanes, unless the bot or the operator says otherwise. Each may hold a socket; this
/// stays far below the usual limit of 1,024 descriptors.
pub(crate) const DEFAULT_CONCURRENCY: usize = 256;
/// How long runs under way may take after the first signal, and then again the delivery. Together they stay
/// below the 30 s that container platforms wait before they kill.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// What "at once" may take: a disk that hangs does not hold up the end.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Runs a bot, with options. [`Collector::execute`] is this with all defaults.
///
/// ```no_run
/// # use grafoleancollector::{prelude::*, FetchError, JobError, Outbox, Runner, StartError, Stop};
/// # struct MyBot;
/// # impl Collector for MyBot {
/// #     type Task = ();
/// #     async fn jobs(&self, _: &Context) -> Result<Vec<Job<()>>, FetchError> { Ok(vec![]) }
/// #     async fn perform(&self, _: &Run<()>) -> Result<Samples, JobError> { Err(JobError::failed("")) }
/// # }
/// # async fn run(settings: Settings) -> Result<(), StartError> {
/// Runner::new(MyBot, settings)
///     .concurrency(1_000)
///     .outbox(Outbox::memory())
///     .run_until(Stop::on_signals())
///     .await
/// # }
/// ```
#[must_use = "a runner does nothing until it is told to run"]
pub struct Runner<C: Collector> {
    bot: C,
    settings: Settings,
    concurrency: usize,
    outbox: Option<Outbox>,
    state: Option<State>,
    grace: Duration,
    api: Option<Arc<dyn Api>>,
    clock: Arc<dyn Clock>,
    share_runtime: bool,
    backend: Option<String>,
}

impl<C: Collector> Runner<C> {
    /// A runner with the defaults, as far as the settings do not say otherwise.
    pub fn new(bot: C, settings: Settings) -> Self {
        Self {
            bot,
            settings,
            concurrency: DEFAULT_CONCURRENCY,
            outbox: None,
            state: None,
            grace: DEFAULT_GRACE,
            api: None,
            clock: Arc::new(SystemClock),
            share_runtime: false,
            backend: None,
        }
    }

    /// What the files in `DATA_DIR` are for, instead of `BACKEND_URL`: for a backend whose address changes while it
    /// stays the same. What waits in an outbox is never delivered to another backend than it was measured for.
    pub fn backend_is(mut self, name: impl Into<String>) -> Self {
        self.backend = Some(name.into());
        self
    }

    /// How many runs may be under way at once (256). `MAX_CONCURRENT_RUNS` comes before it.
    pub fn concurrency(mut self, runs: usize) -> Self {
        self.concurrency = runs.max(1);
        self
    }

    /// Where samples wait for delivery. Without it: a file in `DATA_DIR`, or memory where that is `none`.
    pub fn outbox(mut self, outbox: Outbox) -> Self {
        self.outbox = Some(outbox);
        self
    }

    /// What the bot remembers from before, and where it remembers. Without it: a file in `DATA_DIR`, or memory where
    /// that is `none`. It is closed when the bot stops.
    pub fn state(mut self, state: State) -> Self {
        self.state = Some(state);
        self
    }

    /// Serves `/healthz`, `/readyz`, `/metrics` and `/jobs` at this address, as `HEALTH_ADDR` does.
    pub fn health(mut self, addr: SocketAddr) -> Self {
        self.settings.health_addr = Some(addr);
        self
    }

    /// How long runs under way may take when the bot stops, and then again the delivery (10 s).
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Speaks to this instead of the backend at `BACKEND_URL`.
    pub fn api(mut self, api: Arc<dyn Api>) -> Self {
        self.api = Some(api);
        self
    }

    /// Tells the time by this clock instead of the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Performs runs on the runtime that [`run_until`](Self::run_until) is called in, instead of on threads of
    /// their own: simulated time needs it. A run that blocks its thread then stops everything.
    pub fn share_runtime(mut self) -> Self {
        self.share_runtime = true;
        self
    }

    /// Runs the bot until it is told to stop, and delivers what was measured.
    ///
    /// While the backend is away or not ready it waits, and says so.
    ///
    /// # Errors
    /// When the bot cannot start: a wrong token, a data directory that cannot be used, an address taken.
    pub async fn run_until(self, stop: Stop) -> Result<(), StartError> {
        let Self { bot, settings, concurrency, outbox, state, grace, api, clock, share_runtime, backend } =
            self;
        let backend = backend.unwrap_or_else(|| settings.backend_url.clone());
        let bot = Arc::new(bot);
        let outbox =
            outbox.unwrap_or_else(|| settings.data_dir.as_ref().map_or_else(Outbox::memory, Outbox::sqlite));
        let outbox = outbox.open(&backend, clock.clone()).map_err(StartError::DataDir)?;
        let state = match (state, &settings.data_dir) {
            (Some(state), _) => state,
            (None, None) => State::memory(),
            (None, Some(directory)) => State::sqlite(directory, &backend).map_err(StartError::State)?,
        };
        let api = match api {
            Some(api) => api,
            None => Arc::new(HttpApi::of(&settings, clock.clone())?),
        };
        let (writes, offered) = (Arc::<OwnWrites>::default(), Arc::<Offered>::default());
        let heard = Arc::new(Heard::new(writes.clone()));
        let api: Arc<dyn Api> = Arc::new(Noted { api, writes });
        let delivery_options = DeliveryOptions { mode: settings.delivery, ..DeliveryOptions::default() };
        let delivery = Delivery::start(api.clone(), clock.clone(), outbox, delivery_options);
        let (vitals, run_metrics) = (Arc::new(Vitals::new()), Arc::<RunMetrics>::default());
        let context = Context::new(api.clone()).remembering(state.clone()).with_clock(clock.clone());
        let context = context.with_data_dir(settings.data_dir.clone());
        let jobs = Arc::new(OnceLock::new());
        let health = match settings.health_addr {
            None => None,
            Some(addr) => {
                let report = BotReport {
                    bot: bot.clone(),
                    api: api.clone(),
                    vitals: vitals.clone(),
                    heard: heard.clone(),
                    runs: run_metrics.clone(),
                    delivery: delivery.clone(),
                    context: context.clone(),
                    jobs: jobs.clone(),
                };
                Some(health::listen(addr, Arc::new(report)).await?)
            }
        };
        // Kept until all is delivered: a request under way may still need what the threads of runs hold.
        let mut threads_of_runs = None;
        bot.begin(&context).await?;
        let connected = match connect(&*api, &vitals, &offered, &stop).await {
            Ok(connected) => connected,
            Err(error) => {
                finish(&*bot, grace, &stop).await;
                close(&state, grace, &stop).await;
                return Err(error);
            }
        };
        if let Some(user) = connected {
            let context = context.of_user(user);
            let runs = settings.max_concurrent_runs.unwrap_or(concurrency);
            let threads = if share_runtime {
                Workers::here()
            } else {
                Workers::start(runs).map_err(StartError::Threads)?
            };
            let workers = Arc::new(threads);
            threads_of_runs = Some(workers.clone());
            let (cancel, cancelled) = watch::channel(false);
            let performer = Performer {
                bot: bot.clone(),
                clock: clock.clone(),
                context: context.clone(),
                delivery: delivery.clone(),
                cancel: Cancel::new(cancelled),
                metrics: run_metrics,
            };
            let interval = settings.jobs_refresh_interval;
            heard.of_user(user);
            let following = AbortOnDrop(tokio::spawn(
                follow(api.clone(), heard.clone(), offered.clone(), interval).in_current_span(),
            ));
            let refresher = Refresher::new(bot.clone(), context, clock, vitals.clone(), heard, interval);
            let reporter = Reporter::new(api.clone(), offered);
            let table = Timetable::new(Limits { runs });
            // Questions come one at a time; more than a few at once can wait.
            let (asked, queries) = mpsc::channel(8);
            jobs.get_or_init(|| asked);
            let crew = Crew { performer: Arc::new(performer), refresher, reporter, workers };
            let mut control = Control::new(table, crew, vitals.clone(), cancel, queries);
            vitals.working();
            control.run(&stop).await;
            drop(following);
            vitals.idle("the bot is stopping");
            control.drain(grace, &stop).await;
        }
        let end = async {
            finish(&*bot, grace, &stop).await;
            close(&state, grace, &stop).await;
        };
        tokio::join!(end, flush(&delivery, grace, &stop));
        // The loop is gone, so that these are the only hands on the threads.
        if let Some(workers) = threads_of_runs.and_then(Arc::into_inner) {
            workers.stop().await;
        }
        if let Some(health) = health {
            health.stop().await;
        }
        Ok(())
    }
}

/// Ends a task with whoever started it.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Lets the collector close what it opened, as far as the time goes.
async fn finish<C: Collector>(bot: &C, grace: Duration, stop: &Stop) {
    tokio::select! {
        biased;
        () = bot.finish() => {}
        () = too_late(grace, stop) => tracing::warn!("the collector did not finish in time"),
    }
}

/// When to wait for something no longer.
async fn too_late(grace: Duration, stop: &Stop) {
    tokio::select! {
        () = tokio::time::sleep(grace) => {}
        () = stop.aborting() => tokio::time::sleep(AT_ONCE).await,
    }
}

/// Writes what the bot is to remember, as far as the time goes.
async fn close(state: &State, grace: Duration, stop: &Stop) {
    tokio::select! {
        biased;
        () = state.close() => {}
        () = too_late(grace, stop) => tracing::warn!("the state file was not closed in time: the last changes may be forgotten"),
    }
}

/// Delivers what waits, as far as the time goes, and says what is left.
async fn flush(delivery: &Delivery, grace: Duration, stop: &Stop) {
    let limit = tokio::select! {
        _ = delivery.drain(grace) => None,
        () = stop.aborting() => Some(AT_ONCE),
    };
    if !delivery.stop(limit).await {
        tracing::warn!("the outbox did not close within {AT_ONCE:?}; what it had taken is safe");
    }
    let left = Drained::of(&delivery.state());
    if left.in_memory == 0 {
        tracing::info!("stopped; {left}");
    } else {
        tracing::warn!("stopped; {left}");
    }
}

impl<C: Collector> fmt::Debug for Runner<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("settings", &self.settings)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::hold;

    #[tokio::test]
    async fn a_disk_that_hangs_holds_up_the_stop_no_longer_than_the_grace_and_a_second_stop_ends_that() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::sqlite(directory.path(), "https://grafolean.example.org/api").unwrap();
        let held = hold(&state);
        let for_ever = Duration::from_secs(1 << 30);
        let stop = Stop::new();
        let closing = async {
            close(&state, Duration::from_millis(50), &stop).await;
            stop.now();
            stop.now();
            close(&state, for_ever, &stop).await;
        };
        tokio::time::timeout(Duration::from_secs(60), closing).await.unwrap();
        drop(held);
        close(&state, for_ever, &Stop::new()).await;
    }
}
