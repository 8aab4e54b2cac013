//! A backend that wants to know what fails.

use grafoleancollector::testing::FakeGrafolean;
use serde_json::{Value, json};

use crate::scripted::{BEGAN, Does, Simulation, Spec, job};

fn about(id: &'static str, does: Does, entity: u64) -> Spec {
    Spec { about: Some(entity), ..job(id, &[60], does) }
}

fn reports(api: &FakeGrafolean) -> usize {
    api.requests().iter().filter(|request| request.path == "/profile/problems").count()
}

fn problems(simulation: &Simulation) -> Vec<Value> {
    simulation.api.problems(simulation.api.token())
}

fn does(simulation: &Simulation, id: &str, does: Does) {
    let mut specs = simulation.script.specs.lock().unwrap();
    specs.iter_mut().filter(|spec| spec.id == id).for_each(|spec| spec.does = does);
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_told_for_each_entity_until_it_is_well() {
    let specs = vec![
        about("well", Does::Measure, 1),
        about("fails", Does::Fail, 2),
        about("fails too", Does::MeasureButFail, 2),
        about("in part", Does::MeasureButFail, 3),
        job("of nobody", &[60], Does::Fail),
    ];
    let simulation = Simulation::start(specs, |api| api.offer_problems());
    simulation.pass(10).await;
    let told = problems(&simulation);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((&told[0]["entity"], &told[1]["entity"]), (&json!(2), &json!(3)));
    assert_eq!(told[1]["error"], "half of it did not answer");
    assert_eq!((&told[1]["account"], &told[1]["protocol"]), (&json!(simulation.account), &json!("script")));
    let since = told[0]["since"].as_f64().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let began = BEGAN as f64;
    assert!((began..began + 2.0).contains(&since), "{since}");

    does(&simulation, "in part", Does::Measure);
    simulation.pass(130).await;
    assert_eq!(problems(&simulation).len(), 1);
    assert_eq!(problems(&simulation)[0]["since"].as_f64(), Some(since), "it has failed since then");
    simulation.script.specs.lock().unwrap().clear();
    simulation.pass(70).await;
    assert_eq!(problems(&simulation), Vec::<Value>::new(), "a job that is gone does not fail");
    simulation.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_report_is_repeated_now_and_then_and_one_of_nothing_is_not() {
    let simulation = Simulation::start(vec![about("fails", Does::Fail, 2)], |api| api.offer_problems());
    simulation.pass(3_600).await;
    let repeated = reports(&simulation.api);
    assert!((28..=33).contains(&repeated), "{repeated} in an hour");
    does(&simulation, "fails", Does::Measure);
    simulation.pass(150).await;
    simulation.api.clear_requests();
    simulation.pass(3_600).await;
    assert_eq!(reports(&simulation.api), 0);
    simulation.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_and_is_well_by_turns_is_reported_each_five_seconds_at_most() {
    let specs = vec![Spec { every: vec![1], ..about("to and fro", Does::FailByTurns, 2) }];
    let simulation = Simulation::start(specs, |api| api.offer_problems());
    simulation.pass(300).await;
    let sent = reports(&simulation.api);
    assert!((50..=60).contains(&sent), "{sent} in 300 s");
    simulation.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_cannot_be_served_is_told_with_the_field_that_is_wrong() {
    let simulation = Simulation::start(vec![about("well", Does::Measure, 1)], |api| {
        api.offer_problems();
        let account = api.add_account("another");
        let sensor = api.add_sensor(account, "script", Some(60), json!({}));
        api.device(account, "no credential").protocol("script", 999, &[sensor]).add();
    });
    simulation.pass(40).await;
    let told = problems(&simulation);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["error"], "credential: the account has no credential 999");
    simulation.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_does_not_take_reports_stops_nothing() {
    let simulation = Simulation::start(vec![about("fails", Does::Fail, 2)], |api| {
        api.offer_problems();
        api.on("/profile/problems").fail_all(Some(500));
    });
    simulation.pass(600).await;
    assert!(reports(&simulation.api) <= 6);
    simulation.api.on("/profile/problems").fail_all(None);
    simulation.pass(130).await;
    assert_eq!(problems(&simulation).len(), 1);
    simulation.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_backend_without_the_feature_is_told_nothing() {
    let simulation = Simulation::start(vec![about("fails", Does::Fail, 2)], |_| {});
    simulation.pass(3_600).await;
    assert_eq!(reports(&simulation.api), 0);
    simulation.stop().await.unwrap();
}
