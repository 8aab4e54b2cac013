//! Users and tokens from the shell, whether the hub runs or not.

use std::os::unix::net::UnixStream;

use reqwest::Method;
use serde_json::json;

use crate::scene::{Scene, ask, get, is_private, setup_link, url};

#[test]
fn users_are_added_while_it_runs_and_while_it_does_not() {
    let scene = Scene::new();
    let none = scene.grafolean(&["user", "list"]).run().with(78);
    assert!(none.only_line().contains("start `grafolean` there once"), "{none:?}");
    let password = scene.file("password", "correct horse\n");
    let running = scene.everything().start();
    let first = url(&running);
    assert!(setup_link(&running).is_some());
    let add = ["user", "add", "ann", "--admin", "--password-file", &password];
    assert!(scene.grafolean(&add).run().with(0).stdout.contains("ann was added"));
    let twice = scene.grafolean(&add).run().with(1);
    assert!(twice.only_line().contains("already"), "{twice:?}");
    let login = |url: &str, password: &str| {
        let body = json!({"username": "ann", "password": password});
        ask(Method::POST, &format!("{url}/api/auth/login"), Some(&body)).0
    };
    assert_eq!((login(&first, "correct horse"), login(&first, "wrong")), (200, 401));
    running.terminated().with(0);

    let other = scene.file("other", "battery staple");
    scene.grafolean(&["user", "password", "ann", "--password-file", &other]).run().with(0);
    let short = scene.file("short", "abc");
    let refused = scene.grafolean(&["user", "password", "ann", "--password-file", &short]).run().with(1);
    assert!(refused.only_line().contains("password"), "{refused:?}");
    let listed = scene.grafolean(&["user", "list"]).run().with(0).stdout;
    assert!(listed.contains("ann") && listed.contains("may do everything"), "{listed}");
    let running = scene.everything().start();
    let second = url(&running);
    assert_eq!(setup_link(&running), None, "there is somebody already");
    assert_eq!((login(&second, "battery staple"), login(&second, "correct horse")), (200, 401));
    scene.grafolean(&["user", "remove", "ann"]).run().with(0);
    let gone = scene.grafolean(&["user", "remove", "ann"]).run().with(1);
    assert!(gone.only_line().contains("no user"), "{gone:?}");
    running.terminated().with(0);
}

#[test]
fn a_bot_of_ones_own_gets_its_token_from_the_shell() {
    let scene = Scene::new();
    let running = scene.everything().start();
    let url = url(&running);
    let add = ["bot-token", "add", "modbus bot", "--protocol", "modbus"];
    let token = scene.grafolean(&add).run().with(0).stdout.trim().to_owned();
    let profile = |token: &str| get(&format!("{url}/api/profile?b={token}"));
    assert_eq!(profile(&token)["record"]["protocol"], "modbus");
    let listed = scene.grafolean(&["bot-token", "list"]).run().with(0).stdout;
    let id = listed.lines().find(|line| line.contains("modbus bot")).unwrap().split(' ').next().unwrap();
    let new = scene.grafolean(&["bot-token", "new", id]).run().with(0).stdout.trim().to_owned();
    assert_eq!(profile(&new)["record"]["protocol"], "modbus");
    assert!(profile(&token).is_null(), "the old one has ended");
    running.terminated().with(0);
}

#[test]
fn orders_are_taken_in_a_directory_whose_path_is_too_long_for_a_socket() {
    let mut scene = Scene::new();
    scene.dir = scene.dir.join("x".repeat(120)).join("data");
    let running = scene.everything().start();
    url(&running);
    let listed = scene.grafolean(&["bot-token", "list"]).run().with(0).stdout;
    assert!(listed.contains("snmp"), "{listed}");
    assert!(is_private(&scene.dir.join("control.sock")));
    let ended = running.terminated().with(0);
    assert_eq!(ended.count("no orders"), 0, "{}", ended.stderr);
    assert!(!scene.dir.join("control.sock").exists());
}

#[test]
fn whoever_connects_and_says_nothing_keeps_nobody_waiting_for_long() {
    let scene = Scene::new();
    let running = scene.grafolean(&["hub", "--listen", "127.0.0.1:0"]).start();
    url(&running);
    assert!(scene.dir.join("control.sock").exists(), "the address was told before orders could be given");
    let _silent: Vec<_> =
        (0..2).map(|_| UnixStream::connect(scene.dir.join("control.sock")).unwrap()).collect();
    // It took half a minute for each, which is longer than the next one waits.
    scene.grafolean(&["bot-token", "list"]).run().with(0);
    running.terminated().with(0);
}
