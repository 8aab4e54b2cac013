//! What the health endpoint shows of the loop.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::ledger::LedgerView;
use super::reconcile::Assignment;
use super::timetable::{Entry, Timetable};
use super::workers::Workers;
use crate::clock::{Timestamp, as_text};
use crate::telemetry::{Counter, Histogram, MetricsText};

/// The loop turns every second; without a turn for this long it hangs.
const LOOP_SILENT: Duration = Duration::from_secs(15);
/// All worker threads are kept by runs that block when none of them took up a task for this long.
const WORKERS_SILENT: Duration = Duration::from_secs(60);
const REFRESH_BOUNDS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// Signs of life, written by the loop and read by the health endpoint.
#[derive(Debug)]
pub(crate) struct Vitals {
    began: Instant,
    loop_beat: AtomicU64,
    worker_beat: std::sync::Arc<AtomicU64>,
    worker_asked: AtomicU64,
    jobs: AtomicUsize,
    running: AtomicUsize,
    waiting: AtomicUsize,
    owed: AtomicU64,
    refreshes: Counter,
    refresh_failures: Counter,
    refresh_duration: Histogram,
    phase: Mutex<Phase>,
}

#[derive(Debug)]
struct Phase {
    /// Why the bot does not work yet, or any more.
    idle_because: Option<String>,
    last_refresh: Option<Timestamp>,
    refresh_error: Option<String>,
}

impl Vitals {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            loop_beat: AtomicU64::new(0),
            worker_beat: std::sync::Arc::default(),
            worker_asked: AtomicU64::new(0),
            jobs: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            owed: AtomicU64::new(0),
            refreshes: Counter::default(),
            refresh_failures: Counter::default(),
            refresh_duration: Histogram::new(REFRESH_BOUNDS),
            phase: Mutex::new(Phase {
                idle_because: Some("the bot is starting".to_owned()),
                last_refresh: None,
                refresh_error: None,
            }),
        }
    }

    fn phase(&self) -> std::sync::MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The loop lives. Now and then it also asks the workers for a sign of life.
    pub(crate) fn beat(&self, workers: &Workers) {
        let now = self.millis();
        self.loop_beat.store(now, Relaxed);
        let answered = self.worker_beat.load(Relaxed) >= self.worker_asked.load(Relaxed);
        if answered && now - self.worker_asked.load(Relaxed) >= 1_000 {
            self.worker_asked.store(now, Relaxed);
            let beat = self.worker_beat.clone();
            workers.spawn(async move { beat.store(now, Relaxed) });
        }
    }

    pub(crate) fn set_jobs(&self, jobs: usize, running: usize, waiting: usize, owed: u64) {
        self.jobs.store(jobs, Relaxed);
        self.running.store(running, Relaxed);
        self.waiting.store(waiting, Relaxed);
        self.owed.store(owed, Relaxed);
    }

    pub(crate) fn idle(&self, because: &str) {
        self.phase().idle_because = Some(because.to_owned());
    }

    pub(crate) fn working(&self) {
        self.phase().idle_because = None;
    }

    pub(crate) fn refreshed(&self, at: Timestamp, took: Duration) {
        self.refreshes.inc();
        self.refresh_duration.observe(took);
        let mut phase = self.phase();
        phase.last_refresh = Some(at);
        phase.refresh_error = None;
    }

    pub(crate) fn refresh_failed(&self, reason: &str) {
        self.refreshes.inc();
        self.refresh_failures.inc();
        self.phase().refresh_error = Some(reason.to_owned());
    }

    /// Why the process should be started anew, if it should.
    pub(crate) fn sick(&self) -> Option<String> {
        let now = self.millis();
        let silent = |since: u64| Duration::from_millis(now.saturating_sub(since));
        let (beat, asked) = (self.loop_beat.load(Relaxed), self.worker_asked.load(Relaxed));
        if silent(beat) > LOOP_SILENT && self.phase().idle_because.is_none() {
            return Some(format!("the loop has not turned for {:?}", silent(beat)));
        }
        if self.worker_beat.load(Relaxed) < asked && silent(asked) > WORKERS_SILENT {
            return Some(format!("all worker threads have been blocked for {:?}", silent(asked)));
        }
        None
    }

    /// Why the bot does not do its work now, if it does not.
    pub(crate) fn not_ready(&self) -> Option<String> {
        let phase = self.phase();
        let unread = || match (&phase.refresh_error, phase.last_refresh) {
            (Some(error), _) => Some(format!("the configuration cannot be read: {error}")),
            (None, None) => Some("the configuration has not been read yet".to_owned()),
            (None, Some(_)) => None,
        };
        phase.idle_because.clone().or_else(unread)
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
    pub(crate) fn write(&self, out: &mut MetricsText) {
        out.gauge("grafolean_jobs", "Jobs in the timetable.", self.jobs.load(Relaxed) as f64);
        out.gauge("grafolean_runs_under_way", "Runs under way.", self.running.load(Relaxed) as f64);
        out.gauge(
            "grafolean_runs_waiting",
            "Jobs that are due and wait for their turn.",
            self.waiting.load(Relaxed) as f64,
        );
        let name = "grafolean_ticks_owed_total";
        out.family(name, "counter", "Ticks that came while their job ran; the next run serves them.");
        out.sample(name, &[], self.owed.load(Relaxed) as f64);
        out.counter("grafolean_refreshes_total", "Looks at the configuration.", &self.refreshes);
        out.counter(
            "grafolean_refresh_failures_total",
            "Looks at the configuration that failed.",
            &self.refresh_failures,
        );
        let name = "grafolean_refresh_duration_seconds";
        out.family(name, "histogram", "How long looks at the configuration took.");
        out.histogram(name, &[], &self.refresh_duration);
        let last = self.phase().last_refresh.map_or(0.0, Timestamp::as_secs_f64);
        out.gauge("grafolean_last_refresh_timestamp_seconds", "When the configuration was last read.", last);
    }
}

