//! What a bot keeps below its entities: nothing is created twice, whatever happens to looks, answers and runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use grafoleancollector::testing::{FakeApi, FakeBackend, FakeGrafolean, RecordKind, TestClock, run_once};
use grafoleancollector::{
    AccountId, Collector, Context, EntityId, FetchError, Interval, Job, JobError, PartContent, Protocol, Run,
    Runner, Samples, Settings, StartError, Stop, Timestamp,
};
use serde_json::{Value, json};

struct Switch;

impl Protocol for Switch {
    const SLUG: &'static str = "switch";
    type Credential = ();
    type Sensor = ();
    const PARTS: Option<&'static str> = Some("interface");
}

/// What all devices have: names of interfaces and their speeds.
type Wanted = BTreeMap<String, u64>;

/// Makes the interfaces of each device what the test wants, every ten seconds.
#[derive(Clone)]
struct Keeper {
    wanted: Arc<Mutex<Wanted>>,
    /// How each run ended.
    ends: Arc<Mutex<Vec<String>>>,
    timeout: Duration,
}

impl Keeper {
    fn new(wanted: &[(&str, u64)]) -> Self {
        let wanted = wanted.iter().map(|(name, speed)| ((*name).to_owned(), *speed)).collect();
        let timeout = Duration::from_secs(300);
        Self { wanted: Arc::new(Mutex::new(wanted)), ends: Arc::default(), timeout }
    }

    fn want(&self, name: &str, speed: u64) {
        self.wanted.lock().unwrap().insert(name.to_owned(), speed);
    }

    async fn keep(&self, run: &Run<(AccountId, EntityId)>) -> Result<(), JobError> {
        let mut wanted = self.wanted.lock().unwrap().clone();
        let failed = |error| JobError::because("cannot write", error);
        let parts = run.context().parts_of::<Switch>(run.task.0, run.task.1);
        let parts = parts.ok_or_else(|| JobError::failed("not known"))?;
        let content = |name: &str, speed: u64| {
            let details = json!({"speed_bps": speed.to_string()});
            PartContent::new(name, details.as_object().cloned().unwrap())
        };
        for part in parts.list() {
            match wanted.remove(part.name) {
                None => parts.delete(part.id).await.map_err(failed)?,
                Some(speed) if content("", speed).details == part.details() => {}
                Some(speed) => parts.update(part.id, &content(part.name, speed)).await.map_err(failed)?,
            }
        }
        for (name, speed) in wanted {
            parts.create(&content(&name, speed)).await.map_err(failed)?;
        }
        Ok(())
    }
}

impl Collector for Keeper {
    type Task = (AccountId, EntityId);

    async fn jobs(&self, cx: &Context) -> Result<Vec<Job<Self::Task>>, FetchError> {
        let entities = self.fetch_job_configs::<Switch>(cx).await?;
        let every = Interval::from_secs(10).unwrap();
        let job = |account, id| Job::new(id, (account, id)).every([every]).timeout(self.timeout);
        Ok(entities.iter().map(|entity| job(entity.account, entity.id)).collect())
    }

    async fn perform(&self, run: &Run<Self::Task>) -> Result<Samples, JobError> {
        let end = self.keep(run).await;
        let text = |error: &JobError| {
            let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            format!("{error}: {source}")
        };
        self.ends.lock().unwrap().push(end.as_ref().err().map(text).unwrap_or_default());
        end.map(|()| Samples::for_account(run.task.0).with(format!("entity.{}.runs", run.task.1), 1.0))
    }
}

fn add_switch(backend: &FakeGrafolean, account: u64) -> u64 {
    let credential = backend.add_credential(account, "switch", json!({}));
    let sensor = backend.add_sensor(account, "switch", Some(60), json!({}));
    backend.device(account, "switch").protocol("switch", credential, &[sensor]).add()
}

