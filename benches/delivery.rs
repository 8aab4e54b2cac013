//! How many samples a second go through delivery: accepted by the outbox, sent by the couriers, stored.
//!
//! ```text
//! cargo bench --bench delivery
//! ```
//!
//! The backend is either a function in this process that answers at once, or the fake backend, spoken to over HTTP
//! and judging each value. The latter is a process of its own on another core, so that what it needs is not
//! counted. Our side, the file of the outbox included, has one core.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a bench prints its figures, and may fail")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use grafoleancollector::internals::Delivering;
use grafoleancollector::testing::FakeBackend;
use grafoleancollector::{
    AccountId, Api, ApiError, EntityId, EntityWrite, Outbox, Resource, Sample, Samples, Settings, Timestamp,
};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use support::{arguments, cpu_seconds};
use tokio::time::Instant;

const SAMPLES: u64 = 2_000_000;
/// Runs that deliver at the same time: as many as a runner allows.
const PRODUCERS: u64 = 256;
/// Producers wait above this, so that nothing is dropped, and all stays live: the backlog is slow on purpose.
const WINDOW: usize = 50_000;
const OUR_CORE: usize = 0;
const BACKENDS_CORE: usize = 1;

fn main() {
    let Some(arguments) = arguments() else { return };
    if arguments == ["--serve"] {
        stay_on(BACKENDS_CORE);
        return serve();
    }
    stay_on(OUR_CORE);
    println!("| backend | outbox | samples in a run | samples/s | CPU µs per sample |");
    println!("|---|---|---:|---:|---:|");
    for samples_in_a_run in [10, 1] {
        for over_http in [false, true] {
            for in_a_file in [false, true] {
                measure(samples_in_a_run, over_http, in_a_file);
            }
        }
    }
}

fn stay_on(core: usize) {
    let mut cores = CpuSet::new();
    // With a single core all share it.
    let _ = cores.set(core).and_then(|()| sched_setaffinity(Pid::from_raw(0), &cores));
}

fn measure(samples_in_a_run: u64, over_http: bool, in_a_file: bool) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let outbox = if in_a_file { Outbox::sqlite(directory.path()) } else { Outbox::memory() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let samples = runs(samples_in_a_run) * PRODUCERS * samples_in_a_run;
    let (seconds, cpu) = runtime.block_on(async {
        if over_http {
            let mut backend = Backend::start();
            let delivery = Delivering::over_http(&backend.settings, outbox).expect("delivery");
            let spent = deliver(delivery, samples_in_a_run, &backend.accounts).await;
            assert_eq!(backend.stored(), samples);
            spent
        } else {
            let api = Arc::new(AtOnce::default());
            let delivery = Delivering::start(Arc::<AtOnce>::clone(&api), outbox, "http://127.0.0.1/api");
            let spent = deliver(delivery.expect("an outbox"), samples_in_a_run, &[1]).await;
            assert_eq!(api.stored.load(Relaxed), samples);
            spent
        }
    });
    let backend = if over_http { "over HTTP" } else { "in this process" };
    let outbox = if in_a_file { "SQLite" } else { "memory" };
    let (rate, cpu) = (samples as f64 / seconds, cpu / samples as f64 * 1e6);
    println!("| {backend} | {outbox} | {samples_in_a_run} | {rate:.0} | {cpu:.2} |");
}

/// Seconds, and CPU seconds of this process.
async fn deliver(delivery: Delivering, samples_in_a_run: u64, accounts: &[u64]) -> (f64, f64) {
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let producers: Vec<_> = (0..PRODUCERS)
        .zip(accounts.iter().cycle())
        .map(|(producer, account)| {
            tokio::spawn(produce(delivery.clone(), AccountId::new(*account), producer, samples_in_a_run))
        })
        .collect();
    for producer in producers {
        producer.await.expect("a producer");
    }
    delivery.wait_until_at_most(0).await;
    let spent = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    assert_eq!(delivery.drain(Duration::from_secs(10)).await, 0);
    delivery.stop().await;
    spent
}

fn runs(samples_in_a_run: u64) -> u64 {
    SAMPLES / PRODUCERS / samples_in_a_run
}

async fn produce(delivery: Delivering, account: AccountId, producer: u64, samples_in_a_run: u64) {
    for run in 0..runs(samples_in_a_run) {
        delivery.wait_until_at_most(WINDOW).await;
        let mut samples = Samples::for_account(account);
        for n in 0..samples_in_a_run {
            samples.push(format!("entity.{}.ping.p{n}.rtt", 1_000_000 + producer), 0.25, None);
        }
        let measured = 1_700_000_000 + i64::try_from(run).expect("a small number");
        assert!(delivery.accept(samples, Timestamp::from_secs(measured)).await);
    }
}

#[derive(Default)]
struct AtOnce {
    stored: AtomicU64,
}

#[async_trait]
impl Api for AtOnce {
    async fn get(&self, _: Resource) -> Result<Vec<u8>, ApiError> {
        Ok(Vec::new())
    }

    async fn store(&self, _: AccountId, samples: &[Sample]) -> Result<(), ApiError> {
        self.stored.fetch_add(samples.len() as u64, Relaxed);
        Ok(())
    }

    async fn may_store(&self, _: AccountId) -> Result<(), ApiError> {
        Ok(())
    }

    async fn write_entity(&self, _: AccountId, _: &EntityWrite) -> Result<EntityId, ApiError> {
        Ok(EntityId::new(1))
    }
}

/// The fake backend in a process of its own.
struct Backend {
    settings: Settings,
    accounts: Vec<u64>,
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Backend {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--bench", "--serve"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the backend");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        output.read_line(&mut line).expect("where it is");
        let mut words = line.split_whitespace();
        let (url, token) = (words.next().expect("a URL"), words.next().expect("a token"));
        let accounts = words.map(|id| id.parse().expect("an account")).collect();
        Self { settings: Settings::new(url, token), accounts, child, output }
    }

    /// Ends the backend, which then says how many values it stored.
    fn stored(&mut self) -> u64 {
        drop(self.child.stdin.take());
        let mut line = String::new();
        self.output.read_line(&mut line).expect("its last word");
        line.trim().parse().expect("a number")
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until the standard input ends.
fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let backend = runtime.block_on(FakeBackend::start());
    backend.count_values_only();
    // As many as send at the same time.
    let accounts = [1, 2, 3, 4].map(|n| backend.add_account(&format!("Account {n}")).to_string());
    println!("{} {} {}", backend.url(), backend.token(), accounts.join(" "));
    std::io::stdin().lines().for_each(drop);
    println!("{}", backend.write_count());
}
