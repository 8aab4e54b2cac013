//! When jobs run.

use std::time::Duration;

use grafoleancollector::testing::{FakeApi, TestClock, run_once};
use grafoleancollector::{JobError, Runner, Settings, Stop, Timestamp};

use crate::scripted::{Does, Simulation, job};

#[tokio::test(start_paused = true)]
async fn a_job_runs_soon_and_then_at_each_of_its_ticks() {
    let bot = Simulation::start(vec![job("a", &[60], Does::Measure)], |_| {});
    bot.pass(3_600).await;
    let runs = bot.script.runs_of("a");
    assert!((60..=61).contains(&runs.len()), "{}", runs.len());
    assert!(runs[0].started.since(Timestamp::from_secs(1_700_000_000)) <= Duration::from_secs(31));
    let due: Vec<_> = runs[1..].iter().map(|ran| ran.due.as_millis()).collect();
    assert!(due.windows(2).all(|pair| pair[1] - pair[0] == 60_000), "{due:?}");
    assert!(runs.iter().all(|ran| ran.started.since(ran.due) < Duration::from_millis(5)));
    bot.assert_all_stored("a");
    bot.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn coinciding_intervals_make_one_run_that_lists_them() {
    let bot = Simulation::start(vec![job("a", &[30, 60], Does::Measure)], |_| {});
    bot.pass(600).await;
    let runs = bot.script.runs_of("a");
    assert_eq!(runs[0].affecting, [30, 60], "the first run has them all");
    let (both, one): (Vec<_>, Vec<_>) = runs[1..].iter().partition(|ran| ran.affecting == [30, 60]);
    assert!((9..=10).contains(&both.len()) && (9..=10).contains(&one.len()));
    assert!(one.iter().all(|ran| ran.affecting == [30]));
}

#[tokio::test(start_paused = true)]
async fn a_run_longer_than_its_interval_does_not_overlap_itself_and_owes_no_interval() {
    let slow = Does::MeasureFor(Duration::from_secs(25));
    let bot = Simulation::start(vec![job("slow", &[10, 60], slow)], |_| {});
    bot.pass(3_600).await;
    assert_eq!(bot.script.at_once.lock().unwrap().1, 1);
    let runs = bot.script.runs_of("slow");
    let served = runs.iter().filter(|ran| ran.affecting.contains(&60)).count();
    assert!((59..=61).contains(&served), "the long interval is served every minute: {served}");
    assert!(runs[2..].iter().any(|ran| ran.missed > 0), "what was owed is counted");
}

#[tokio::test(start_paused = true)]
async fn bad_jobs_never_disturb_a_good_one() {
    let bot = Simulation::start_with(
        vec![
            job("good", &[60], Does::Measure),
            job("fails", &[60], Does::Fail),
            job("panics", &[60], Does::Panic),
            job("hangs", &[60], Does::NeverEnd),
            job("panics late", &[60], Does::PanicLate),
        ],
        |_| {},
        |runner| runner.concurrency(3),
    );
    bot.pass(3_600).await;
    assert!(bot.script.runs_of("good").len() >= 59);
    bot.assert_all_stored("good");
    for id in ["fails", "panics", "hangs", "panics late"] {
        assert!(bot.script.runs_of(id).len() >= 29, "{id} is tried again at its ticks");
    }
    bot.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bad_values_are_set_aside_and_their_neighbours_delivered() {
    let bot = Simulation::start(vec![job("a", &[60], Does::MeasureBadly)], |_| {});
    bot.pass(300).await;
    bot.assert_all_stored("a");
    assert_eq!(bot.api.values(bot.account).len(), 1, "only the good path reached the backend");
    assert!(bot.api.requests().iter().all(|request| request.status != Some(400)), "nothing bad was sent");
}

#[tokio::test(start_paused = true)]
async fn one_device_is_never_asked_by_two_jobs_at_once() {
    let mut jobs: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|id| job(id, &[10], Does::MeasureFor(Duration::from_secs(2))))
        .collect();
    jobs.iter_mut().for_each(|job| job.lane = Some("10.0.0.1"));
    let bot = Simulation::start(jobs, |_| {});
    bot.pass(600).await;
    assert_eq!(bot.script.at_once.lock().unwrap().1, 1);
    for id in ["a", "b", "c"] {
        assert!(bot.script.runs_of(id).len() >= 58, "{id} has its turn");
    }
}

#[tokio::test(start_paused = true)]
async fn changed_intervals_take_effect_at_the_next_refresh_and_unchanged_jobs_keep_their_phase() {
    let bot =
        Simulation::start(vec![job("a", &[3_600], Does::Measure), job("b", &[60], Does::Measure)], |_| {});
    bot.pass(300).await;
    bot.script.specs.lock().unwrap()[0].every = vec![10];
    bot.pass(600).await;
    assert!(bot.script.runs_of("a").len() >= 50, "every 10 s from the refresh on");
    let due: Vec<_> = bot.script.runs_of("b")[1..].iter().map(|ran| ran.due.as_millis()).collect();
    assert!(due.windows(2).all(|pair| pair[1] - pair[0] == 60_000), "{due:?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_vanishes_while_it_runs_delivers_its_last_values_and_stops() {
    let slow = Does::MeasureFor(Duration::from_secs(50));
    let bot = Simulation::start(vec![job("a", &[60], slow)], |_| {});
    while bot.script.runs_of("a").is_empty() {
        bot.pass(1).await;
    }
    bot.script.specs.lock().unwrap().clear();
    bot.pass(600).await;
    let runs = bot.script.runs_of("a").len();
    assert!(runs <= 2, "{runs}");
    bot.assert_all_stored("a");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_an_hour_either_way_stops_nothing_and_floods_nothing() {
    let bot = Simulation::start(vec![job("a", &[60], Does::Measure)], |_| {});
    bot.pass(600).await;
    let before = bot.script.runs_of("a").len();
    bot.clock.jump(Duration::from_secs(3_600));
    bot.pass(600).await;
    let between = bot.script.runs_of("a").len();
    assert!((9..=11).contains(&(between - before)), "{before} {between}");
    bot.clock.jump_back(Duration::from_secs(3_600));
    bot.pass(600).await;
    let after = bot.script.runs_of("a").len();
    assert!((9..=11).contains(&(after - between)), "{between} {after}");
}

#[tokio::test(start_paused = true)]
async fn an_interval_of_thirty_years_runs_once_and_waits() {
    let bot = Simulation::start(vec![job("a", &[1_000_000_000], Does::Measure)], |_| {});
    bot.pass(86_400).await;
    assert_eq!(bot.script.runs_of("a").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_may_take_for_ever_does_not_end_the_loop() {
    let mut endless = job("endless", &[60], Does::Measure);
    endless.timeout = Some(Duration::MAX);
    let bot = Simulation::start(vec![endless, job("good", &[60], Does::Measure)], |_| {});
    bot.pass(600).await;
    assert!(bot.script.runs_of("endless").len() >= 10 && bot.script.runs_of("good").len() >= 10);
    bot.stop().await.unwrap();
}

/// A bot whose `perform` panics before it has given its future.
#[derive(Clone, Default)]
struct PanicsEarly(std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl grafoleancollector::Collector for PanicsEarly {
    type Task = ();

    async fn jobs(
        &self,
        _: &grafoleancollector::Context,
    ) -> Result<Vec<grafoleancollector::Job<()>>, grafoleancollector::FetchError> {
        let minute = grafoleancollector::Interval::from_secs(60).unwrap();
        Ok(vec![grafoleancollector::Job::new("a", ()).every([minute])])
    }

    fn perform(
        &self,
        _: &grafoleancollector::Run<()>,
    ) -> impl Future<Output = Result<grafoleancollector::Samples, grafoleancollector::JobError>> + Send {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert!(self.0.load(std::sync::atomic::Ordering::Relaxed) == 0, "before there is a future");
        std::future::pending()
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_the_run_has_begun_is_a_failed_run_and_not_the_end_of_the_job() {
    let clock = std::sync::Arc::new(TestClock::at(Timestamp::from_secs(1_700_000_000)));
    let api = FakeApi::new(clock.clone());
    let (bot, stop) = (PanicsEarly::default(), Stop::new());
    let results = run_once(bot.clone(), &api).await.unwrap();
    assert!(
        matches!(&results[0].1, Err(JobError::Panicked { message }) if message.contains("before there is"))
    );
    let runner = Runner::new(bot.clone(), Settings::new("http://fake/api", api.token()))
        .api(std::sync::Arc::new(api))
        .clock(clock)
        .share_runtime();
    let running = tokio::spawn(runner.run_until(stop.clone()));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(bot.0.load(std::sync::atomic::Ordering::Relaxed) >= 10);
    stop.now();
    running.await.unwrap().unwrap();
}
