//! The bare poll, without configuration, sensors and delivery, next to prometheus-snmp-exporter.
//!
//! ```text
//! cargo bench -p grafolean-snmp-bot --bench poll                 what it costs, and latency
//! cargo bench -p grafolean-snmp-bot --bench poll -- cost 5       only what it costs, five times
//! cargo bench -p grafolean-snmp-bot --bench poll -- latency 5    only devices that take 20 ms to answer
//! ```
//!
//! 500 devices, of which ten scalars and the ifTable of 24 interfaces are read: 538 values. The poller has one core
//! for itself, as has the exporter; the simulated devices have the other. Each is a process of its own.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "a benchmark prints, and has nobody to report to"
)]

mod cost;
mod latency;
mod poller;
#[path = "../support/mod.rs"]
mod support;

use support::agent_process;
use support::common::arguments;

const REPETITIONS: usize = 5;

fn main() {
    let Some(arguments) = arguments() else { return };
    let (first, others) = arguments.split_first().map_or(("", &[][..]), |(first, others)| (first, others));
    let repetitions = arguments.iter().find_map(|text| text.parse().ok()).unwrap_or(REPETITIONS);
    match first {
        agent_process::ARGUMENT => agent_process::serve(others),
        poller::ARGUMENT => poller::run(others),
        "cost" => cost::measure(repetitions),
        "latency" => latency::measure(repetitions),
        _ => {
            cost::measure(repetitions);
            latency::measure(repetitions);
        }
    }
}