/// Names and speeds of the interfaces that an account has.
fn interfaces(backend: &FakeGrafolean, account: u64) -> Vec<(String, u64)> {
    let records = backend.records(account, RecordKind::Entities);
    let interfaces = records.iter().filter(|record| record["entity_type"] == "interface");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> = interfaces
        .map(|record| (text(&record["name"]), text(&record["details"]["speed_bps"]).parse().unwrap_or(0)))
        .collect();
    all.sort();
    all
}

fn requests(backend: &FakeGrafolean, method: &str) -> usize {
    let of_entities = |path: &str| path.contains("/entities");
    backend.requests().iter().filter(|r| r.method == method && of_entities(&r.path)).count()
}

fn list(interfaces: &[(&str, u64)]) -> Vec<(String, u64)> {
    interfaces.iter().map(|(name, speed)| ((*name).to_owned(), *speed)).collect()
}

/// A keeper in simulated time, with one account and one switch.
struct Simulation {
    api: FakeApi,
    account: u64,
    switch: u64,
    bot: Keeper,
    stop: Stop,
    running: tokio::task::JoinHandle<Result<(), StartError>>,
}

impl Simulation {
    fn start(bot: Keeper, prepare: impl FnOnce(&FakeApi, u64, u64)) -> Self {
        let clock = Arc::new(TestClock::at(Timestamp::from_secs(1_700_000_000)));
        let api = FakeApi::new(clock.clone());
        let account = api.add_account("First account");
        let switch = add_switch(&api, account);
        prepare(&api, account, switch);
        let stop = Stop::new();
        let mut settings = Settings::new("http://fake/api", api.token());
        settings.jobs_refresh_interval = Duration::from_secs(120);
        let runner = Runner::new(bot.clone(), settings);
        let runner = runner.api(Arc::new(api.clone())).clock(clock).share_runtime();
        let running = tokio::spawn(runner.run_until(stop.clone()));
        Self { api, account, switch, bot, stop, running }
    }

    async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    fn interfaces(&self) -> Vec<(String, u64)> {
        interfaces(&self.api, self.account)
    }

    fn writes(&self) -> [usize; 3] {
        ["POST", "PUT", "DELETE"].map(|method| requests(&self.api, method))
    }

    fn last_end(&self) -> String {
        self.bot.ends.lock().unwrap().last().cloned().unwrap_or_default()
    }

