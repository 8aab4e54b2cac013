//! The whole system under bad luck, for a while: thousands of devices, all three bots, requests that fail, and a hub
//! that is killed again and again. At the end every sample that a bot measured must be stored, once.
//!
//! ```text
//! cargo bench -p grafolean --bench soak                     5,000 devices, 20 minutes, 20 % of the requests fail
//! cargo bench -p grafolean --bench soak -- 500 3 20 45      devices, minutes, per cent, seconds from kill to kill
//! ```
//!
//! The devices are addresses of 127.0.0.0/8: the kernel answers pings there, a simulated agent answers SNMP, and
//! simulated routers send NetFlow v5. The bots speak to the hub through a proxy that fails requests in five ways: with
//! an error instead of the hub, with an error after the hub has done what was asked, with no answer before or after
//! that, and with half an answer.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a load program prints, and has nobody to report to"
)]

mod account;
mod bots;
mod devices;
mod hub;
mod proxy;
#[path = "../../../../bots/snmp/tests/support/mod.rs"]
mod simulated;
mod stored;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::account::Account;
use crate::bots::{Bots, PROTOCOLS};
use crate::devices::Devices;
use crate::hub::Hub;
use crate::proxy::Proxy;
use crate::stored::Stored;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` only wants to see that the program can be started.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let numbers: Vec<u64> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let number = |at: usize, default| numbers.get(at).copied().unwrap_or(default);
    let plan = Plan {
        devices: number(0, 5_000) as u32,
        lasts: Duration::from_secs(number(1, 20) * 60),
        failing: number(2, 20),
        kill_every: Duration::from_secs(number(3, 120)),
    };
    // It is asked for even where nothing is encrypted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let lost = runtime.block_on(soak(plan));
    if lost != 0 {
        println!("FAILED: {lost} samples differ");
        std::process::exit(1);
    }
}

struct Plan {
    devices: u32,
    lasts: Duration,
    failing: u64,
    kill_every: Duration,
}

/// Gives how many samples are missing, or there once too often.
async fn soak(plan: Plan) -> u64 {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut hub = Hub::start(&directory.path().join("hub")).await;
    let account = Account::create(&hub).await;
    let proxy = Proxy::start(hub.address(), plan.failing).await;
    let mut devices = Devices::start(plan.devices);
    account.configure(&devices).await;
    println!("{} devices are configured; {} % of the requests will fail", plan.devices, plan.failing);
    let bots = Bots::start(&account, &proxy.url(), directory.path(), devices.netflow_port());

    let began = Instant::now();
    let (mut next_kill, mut kills) = (began + plan.kill_every, 0);
    while began.elapsed() < plan.lasts {
        sleep(Duration::from_millis(200)).await;
        devices.send_flows();
        if Instant::now() >= next_kill {
            hub.kill_and_start_again().await;
            kills += 1;
            next_kill += plan.kill_every;
            let waiting = bots.sum("grafolean_outbox_samples").await;
            println!("{:>4} s: killed {kills} ×, {waiting} samples wait", began.elapsed().as_secs());
        }
    }

    println!("no more is measured; what waits is delivered");
    account.measure_no_more().await;
    proxy.fail_no_more();
    bots.settle().await;
    let stored = Stored::read(&account).await;
    let faults = proxy.faults();
    println!("{kills} kills; {} requests, of which failed: {faults}", proxy.requests());
    let mut wrong = 0;
    for protocol in PROTOCOLS {
        let accepted = bots.of(protocol, "grafolean_samples_accepted_total").await;
        let aside = bots.of(protocol, "grafolean_samples_set_aside_total").await;
        let dropped = bots.of(protocol, "grafolean_samples_dropped_total").await;
        let there = stored.of(protocol);
        println!(
            "{protocol:>8}: measured {accepted:>9}, stored {there:>9}, set aside {aside}, dropped {dropped}; \
             longest gap between two values of a path: {} s",
            stored.longest_gap(protocol).as_secs()
        );
        wrong += accepted.abs_diff(there) + aside + dropped;
    }
    let (memory, file) = (hub.memory_mb(), hub.file_mb());
    println!("hub: {memory:.0} MB of memory, {file:.0} MB of files");
    wrong
}
