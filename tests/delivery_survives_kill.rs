//! A bot that is killed at any moment has lost no accepted sample.
//!
//! The test runs itself as another process, which accepts samples and says so in a file, and kills it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "testing")]
#![expect(clippy::unwrap_used, reason = "clippy takes only functions marked #[test] for tests")]

use std::collections::HashSet;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use grafoleancollector::internals::Delivering;
use grafoleancollector::{
    AccountId, Api, ApiError, EntityId, EntityWrite, Outbox, Resource, Sample, Samples, Timestamp,
};

const KILLS: usize = 20;
const URL: &str = "https://grafolean.example.org/api";

/// A backend that keeps what it stores in a file, and breaks every third request: half of those before and
/// half after it has stored.
struct Backend {
    stored: Mutex<File>,
    requests: AtomicU64,
    breaks: bool,
}

impl Backend {
    fn new(directory: &Path, breaks: bool) -> Arc<Self> {
        let stored = File::options().create(true).append(true).open(directory.join("stored")).unwrap();
        (&stored).write_all(b"\n").unwrap();
        Arc::new(Self { stored: Mutex::new(stored), requests: AtomicU64::new(0), breaks })
    }
}

#[async_trait]
impl Api for Backend {
    async fn get(&self, _: Resource) -> Result<Vec<u8>, ApiError> {
        Ok(Vec::new())
    }

    async fn store(&self, _: AccountId, samples: &[Sample]) -> Result<(), ApiError> {
        let request = self.requests.fetch_add(1, Relaxed);
        let broken =
            || ApiError::Transport { request: "PUT accounts/1/values".into(), reason: "broken".into() };
        if self.breaks && request % 6 == 1 {
            return Err(broken());
        }
        let lines: String =
            samples.iter().map(|sample| format!("{}@{};\n", sample.path, sample.time.as_micros())).collect();
        self.stored.lock().unwrap().write_all(lines.as_bytes()).unwrap();
        if self.breaks && request % 6 == 4 { Err(broken()) } else { Ok(()) }
    }

    async fn may_store(&self, _: AccountId) -> Result<(), ApiError> {
        Ok(())
    }

    async fn write_entity(&self, _: AccountId, _: &EntityWrite) -> Result<EntityId, ApiError> {
        Ok(EntityId::new(1))
    }
}

/// All whole lines: the last of each process may have been cut off by the kill.
fn lines(file: &Path) -> HashSet<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| line.strip_suffix(';')).map(str::to_owned).collect()
}

#[test]
fn no_accepted_sample_is_lost_however_often_the_bot_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    for generation in 0..KILLS {
        std::fs::write(directory.path().join("generation"), generation.to_string()).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "accepts_until_it_is_killed"])
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // From before the outbox is open to well into delivery.
        std::thread::sleep(Duration::from_millis(15 + 11 * generation as u64));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert!(!status.success() && status.code().is_none(), "it ended by itself: {status}");
    }
    let accepted = lines(&directory.path().join("accepted"));
    assert!(accepted.len() > 1_000, "only {} samples were accepted: the test proves little", accepted.len());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let backend = Backend::new(directory.path(), false);
        let delivery = Delivering::start(backend, Outbox::sqlite(directory.path()), URL).unwrap();
        assert_eq!(delivery.drain(Duration::from_secs(30)).await, 0);
        delivery.stop().await;
    });
    let stored = lines(&directory.path().join("stored"));
    let lost: Vec<_> = accepted.difference(&stored).take(5).collect();
    assert!(lost.is_empty(), "accepted and lost: {lost:?}");
}

/// The other process.
#[test]
#[ignore = "the test above runs it, and kills it"]
fn accepts_until_it_is_killed() {
    let Ok(generation) = std::fs::read_to_string("generation") else { return };
    let directory = std::env::current_dir().unwrap();
    let mut accepted = File::options().create(true).append(true).open("accepted").unwrap();
    // Ends a line that was cut off.
    accepted.write_all(b"\n").unwrap();
    let accepted = Arc::new(Mutex::new(accepted));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let backend = Backend::new(&directory, true);
        let delivery = Delivering::start(backend, Outbox::sqlite(&directory), URL).unwrap();
        let producers = (0..8).map(|producer| {
            let (delivery, accepted, generation) = (delivery.clone(), accepted.clone(), generation.clone());
            tokio::spawn(async move {
                for n in 0..100_000 {
                    // 2023 and later, so that none is too old to be kept.
                    let measured = Timestamp::from_micros(1_800_000_000_000_000 + n);
                    let path = |i| format!("g{generation}.p{producer}.{i}");
                    let mut samples = Samples::for_account(AccountId::new(1));
                    let mut text = String::new();
                    for i in 0..n % 20 {
                        samples.push(path(i), 1.0, None);
                        text += &format!("{}@{};\n", path(i), measured.as_micros());
                    }
                    assert!(delivery.accept(samples, measured).await);
                    accepted.lock().unwrap().write_all(text.as_bytes()).unwrap();
                }
            })
        });
        for producer in producers.collect::<Vec<_>>() {
            producer.await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
    });
}
