//! Many jobs that do nothing: what the runner itself costs.
//!
//! ```text
//! cargo bench --bench jobs                         both of the below: a quarter of an hour
//! cargo bench --bench jobs -- real 100000          real time: three minutes
//! cargo bench --bench jobs -- simulated 1000000    a simulated hour
//! ```
//!
//! In real time everything is as in production: the system's clock, a thread pool for the runs, the default
//! settings. The first minute, with the early first runs, is not measured; the two after it are, and the default
//! refresh of the configuration falls into them. Simulated time has one thread and no pauses.
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the numbers here are small")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use grafoleancollector::testing::{FakeApi, TestClock};
use grafoleancollector::{
    AccountId, Clock, Collector, Context, FetchError, Interval, IntervalError, Job, JobError, Run, Runner,
    Samples, Settings, Stop, SystemClock, Timestamp,
};
use support::{Error, arguments, cpu_seconds, memory_bytes, once_more};

const INTERVAL: u64 = 60;
const WARM_UP: Duration = Duration::from_secs(60);
const MEASURED: Duration = Duration::from_secs(120);
const HOUR: Duration = Duration::from_secs(3_600);

fn main() -> Result<(), Error> {
    let Some(arguments) = arguments() else { return Ok(()) };
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--measure-real", jobs] => measure_real(jobs.parse()?),
        ["--measure-simulated", jobs] => measure_simulated(jobs.parse()?),
        ["real", jobs] => real(jobs),
        ["simulated", sizes @ ..] => simulated(sizes),
        [] => {
            real("100000")?;
            println!();
            simulated(&["10000", "100000", "1000000"])
        }
        other => Err(format!("expected `real JOBS` or `simulated JOBS…`, got {other:?}").into()),
    }
}

