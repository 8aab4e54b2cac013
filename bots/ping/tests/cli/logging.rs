//! What the log looks like.

use serde_json::Value;

use crate::program::bot;
use crate::scene::Scene;

#[test]
fn as_json_every_line_is_an_object() {
    let (scene, _) = Scene::with_one();
    scene.entity("x.invalid");
    scene.backend.fail_next(500);
    let running = bot(&[]).serving(&scene.backend).env("LOG_FORMAT", "json").env("LOG", "debug").start();
    running.until("values", || scene.backend.value_count() > 0);
    running.line("x.invalid");
    let ended = running.terminated().with(0);
    let lines: Vec<Value> = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        assert!(line["fields"]["message"].is_string() || line["message"].is_string(), "{line}");
    }
    assert!(lines.len() > 5);
}

#[test]
fn as_json_the_reason_for_not_starting_is_an_object_too() {
    let scene = Scene::new();
    let program = || bot(&[]).serving(&scene.backend).env("LOG_FORMAT", "json").env("LOG", "warn");
    let refused = program().token("0bad0bad-0bad-4bad-8bad-0bad0bad0bad").run().with(78);
    let unset = program().env("DELIVERY", "get").run().with(78);
    for (ended, word) in [(refused, "BOT_TOKEN"), (unset, "DELIVERY")] {
        let line: Value = serde_json::from_str(ended.only_line()).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert!(line["fields"]["message"].as_str().unwrap().contains(word), "{line}");
    }
}

#[test]
fn that_there_is_nothing_to_do_is_said_once() {
    let scene = Scene::new();
    let running = bot(&[]).serving(&scene.backend).env("JOBS_REFRESH_INTERVAL", "1").start();
    running.until("some refreshes", || running.metric("grafolean_refreshes_total") > 2);
    assert_eq!(running.health("/readyz").0, 200);
    assert_eq!(running.terminated().with(0).count("nothing is configured for this bot"), 1);
}

#[test]
fn a_days_work_is_a_few_lines() {
    let (scene, _) = Scene::with_one();
    let running = bot(&[]).serving(&scene.backend).env("JOBS_REFRESH_INTERVAL", "1").start();
    running.until("values", || scene.backend.value_count() > 12);
    let ended = running.terminated().with(0);
    let messages: Vec<&str> = ended.stderr.lines().map(|line| line.split_once(" INFO ").unwrap().1).collect();
    assert!(
        messages[0].starts_with("grafolean-ping-bot ") && messages[0].contains(&scene.backend.url()),
        "{messages:#?}"
    );
    assert!(messages.len() <= 6, "{messages:#?}");
    assert_eq!(messages.last(), Some(&"stopped; all samples are delivered"));
}

#[test]
fn only_what_was_asked_for_is_logged() {
    let (scene, _) = Scene::with_one();
    let running = bot(&[]).serving(&scene.backend).env("LOG", "warn").env_remove("HEALTH_ADDR").start();
    running.until("values", || scene.backend.value_count() > 0);
    assert_eq!(running.terminated().with(0).stderr, "");
}
