//! Signals: the first drains, the second ends at once.

use std::time::Duration;

use nix::sys::signal::Signal::{self, SIGINT, SIGTERM};
use serde_json::json;
use tokio::time::Instant;

use crate::program::{LIMIT, bot};
use crate::scene::Scene;

fn drains_on(signal: Signal) {
    let scene = Scene::new();
    // Runs that take a while, so that the signal meets some of them.
    let credential = json!({"n_packets": 3, "timeout": 5, "sleep_packets": 0.3});
    let entities: Vec<_> =
        (0..5).map(|_| scene.entity_with(json!("localhost"), credential.clone())).collect();
    let v6 = scene.entity_with(json!("::1"), credential);
    let running = bot(&[]).serving(&scene.backend).start();
    running.until("values", || scene.backend.value_count() > 20);
    running.until("a run under way", || running.metric("grafolean_runs_under_way") > 0);
    running.signal(signal);
    let ended = running.ended().with(0);
    assert!(ended.stderr.contains(signal.as_str()), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap();
    assert!(last.contains("stopped; all samples are delivered"), "{}", ended.stderr);
    // Each run that came to its end is there whole.
    for entity in entities.into_iter().chain([v6]) {
        let values = scene.values(entity);
        let count = |path: &str| values.get(path).map_or(0, Vec::len);
        assert!(["p0.ok", "p1.ok", "p2.ok"].iter().all(|path| count(path) == count("success")), "{values:?}");
    }
}

#[test]
fn sigterm_lets_runs_finish_and_delivers() {
    drains_on(SIGTERM);
}

#[test]
fn sigint_lets_runs_finish_and_delivers() {
    drains_on(SIGINT);
}

#[test]
fn a_second_signal_ends_at_once_and_says_what_is_lost() {
    let (scene, _) = Scene::with_one();
    let running = bot(&[]).serving(&scene.backend).start();
    running.until("values", || scene.backend.value_count() > 0);
    // From now on a delivery takes longer than anybody waits.
    scene.backend.on("/values").answer_after(Duration::from_secs(600));
    running.until("samples that wait", || running.metric("grafolean_outbox_samples") > 3);
    running.signal(SIGTERM);
    running.line("SIGTERM");
    let began = Instant::now();
    running.signal(SIGTERM);
    let ended = running.ended();
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(ended.count("SIGTERM again: ending at once"), 1, "{}", ended.stderr);
    assert!(ended.stderr.lines().last().unwrap().contains("could not be delivered"), "{}", ended.stderr);
    ended.with(0);
}

#[test]
fn samples_that_cannot_be_delivered_at_the_end_wait_for_the_next_start() {
    let (scene, entity) = Scene::with_one();
    let directory = tempfile::tempdir().unwrap();
    let program = || bot(&[]).serving(&scene.backend).env("DATA_DIR", directory.path());
    let running = program().start();
    running.until("values", || scene.backend.value_count() > 0);
    scene.backend.on("/values").fail_all(Some(503));
    running.until("samples that wait", || running.metric("grafolean_outbox_samples") > 5);
    let measured = running.metric("grafolean_samples_measured_total");
    let ended = running.terminated().with(0);
    let last = ended.stderr.lines().last().unwrap();
    assert!(last.contains("samples wait in ") && last.contains("for the next start"), "{last}");

    scene.backend.on("/values").fail_all(None);
    let before = scene.backend.value_count();
    assert!(before < measured);
    let running = program().start();
    running.line("samples wait in the outbox from before");
    running.until("the old values", || scene.backend.value_count() >= measured);
    running.terminated().with(0);
    assert!(scene.values(entity)["success"].len() as u64 >= measured / 3);
}

#[test]
fn a_signal_ends_the_wait_for_the_backend() {
    let scene = Scene::new();
    scene.backend.down();
    for command in ["run", "once"] {
        let running = bot(&[command]).serving(&scene.backend).start();
        running.line("waiting for the backend");
        let began = Instant::now();
        let ended = running.terminated();
        assert!(began.elapsed() < LIMIT / 6, "{:?}", began.elapsed());
        assert_eq!(ended.code, Some(i32::from(command == "once")), "{ended:#?}");
    }
}
