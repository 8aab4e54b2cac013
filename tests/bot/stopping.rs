//! How a bot stops.

use std::sync::Arc;
use std::time::Duration;

use grafoleancollector::testing::{FakeApi, FakeBackend};
use grafoleancollector::{Outbox, Runner, Settings, Stop, SystemClock};

use crate::scripted::{Does, Script, Simulation, job};

#[tokio::test(start_paused = true)]
async fn the_first_stop_lets_runs_finish_and_delivers_what_they_measured() {
    let slow = Does::MeasureFor(Duration::from_secs(5));
    let bot = Simulation::start(vec![job("slow", &[600], slow)], |_| {});
    while bot.script.runs_of("slow").is_empty() {
        bot.pass(1).await;
    }
    let (api, account, script) = (bot.api.clone(), bot.account, bot.script.clone());
    bot.stop().await.unwrap();
    assert_eq!(api.values(account)["slow.value"].len(), script.runs_of("slow").len());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_never_ends_does_not_hold_up_the_stop_beyond_the_grace() {
    let bot = Simulation::start_with(
        vec![job("hangs", &[600], Does::NeverEnd)],
        |_| {},
        |runner| runner.grace(Duration::from_secs(7)),
    );
    bot.pass(60).await;
    let began = tokio::time::Instant::now();
    bot.stop().await.unwrap();
    assert!(began.elapsed() <= Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_second_stop_ends_the_bot_at_once() {
    let bot = Simulation::start_with(
        vec![job("hangs", &[600], Does::NeverEnd)],
        |_| {},
        |runner| runner.grace(Duration::from_secs(3_600)),
    );
    bot.pass(60).await;
    let began = tokio::time::Instant::now();
    let again = bot.stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        again.now();
    });
    bot.stop().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stop_before_the_backend_is_there_ends_the_wait() {
    let bot = Simulation::start(vec![], |api| api.down());
    bot.pass(300).await;
    bot.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_delivered_is_delivered_after_the_next_start() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("First account");
    let dir = tempfile::tempdir().unwrap();
    let bot = |jobs| {
        let script = Script::new(account, jobs);
        let runner = Runner::new(script.clone(), Settings::new(backend.url(), backend.token()))
            .outbox(Outbox::sqlite(dir.path()))
            .grace(Duration::from_secs(1));
        (script, runner)
    };
    backend.on("/values").fail_all(Some(503));
    let (script, runner) = bot(vec![job("a", &[1], Does::Measure)]);
    let stop = Stop::new();
    let running = tokio::spawn(runner.run_until(stop.clone()));
    let wait = async {
        while script.runs_of("a").len() < 3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
    stop.now();
    running.await.unwrap().unwrap();
    assert_eq!(backend.value_count(), 0);

    backend.fail_all(None);
    backend.on("/values").fail_all(None);
    let (_, runner) = bot(vec![]);
    let stop = Stop::new();
    let running = tokio::spawn(runner.run_until(stop.clone()));
    let runs = script.runs_of("a").len();
    let all = backend.wait_until(|b| b.value_count() == runs as u64, Duration::from_secs(20)).await;
    assert!(all, "{} of {runs}", backend.value_count());
    stop.now();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_block_their_threads_disturb_no_other() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("First account");
    let block = Does::Block(Duration::from_secs(15));
    let mut jobs: Vec<_> =
        ["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"].map(|id| job(id, &[1], block)).into();
    jobs.push(job("good", &[1], Does::Measure));
    let script = Script::new(account, jobs);
    let stop = Stop::new();
    let runner = Runner::new(script.clone(), Settings::new(backend.url(), backend.token()));
    let running = tokio::spawn(runner.grace(Duration::from_secs(1)).run_until(stop.clone()));
    let api = Arc::new(backend);
    let enough = api.wait_until(|b| b.value_count() >= 5, Duration::from_secs(12)).await;
    assert!(enough, "{} values", api.value_count());
    stop.now();
    tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_backend_that_is_silent_at_the_start() {
    let backend = FakeBackend::start().await;
    backend.answer_after(Duration::from_secs(20));
    let stop = Stop::new();
    let runner = Runner::new(Script::new(1, vec![]), Settings::new(backend.url(), backend.token()));
    let running = tokio::spawn(runner.run_until(stop.clone()));
    assert!(backend.wait_until(|b| b.request_count() > 0, Duration::from_secs(10)).await);
    stop.now();
    tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bots_that_stop_one_after_the_other_do_not_take_the_process_with_them() {
    for _ in 0..100 {
        let api = FakeApi::new(Arc::new(SystemClock));
        let account = api.add_account("First account");
        let stop = Stop::new();
        let script = Script::new(account, vec![job("a", &[1], Does::Measure)]);
        let runner =
            Runner::new(script, Settings::new("http://fake/api", api.token())).api(Arc::new(api.clone()));
        let running = tokio::spawn(runner.run_until(stop.clone()));
        assert!(api.wait_until(|api| api.request_count() >= 2, Duration::from_secs(10)).await);
        // The threads begin their work just now.
        tokio::time::sleep(Duration::from_millis(5)).await;
        stop.now();
        running.await.unwrap().unwrap();
    }
}
