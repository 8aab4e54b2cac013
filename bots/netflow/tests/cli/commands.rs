//! `check` and `once`.

use crate::scene::Scene;

pub(crate) fn check_says_where_flows_would_be_received() {
    let scene = Scene::new();
    scene.exporter("127.61.0.1");
    let ended = scene.bot(&["check"]).run().with(0);
    let line = ended.stdout.lines().find(|line| line.contains("listens on udp"));
    assert!(line.is_some_and(|line| line.contains("127.0.0.1")), "{}", ended.stdout);
}

pub(crate) fn once_says_that_flows_are_received_only_under_run() {
    let scene = Scene::new();
    scene.exporter("127.62.0.1");
    let ended = scene.bot(&["once"]).run().with(1);
    assert!(ended.stderr.contains("flows are received only under `run`"), "{}", ended.stderr);
    assert_eq!(scene.backend.value_count(), 0);
}

pub(crate) fn an_entity_that_cannot_be_served_is_named_and_costs_no_other() {
    let scene = Scene::new();
    scene.exporter("10.0.0.0/8");
    let good = scene.exporter("127.63.0.1");
    let ended = scene.bot(&["check"]).run().with(0);
    assert!(ended.stdout.contains("details.ipv4"), "{}", ended.stdout);
    let running = scene.bot(&[]).start();
    running.line("details.ipv4");
    running.until("the other", || running.metric("grafolean_entities") == 2);
    let _ = good;
}
