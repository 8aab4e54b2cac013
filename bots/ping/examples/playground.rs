//! The ping bot against a backend in the same process: everything works, and nothing has to be installed.
//!
//! `cargo run --release --example playground` prints what arrives until Ctrl-C; `-- --seconds 8` ends by itself,
//! and fails when nothing arrived.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use grafolean_ping_bot::PingBot;
use grafolean_ping_bot::icmp::{Pinger, PingerOptions};
use grafoleancollector::testing::FakeBackend;
use grafoleancollector::{Runner, Settings, Stop};
use serde_json::json;

#[tokio::main]
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to the person who runs it")]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--seconds");
    let seconds: Option<u64> = arguments.nth(1).map(|seconds| seconds.parse()).transpose()?;

    let backend = FakeBackend::start().await;
    let account = backend.add_account("Playground");
    let credential = backend.add_credential(account, "ping", json!({"n_packets": 2, "sleep_packets": "0.5"}));
    let sensor = backend.add_sensor(account, "ping", Some(5), json!({}));
    for address in ["127.0.0.1", "127.0.0.2", "::1", "localhost"] {
        let device = backend.device(account, address).detail("ipv4", address);
        let id = device.protocol("ping", credential, &[sensor]).add();
        println!("entity {id} is {address}");
    }

    let pinger = match Pinger::open(PingerOptions::default()) {
        Ok(pinger) => pinger,
        Err(error) => {
            eprintln!("{error}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let stop = Stop::on_signals();
    let settings = Settings::new(backend.url(), backend.token());
    let running = tokio::spawn(Runner::new(PingBot::new(pinger), settings).run_until(stop.clone()));
    println!("the bot runs against {}; each device is pinged every 5 s", backend.url());

    let end = seconds.map(|seconds| tokio::time::Instant::now() + Duration::from_secs(seconds));
    let mut shown: HashMap<String, usize> = HashMap::new();
    while !running.is_finished() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for (path, values) in backend.values(account) {
            let shown = shown.entry(path.clone()).or_default();
            for (time, value) in &values[*shown..] {
                println!("{time:.3}  {path:<24} {value}");
            }
            *shown = values.len();
        }
        if end.is_some_and(|end| tokio::time::Instant::now() >= end) {
            stop.now();
            break;
        }
    }
    running.await??;
    Ok(if backend.value_count() > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
