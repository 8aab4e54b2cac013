//! One command: the hub and the bots.

use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::json;

use crate::program::skip;
use crate::scene::{Scene, ask, get, is_private, last_values, setup_link, url};

#[test]
fn one_command_collects_stores_and_shows() {
    let scene = Scene::new();
    let running = scene.everything().start();
    let url = url(&running);
    let link = setup_link(&running).unwrap();
    assert!(link.starts_with(&format!("{url}/#/setup/")), "{link}");
    running.until("a first value of localhost", || {
        let values = last_values(&scene, &url, "entity.*");
        values
            .iter()
            .any(|value| value["p"].as_str().unwrap().ends_with(".ping.success") && value["v"] == 1.0)
    });
    assert!(
        is_private(&scene.dir.join("tokens/ping-bot.token")) && is_private(&scene.dir.join("control.sock"))
    );
    let ended = running.terminated().with(0);
    assert_eq!(ended.count("stopped; all samples are delivered"), 3, "{}", ended.stderr);
    for bot in ["ping", "snmp", "netflow"] {
        assert_eq!(
            ended.count(&format!("{bot}: stopped")),
            1,
            "each line says whose it is: {}",
            ended.stderr
        );
    }
    assert!(!scene.dir.join("control.sock").exists());
}

#[test]
fn a_new_device_is_measured_at_once_and_a_restart_keeps_all() {
    let scene = Scene::new();
    let running = scene.everything().start();
    let first = url(&running);
    let token = scene.token("snmp");
    let entities = |url: &str, token: &str| format!("{url}/api/accounts/1/entities?b={token}");
    let device = json!({
        "name": "another", "entity_type": "device", "details": {"ipv4": "127.0.0.2"},
        "protocols": {"ping": {"credential": 1, "bot": 1, "sensors": [{"sensor": 1, "interval": 3_600}]}},
    });
    let (status, created) = ask(Method::POST, &entities(&first, &token), Some(&device));
    assert_eq!(status, 201, "{created}");
    let path = format!("entity.{}.ping.success", created["id"]);
    running.until("the new device's first value", || !last_values(&scene, &first, &path).is_empty());
    running.signal(Signal::SIGKILL);
    assert_eq!(running.ended().signal, Some(9));

    let running = scene.everything().start();
    let second = url(&running);
    assert_ne!(scene.token("snmp"), token, "each start makes new tokens");
    let listed = get(&entities(&second, &scene.token("snmp")));
    assert_eq!(listed["list"].as_array().unwrap().len(), 2, "{listed}");
    assert!(!last_values(&scene, &second, &path).is_empty());
    running.terminated().with(0);
}

#[test]
fn no_token_of_any_bot_is_logged_whatever_is_logged() {
    let scene = Scene::new();
    let running = scene.everything().env("LOG", "trace,grafoleancollector=trace").start();
    let url = url(&running);
    running.until("a first value", || !last_values(&scene, &url, "entity.*").is_empty());
    let tokens = ["ping", "snmp", "netflow"].map(|protocol| scene.token(protocol));
    let ended = running.terminated().with(0);
    for token in tokens {
        assert!(token.len() > 20 && !ended.stderr.contains(&token));
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let scene = Scene::new();
    let running = scene.everything().start();
    let url = url(&running);
    // A run with three packets is under way for two seconds.
    running.until("jobs", || running.stderr().contains("jobs: 1"));
    running.signal(Signal::SIGINT);
    running.line("SIGINT: no new runs");
    running.signal(Signal::SIGINT);
    running.ended().with(0);
    assert_eq!(ask(Method::GET, &format!("{url}/api/status/info"), None).0, 0, "nobody answers any more");
}

#[test]
fn with_tls_the_page_is_served_by_https_and_the_bots_need_not_trust_the_certificate() {
    let scene = Scene::new();
    let (certificate, key) = (scene.file("cert.pem", ""), scene.file("key.pem", ""));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-subj", "/CN=localhost", "-days", "2", "-out", &certificate, "-keyout", &key])
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        return skip("with_tls", "it needs openssl");
    }
    let tls = ["--listen", "127.0.0.1:0", "--netflow-listen", "127.0.0.1:0", "--tls-cert", &certificate];
    let running = scene.grafolean(&[&tls[..], &["--tls-key", &key]].concat()).start();
    let url = url(&running);
    assert!(url.starts_with("https://"), "{url}");
    running.until("a first value", || !last_values(&scene, &url, "entity.*").is_empty());
    running.terminated().with(0);
}
