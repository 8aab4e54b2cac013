//! How long polls take where each answer takes 20 ms. All devices are new.

use std::time::Duration;

use crate::poller::{self, Load, Shape};
use crate::support::OTHER_CORE;
use crate::support::agent_process::AgentProcess;
use crate::support::machine::{stay_on, wait_until_quiet};

const INTERFACES: u32 = 24;
const LATENCY: Duration = Duration::from_millis(20);
/// What is polled, how many devices, and how many of them at a time.
const LOADS: [(Shape, usize, usize, &str); 4] = [
    (Shape::Table, 2000, 2000, "2,000, the table as one column"),
    (Shape::Columns, 2000, 2000, "2,000, 22 columns"),
    (Shape::Columns, 2000, 256, "2,000, 22 columns"),
    (Shape::TwoColumns, 1, 1, "one, 2 columns"),
];

pub(crate) fn measure(repetitions: usize) {
    stay_on(OTHER_CORE);
    let agent = AgentProcess::start(INTERFACES, LATENCY);
    println!(
        "\n| run | devices that take 20 ms to answer | at once | devices/s | CPU µs per device | MB | \
         the slowest poll, ms |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|");
    for run in 1..=repetitions {
        for (shape, devices, at_once, what) in LOADS {
            let quiet = if wait_until_quiet() { "" } else { " (never quiet)" };
            let load = Load { shape, devices, at_once, rounds: 0, port: agent.port() };
            let poller::Figures { first, megabytes, .. } = poller::start(&load);
            println!(
                "| {run}{quiet} | {what} | {at_once} | {:.0} | {:.0} | {megabytes:.1} | {:.1} |",
                1.0 / first.seconds,
                first.cpu_seconds * 1e6,
                first.slowest_seconds * 1e3
            );
        }
    }
}
