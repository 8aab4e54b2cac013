//! The bot is killed, stopped, started again; the backend is away.

use std::time::Duration;

use nix::sys::signal::Signal::SIGKILL;

use crate::scene::{A_WINDOW, Exporter, Scene, V5, receives_at};

/// What a kill may cost: ten seconds, says the README; a slice takes five, and the state is written each second.
const REMEMBERED: Duration = Duration::from_secs(10);

#[test]
fn a_kill_within_a_window_costs_nothing_that_was_received_ten_seconds_before() {
    let scene = Scene::new();
    let entity = scene.exporter("127.41.0.1");
    let directory = tempfile::tempdir().unwrap();
    let path = format!("netflow.1min.ingress.entity.{entity}");
    let (mut sent, mut windows) = (0.0, 0);
    while windows < 2 {
        let running = scene.bot(&[]).env("DATA_DIR", directory.path()).start();
        let at = receives_at(&running);
        Exporter::new("127.41.0.1", at).send(&[V5::default()]);
        sent += 1_000.0;
        std::thread::sleep(REMEMBERED);
        running.signal(SIGKILL);
        assert_eq!(running.ended().signal, Some(SIGKILL as i32));
        windows = scene.values().get(&path).map_or(0, Vec::len);
    }
    let running = scene.bot(&[]).env("DATA_DIR", directory.path()).start();
    running.within(A_WINDOW, "the last window", || scene.sum(&path) >= sent);
    assert_eq!(scene.sum(&path), sent, "{:?}", scene.values()[&path]);
    let listed = format!("{path}.topconn.10%2e0%2e0%2e1.10%2e0%2e0%2e2");
    assert_eq!(scene.sum(&listed), sent);
    running.terminated().with(0);
    assert!(scene.backend.stored_writes(scene.account)[&path].iter().all(|(_, times)| *times == 1));
}

#[test]
fn a_stop_within_a_window_costs_nothing() {
    let scene = Scene::new();
    let entity = scene.exporter("127.42.0.1");
    let directory = tempfile::tempdir().unwrap();
    let path = format!("netflow.1min.ingress.entity.{entity}");
    for _ in 0..3 {
        let running = scene.bot(&[]).env("DATA_DIR", directory.path()).start();
        Exporter::new("127.42.0.1", receives_at(&running)).send(&[V5::default()]);
        running.until("the flow", || {
            let metrics = running.health("/metrics").1;
            metrics
                .lines()
                .any(|line| line.starts_with("grafolean_netflow_flows_total{") && line.ends_with(" 1"))
        });
        running.terminated().with(0);
    }
    let running = scene.bot(&[]).env("DATA_DIR", directory.path()).start();
    running.within(A_WINDOW, "all of it", || scene.sum(&path) >= 3_000.0);
    assert_eq!(scene.sum(&path), 3_000.0);
}

#[test]
fn flows_are_received_and_kept_while_the_backend_is_not_ready() {
    let scene = Scene::new();
    let entity = scene.exporter("127.43.0.1");
    scene.backend.set_migration_needed(true);
    let running = scene.bot(&[]).start();
    Exporter::new("127.43.0.1", receives_at(&running)).send(&[V5::default()]);
    running.line("waiting for the backend");
    // Until the window has ended that nobody asked for yet.
    std::thread::sleep(Duration::from_secs(62));
    scene.backend.set_migration_needed(false);
    let path = format!("netflow.1min.ingress.entity.{entity}");
    running.within(A_WINDOW, "the window", || scene.sum(&path) > 0.0);
    assert_eq!(scene.sum(&path), 1_000.0);
}
