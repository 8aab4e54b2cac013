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
