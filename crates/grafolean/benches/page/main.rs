//! The page with many devices, in headless Chromium: how soon the first rows are there, and whether live values cost
//! frames.
//!
//! ```text
//! cargo bench -p grafolean --bench page               1,000 devices, 200 values a second
//! cargo bench -p grafolean --bench page -- 5000 500   devices, values a second
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    dead_code,
    reason = "a load program prints, has nobody to report to, and uses a part of what tests need"
)]

#[path = "../../tests/browser/driver.rs"]
mod driver;
#[path = "../../tests/support/person.rs"]
mod person;
#[path = "../../../../tests/support/program.rs"]
mod program;
#[path = "../../tests/support/scene.rs"]
mod scene;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::driver::{Browser, button, field};
use crate::person::{PASSWORD, Person};
use crate::scene::{Scene, url};

const BINARY: &str = env!("CARGO_BIN_EXE_grafolean");

/// How long live values are watched, in seconds.
const WATCHED: u64 = 10;
/// How often the page is opened.
const OPENED: usize = 7;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` only wants to see that the program can be started.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let numbers: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let number = |at: usize, default| numbers.get(at).copied().unwrap_or(default);
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(measure(number(0, 1_000), number(1, 200)));
}

async fn measure(devices: usize, values_a_second: usize) {
    let scene = Scene::new();
    let grafolean = scene.grafolean(&["--no-bots", "--listen", "127.0.0.1:0"]).start();
    let admin = Person::first(&grafolean).await;
    let account = admin.account().await;
    let entities = fill(&admin, account, devices).await;
    let browser = Browser::start("the page", 1440, 900).await.expect("chromium");
    let address = url(&grafolean);
    browser.open(&address).await;
    browser.fill(&field("User name"), "admin").await;
    browser.fill(&field("Password"), PASSWORD).await;
    browser.click(&button("Log in")).await;
    browser.see("device 1").await;

    let (mut painted, mut rows) = (Vec::new(), Vec::new());
    for _ in 0..OPENED {
        browser.open("about:blank").await;
        browser.open(&address).await;
        // Noted by the page's own clock, from the moment that it was asked for.
        browser.until(ROWS_ARE_THERE).await;
        painted.push(number_of(&browser.run(FIRST_PAINT).await));
        rows.push(number_of(&browser.run("return window.rowsAt").await));
    }
    println!(
        "{devices} devices: first paint after {:.0} ms, rows after {:.0} ms (medians of {OPENED}: {rows:.0?})",
        median(&mut painted),
        median(&mut rows.clone())
    );

    browser.run(WATCH_FRAMES).await;
    let path = format!("/accounts/{account}/values");
    let (began, mut sent) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(WATCHED) {
        let due = began.elapsed().as_millis() as usize * values_a_second / 1_000;
        let list: Vec<Value> = (sent..due)
            .map(|n| json!({"p": format!("entity.{}.ping.p0.rtt", entities[n % entities.len()]), "v": 0.001 + n as f64 / 1e6}))
            .collect();
        if !list.is_empty() {
            admin.ask(Method::POST, &path, Value::Array(list)).await;
        }
        sent = due;
        sleep(Duration::from_millis(50)).await;
    }
    let frames = browser.run("return window.frames_").await;
    let mut gaps: Vec<f64> = frames.as_array().into_iter().flatten().map(number_of).collect();
    let late = gaps.iter().filter(|gap| **gap > 25.0).count();
    let longest = gaps.iter().fold(0.0_f64, |a, b| a.max(*b));
    println!(
        "{values_a_second} values a second for {WATCHED} s: {} frames, median {:.1} ms, {late} later than 25 ms, the latest {longest:.0} ms",
        gaps.len(),
        median(&mut gaps)
    );
}

const ROWS_ARE_THERE: &str = "
    const there = document.body.innerText.includes('device 1');
    if (there && !window.rowsAt) window.rowsAt = performance.now();
    return there";
const FIRST_PAINT: &str = "return performance.getEntriesByType('paint').find((e) => e.name === 'first-contentful-paint')?.startTime ?? -1";
const WATCH_FRAMES: &str = "
    window.frames_ = []; let before = performance.now();
    const next = (now) => { window.frames_.push(now - before); before = now; requestAnimationFrame(next); };
    requestAnimationFrame(next)";

/// Devices with a credential and a sensor, and half an hour of pings. Gives their numbers.
async fn fill(admin: &Person, account: u64, devices: usize) -> Vec<u64> {
    let mut entities = Vec::with_capacity(devices);
    for n in 0..devices {
        let entity = json!({"name": format!("device {n}"), "entity_type": "device", "parent": null,
            "details": {"ipv4": format!("10.0.{}.{}", n / 250, n % 250 + 1)}, "protocols": {}});
        let made = admin.ask(Method::POST, &format!("/accounts/{account}/entities"), entity).await;
        entities.push(made["id"].as_u64().expect("an id"));
    }
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    for minute in 0..30 {
        for some in entities.chunks(500) {
            let values: Vec<Value> = some
                .iter()
                .flat_map(|id| {
                    let t = now - 60 * minute;
                    [("success", 1.0), ("p0.rtt", 0.001 + (id * minute % 100) as f64 / 1e5)]
                        .map(|(what, v)| json!({"p": format!("entity.{id}.ping.{what}"), "v": v, "t": t}))
                })
                .collect();
            admin.ask(Method::PUT, &format!("/accounts/{account}/values"), Value::Array(values)).await;
        }
    }
    entities
}

fn number_of(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