fn real(jobs: &str) -> Result<(), Error> {
    println!("| jobs at {INTERVAL} s | runs | start lag p50 | p99 | max | CPU of one core | bytes per job |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    let [.., idle] = once_more::<6>(&["--measure-real", "0"])?;
    let [runs, p50, p99, max, cpu, memory] = once_more(&["--measure-real", jobs])?;
    let bytes = (memory - idle) / jobs.parse::<f64>()?;
    println!("| {jobs} | {runs} | {p50:.1} ms | {p99:.1} ms | {max:.1} ms | {cpu:.1} % | {bytes:.0} |");
    Ok(())
}

fn simulated(sizes: &[&str]) -> Result<(), Error> {
    println!("| jobs at {INTERVAL} s | runs in an hour | ticks lost | ticks owed | CPU | per run | ratio |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    let mut first = None;
    for jobs in sizes {
        let [runs, lost, owed, cpu] = once_more(&["--measure-simulated", jobs])?;
        let per_run = cpu / runs * 1e6;
        let ratio = per_run / *first.get_or_insert(per_run);
        println!("| {jobs} | {runs} | {lost} | {owed} | {cpu:.1} s | {per_run:.2} µs | {ratio:.2} |");
    }
    Ok(())
}

/// A bot whose runs only write down when they happened.
struct Idle {
    interval: Interval,
    jobs: usize,
    clock: Arc<dyn Clock>,
    books: Arc<Books>,
}

#[derive(Default)]
struct Books {
    runs: AtomicU64,
    owed: AtomicU64,
    /// Ticks that passed between two runs of a job without being served by the second.
    lost: AtomicU64,
    /// When each job's last run was due.
    last: Vec<AtomicI64>,
    /// How late runs started, in microseconds, while they are measured.
    lags: Mutex<Vec<u32>>,
    measuring: AtomicBool,
    listed: AtomicUsize,
}

impl Books {
    fn new(jobs: usize) -> Self {
        let last = (0..jobs).map(|_| AtomicI64::new(i64::MIN)).collect();
        // Room from the start, so that it is not counted as the jobs' memory.
        Self { last, lags: Mutex::new(Vec::with_capacity(1 << 20)), ..Self::default() }
    }

    /// Ticks of a job after its last run, up to `until`. The first run may lie between two ticks: the time to
    /// the next is then shorter than an interval, and is one tick.
    fn ticks_since(last: i64, until: i64) -> u64 {
        until.saturating_sub(last).max(0).unsigned_abs().div_ceil(INTERVAL * 1_000)
    }

    fn note(&self, run: &Run<usize>, now: Timestamp) {
        let due = run.due.as_millis();
        let last = self.last[*run.task].swap(due, Relaxed);
        self.runs.fetch_add(1, Relaxed);
        self.owed.fetch_add(run.missed, Relaxed);
        if last != i64::MIN {
            let lost = Self::ticks_since(last, due).saturating_sub(1 + run.missed);
            self.lost.fetch_add(lost, Relaxed);
        }
        if self.measuring.load(Relaxed) {
            let lag = now.since(run.due).as_micros();
            let mut lags = self.lags.lock().unwrap_or_else(PoisonError::into_inner);
            lags.push(u32::try_from(lag).unwrap_or(u32::MAX));
        }
    }

    /// Jobs whose last run is more than an interval ago have lost what came after it.
    fn lost_at(&self, end: Timestamp) -> u64 {
        let at_end =
            |last: &AtomicI64| Self::ticks_since(last.load(Relaxed), end.as_millis()).saturating_sub(1);
        self.lost.load(Relaxed) + self.last.iter().map(at_end).sum::<u64>()
    }
}

impl Idle {
    fn new(jobs: usize, clock: Arc<dyn Clock>, books: Arc<Books>) -> Result<Self, IntervalError> {
        Ok(Self { interval: Interval::from_secs(INTERVAL)?, jobs, clock, books })
    }
}

impl Collector for Idle {
    type Task = usize;

    async fn jobs(&self, _: &Context) -> Result<Vec<Job<usize>>, FetchError> {
        self.books.listed.fetch_add(1, Relaxed);
        // Ids as the backend gives them to entities.
        Ok((0..self.jobs).map(|n| Job::new(234_739_785 + n, n).every([self.interval])).collect())
    }

    async fn perform(&self, run: &Run<usize>) -> Result<Samples, JobError> {
        self.books.note(run, self.clock.now());
        Ok(Samples::for_account(AccountId::new(1)))
    }
}

fn runner(bot: Idle, clock: Arc<dyn Clock>) -> Runner<Idle> {
    let api = FakeApi::new(clock.clone());
    let settings = Settings::new("http://fake/api", api.token());
    Runner::new(bot, settings).api(Arc::new(api)).clock(clock)
}

/// Prints runs, start lag (median, 99 %, longest; ms), CPU (% of a core) and memory (bytes).
fn measure_real(jobs: usize) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (books, clock) = (Arc::new(Books::new(jobs)), Arc::new(SystemClock));
    let bot = Idle::new(jobs, clock.clone(), books.clone())?;
    let stop = Stop::new();
    let running = runtime.spawn(runner(bot, clock).run_until(stop.clone()));
    let (warm_up, measured) =
        if jobs == 0 { (Duration::ZERO, Duration::from_secs(2)) } else { (WARM_UP, MEASURED) };
    std::thread::sleep(warm_up);
    books.measuring.store(true, Relaxed);
    let cpu = cpu_seconds();
    std::thread::sleep(measured);
    let cpu = (cpu_seconds() - cpu) / measured.as_secs_f64() * 100.0;
    books.measuring.store(false, Relaxed);
    let memory = memory_bytes("VmRSS");
    stop.now();
    runtime.block_on(running)??;
    let mut lags = std::mem::take(&mut *books.lags.lock().unwrap_or_else(PoisonError::into_inner));
    lags.sort_unstable();
    let at =
        |share: usize| lags.get(lags.len() * share / 1_000).map_or(f64::NAN, |lag| f64::from(*lag) / 1e3);
    let longest = lags.last().map_or(f64::NAN, |lag| f64::from(*lag) / 1e3);
    println!("{} {} {} {longest} {cpu} {memory}", lags.len(), at(500), at(990));
    Ok(())
}

/// Prints runs, ticks lost, ticks owed and CPU seconds of an hour.
fn measure_simulated(jobs: usize) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    let books = Arc::new(Books::new(jobs));
    let cpu = runtime.block_on(async {
        let clock = Arc::new(TestClock::at(Timestamp::from_secs(1_700_000_000)));
        let bot = Idle::new(jobs, clock.clone(), books.clone())?;
        let stop = Stop::new();
        let cpu = cpu_seconds();
        let running = runner(bot, clock.clone()).share_runtime().run_until(stop.clone());
        let an_hour = async {
            tokio::time::sleep(HOUR).await;
            stop.now();
        };
        let (ended, ()) = tokio::join!(running, an_hour);
        ended?;
        let lost = books.lost_at(clock.now());
        books.lost.store(lost, Relaxed);
        Ok::<_, Error>(cpu_seconds() - cpu)
    })?;
    let [runs, lost, owed] = [&books.runs, &books.lost, &books.owed].map(|count| count.load(Relaxed));
    println!("{runs} {lost} {owed} {cpu}");
    Ok(())
}
