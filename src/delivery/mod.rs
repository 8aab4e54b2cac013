//! From samples to stored values.
//!
//! [`Delivery::accept`] puts samples into the outbox; one [`courier`] per account takes them from there and
//! sends them. A sample leaves the outbox when the backend has stored it, or when it is set aside because it
//! is the sample that the backend refuses. Everything else (no connection, an error of the backend, a missing
//! permission) leaves it where it is. A crash may therefore send a sample twice, never less than once; as the
//! backend keeps one value per path and time, it is stored once.

pub(crate) mod backoff;
mod batch;
mod books;
mod courier;
#[cfg(feature = "testing")]
pub mod internals;
mod outbox;
mod state;
mod triage;
mod ward;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::runtime::Handle as Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, Span};

pub(crate) use self::outbox::{Closed, OpenOutbox};
pub use self::outbox::{Outbox, OutboxError};
pub(crate) use self::state::{AccountState, DeliveryState, Drained, Status};

use self::books::{Aside, Books, float};
use self::courier::Courier;
use self::triage::Refusal;
use crate::backend::{Api, DeliveryMode};
use crate::clock::Clock;
use crate::ids::AccountId;
use crate::sample::Sample;
use crate::telemetry::MetricsText;

/// Requests to store samples at once, over all accounts: each keeps the backend busy for up to a second.
const REQUESTS_AT_ONCE: usize = 4;
/// Samples of the backlog per second, over all accounts: half of what the backend was seen to take (20,000
/// known paths in 5 s), so that people can use it while an outage is made up for.
const BACKLOG_PER_SECOND: u32 = 2_000;
/// How often the outbox is swept.
const SWEEP: Duration = Duration::from_secs(60);

/// How to deliver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeliveryOptions {
    pub(crate) mode: DeliveryMode,
    pub(crate) backlog_per_second: u32,
}

impl Default for DeliveryOptions {
    fn default() -> Self {
        Self { mode: DeliveryMode::Put, backlog_per_second: BACKLOG_PER_SECOND }
    }
}

/// Delivers samples for as long as one of its clones lives.
#[derive(Clone)]
pub(crate) struct Delivery(Arc<Handle>);

struct Handle {
    core: Arc<Core>,
    draining: tokio::sync::Mutex<u64>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.stop.send_replace(true);
    }
}

impl Delivery {
    /// Begins to deliver what waits in `outbox`, and what will be accepted. Belongs into a tokio runtime.
    pub(crate) fn start(
        api: Arc<dyn Api>,
        clock: Arc<dyn Clock>,
        outbox: OpenOutbox,
        options: DeliveryOptions,
    ) -> Self {
        let core = Arc::new(Core {
            api,
            clock,
            outbox,
            options,
            books: Books::default(),
            requests: Semaphore::new(REQUESTS_AT_ONCE),
            pace: Pace::new(options.backlog_per_second),
            good_tokens: watch::Sender::new(0),
            bad_token_said: AtomicBool::new(false),
            changed: watch::Sender::new(()),
            drain: AtomicU64::new(0),
            stop: watch::Sender::new(false),
            lanes: Mutex::default(),
            runtime: Runtime::current(),
            span: Span::current(),
        });
        for (account, waiting) in core.outbox.waiting() {
            tracing::info!(%account, waiting, "samples wait in the outbox from before");
            core.ensure_courier(account);
        }
        if core.outbox.needs_sweeping() {
            tokio::spawn(sweep(Arc::clone(&core)).in_current_span());
        }
        Self(Arc::new(Handle { core, draining: tokio::sync::Mutex::new(0) }))
    }

    /// Accepts samples. When it returns, they are as safe as the outbox can keep them: committed to its file,
    /// or in memory. It waits when the file is slower than the producers.
    ///
    /// # Errors
    /// After [`stop`](Self::stop): the samples were not accepted.
    pub(crate) async fn accept(&self, account: AccountId, samples: Vec<Sample>) -> Result<(), Closed> {
        let core = &self.0.core;
        if samples.is_empty() {
            return Ok(());
        }
        if core.is_stopping() {
            return Err(Closed);
        }
        let count = samples.len() as u64;
        if i64::try_from(account.get()).is_err() {
            core.books.accepted.add(count);
            for sample in samples {
                let words = format!("no backend has an account {account}: ids end at {}", i64::MAX);
                core.books.set_aside(account, &sample, Aside::NoAccount, words);
            }
            return Ok(());
        }
        core.ensure_courier(account);
        core.outbox.put(account, samples).await?;
        core.books.accepted.add(count);
        Ok(())
    }

