//! `once`: every job once, printed, nothing delivered.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::program::bot;
use crate::scene::Scene;

#[test]
fn samples_are_printed_as_a_table_and_nothing_is_delivered() {
    let (scene, short) = Scene::with_one();
    let long = scene.entity_with(json!("::1"), json!({"n_packets": 12, "timeout": 5, "sleep_packets": 0.01}));
    let ended = bot(&["once"]).serving(&scene.backend).env("PING_SUMMARY", "1").run().with(0);
    assert_eq!(ended.stderr, "");
    let mut lines = ended.stdout.lines();
    assert_eq!(
        lines.next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["job", "account", "path", "value"]
    );
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.iter().all(|row| row.len() == 4), "{}", ended.stdout);
    let expected = |entity: u64| format!("entity.{entity}.ping.success");
    for entity in [short, long] {
        assert!(rows.iter().any(|row| row[0] == entity.to_string() && row[2] == expected(entity)));
    }
    // Every column begins where its heading does, or ends there.
    let at = |line: &str, word: &str| line.find(word).unwrap();
    let columns: BTreeSet<_> =
        ended.stdout.lines().map(|line| at(line, line.split_whitespace().nth(2).unwrap())).collect();
    assert_eq!(columns.len(), 1, "{}", ended.stdout);
    assert_eq!(scene.backend.value_count(), 0);
}

#[test]
fn with_json_each_sample_is_an_object_on_a_line() {
    let (scene, entity) = Scene::with_one();
    let unknown = scene.entity("x.invalid");
    let ended = bot(&["once", "--json"]).serving(&scene.backend).run().with(1);
    let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let success = json!({"job": entity.to_string(), "account": scene.account,
        "path": format!("entity.{entity}.ping.success"), "value": 1.0});
    assert!(lines.contains(&success), "{}", ended.stdout);
    let failed: Vec<_> = lines.iter().filter(|line| line["error"].is_string()).collect();
    assert_eq!(failed.len(), 1, "{}", ended.stdout);
    assert_eq!(failed[0]["job"], unknown.to_string());
    assert_eq!(scene.backend.value_count(), 0);
}

#[test]
fn a_job_that_fails_is_named_and_the_others_are_printed() {
    let (scene, entity) = Scene::with_one();
    let unknown = scene.entity("x.invalid");
    let ended = bot(&["once"]).serving(&scene.backend).run().with(1);
    assert!(ended.stdout.contains(&format!("entity.{entity}.ping.success")), "{}", ended.stdout);
    assert!(
        ended.stderr.contains(&format!("job {unknown} failed: cannot resolve x.invalid")),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.ends_with("1 of 2 jobs failed\n"), "{}", ended.stderr);
}

#[test]
fn a_bot_with_nothing_to_do_says_so() {
    let scene = Scene::new();
    let ended = bot(&["once"]).serving(&scene.backend).run().with(0);
    assert!(ended.only_line().contains("nothing is configured for this bot"), "{ended:#?}");
}

#[test]
fn a_broken_entity_is_named() {
    let scene = Scene::new();
    let broken = scene.entity_with(Value::Null, json!({}));
    let ended = bot(&["once"]).serving(&scene.backend).run().with(0);
    assert!(ended.stderr.contains(&format!("entity {broken}")), "{ended:#?}");
}

#[test]
fn whoever_has_read_enough_makes_no_error() {
    let (scene, _) = Scene::with_one();
    let mut child = Command::new("sh");
    child.args(["-c", "\"$1\" once | head -n 1; \"$1\" try --json 127.0.0.1 | head -n 1", "sh"]);
    child.arg(env!("CARGO_BIN_EXE_grafolean-ping-bot")).env_clear().env("PATH", "/usr/bin:/bin");
    child
        .env("BACKEND_URL", scene.backend.url())
        .env("BOT_TOKEN", scene.backend.token())
        .env("DATA_DIR", "none");
    let output = child.stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
}
