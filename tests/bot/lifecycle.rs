//! What a collector is told of the bot's life: its beginning, what was accepted, its end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use grafoleancollector::testing::{FakeApi, TestClock};
use grafoleancollector::{
    AccountId, Collector, Context, EntityId, FetchError, Interval, Job, JobError, Run, Runner, Samples,
    Settings, StartError, State, Stop, Timestamp,
};
use serde_json::{Map, json};

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Diary {
    entries: Arc<Mutex<Vec<String>>>,
    account: u64,
    cannot_begin: bool,
    panics_when_accepted: bool,
}

impl Diary {
    fn note(&self, what: impl Into<String>) {
        self.entries.lock().unwrap().push(what.into());
    }

    fn entries(&self) -> Vec<String> {
        self.entries.lock().unwrap().clone()
    }
}

impl Collector for Diary {
    type Task = ();

    async fn begin(&self, cx: &Context) -> Result<(), StartError> {
        let kept = cx.state().table("diary").load().await.len();
        self.note(format!("begin at {} with {kept} kept", cx.clock().now()));
        if self.cannot_begin { Err(StartError::collector("port 2055 is taken")) } else { Ok(()) }
    }

    async fn jobs(&self, _: &Context) -> Result<Vec<Job<()>>, FetchError> {
        self.note("jobs");
        Ok(vec![Job::new("only", ()).every([Interval::from_secs(60).unwrap()])])
    }

    async fn perform(&self, run: &Run<()>) -> Result<Samples, JobError> {
        self.note("perform");
        run.context().state().table("diary").put(b"ran", vec![1]);
        Ok(Samples::for_account(AccountId::new(self.account)).with("a.b", 1.0))
    }

    fn accepted(&self, run: &Run<()>) {
        self.note(format!("accepted {}", run.id));
        assert!(!self.panics_when_accepted, "as the test says");
    }

    async fn finish(&self) {
        self.note("finish");
    }
}

fn stage() -> (Arc<TestClock>, FakeApi, Diary) {
    let clock = Arc::new(TestClock::at(Timestamp::from_secs(1_700_000_000)));
    let api = FakeApi::new(clock.clone());
    let account = api.add_account("First");
    (clock, api, Diary { account, ..Diary::default() })
}

fn runner(bot: &Diary, clock: &Arc<TestClock>, api: &FakeApi) -> Runner<Diary> {
    let runner = Runner::new(bot.clone(), Settings::new("http://fake/api", api.token())).share_runtime();
    runner.api(Arc::new(api.clone())).clock(clock.clone())
}

#[tokio::test(start_paused = true)]
async fn a_collector_begins_before_the_backend_is_asked_and_finishes_after_its_last_run() {
    let (clock, api, bot) = stage();
    api.set_migration_needed(true);
    let (stop, state) = (Stop::new(), State::memory());
    let running = tokio::spawn(runner(&bot, &clock, &api).state(state).run_until(stop.clone()));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(bot.entries(), ["begin at 2023-11-14T22:13:20.000Z with 0 kept"]);
    api.set_migration_needed(false);
    while bot.entries().len() < 4 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    stop.now();
    running.await.unwrap().unwrap();
    assert_eq!(bot.entries()[1..], ["jobs", "perform", "accepted only", "finish"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_on_hearing_what_was_accepted_costs_no_sample() {
    let (clock, api, bot) = stage();
    let bot = Diary { panics_when_accepted: true, ..bot };
    let stop = Stop::new();
    let running = tokio::spawn(runner(&bot, &clock, &api).run_until(stop.clone()));
    while bot.entries().iter().filter(|entry| *entry == "accepted only").count() < 2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    stop.now();
    running.await.unwrap().unwrap();
    // The panic is the run's failure and nobody else's: what was measured is delivered.
    assert_eq!(api.values(bot.account)["a.b"].len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_cannot_begin_ends_the_bot_with_its_reason() {
    let (clock, api, bot) = stage();
    let bot = Diary { cannot_begin: true, ..bot };
    let error = runner(&bot, &clock, &api).run_until(Stop::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "port 2055 is taken");
    assert_eq!((bot.entries().len(), api.request_count()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_collector_finishes_also_where_the_token_is_refused() {
    let (clock, api, bot) = stage();
    api.revoke(api.token());
    let error = runner(&bot, &clock, &api).run_until(Stop::new()).await.unwrap_err();
    assert!(matches!(error, StartError::TokenRefused(_)), "{error:?}");
    assert_eq!(bot.entries().last().map(String::as_str), Some("finish"));
}

/// Suggests a device at each run, and looks whether it is there.
struct Suggesting(u64);

impl Collector for Suggesting {
    type Task = ();

    async fn jobs(&self, cx: &Context) -> Result<Vec<Job<()>>, FetchError> {
        struct Nothing;
        impl grafoleancollector::Protocol for Nothing {
            const SLUG: &'static str = "nothing";
            type Credential = ();
            type Sensor = ();
        }
        assert!(self.fetch_job_configs::<Nothing>(cx).await?.is_empty());
        Ok(vec![Job::new("suggest", ()).every([Interval::from_secs(60).unwrap()])])
    }

    async fn perform(&self, run: &Run<()>) -> Result<Samples, JobError> {
        let (cx, account) = (run.context(), AccountId::new(self.0));
        assert_eq!(cx.accounts(), [account]);
        let failed = |error| JobError::because("no", error);
        let known = cx.devices(account).await.map_err(failed)?;
        if !known.iter().any(|device| device.details.text("ipv4").as_deref() == Some("10.0.0.7")) {
            let mut details = Map::new();
            details.insert("ipv4".to_owned(), json!("10.0.0.7"));
            let id = cx.suggest_device(account, "10.0.0.7 (exporter)", details).await.map_err(failed)?;
            assert!(id.is_some_and(|id| id != EntityId::new(0)));
        }
        Ok(Samples::for_account(account))
    }
}

#[tokio::test(start_paused = true)]
async fn a_suggested_device_is_an_entity_without_protocols_and_seen_by_the_next_look() {
    let (clock, api, Diary { account, .. }) = stage();
    let stop = Stop::new();
    let runner = Runner::new(Suggesting(account), Settings::new("http://fake/api", api.token()));
    let runner = runner.share_runtime().api(Arc::new(api.clone())).clock(clock);
    let running = tokio::spawn(runner.run_until(stop.clone()));
    tokio::time::sleep(Duration::from_secs(300)).await;
    stop.now();
    running.await.unwrap().unwrap();
    let entities = api.records(account, grafoleancollector::testing::RecordKind::Entities);
    assert_eq!(entities.len(), 1, "{entities:?}");
    assert_eq!((&entities[0]["entity_type"], &entities[0]["protocols"]), (&json!("device"), &json!({})));
}