    async fn stop(self) {
        self.stop.now();
        self.running.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn parts_are_created_once_and_changed_and_deleted_once() {
    let bot = Keeper::new(&[("eth0", 100), ("eth1", 100)]);
    let bot = Simulation::start(bot, |_, _, _| {});
    bot.pass(100).await;
    assert_eq!(bot.interfaces(), list(&[("eth0", 100), ("eth1", 100)]));
    let record = &bot.api.records(bot.account, RecordKind::Entities)[1];
    assert_eq!((&record["parent"], &record["entity_type"]), (&json!(bot.switch), &json!("interface")));
    assert_eq!(bot.writes(), [2, 0, 0], "several runs before the second look, and none repeats a thing");

    bot.bot.want("eth1", 1_000);
    bot.bot.want("eth2", 10);
    bot.bot.wanted.lock().unwrap().remove("eth0");
    bot.pass(1_000).await;
    assert_eq!(bot.interfaces(), list(&[("eth1", 1_000), ("eth2", 10)]));
    assert_eq!(bot.writes(), [3, 1, 1]);
    assert!(bot.bot.ends.lock().unwrap().iter().all(String::is_empty));
    bot.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_backend_has_already_is_not_created_again() {
    let bot = Keeper::new(&[("eth0", 100)]);
    let bot = Simulation::start(bot, |api, account, switch| {
        api.device(account, "eth0").interface_of(switch).detail("speed_bps", "100").add();
    });
    bot.pass(300).await;
    assert_eq!((bot.interfaces(), bot.writes()), (list(&[("eth0", 100)]), [0, 0, 0]));
    // Somebody deletes it: the next look tells, and it is made anew.
    let record = bot.api.records(bot.account, RecordKind::Entities).pop().unwrap();
    assert!(bot.api.remove(bot.account, RecordKind::Entities, record["id"].as_u64().unwrap()));
    bot.pass(300).await;
    assert_eq!((bot.interfaces(), bot.writes()), (list(&[("eth0", 100)]), [1, 0, 0]));
    bot.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_part_whose_creation_was_not_answered_is_not_created_twice() {
    for fault in [
        |api: &FakeGrafolean| api.lose_answers(1),
        |api: &FakeGrafolean| api.half_answers(1),
        |api: &FakeGrafolean| api.html_instead_of_json(1),
        |api: &FakeGrafolean| api.fail_next(500),
        |api: &FakeGrafolean| api.fail_next(504),
    ] {
        let bot = Keeper::new(&[("eth0", 100), ("eth1", 100)]);
        let bot = Simulation::start(bot, |api, _, _| fault(&api.on("POST /accounts")));
        bot.pass(100).await;
        assert_eq!(requests(&bot.api, "POST"), 1, "nothing is sent as long as it is not known");
        assert_eq!(bot.last_end(), "not known: ");
        bot.pass(300).await;
        assert_eq!(bot.interfaces(), list(&[("eth0", 100), ("eth1", 100)]));
        assert_eq!(bot.last_end(), "");
        bot.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_whose_creation_was_refused_is_tried_again_at_once() {
    let bot = Simulation::start(Keeper::new(&[("eth0", 100)]), |api, _, _| {
        api.on("POST /accounts").fail_next_n(3, 403);
    });
    bot.pass(90).await;
    assert_eq!(bot.interfaces(), list(&[("eth0", 100)]));
    let ends = bot.bot.ends.lock().unwrap().clone();
    assert!(ends[0].starts_with("cannot write: POST accounts/") && ends[0].contains(" 403: "), "{ends:?}");
    bot.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_look_that_began_before_a_write_does_not_bring_the_old_state_back() {
    let bot = Simulation::start(Keeper::new(&[]), |_, _, _| {});
    bot.pass(100).await;
    // The list is made at once, and on its way for a minute, while the interface is created.
    bot.api.on(&format!("GET /accounts/{}/entities", bot.account)).answer_after(Duration::from_secs(60));
    bot.pass(30).await;
    assert_eq!(requests(&bot.api, "GET"), 2);
    bot.bot.want("eth0", 100);
    bot.pass(1_000).await;
    assert_eq!((bot.interfaces(), bot.writes()), (list(&[("eth0", 100)]), [1, 0, 0]));
    bot.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_goes_on_when_its_run_is_dropped() {
    let bot = Keeper { timeout: Duration::from_secs(5), ..Keeper::new(&[("eth0", 100), ("eth1", 100)]) };
    let bot = Simulation::start(bot, |api, _, _| {
        api.on("POST /accounts").answer_after(Duration::from_secs(7));
    });
    bot.pass(119).await;
    assert_eq!(bot.interfaces(), list(&[("eth0", 100), ("eth1", 100)]));
    assert_eq!(bot.writes(), [2, 0, 0]);
    bot.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_next_run_waits_for_what_a_dropped_one_left_behind() {
    let bot = Keeper { timeout: Duration::from_secs(5), ..Keeper::new(&[("eth0", 100)]) };
    let bot = Simulation::start(bot, |api, _, _| {
        api.on("POST /accounts").answer_after(Duration::from_secs(25));
    });
    bot.pass(119).await;
    assert_eq!((bot.interfaces(), bot.writes()), (list(&[("eth0", 100)]), [1, 0, 0]));
    let ends = bot.bot.ends.lock().unwrap().clone();
    assert!(ends.contains(&"not known: ".to_owned()), "{ends:?}");
    assert_eq!(bot.last_end(), "");
    bot.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_account_that_cannot_be_read_keeps_its_parts_and_can_be_written_to() {
    let bot = Simulation::start(Keeper::new(&[("eth0", 100)]), |_, _, _| {});
    bot.pass(100).await;
    bot.api.on("GET /accounts/").fail_all(Some(500));
    bot.pass(600).await;
    bot.bot.want("eth1", 100);
    bot.pass(600).await;
    assert_eq!(bot.interfaces(), list(&[("eth0", 100), ("eth1", 100)]));
    assert_eq!(bot.writes(), [2, 0, 0]);
    bot.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_comes_back_has_the_parts_that_it_had() {
    let bot = Simulation::start(Keeper::new(&[("eth0", 100)]), |_, _, _| {});
    bot.pass(100).await;
    let mut protocols = Value::Null;
    bot.api.edit(bot.account, RecordKind::Entities, bot.switch, |record| {
        protocols = std::mem::replace(&mut record["protocols"], json!({}));
    });
    bot.pass(300).await;
    bot.bot.want("eth1", 100);
    bot.pass(300).await;
    assert_eq!(bot.interfaces(), list(&[("eth0", 100)]), "it is not served");
    bot.api.edit(bot.account, RecordKind::Entities, bot.switch, |record| record["protocols"] = protocols);
    bot.pass(300).await;
    assert_eq!(bot.interfaces(), list(&[("eth0", 100), ("eth1", 100)]));
    assert_eq!(bot.writes(), [2, 0, 0]);
    bot.stop().await;
}

#[tokio::test(start_paused = true)]
async fn four_are_written_at_a_time_and_values_are_stored_meanwhile() {
    let bot =
        Simulation::start(Keeper::new(&[("eth0", 1), ("eth1", 1), ("eth2", 1)]), |api, account, switch| {
            let entity = api.records(account, RecordKind::Entities).remove(0);
            assert_eq!(entity["id"], switch);
            for name in 0..79 {
                let record = json!({"name": name.to_string(), "entity_type": "device", "details": {},
                "protocols": entity["protocols"]});
                api.add_record(account, RecordKind::Entities, record);
            }
            api.on("POST /accounts").answer_after(Duration::from_secs(1));
        });
    // All runs have begun by then, but not all of a moment: they are spread over half a minute.
    bot.pass(40).await;
    let before = requests(&bot.api, "POST");
    let values = bot.api.value_count();
    bot.pass(10).await;
    assert_eq!(requests(&bot.api, "POST") - before, 40);
    assert!(bot.api.value_count() > values);
    bot.pass(20).await;
    assert_eq!(requests(&bot.api, "POST"), 240);
    assert_eq!(bot.interfaces().len(), 240);
    bot.stop().await;
}

#[tokio::test(start_paused = true)]
async fn every_job_once_keeps_parts_too() {
    let clock = Arc::new(TestClock::at(Timestamp::from_secs(1_700_000_000)));
    let api = FakeApi::new(clock);
    let account = api.add_account("First account");
    add_switch(&api, account);
    for _ in 0..2 {
        let results = run_once(Keeper::new(&[("eth0", 100)]), &api).await.unwrap();
        assert!(results[0].1.is_ok());
    }
    assert_eq!((interfaces(&api, account), requests(&api, "POST")), (list(&[("eth0", 100)]), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_too_an_answer_that_is_lost_makes_no_second_part() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("First account");
    add_switch(&backend, account);
    // The connection breaks when the interface is there.
    backend.on("POST /accounts").lose_answers(1);
    let (bot, stop) = (Keeper::new(&[("eth0", 100), ("eth1", 100)]), Stop::new());
    let mut settings = Settings::new(backend.url(), backend.token());
    settings.jobs_refresh_interval = Duration::from_secs(1);
    let running = tokio::spawn(Runner::new(bot.clone(), settings).run_until(stop.clone()));
    let refused = async {
        while !bot.ends.lock().unwrap().iter().any(|end| end == "not known: ") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(90), refused).await.unwrap();
    stop.now();
    running.await.unwrap().unwrap();
    assert_eq!(requests(&backend, "POST"), 1);
    assert_eq!(interfaces(&backend, account), list(&[("eth0", 100)]));
    let first = bot.ends.lock().unwrap()[0].clone();
    assert!(first.starts_with("cannot write: POST accounts/"), "{first}");
}
