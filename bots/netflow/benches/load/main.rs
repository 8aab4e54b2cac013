//! Flows over loopback UDP, as fast as a receiver can take them.
//!
//! ```text
//! cargo bench -p grafolean-netflow-bot --bench load                       receive and decode alone, v9: rates up to the first loss
//! cargo bench -p grafolean-netflow-bot --bench load -- v5                 the same with NetFlow v5
//! cargo bench -p grafolean-netflow-bot --bench load -- bot                the whole bot against a backend in this process
//! cargo bench -p grafolean-netflow-bot --bench load -- peers              nfcapd, and the Python package netflow
//! cargo bench -p grafolean-netflow-bot --bench load -- all                one after the other, at the same rates
//! cargo bench -p grafolean-netflow-bot --bench load -- bot 1000000 2000000     at these rates, in flows per second
//! cargo bench -p grafolean-netflow-bot --bench load -- soak 300           the whole bot at a million flows a minute, so many seconds
//! cargo bench -p grafolean-netflow-bot --bench load -- memory             1,000 exporters × 20 templates, 10 million keys in a minute
//! ```
//!
//! Eight exporters on 127.0.0.11 to 127.0.0.18 send from core 1, what is measured is a process on core 0. Each rate is
//! sent for five seconds. Lost is what the receiver's sum of bytes lacks of the sum that was sent, not delivered what the
//! backend's values lack of it; CPU is that of the receiver's process, user and system, as the kernel counts it. The peers are left out where they are not installed;
//! `PYTHON` names an interpreter that has the package.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "a benchmark prints, and has nobody to report to"
)]

#[path = "../../../../benches/support/bot_process.rs"]
mod bot_process;
mod datagrams;
mod machine;
mod receivers;
mod sender;
mod traffic;
mod whole_bot;

use std::time::Duration;

use crate::datagrams::Form;
use crate::receivers::{Bot, Nfcapd, Ours, Target};
use crate::sender::Sender;

/// How long each rate is sent.
const TRIAL: Duration = Duration::from_secs(5);
/// Where what is measured runs; all that it needs from others runs on the other core.
const MEASURED_CORE: usize = 0;
const OTHER_CORE: usize = 1;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` only wants to see that the program can be started.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    if has(receivers::ARGUMENT) {
        return receivers::serve();
    }
    let numbers: Vec<u64> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let form = if has("v5") { Form::V5 } else { Form::V9 };
    if has("soak") {
        return whole_bot::soak(numbers.first().copied().unwrap_or(300));
    }
    if has("memory") {
        return whole_bot::memory();
    }
    let rates = |usual: &[u64]| if numbers.is_empty() { usual.to_vec() } else { numbers.clone() };
    println!(
        "| receiver | flows/s sent | lost | not delivered | CPU µs per flow | CPU of a core | peak memory |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    if has("all") || !(has("bot") || has("peers")) {
        for rate in rates(&[1_000_000, 2_000_000, 4_000_000, 5_000_000, 6_000_000]) {
            trial("receive and decode", &mut Ours::start(), form, rate);
        }
    }
    if has("all") || has("bot") {
        for rate in rates(&[500_000, 1_000_000, 1_500_000, 2_000_000]) {
            trial("the whole bot", &mut Bot::start(), form, rate);
        }
    }
    if has("all") || has("peers") {
        for rate in rates(&[500_000, 1_000_000, 1_500_000, 2_000_000]) {
            if let Some(mut nfcapd) = Nfcapd::start() {
                trial("nfcapd", &mut nfcapd, form, rate);
            }
        }
        receivers::python(form);
    }
}

/// Sends at one rate, and prints what came of it.
fn trial(name: &str, target: &mut dyn Target, form: Form, rate: u64) {
    let mut sender = Sender::new(form, target.port());
    // Templates, and whatever a receiver does only once.
    sender.send_templates();
    sender.run(rate.min(50_000), Duration::from_millis(500));
    target.settle();
    let cpu = target.cpu();
    let began = tokio::time::Instant::now();
    let before = sender.flows();
    sender.run(rate, TRIAL);
    let seconds = began.elapsed().as_secs_f64();
    let flows = (sender.flows() - before) as f64;
    target.settle();
    let cpu = target.cpu() - cpu;
    let memory = target.peak_megabytes();
    let lost = percent_lacking(target.bytes(), sender.bytes());
    let undelivered = percent_lacking(target.delivered(sender.bytes()), sender.bytes());
    println!(
        "| {name} | {:.0} | {lost} | {undelivered} | {:.3} | {:.0} % | {memory:.0} MB |",
        flows / seconds,
        cpu / flows * 1e6,
        cpu / seconds * 100.0,
    );
}

/// What lacks of all that was sent; nothing where it is not known.
pub(crate) fn percent_lacking(there: Option<u64>, sent: u64) -> String {
    there.map_or_else(String::new, |there| format!("{:.3} %", (1.0 - there as f64 / sent as f64) * 100.0))
}
