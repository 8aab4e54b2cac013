//! `kill -9` in the middle of an outage.

use nix::sys::signal::Signal::SIGKILL;
use serde_json::json;

use crate::program::bot;
use crate::scene::Scene;

#[test]
fn a_killed_bot_has_lost_nothing_that_it_accepted() {
    let scene = Scene::new();
    let credential = json!({"n_packets": 2, "timeout": 5, "sleep_packets": 0.05});
    let entities: Vec<u64> =
        (1..=6).map(|n| scene.entity_with(json!(format!("127.0.0.{n}")), credential.clone())).collect();
    let directory = tempfile::tempdir().unwrap();
    let program = || bot(&[]).serving(&scene.backend).env("DATA_DIR", directory.path());
    scene.backend.on("/values").fail_all(Some(503));

    let mut accepted = 0;
    for _ in 0..2 {
        let running = program().start();
        running.until("samples", || running.metric("grafolean_samples_accepted_total") > 60);
        // What is accepted after this look is not counted, so that this is the least that must arrive.
        accepted += running.metric("grafolean_samples_accepted_total");
        running.signal(SIGKILL);
        assert_eq!(running.ended().signal, Some(SIGKILL as i32));
    }
    assert_eq!(scene.backend.value_count(), 0);

    scene.backend.on("/values").fail_all(None);
    let running = program().start();
    let line = running.line("samples wait in the outbox from before");
    let waiting = line.split("waiting=").nth(1).unwrap().split(' ').next().unwrap().parse::<u64>().unwrap();
    assert!(waiting >= accepted, "{waiting} of {accepted} accepted samples are there");
    running.until("an empty outbox", || {
        scene.backend.value_count() >= waiting && running.metric("grafolean_outbox_samples") == 0
    });
    let ended = running.terminated().with(0);
    assert!(ended.stderr.contains("all samples are delivered"), "{}", ended.stderr);
    for entity in entities {
        let values = scene.values(entity);
        let times = |path: &str| values[path].iter().map(|(time, _)| *time).collect::<Vec<_>>();
        // Whole runs, each once.
        assert!(
            ["p0.ok", "p1.ok", "p0.rtt", "p1.rtt"].iter().all(|path| times(path) == times("success")),
            "{values:?}"
        );
    }
}
