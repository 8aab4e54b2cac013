//! A bot whose jobs do as the test says, and write down how they ran.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use grafoleancollector::testing::{FakeApi, RecordKind, TestClock};
use grafoleancollector::{
    AccountId, Collector, Context, FetchError, Interval, Job, JobError, Protocol, Run, Runner, Samples,
    Settings, StartError, Stop, Timestamp,
};
use serde::Deserialize;
use serde_json::{Map, json};

/// What a job does when it runs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Does {
    /// Returns a value at once.
    Measure,
    /// Returns a value after this long.
    MeasureFor(Duration),
    /// Returns a good value, one at a path with a space, one that is not finite, and one that repeats a path.
    MeasureBadly,
    Fail,
    /// Fails every other time.
    FailByTurns,
    /// Returns a value, and says that it failed.
    MeasureButFail,
    Panic,
    /// Panics when it is given up after its deadline.
    PanicLate,
    NeverEnd,
    /// Keeps its thread for this long.
    Block(Duration),
}

#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) id: &'static str,
    pub(crate) every: Vec<u64>,
    pub(crate) does: Does,
    pub(crate) lane: Option<&'static str>,
    pub(crate) timeout: Option<Duration>,
    /// The entity that it measures.
    pub(crate) about: Option<u64>,
}

/// The protocol of the script's entities.
struct Scripted;
impl Protocol for Scripted {
    const SLUG: &'static str = "script";
    type Credential = Nothing;
    type Sensor = Nothing;
}

#[derive(Clone, Deserialize)]
struct Nothing {}

pub(crate) fn job(id: &'static str, every: &[u64], does: Does) -> Spec {
    Spec { id, every: every.to_vec(), does, lane: None, timeout: None, about: None }
}

/// A run that came to its end.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Ran {
    pub(crate) id: &'static str,
    pub(crate) affecting: Vec<u32>,
    pub(crate) due: Timestamp,
    pub(crate) started: Timestamp,
    pub(crate) missed: u64,
}

#[derive(Clone)]
pub(crate) struct Script {
    account: AccountId,
    pub(crate) specs: Arc<Mutex<Vec<Spec>>>,
    pub(crate) ran: Arc<Mutex<Vec<Ran>>>,
    pub(crate) at_once: Arc<Mutex<(usize, usize)>>,
    /// Looks at the jobs.
    pub(crate) looks: Arc<Mutex<u32>>,
    suggests: Arc<AtomicBool>,
}

impl Script {
    pub(crate) fn new(account: u64, specs: Vec<Spec>) -> Self {
        let account = AccountId::new(account);
        Self {
            account,
            specs: Arc::new(Mutex::new(specs)),
            ran: Arc::default(),
            at_once: Arc::default(),
            looks: Arc::default(),
            suggests: Arc::default(),
        }
    }

    /// From now on each look at the jobs creates an entity.
    pub(crate) fn suggest_at_each_look(&self) {
        self.suggests.store(true, Relaxed);
    }

    pub(crate) fn runs_of(&self, id: &str) -> Vec<Ran> {
        self.ran.lock().unwrap().iter().filter(|ran| ran.id == id).cloned().collect()
    }
}

impl Collector for Script {
    type Task = Spec;

    async fn jobs(&self, cx: &Context) -> Result<Vec<Job<Spec>>, FetchError> {
        *self.looks.lock().unwrap() += 1;
        if self.suggests.load(Relaxed) {
            cx.suggest_device(self.account, "found", Map::new()).await.unwrap();
        }
        let specs = self.specs.lock().unwrap().clone();
        let entities = match specs.iter().any(|spec| spec.about.is_some()) {
            true => self.fetch_job_configs::<Scripted>(cx).await?,
            false => Vec::new(),
        };
        Ok(specs
            .into_iter()
            .map(|spec| {
                let every: Vec<_> = spec.every.iter().map(|s| Interval::from_secs(*s).unwrap()).collect();
                let (lane, timeout, about) = (spec.lane, spec.timeout, spec.about);
                let mut job = Job::new(spec.id, spec).every(every);
                if let Some(lane) = lane {
                    job = job.lane(lane);
                }
                if let Some(timeout) = timeout {
                    job = job.timeout(timeout);
                }
                if let Some(entity) = entities.iter().find(|entity| Some(entity.id.get()) == about) {
                    job = job.about(entity);
                }
                job
            })
            .collect())
    }

