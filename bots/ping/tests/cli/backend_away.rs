//! The backend is away, or something else answers in its place.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use crate::program::{Running, bot};
use crate::scene::Scene;

fn waits_then_works(scene: &Scene, running: Running, reason: &str) -> String {
    let line = running.line("waiting for the backend");
    assert!(line.contains(reason), "{line}");
    let (status, why) = running.health("/readyz");
    assert_eq!(status, 503);
    assert!(why.contains("waiting for the backend") && why.contains(reason), "{why}");
    // It is not sick: nobody should start it anew.
    assert_eq!(running.health("/healthz").0, 200);
    // Long enough for it to have tried again.
    let asked = scene.backend.request_count();
    running.until("another attempt", || scene.backend.request_count() > asked + 1);
    scene.backend.up();
    scene.backend.fail_all(None);
    running.until("values", || scene.backend.value_count() > 0);
    assert_eq!(running.health("/readyz"), (200, "ready\n".to_owned()));
    let ended = running.terminated().with(0);
    assert_eq!(ended.count("waiting for the backend"), 1, "{}", ended.stderr);
    assert_eq!(ended.count("the backend is ready"), 1, "{}", ended.stderr);
    line
}

#[test]
fn a_bot_waits_for_its_backend_and_says_so_once() {
    let (scene, _) = Scene::with_one();
    scene.backend.down();
    let running = bot(&[]).serving(&scene.backend).start();
    waits_then_works(&scene, running, "connection");
}

#[test]
fn a_backend_that_stumbles_is_waited_for() {
    let (scene, _) = Scene::with_one();
    scene.backend.fail_all(Some(500));
    let running = bot(&[]).serving(&scene.backend).start();
    waits_then_works(&scene, running, "500");
}

#[test]
fn a_backend_whose_database_is_not_ready_is_waited_for_and_each_reason_is_said() {
    let (scene, _) = Scene::with_one();
    scene.backend.set_migration_needed(true);
    let running = bot(&[]).serving(&scene.backend).start();
    running.line("migration");
    scene.backend.down();
    running.line("connection");
    scene.backend.set_migration_needed(false);
    scene.backend.up();
    running.until("values", || scene.backend.value_count() > 0);
    assert_eq!(running.terminated().with(0).count("waiting for the backend"), 2);
}

#[test]
fn a_page_in_place_of_the_api_is_said_to_be_one() {
    let (scene, _) = Scene::with_one();
    scene.backend.html_instead_of_json(3);
    let running = bot(&[]).serving(&scene.backend).start();
    let line = running.line("waiting for the backend");
    assert!(line.contains("/api") && line.contains("BACKEND_URL"), "{line}");
    running.until("values", || scene.backend.value_count() > 0);
    running.terminated().with(0);
}

/// The address of a server that gives everybody this answer.
fn server_that_says(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4_096];
            let length = stream.read(&mut request).unwrap_or_default();
            let target = String::from_utf8_lossy(&request[..length]);
            let target = target.split(' ').nth(1).unwrap_or_default().to_owned();
            let _ = stream.write_all(answer(&target).as_bytes());
        }
    });
    url
}

#[test]
fn a_redirect_says_where_to_without_the_token() {
    // As a proxy does that wants https: the whole address, and the token in it.
    let url = server_that_says(|target| {
        let place = format!("https://grafolean.example.org{target}");
        format!("HTTP/1.1 301 Moved\r\nLocation: {place}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    });
    let token = "7e57ab1e-0000-4000-8000-00000000cafe";
    let program = |command| {
        let program = bot(&[command]).env("BACKEND_URL", &url).token(token);
        program.env("DATA_DIR", "none").env("HEALTH_ADDR", "127.0.0.1:0")
    };
    let running = program("run").start();
    let line = running.line("waiting for the backend");
    assert!(line.contains("301") && line.contains("grafolean.example.org"), "{line}");
    assert!(!running.health("/readyz").1.contains(token));
    running.terminated().with(0);
    let ended = program("check").run().with(1);
    assert!(
        ended.stdout.contains("FAIL  backend") && ended.stdout.contains("grafolean.example.org"),
        "{ended:#?}"
    );
}

#[test]
fn an_outage_in_the_middle_is_said_once_and_made_up_for() {
    let (scene, entity) = Scene::with_one();
    let running = bot(&[]).serving(&scene.backend).start();
    running.until("values", || scene.backend.value_count() > 0);
    scene.backend.down();
    running.line("samples cannot be delivered");
    let measured = running.metric("grafolean_samples_measured_total");
    running.until("more", || running.metric("grafolean_samples_measured_total") > measured + 6);
    scene.backend.up();
    running.line("samples are delivered again");
    let measured = running.metric("grafolean_samples_measured_total");
    running.until("all of it", || scene.backend.value_count() >= measured);
    let ended = running.terminated().with(0);
    assert_eq!(ended.count("samples cannot be delivered"), 1, "{}", ended.stderr);
    let times: Vec<f64> = scene.values(entity)["success"].iter().map(|(time, _)| *time).collect();
    let gap = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    assert!(gap < 10.0, "{times:?}");
}