/// A request for the list of jobs.
#[derive(Debug)]
pub(crate) struct JobsQuery {
    /// Only ids that contain this.
    pub(crate) id: Option<String>,
    pub(crate) only_failing: bool,
    pub(crate) limit: usize,
    pub(crate) reply: oneshot::Sender<JobsView>,
}

/// The jobs that `/jobs` shows: those that fail first.
#[derive(Debug, Serialize)]
pub(crate) struct JobsView {
    total: usize,
    failing: usize,
    jobs: Vec<JobView>,
}

#[derive(Debug, Serialize)]
struct JobView {
    id: std::sync::Arc<str>,
    state: &'static str,
    intervals: Vec<u32>,
    #[serde(serialize_with = "as_text")]
    next_due: Timestamp,
    #[serde(flatten)]
    ledger: LedgerView,
}

impl JobsView {
    pub(crate) fn of<T>(table: &Timetable<Assignment<T>>, query: &JobsQuery) -> Self {
        let fails = |entry: &&Entry<Assignment<T>>| entry.payload.ledger.failing().is_some();
        let all = || table.iter().map(|(_, entry)| entry);
        let wanted =
            |entry: &&Entry<Assignment<T>>| query.id.as_ref().is_none_or(|part| entry.id.contains(part));
        let well = all().filter(|entry| !query.only_failing && !fails(entry));
        let shown = all().filter(fails).chain(well).filter(wanted).take(query.limit);
        Self {
            total: table.len(),
            failing: all().filter(fails).count(),
            jobs: shown.map(JobView::of).collect(),
        }
    }
}

impl JobView {
    fn of<T>(entry: &Entry<Assignment<T>>) -> Self {
        Self {
            id: entry.id.clone(),
            state: entry.state(),
            intervals: entry.intervals().iter().map(|interval| interval.as_secs()).collect(),
            next_due: Timestamp::from_micros(entry.next().saturating_mul(1_000)),
            ledger: entry.payload.ledger.view(),
        }
    }
}
