//! How many samples a second go through delivery: accepted by the outbox, sent by the courier, against a
//! backend in this process that answers at once. One thread runs everything but the outbox file.
//!
//! `cargo bench --features testing --bench delivery`
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench stops at what it did not expect, and prints"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use grafoleancollector::internals::Delivering;
use grafoleancollector::{AccountId, Api, ApiError, Outbox, Resource, Sample, Samples, Timestamp};
use tokio::time::Instant;

const SAMPLES: u64 = 2_000_000;
/// Runs that deliver at the same time: as many as a runner allows.
const PRODUCERS: u64 = 256;
/// Producers wait above this, so that nothing is dropped, and all stays live: the backlog is slow on purpose.
const WINDOW: usize = 50_000;

#[derive(Default)]
struct AtOnce {
    stored: AtomicU64,
    requests: AtomicU64,
}

#[async_trait]
impl Api for AtOnce {
    async fn get(&self, _: Resource) -> Result<Vec<u8>, ApiError> {
        Ok(Vec::new())
    }

    async fn store(&self, _: AccountId, samples: &[Sample]) -> Result<(), ApiError> {
        self.stored.fetch_add(samples.len() as u64, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        Ok(())
    }

    async fn may_store(&self, _: AccountId) -> Result<(), ApiError> {
        Ok(())
    }
}

fn main() {
    println!("| outbox | samples in a run | samples/s | CPU µs per sample | requests |");
    println!("|---|---|---|---|---|");
    for samples_in_a_run in [10, 1] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for (name, outbox) in [("memory", Outbox::memory()), ("SQLite", Outbox::sqlite(directory.path()))] {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let cpu = cpu_seconds();
            let (seconds, requests) = runtime.block_on(deliver(outbox, samples_in_a_run));
            let cpu = (cpu_seconds() - cpu) * 1e6 / SAMPLES as f64;
            let rate = SAMPLES as f64 / seconds;
            println!("| {name} | {samples_in_a_run} | {rate:.0} | {cpu:.2} | {requests} |");
        }
    }
}

async fn deliver(outbox: Outbox, samples_in_a_run: u64) -> (f64, u64) {
    let api = Arc::new(AtOnce::default());
    let delivery = Delivering::start(Arc::<AtOnce>::clone(&api), outbox, "http://127.0.0.1/api");
    let delivery = delivery.expect("an outbox");
    let began = Instant::now();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| tokio::spawn(produce(delivery.clone(), producer, samples_in_a_run)))
        .collect();
    for producer in producers {
        producer.await.expect("a producer");
    }
    delivery.wait_until_at_most(0).await;
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(delivery.drain(Duration::from_secs(10)).await, 0);
    delivery.stop().await;
    assert_eq!(api.stored.load(Relaxed), runs(samples_in_a_run) * PRODUCERS * samples_in_a_run);
    (seconds, api.requests.load(Relaxed))
}

fn runs(samples_in_a_run: u64) -> u64 {
    SAMPLES / PRODUCERS / samples_in_a_run
}

async fn produce(delivery: Delivering, producer: u64, samples_in_a_run: u64) {
    for run in 0..runs(samples_in_a_run) {
        delivery.wait_until_at_most(WINDOW).await;
        let mut samples = Samples::for_account(AccountId::new(1));
        for n in 0..samples_in_a_run {
            samples.push(format!("entity.{}.ping.p{n}.rtt", 1_000_000 + producer), 0.25, None);
        }
        let measured = 1_700_000_000 + i64::try_from(run).expect("a small number");
        assert!(delivery.accept(samples, Timestamp::from_secs(measured)).await);
    }
}

/// The CPU time of all threads of this process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
    // The fields utime and stime, in ticks of 10 ms.
    (ticks(11) + ticks(12)) / 100.0
}
