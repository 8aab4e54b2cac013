//! Delivery without times, as the Python library does it.

use std::sync::Arc;
use std::time::Duration;

use grafoleancollector::testing::{FakeApi, TestClock};
use grafoleancollector::{DeliveryMode, Runner, Settings, Stop, Timestamp};

use crate::scripted::{BEGAN, Does, Script, job};

#[tokio::test(start_paused = true)]
async fn a_bot_that_posts_sends_a_path_once_per_list_also_after_an_outage() {
    let clock = Arc::new(TestClock::at(Timestamp::from_secs(BEGAN)));
    let api = FakeApi::new(clock.clone()).posting();
    let account = api.add_account("First account");
    // The backend stamps what it gets: in no time at all it would give two lists the same one.
    api.answer_after(Duration::from_millis(10));
    let script =
        Script::new(account, vec![job("a", &[10], Does::Measure), job("b", &[60], Does::MeasureBadly)]);
    let mut settings = Settings::new("http://fake/api", api.token());
    settings.delivery = DeliveryMode::Post;
    let stop = Stop::new();
    let runner =
        Runner::new(script.clone(), settings).api(Arc::new(api.clone())).clock(clock).share_runtime();
    let running = tokio::spawn(runner.run_until(stop.clone()));
    tokio::time::sleep(Duration::from_secs(300)).await;
    api.down();
    tokio::time::sleep(Duration::from_secs(120)).await;
    api.up();
    tokio::time::sleep(Duration::from_secs(300)).await;
    stop.now();
    running.await.unwrap().unwrap();

    let stores: Vec<_> = api.requests().into_iter().filter(|seen| seen.path.ends_with("/values")).collect();
    let odd = stores.iter().find(|seen| seen.method != "POST");
    assert_eq!(odd, None);
    let bad = stores.iter().filter(|seen| !matches!(seen.status, Some(204) | None)).count();
    assert_eq!(bad, 0, "no list had a time or a path twice");
    for id in ["a", "b"] {
        let stored = api.values(account)[&format!("{id}.value")].len();
        assert_eq!(stored, script.runs_of(id).len(), "job {id}");
    }
}
