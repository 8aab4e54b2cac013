//! What happens when the backend is not as it should be.

use grafoleancollector::testing::FakeApi;

use crate::scripted::{Does, Simulation, job};

/// Half an hour of work, in whose middle the backend misbehaves for ten minutes: afterwards every run's value
/// is stored, at its own time.
async fn survives(trouble: impl Fn(&FakeApi), well_again: impl Fn(&FakeApi)) {
    let bot = Simulation::start(vec![job("a", &[10], Does::Measure), job("b", &[60], Does::Measure)], |_| {});
    bot.pass(600).await;
    trouble(&bot.api);
    bot.pass(600).await;
    well_again(&bot.api);
    bot.pass(600).await;
    for (id, at_least) in [("a", 178), ("b", 29)] {
        assert!(bot.script.runs_of(id).len() >= at_least, "measuring went on");
        bot.assert_all_stored(id);
    }
    bot.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_without_a_backend_lose_nothing_and_repeat_nothing() {
    survives(|api| api.down(), |api| api.up()).await;
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_of_errors_lose_nothing() {
    for status in [500, 502, 429, 401, 403, 404] {
        survives(|api| api.fail_all(Some(status)), |api| api.fail_all(None)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn half_answers_lost_answers_and_web_pages_lose_nothing() {
    survives(
        |api| {
            api.on("/values").half_answers(5);
            api.on("/values").lose_answers(5);
            api.on("/entities").html_instead_of_json(20);
            api.on("/accounts").half_answers(20);
        },
        |_| {},
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn web_pages_in_answer_to_values_lost_them() {
    survives(|api| api.on("/values").html_instead_of_json(20), |_| {}).await;
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_asked_to_be_left_alone_is() {
    let bot = Simulation::start(vec![job("a", &[1], Does::Measure)], |_| {});
    bot.pass(60).await;
    bot.api.with_retry_after(Some(120));
    bot.api.on("/values").fail_next(429);
    bot.pass(5).await;
    bot.api.clear_requests();
    bot.pass(100).await;
    let stores = bot.api.requests().iter().filter(|request| request.path.ends_with("/values")).count();
    assert_eq!(stores, 0, "Retry-After is honoured");
    bot.pass(200).await;
    bot.assert_all_stored("a");
}

#[tokio::test(start_paused = true)]
async fn one_refused_sample_is_set_aside_and_all_others_are_stored() {
    let bot =
        Simulation::start(vec![job("good", &[10], Does::Measure), job("odd", &[10], Does::Measure)], |api| {
            api.refuse_paths("odd.");
        });
    bot.pass(300).await;
    bot.assert_all_stored("good");
    assert!(bot.times("odd.value").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_backend_away_at_the_start_is_waited_for() {
    let bot = Simulation::start(vec![job("a", &[60], Does::Measure)], |api| api.down());
    bot.pass(600).await;
    assert!(bot.script.ran.lock().unwrap().is_empty());
    bot.api.up();
    bot.pass(120).await;
    assert!(bot.script.runs_of("a").len() >= 2);
    bot.assert_all_stored("a");
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_migrating_is_waited_for() {
    let bot = Simulation::start(vec![job("a", &[60], Does::Measure)], |api| api.set_migration_needed(true));
    bot.pass(300).await;
    assert!(bot.script.ran.lock().unwrap().is_empty());
    bot.api.set_migration_needed(false);
    bot.pass(120).await;
    assert!(!bot.script.ran.lock().unwrap().is_empty());
}
