//! The whole bot, as it is shipped: 20,000 loopback addresses, three packets each, every minute.
//!
//! ```text
//! cargo bench -p grafolean-ping-bot --bench bot                  three minutes
//! cargo bench -p grafolean-ping-bot --bench bot -- 1000 10       other numbers of entities and of measured minutes
//! ```
//!
//! The bot is its own binary with default settings, so samples go through the outbox file. The fake backend lives
//! in the process of this program, so that what it needs is not counted. The first minute, with the early first
//! runs, is not measured.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark prints, and has nobody to report to"
)]

#[path = "../../../benches/support/bot_process.rs"]
mod bot_process;

use std::collections::BTreeMap;
use std::time::Duration;

use grafoleancollector::testing::FakeBackend;
use grafoleancollector::{Clock, SystemClock};
use serde_json::json;

use crate::bot_process::Bot;

const ENTITIES: usize = 20_000;
const MEASURED_MINUTES: u64 = 2;
const INTERVAL: f64 = 60.0;
/// What may pass from a run's start until its values are stored: two seconds of pinging, and the way.
const ON_THE_WAY: f64 = 5.0;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` only wants to see that the program can be started.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse().ok());
    let entities = numbers.next().unwrap_or(ENTITIES);
    let minutes = numbers.next().map_or(MEASURED_MINUTES, |minutes| minutes as u64);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let backend = runtime.block_on(FakeBackend::start());
    let account = backend.add_account("Loopback");
    // The defaults: three packets, a second apart.
    let credential = backend.add_credential(account, "ping", json!({}));
    let sensor = backend.add_sensor(account, "ping", Some(60), json!({}));
    for n in 0..entities {
        let (high, low) = (n / 250, n % 250 + 1);
        let device = backend.device(account, &format!("device {n}"));
        device.detail("ipv4", format!("127.20.{high}.{low}")).protocol("ping", credential, &[sensor]).add();
    }

    let bot = Bot::start(env!("CARGO_BIN_EXE_grafolean-ping-bot"), &backend);
    std::thread::sleep(Duration::from_secs(60));
    let (cpu, before) = (bot.cpu_seconds(), bot.metrics());
    let measured = Duration::from_secs(60 * minutes);
    std::thread::sleep(measured);
    let cpu = (bot.cpu_seconds() - cpu) / measured.as_secs_f64() * 100.0;
    let after = bot.metrics();
    let (memory, peak) = (bot.memory_mb("VmRSS"), bot.memory_mb("VmHWM"));
    let found = look(&backend.values(account), SystemClock.now().as_secs_f64());
    assert_eq!(found.entities, entities, "entities of which anything was stored");

    let owed = after.get("grafolean_ticks_owed_total") - before.get("grafolean_ticks_owed_total");
    let Found { runs, missed, lost, .. } = found;
    println!(
        "| entities | runs stored | runs missed | ticks owed | packets lost | CPU of one core | memory | peak |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|");
    println!(
        "| {entities} | {runs} | {missed} | {owed} | {lost} | {cpu:.1} % | {memory:.0} MB | {peak:.0} MB |"
    );
    let lag = "grafolean_run_start_lag_seconds";
    println!(
        "\nmean start lag: {:.2} ms; answers that the kernel dropped: {}",
        (after.get(&format!("{lag}_sum")) - before.get(&format!("{lag}_sum")))
            / (after.get(&format!("{lag}_count")) - before.get(&format!("{lag}_count")))
            * 1e3,
        after.get("grafolean_ping_kernel_drops_total"),
    );
}

struct Found {
    entities: usize,
    runs: usize,
    /// Minutes without a run, of any entity.
    missed: f64,
    /// Packets without an answer, or without a word of what became of them.
    lost: usize,
}

/// Looks at all that was stored.
fn look(values: &BTreeMap<String, Vec<(f64, f64)>>, now: f64) -> Found {
    let mut found = Found { entities: 0, runs: 0, missed: 0.0, lost: 0 };
    for (path, first) in values.iter().filter(|(path, _)| path.ends_with(".ping.p0.ok")) {
        found.entities += 1;
        found.runs += first.len();
        // The early first run and the first tick after it are less than an interval apart.
        let gaps = first.windows(2).map(|pair| (pair[1].0 - pair[0].0) / INTERVAL);
        found.missed += gaps.map(|gap| (gap.round() - 1.0).max(0.0)).sum::<f64>();
        let last = first.last().map_or(0.0, |(time, _)| *time);
        found.missed += ((now - ON_THE_WAY - last) / INTERVAL).floor().max(0.0);
        for packet in ["p0.ok", "p1.ok", "p2.ok"] {
            let packets = values.get(&path.replace("p0.ok", packet)).map_or(&[][..], Vec::as_slice);
            let answered = packets.iter().filter(|(_, ok)| *ok >= 1.0).count();
            found.lost += first.len() - answered;
        }
    }
    found
}
