//! A backend that tells of changes: jobs follow at once, whatever becomes of the connection.

use std::time::Duration;

use grafoleancollector::testing::{FakeBackend, FakeGrafolean, RecordKind};
use grafoleancollector::{Runner, Settings, Stop};
use serde_json::json;

use crate::configuration::Bot;
use crate::scripted::{Does, Simulation, job};

/// Looks at the jobs so far.
fn looks(simulation: &Simulation) -> u32 {
    *simulation.script.looks.lock().unwrap()
}

fn following() -> Simulation {
    Simulation::start(vec![], |api| api.offer_changes())
}

fn change_something(simulation: &Simulation) {
    simulation.api.add_sensor(simulation.account, "script", Some(60), json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_change_is_followed_within_a_second_and_a_burst_by_one_look() {
    let simulation = following();
    simulation.pass(5).await;
    let before = looks(&simulation);
    simulation.script.specs.lock().unwrap().push(job("new", &[3_600], Does::Measure));
    (0..100).for_each(|_| change_something(&simulation));
    simulation.pass(1).await;
    assert_eq!(looks(&simulation), before + 1);
    assert_eq!(simulation.script.runs_of("new").len(), 1, "the new job runs at once");
    simulation.pass(50).await;
    assert_eq!(looks(&simulation), before + 1);
    simulation.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_usual_interval_stays_for_what_is_not_told() {
    let simulation = following();
    simulation.pass(3_605).await;
    let looks = looks(&simulation);
    assert!((60..=63).contains(&looks), "{looks} looks in an hour, at one a minute");
    simulation.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_backend_without_the_feature_is_not_asked_for_changes() {
    let simulation = Simulation::start(vec![], |_| {});
    simulation.pass(86_400).await;
    let requests = simulation.api.requests();
    assert!(requests.iter().all(|request| request.path != "/changes"));
    let of_status = requests.iter().filter(|request| request.path == "/status/info").count();
    assert!(of_status <= 25, "once an hour it may be another version: {of_status}");
    simulation.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn changes_without_an_end_make_no_storm_of_looks() {
    let simulation = following();
    for _ in 0..3_000 {
        change_something(&simulation);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let looks = looks(&simulation);
    assert!((90..=125).contains(&looks), "{looks} looks in ten minutes");
    simulation.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_writes_entities_while_it_looks_at_its_jobs_does_not_look_again_and_again() {
    let simulation = following();
    simulation.script.suggest_at_each_look();
    simulation.pass(600).await;
    let looks = looks(&simulation);
    assert!((10..=12).contains(&looks), "{looks} looks in ten minutes");
    assert_eq!(simulation.api.records(simulation.account, RecordKind::Entities).len(), looks as usize);
    simulation.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_is_made_again_and_what_was_missed_is_looked_at() {
    let simulation = following();
    simulation.pass(30).await;
    simulation.api.end_streams();
    let before = looks(&simulation);
    change_something(&simulation);
    simulation.pass(3).await;
    assert_eq!(looks(&simulation), before + 1, "nobody knows what changed in between");
    simulation.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_at_once_is_not_asked_for_all_the_time() {
    let simulation = Simulation::start(vec![], |api| {
        api.offer_changes();
        api.on("/changes").fail_all(Some(503));
    });
    simulation.pass(3_600).await;
    let asked = simulation.api.requests().iter().filter(|request| request.path == "/changes").count();
    assert!((60..=200).contains(&asked), "{asked} times in an hour");
    simulation.api.on("/changes").fail_all(None);
    simulation.pass(61).await;
    let before = looks(&simulation);
    change_something(&simulation);
    simulation.pass(1).await;
    assert!(looks(&simulation) > before, "it is followed again");
    simulation.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn over_real_sockets_a_new_device_is_measured_within_a_second() {
    let backend = FakeBackend::start().await;
    backend.offer_changes();
    let account = backend.add_account("First account");
    let key = backend.add_credential(account, "modbus", json!({"retries": "2"}));
    let register = backend.add_sensor(account, "modbus", Some(3_600), json!({"number": "21"}));
    let (bot, stop) = (Bot::default(), Stop::new());
    // The usual interval is two minutes.
    let settings = Settings::new(backend.url(), backend.token());
    let running = tokio::spawn(Runner::new(bot, settings).run_until(stop.clone()));
    let listens = |b: &FakeGrafolean| b.requests().iter().any(|request| request.path == "/changes");
    assert!(backend.wait_until(listens, Duration::from_secs(20)).await);
    // The look after the first word.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for name in ["first", "second"] {
        let stored = backend.value_count();
        let added = tokio::time::Instant::now();
        backend.device(account, name).protocol("modbus", key, &[register]).add();
        assert!(backend.wait_until(|b| b.value_count() > stored, Duration::from_secs(20)).await);
        // A look within a second, and the value's own way.
        assert!(added.elapsed() < Duration::from_secs(3), "{name}: {:?}", added.elapsed());
        backend.end_streams();
        let asked = || backend.requests().iter().filter(|request| request.path == "/changes").count();
        let before = asked();
        assert!(backend.wait_until(|_| asked() > before, Duration::from_secs(20)).await);
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    stop.now();
    tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap().unwrap();
}
