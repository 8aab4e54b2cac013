//! From what is configured centrally to jobs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use grafoleancollector::testing::{FakeBackend, RecordKind};
use grafoleancollector::{
    Collector, Context, Entity, FetchError, Job, JobError, Protocol, Run, Runner, Samples, Settings, Stop,
};
use serde::Deserialize;
use serde_json::json;

pub(crate) struct Modbus;
impl Protocol for Modbus {
    const SLUG: &'static str = "modbus";
    type Credential = Key;
    type Sensor = Register;
}

#[derive(Clone, Deserialize)]
pub(crate) struct Key {
    retries: u8,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Register {
    number: u16,
}

/// Measures each register as its number times the retries.
#[derive(Clone, Default)]
pub(crate) struct Bot(Arc<Mutex<usize>>);

impl Collector for Bot {
    type Task = Entity<Modbus>;

    async fn jobs(&self, cx: &Context) -> Result<Vec<Job<Self::Task>>, FetchError> {
        let entities = self.fetch_job_configs::<Modbus>(cx).await?;
        *self.0.lock().unwrap() += 1;
        Ok(entities.into_iter().map(|e| Job::shared(e.id, e.clone()).every(e.intervals())).collect())
    }

    async fn perform(&self, run: &Run<Self::Task>) -> Result<Samples, JobError> {
        let entity = &run.task;
        let mut samples = Samples::for_account(entity.account);
        for sensor in entity.sensors.iter().filter(|s| s.interval.is_some_and(|i| run.is_due(i))) {
            let value = f64::from(sensor.details.number) * f64::from(entity.credential.retries);
            samples.push(format!("entity.{}.{}", entity.id, sensor.id), value, None);
        }
        Ok(samples)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_costs_four_requests_for_an_account_and_broken_parts_spoil_nothing() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("First account");
    let key = backend.add_credential(account, "modbus", json!({"retries": "2", "colour": "red"}));
    let broken_key = backend.add_credential(account, "modbus", json!({"retries": "many"}));
    let register = backend.add_sensor(account, "modbus", Some(1), json!({"number": "21", "unit": null}));
    let broken = backend.add_sensor(account, "modbus", Some(1), json!({}));
    let never = backend.add_sensor(account, "modbus", Some(0), json!({"number": 1}));
    let good = backend.device(account, "good").protocol("modbus", key, &[register, broken, never]).add();
    backend.device(account, "no key").protocol("modbus", broken_key, &[register]).add();
    backend.device(account, "no sensor").protocol("modbus", key, &[]).add();
    backend.plant(
        account,
        RecordKind::Entities,
        &json!({"id": "x", "entity_type": "device", "protocols": 7}),
    );

    let (bot, stop) = (Bot::default(), Stop::new());
    let settings = Settings::new(backend.url(), backend.token());
    let running = tokio::spawn(Runner::new(bot.clone(), settings).run_until(stop.clone()));
    assert!(backend.wait_until(|b| b.value_count() >= 2, Duration::from_secs(20)).await);
    stop.now();
    running.await.unwrap().unwrap();

    let values = backend.values(account);
    assert_eq!(values.keys().collect::<Vec<_>>(), [&format!("entity.{good}.{register}")]);
    assert!(values.values().flatten().all(|(_, value)| *value == 42.0));
    let reads =
        backend.requests().iter().filter(|r| r.method == "GET" && r.path.contains("/accounts")).count();
    assert_eq!(
        (reads, *bot.0.lock().unwrap()),
        (4, 1),
        "accounts, entities, credentials and sensors, each once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_cannot_be_read_keeps_its_jobs_while_others_change() {
    let backend = FakeBackend::start().await;
    let mut devices = Vec::new();
    for name in ["first", "second"] {
        let account = backend.add_account(name);
        let key = backend.add_credential(account, "modbus", json!({"retries": 1}));
        let register = backend.add_sensor(account, "modbus", Some(1), json!({"number": 1}));
        let device = backend.device(account, name).protocol("modbus", key, &[register]).add();
        devices.push((account, device));
    }
    let (bot, stop) = (Bot::default(), Stop::new());
    let mut settings = Settings::new(backend.url(), backend.token());
    settings.jobs_refresh_interval = Duration::from_secs(1);
    let running = tokio::spawn(Runner::new(bot.clone(), settings).run_until(stop.clone()));
    let both = |b: &grafoleancollector::testing::FakeGrafolean| {
        devices.iter().all(|(a, _)| !b.values(*a).is_empty())
    };
    assert!(backend.wait_until(both, Duration::from_secs(20)).await);

    backend.on(&format!("/accounts/{}/entities", devices[0].0)).fail_all(Some(500));
    backend.remove(devices[1].0, RecordKind::Entities, devices[1].1);
    let refreshes = *bot.0.lock().unwrap();
    let refreshed = async {
        while *bot.0.lock().unwrap() < refreshes + 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refreshed).await.unwrap();
    // A run that was under way may still deliver.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let counts = || {
        devices.iter().map(|(a, _)| backend.values(*a).values().map(Vec::len).sum()).collect::<Vec<usize>>()
    };
    let before = counts();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let after = counts();
    assert!(after[0] > before[0], "the account that cannot be read is still measured");
    assert_eq!(after[1], before[1], "the deleted entity of the other is not");
    stop.now();
    running.await.unwrap().unwrap();
}
