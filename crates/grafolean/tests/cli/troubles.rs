//! What can be in the way: one clear line each, and nothing damaged.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::net::{TcpListener, UdpSocket};

use crate::program::bot;
use crate::scene::{Scene, last_values, url};

#[test]
fn a_port_in_use_is_one_line_that_says_which() {
    let scene = Scene::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = scene.grafolean(&["--listen", &address]).run().with(1);
    assert!(ended.only_line().contains(&address) && ended.only_line().contains("another port"), "{ended:?}");
}

#[test]
fn a_directory_in_use_is_left_alone() {
    let scene = Scene::new();
    let running = scene.everything().start();
    url(&running);
    let ended = scene.everything().run().with(1);
    assert!(ended.only_line().contains("in use by another process"), "{ended:?}");
    let check = scene.grafolean(&["check", "--listen", "127.0.0.1:0", "--no-bots"]).run().with(1);
    assert!(check.stdout.contains("in use by another process"), "{check:?}");
    // It still takes orders.
    scene.grafolean(&["user", "list"]).run().with(0);
    running.terminated().with(0);
    let check = scene.grafolean(&["check", "--listen", "127.0.0.1:0", "--no-bots"]).run().with(0);
    assert!(check.stdout.contains("all is well"), "{check:?}");
}

#[test]
fn a_directory_that_cannot_be_one_is_named() {
    let scene = Scene::new();
    fs::write(&scene.dir, "").unwrap();
    let ended = scene.everything().run().with(78);
    assert!(ended.only_line().contains(scene.dir.to_str().unwrap()), "{ended:?}");
    let check = scene.grafolean(&["check", "--listen", "127.0.0.1:0", "--no-bots"]).run().with(1);
    assert!(check.stdout.contains("cannot be made"), "it said that all was well: {check:?}");
    let nowhere = bot(&[]).run().with(78);
    assert!(nowhere.only_line().contains("DATA_DIR"), "{nowhere:?}");
}

#[test]
fn data_of_a_newer_version_are_not_touched() {
    let scene = Scene::new();
    let running = scene.everything().start();
    url(&running);
    running.terminated().with(0);
    let file = scene.dir.join("hub.sqlite3");
    // Where SQLite keeps the number that programs give to their format.
    let mut database = fs::OpenOptions::new().write(true).open(&file).unwrap();
    database.seek(SeekFrom::Start(60)).unwrap();
    database.write_all(&999_999_u32.to_be_bytes()).unwrap();
    drop(database);
    let before = fs::read(&file).unwrap();
    let ended = scene.everything().run().with(78);
    assert!(ended.only_line().contains("newer"), "{ended:?}");
    assert!(before == fs::read(&file).unwrap());
}

#[test]
fn a_bot_that_cannot_run_says_why_and_stops_no_other() {
    let scene = Scene::new();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let running = scene.grafolean(&["--listen", "127.0.0.1:0", "--netflow-listen", &address]).start();
    let url = url(&running);
    let line = running.line("this bot does not run");
    assert!(line.contains("netflow:") && line.contains(&address), "{line}");
    running.until("a first value", || !last_values(&scene, &url, "entity.*").is_empty());
    running.terminated().with(0);
}

#[test]
fn a_variable_that_is_wrong_is_said_before_anything_is_made() {
    let scene = Scene::new();
    let ended =
        scene.everything().env("JOBS_REFRESH_INTERVAL", "often").env("LOG_FORMAT", "text").run().with(78);
    assert!(ended.only_line().contains("JOBS_REFRESH_INTERVAL"), "{ended:?}");
    assert!(!scene.dir.exists());
}

#[test]
fn a_certificate_that_is_none_is_named() {
    let scene = Scene::new();
    let file = scene.file("cert.pem", "nothing");
    let arguments = ["--listen", "127.0.0.1:0", "--tls-cert", &file, "--tls-key", &file];
    let ended = scene.grafolean(&arguments).run().with(78);
    assert!(ended.only_line().contains("cert.pem"), "{ended:?}");
}
