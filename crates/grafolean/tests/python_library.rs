//! The Python library that this takes the place of, unmodified, against the hub.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test says why it is skipped")]

#[path = "support/person.rs"]
mod person;
#[path = "../../../tests/support/program.rs"]
mod program;
#[path = "support/scene.rs"]
mod scene;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::person::Person;
use crate::program::{LIMIT, skip};
use crate::scene::{Scene, url};

const BINARY: &str = env!("CARGO_BIN_EXE_grafolean");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_on_the_unmodified_python_library_reads_its_jobs_from_the_hub_and_stores_its_values_there() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python-peer/bin/python");
    if !python.exists() {
        skip("the Python library", "it needs target/python-peer (scripts/install-peers)");
        return;
    }
    let scene = Scene::new();
    let grafolean = scene.grafolean(&["hub", "--listen", "127.0.0.1:0"]).start();
    let admin = Person::first(&grafolean).await;
    let account = admin.account().await;
    let within = |path: &str| format!("/accounts/{account}{path}");
    let bot = json!({"name": "Python", "protocol": "ping"});
    let bot = admin.ask(Method::POST, &within("/bots"), bot).await;
    let (id, token) = (bot["id"].clone(), bot["token"].as_str().unwrap().to_owned());
    let all = json!({"resource_prefix": format!("accounts/{account}"), "methods": null});
    admin.ask(Method::POST, &within(&format!("/bots/{id}/permissions")), all).await;
    let of_ping = |list: Value| {
        list["list"].as_array().unwrap().iter().find(|record| record["protocol"] == "ping").unwrap()["id"]
            .clone()
    };
    let credential = of_ping(admin.ask(Method::GET, &within("/credentials"), Value::Null).await);
    let sensor = of_ping(admin.ask(Method::GET, &within("/sensors"), Value::Null).await);
    let protocol =
        json!({"credential": credential, "bot": id, "sensors": [{"sensor": sensor, "interval": 1}]});
    let entity = json!({"name": "a device", "entity_type": "device", "parent": null,
        "details": {"ipv4": "127.0.0.1"}, "protocols": {"ping": protocol}});
    let entity = admin.ask(Method::POST, &within("/entities"), entity).await["id"].clone();

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/ping_bot.py");
    let mut bot = Command::new(python)
        .arg(script)
        .arg("5")
        .env("BACKEND_URL", format!("{}/api", url(&grafolean)))
        .env("BOT_TOKEN", token)
        .env("NO_PROXY", "*")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (began, path) = (Instant::now(), format!("entity.{entity}.ping.success"));
    let values = loop {
        let answer = admin.ask(Method::GET, &within(&format!("/paths?filter={path}")), Value::Null).await;
        if answer["paths"][&path].as_array().is_some_and(|paths| !paths.is_empty()) {
            let values = admin.ask(Method::GET, &within(&format!("/values/{path}")), Value::Null).await;
            let values = values["paths"][&path]["data"].as_array().unwrap().clone();
            if values.len() >= 3 {
                break values;
            }
        }
        assert!(began.elapsed() < LIMIT, "no values came");
        sleep(Duration::from_millis(200)).await;
    };
    bot.kill().unwrap();
    bot.wait().unwrap();
    assert!(values.iter().all(|value| value["v"] == 0.5), "{values:?}");
    let packets = admin
        .ask(Method::GET, &within(&format!("/paths?filter=entity.{entity}.ping.?.ok")), Value::Null)
        .await;
    let packets = &packets["paths"][format!("entity.{entity}.ping.?.ok")];
    assert_eq!(packets.as_array().unwrap().len(), 3, "the credential says three packets");
}