    async fn perform(&self, run: &Run<Spec>) -> Result<Samples, JobError> {
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        struct Leave(Arc<Mutex<(usize, usize)>>);
        impl Drop for Leave {
            fn drop(&mut self) {
                self.0.lock().unwrap().0 -= 1;
            }
        }
        let _leave = Leave(self.at_once.clone());
        let Spec { id, does, .. } = *run.task;
        self.ran.lock().unwrap().push(Ran {
            id,
            affecting: run.affecting().iter().map(|interval| interval.as_secs()).collect(),
            due: run.due,
            started: run.started,
            missed: run.missed,
        });
        let samples = Samples::for_account(self.account).with(format!("{id}.value"), 1.0);
        match does {
            Does::Measure => Ok(samples),
            Does::MeasureFor(time) => {
                tokio::time::sleep(time).await;
                Ok(samples)
            }
            Does::MeasureBadly => Ok(samples
                .with("a path with spaces", 1.0)
                .with(format!("{id}.nan"), f64::NAN)
                .with("system.load", 1.0)
                .with(format!("{id}.value"), 2.0)),
            Does::Fail => Err(JobError::failed("the script says so")),
            Does::FailByTurns if self.runs_of(id).len().is_multiple_of(2) => Ok(samples),
            Does::FailByTurns => Err(JobError::failed("the script says so")),
            Does::MeasureButFail => Ok(samples.but_failed("half of it did not answer")),
            Does::Panic => panic!("the script says so"),
            Does::NeverEnd => std::future::pending().await,
            Does::PanicLate => {
                let _bomb = Bomb;
                std::future::pending().await
            }
            Does::Block(time) => {
                std::thread::sleep(time);
                Ok(samples)
            }
        }
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the script says so, late");
    }
}

/// A bot in simulated time.
pub(crate) struct Simulation {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) api: FakeApi,
    pub(crate) account: u64,
    pub(crate) script: Script,
    pub(crate) stop: Stop,
    running: tokio::task::JoinHandle<Result<(), StartError>>,
}

pub(crate) const BEGAN: i64 = 1_700_000_000;

impl Simulation {
    /// A bot that has just been started. `prepare` may make the backend misbehave before.
    pub(crate) fn start(specs: Vec<Spec>, prepare: impl FnOnce(&FakeApi)) -> Self {
        Self::start_with(specs, prepare, |runner| runner)
    }

    pub(crate) fn start_with(
        specs: Vec<Spec>,
        prepare: impl FnOnce(&FakeApi),
        options: impl FnOnce(Runner<Script>) -> Runner<Script>,
    ) -> Self {
        let clock = Arc::new(TestClock::at(Timestamp::from_secs(BEGAN)));
        let api = FakeApi::new(clock.clone());
        let account = api.add_account("First account");
        let about: BTreeSet<u64> = specs.iter().filter_map(|spec| spec.about).collect();
        if !about.is_empty() {
            let credential = api.add_credential(account, Scripted::SLUG, json!({}));
            let sensor = api.add_sensor(account, Scripted::SLUG, Some(60), json!({}));
            let protocols =
                json!({"script": {"credential": credential, "bot": null, "sensors": [{"sensor": sensor}]}});
            for id in about {
                let entity =
                    json!({"id": id, "name": "scripted", "entity_type": "device", "protocols": protocols});
                api.add_record(account, RecordKind::Entities, entity);
            }
        }
        prepare(&api);
        let script = Script::new(account, specs);
        let mut settings = Settings::new("http://fake/api", api.token());
        settings.jobs_refresh_interval = Duration::from_secs(60);
        let stop = Stop::new();
        let runner = Runner::new(script.clone(), settings)
            .api(Arc::new(api.clone()))
            .clock(clock.clone())
            .share_runtime();
        let running = tokio::spawn(options(runner).run_until(stop.clone()));
        Self { clock, api, account, script, stop, running }
    }

    pub(crate) async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    pub(crate) async fn stop(self) -> Result<(), StartError> {
        self.stop.now();
        self.running.await.unwrap()
    }

    /// The times at which a path has values, in seconds.
    pub(crate) fn times(&self, path: &str) -> Vec<f64> {
        let values = self.api.values(self.account);
        values.get(path).map(|values| values.iter().map(|(t, _)| *t).collect()).unwrap_or_default()
    }

    /// Every run of a job that returned is stored, once, at the time of the run.
    pub(crate) fn assert_all_stored(&self, id: &str) {
        let runs: Vec<f64> = self.script.runs_of(id).iter().map(|ran| ran.started.as_secs_f64()).collect();
        assert_eq!(self.times(&format!("{id}.value")), runs, "job {id}");
    }
}