    /// Delivers everything that waits, the backlog too, as fast as the backend takes it: until nothing is
    /// left, until `grace` is over, or until there is no hope and what is left is on disk. Delivery goes on
    /// afterwards.
    pub(crate) async fn drain(&self, grace: Duration) -> Drained {
        let core = &self.0.core;
        let mut epoch = self.0.draining.lock().await;
        *epoch += 1;
        let mut changes = core.changed.subscribe();
        core.drain.store(*epoch, Relaxed);
        core.ring_all();
        let all_drained = async {
            while !core.lanes().values().all(|lane| lane.drained == *epoch) {
                if changes.changed().await.is_err() {
                    break;
                }
            }
        };
        let _ = timeout(grace, all_drained).await;
        core.drain.store(0, Relaxed);
        core.ring_all();
        Drained::of(&self.state())
    }

    /// Stops delivering and closes the outbox, so that another may open it. What couriers have in their hands
    /// goes back into it first. With a limit it takes no longer than that; what was accepted is then where it
    /// was, on disk or only in memory. Returns whether all of it was done.
    pub(crate) async fn stop(&self, limit: Option<Duration>) -> bool {
        let in_time = match limit {
            Some(limit) => timeout(limit, self.close()).await.is_ok(),
            None => {
                self.close().await;
                true
            }
        };
        self.0.core.changed();
        in_time
    }

    async fn close(&self) {
        let core = &self.0.core;
        core.stop.send_replace(true);
        let couriers: Vec<_> = core.lanes().values_mut().filter_map(|lane| lane.courier.take()).collect();
        for courier in couriers {
            let _ = courier.await;
        }
        core.outbox.close().await;
    }

    /// How many samples wait for the backend.
    pub(crate) fn waiting(&self) -> usize {
        self.0.core.outbox.waiting().iter().map(|(_, waiting)| waiting).sum()
    }

    /// How delivery fares now.
    pub(crate) fn state(&self) -> DeliveryState {
        let core = &self.0.core;
        let waiting: HashMap<_, _> = core.outbox.waiting().into_iter().collect();
        let mut accounts: Vec<_> = core
            .lanes()
            .iter()
            .map(|(account, lane)| AccountState {
                account: *account,
                waiting: waiting.get(account).copied().unwrap_or(0),
                status: lane.status.clone(),
            })
            .collect();
        accounts.sort_by_key(|state| state.account);
        let waiting = waiting.values().sum();
        let in_memory = if core.outbox.file().is_some() { core.outbox.only_in_memory() } else { waiting };
        let refused =
            |state: &AccountState| matches!(state.status, Status::Stopped { stop: Refusal::Token, .. });
        DeliveryState {
            waiting,
            in_memory,
            bytes: core.outbox.bytes(),
            oldest: if waiting == 0 { None } else { core.outbox.oldest() },
            file: core.outbox.file().map(Into::into),
            file_trouble: core.outbox.trouble(),
            file_given_up: core.outbox.given_up(),
            token_refused: accounts.iter().any(refused),
            accounts,
            accepted: core.books.accepted.get(),
            stored: core.books.stored.get(),
            set_aside: core.set_aside().collect(),
            set_aside_last: core.books.last_set_aside(),
            dropped: core.outbox.dropped().collect(),
        }
    }

    /// Waits until delivery fares as `enough` says.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) async fn wait_for(&self, enough: impl Fn(&DeliveryState) -> bool) -> DeliveryState {
        let mut changes = self.0.core.changed.subscribe();
        loop {
            let state = self.state();
            if enough(&state) {
                return state;
            }
            // The sender lives in `self`.
            let _ = changes.changed().await;
        }
    }

    /// Writes what Prometheus is to know.
    pub(crate) fn write_metrics(&self, out: &mut MetricsText) {
        let core = &self.0.core;
        core.books.write_metrics(out);
        let families: [(_, _, BTreeMap<_, _>); 2] = [
            (
                "grafolean_samples_set_aside_total",
                "Samples that are never sent again, by reason.",
                core.set_aside().collect(),
            ),
            (
                "grafolean_samples_dropped_total",
                "Samples dropped undelivered, by reason.",
                core.outbox.dropped().collect(),
            ),
        ];
        for (name, help, counts) in families {
            out.family(name, "counter", help);
            for (reason, count) in counts {
                out.sample(name, &[("reason", reason)], float(count));
            }
        }
        let waiting = self.waiting();
        out.gauge("grafolean_outbox_samples", "Samples that wait for the backend.", float(waiting as u64));
        out.gauge("grafolean_outbox_bytes", "Bytes that they take.", float(core.outbox.bytes()));
        let age = core.outbox.oldest().filter(|_| waiting > 0).map(|oldest| core.clock.now().since(oldest));
        out.gauge(
            "grafolean_outbox_oldest_seconds",
            "How long ago the oldest of them was measured.",
            age.unwrap_or_default().as_secs_f64(),
        );
        out.gauge(
            "grafolean_outbox_file_trouble",
            "Whether the outbox file cannot be written (1) or can (0).",
            if core.outbox.trouble().is_some() { 1.0 } else { 0.0 },
        );
    }
}

