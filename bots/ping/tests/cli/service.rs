//! The bot at work.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::program::{bot, bot_in_namespace};
use crate::scene::Scene;

fn set(paths: &[&str]) -> BTreeSet<String> {
    paths.iter().map(|&path| path.to_owned()).collect()
}

#[test]
fn every_entity_that_can_be_pinged_is_and_the_others_are_named() {
    let scene = Scene::new();
    let two = || json!({"n_packets": "2", "timeout": "5.0", "retry": "0", "sleep_packets": "0.05"});
    let good =
        ["127.0.0.1", "127.0.0.1", "::1", "localhost"].map(|host| scene.entity_with(json!(host), two()));
    let unresolvable = scene.entity("x.invalid");
    let nowhere = scene.entity_with(Value::Null, two());
    let mistyped = scene.entity_with(json!("10.0.0.256"), two());
    let no_packets = scene.entity_with(json!("127.0.0.1"), json!({"n_packets": 0}));
    let odd = scene.entity_with(json!("127.0.0.1"), json!({"n_packets": "many"}));

    let program = bot(&[]).serving(&scene.backend).env("PING_SUMMARY", "1").env("JOBS_REFRESH_INTERVAL", "2");
    let running = program.start();
    let all = set(&[
        "loss",
        "p0.ok",
        "p0.rtt",
        "p1.ok",
        "p1.rtt",
        "rtt.avg",
        "rtt.jitter",
        "rtt.max",
        "rtt.min",
        "success",
    ]);
    running.until("values of all", || good.iter().all(|entity| scene.paths(*entity) == all));
    let unresolvable_id = unresolvable.to_string();
    let failing = || {
        let jobs = running.jobs();
        let jobs = jobs["jobs"].as_array().cloned().unwrap_or_default();
        jobs.into_iter().find(|job| job["id"] == unresolvable_id).unwrap_or_default()["failing"].clone()
    };
    running.until("some failed runs", || failing()["runs"].as_u64() > Some(2));
    let error = failing()["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("cannot resolve x.invalid"), "{error}");
    let refreshes = running.metric("grafolean_refreshes_total");
    running.until("another refresh", || running.metric("grafolean_refreshes_total") > refreshes);
    let jobs = running.jobs();
    assert_eq!(jobs["total"], 5, "{jobs}");
    assert_eq!(jobs["config_problems"].as_array().unwrap().len(), 4, "{jobs}");

    let ended = running.terminated().with(0);
    assert_eq!(
        ended.count(&format!("job {unresolvable} fails: cannot resolve x.invalid")),
        1,
        "{}",
        ended.stderr
    );
    for (entity, field) in
        [(nowhere, "details.ipv4"), (mistyped, "details.ipv4"), (no_packets, "n_packets"), (odd, "n_packets")]
    {
        let said = |line: &&str| {
            let words = [&format!("account {}", scene.account), &format!("entity {entity}"), field];
            line.contains(" WARN ") && words.iter().all(|word| line.contains(*word))
        };
        assert_eq!(ended.stderr.lines().filter(said).count(), 1, "{entity}\n{}", ended.stderr);
        assert_eq!(scene.paths(entity), set(&[]));
    }
    assert_eq!(ended.count(" WARN "), 5, "{}", ended.stderr);
    assert_eq!(ended.count(" ERROR "), 0, "{}", ended.stderr);

    for entity in good {
        let values = scene.values(entity);
        let of = |path: &str| values[path].clone();
        assert!(of("p0.ok").iter().chain(&of("success")).all(|(_, value)| *value == 1.0), "{values:?}");
        assert!(of("p0.rtt").iter().all(|(_, seconds)| (0.0..5.0).contains(seconds)), "{values:?}");
        // All values of a run carry one time.
        let times = |path: &str| of(path).iter().map(|(time, _)| *time).collect::<Vec<_>>();
        assert!(all.iter().all(|path| times(path) == times("success")), "{values:?}");
    }
}

/// Keeps questions to itself, at an address of its own that a test may bind to as root.
fn silent_name_server() -> std::io::Result<std::net::UdpSocket> {
    std::net::UdpSocket::bind("127.53.53.53:53")
}

#[test]
fn a_name_server_that_does_not_answer_holds_up_nobody() {
    let name = "a_name_server_that_does_not_answer_holds_up_nobody";
    let (scene, entity) = Scene::with_one();
    let unresolvable = scene.entity("router.example.org");
    let directory = tempfile::tempdir().unwrap();
    let resolver = directory.path().join("resolv.conf");
    std::fs::write(&resolver, "nameserver 127.53.53.53\n").unwrap();
    let script = format!("mount --bind {} /etc/resolv.conf; exec \"$@\"", resolver.display());
    let Some(program) = bot_in_namespace(name, "--mount", &script, &[]) else { return };
    let server = silent_name_server().unwrap();
    let running = program.serving(&scene.backend).start();
    let line = running.line(&format!("job {unresolvable} fails"));
    assert!(line.contains("cannot resolve router.example.org: the name server does not answer"), "{line}");
    assert!(scene.values(entity)["success"].len() > 3);
    // Nor does the thread that still waits for it.
    running.signal(nix::sys::signal::Signal::SIGTERM);
    running.line("stopped");
    let began = tokio::time::Instant::now();
    running.ended().with(0);
    assert!(began.elapsed() < std::time::Duration::from_secs(3), "{:?}", began.elapsed());
    drop(server);
}

#[test]
fn without_a_summary_the_paths_are_those_of_the_python_bot() {
    let (scene, entity) = Scene::with_one();
    let running = bot(&["run"]).serving(&scene.backend).start();
    running.until("values", || scene.backend.value_count() >= 6);
    running.terminated().with(0);
    assert_eq!(scene.paths(entity), set(&["p0.ok", "p0.rtt", "success"]));
}

#[test]
fn values_can_be_posted_as_the_python_bot_does() {
    let (scene, entity) = Scene::with_one();
    let running = bot(&[]).serving(&scene.backend).env("DELIVERY", "post").start();
    running.until("values", || scene.backend.value_count() >= 6);
    running.terminated().with(0);
    assert_eq!(scene.paths(entity), set(&["p0.ok", "p0.rtt", "success"]));
    let writes: Vec<_> =
        scene.backend.requests().into_iter().filter(|r| r.path.ends_with("/values")).collect();
    assert!(writes.iter().all(|request| request.method == "POST"), "{writes:?}");
}

#[test]
fn a_refresh_adds_and_removes_entities_while_the_others_go_on() {
    use grafoleancollector::testing::RecordKind::Entities;
    let (scene, old) = Scene::with_one();
    let running = bot(&[]).serving(&scene.backend).env("JOBS_REFRESH_INTERVAL", "1").start();
    running.until("values", || !scene.paths(old).is_empty());
    let new = scene.entity("::1");
    running.until("values of the new one", || !scene.paths(new).is_empty());
    scene.backend.remove(scene.account, Entities, old);
    running.line("1 gone");
    let (before, count) = (scene.values(new)["success"].len(), || scene.values(new)["success"].len());
    running.until("more values of the new one", || count() > before + 1);
    assert_eq!(running.jobs()["total"], 1);
    running.terminated().with(0);
}