/// What couriers share.
pub(crate) struct Core {
    api: Arc<dyn Api>,
    clock: Arc<dyn Clock>,
    outbox: OpenOutbox,
    options: DeliveryOptions,
    books: Books,
    requests: Semaphore,
    pace: Pace,
    /// Counts how often the token became good again.
    good_tokens: watch::Sender<u64>,
    bad_token_said: AtomicBool,
    changed: watch::Sender<()>,
    /// The number of the drain that is under way, or 0.
    drain: AtomicU64,
    stop: watch::Sender<bool>,
    lanes: Mutex<HashMap<AccountId, Lane>>,
    /// Where couriers run: not on the threads that measure, which may block and end before the last delivery.
    runtime: Runtime,
    /// What the log says of whose deliveries these are, where a process has several.
    span: Span,
}

struct Lane {
    status: Status,
    /// The drain in which the courier has done what it could.
    drained: u64,
    courier: Option<JoinHandle<()>>,
}

impl Core {
    fn lanes(&self) -> MutexGuard<'_, HashMap<AccountId, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ensure_courier(self: &Arc<Self>, account: AccountId) {
        self.lanes().entry(account).or_insert_with(|| {
            let courier = self
                .runtime
                .spawn(Courier::new(account, Arc::clone(self)).run().instrument(self.span.clone()));
            Lane { status: Status::Delivering, drained: 0, courier: Some(courier) }
        });
    }

    fn set_status(&self, account: AccountId, status: Status) {
        if let Some(lane) = self.lanes().get_mut(&account) {
            lane.status = status;
        }
    }

    fn changed(&self) {
        self.changed.send_replace(());
    }

    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Returns when delivery is to stop.
    async fn stopping(&self) {
        let mut stop = self.stop.subscribe();
        // What it hands out is a lock: it must not live on.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    fn drain(&self) -> u64 {
        self.drain.load(Relaxed)
    }

    fn drained(&self, account: AccountId, drain: u64) {
        if let Some(lane) = self.lanes().get_mut(&account) {
            lane.drained = drain;
        }
        self.changed();
    }

    fn ring_all(&self) {
        for account in self.lanes().keys() {
            self.outbox.bell(*account).notify_one();
        }
    }

    /// Whether the bad token is to be said: once for all accounts.
    fn say_bad_token(&self) -> bool {
        !self.bad_token_said.swap(true, Relaxed)
    }

    /// The others need not wait for their next attempt.
    fn token_is_good(&self) {
        self.bad_token_said.store(false, Relaxed);
        self.good_tokens.send_modify(|times| *times += 1);
    }

    fn set_aside(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.books.set_aside_by_reason().chain([("damaged", self.outbox.damaged())])
    }
}

/// How fast the backlog may go.
struct Pace {
    per_second: u32,
    due: Mutex<Instant>,
}

impl Pace {
    fn new(per_second: u32) -> Self {
        Self { per_second: per_second.max(1), due: Mutex::new(Instant::now()) }
    }

    /// When the next samples of the backlog may be sent.
    fn due(&self) -> Instant {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many samples are sent now.
    fn spend(&self, samples: usize) {
        let time = Duration::from_secs(samples as u64) / self.per_second;
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        *due = (*due).max(Instant::now()) + time;
    }
}

async fn sweep(core: Arc<Core>) {
    while tokio::select! {
        () = core.stopping() => false,
        () = tokio::time::sleep(SWEEP) => true,
    } {
        if let Err(panic) = AssertUnwindSafe(core.outbox.sweep()).catch_unwind().await {
            let words = crate::error::panic_message(&*panic);
            tracing::error!("sweeping the outbox failed, which is a bug; it goes on in a minute: {words}");
        }
    }
}
