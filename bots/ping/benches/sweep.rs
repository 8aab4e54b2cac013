//! Pings 10,000 loopback addresses once each, next to `fping -c1` on the same list:
//! `cargo bench -p grafolean-ping-bot --bench sweep [-- PAIRS]`
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark prints, and has nobody to report to"
)]

#[path = "support/mod.rs"]
mod support;

use grafolean_ping_bot::icmp::{Pinger, PingerOptions};
use std::net::Ipv4Addr;
use std::time::Duration;
use support::{Fping, cpu_of, median};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// As long as fping waits for the last answer.
const TIMEOUT: Duration = Duration::from_millis(500);

struct Run {
    user: f64,
    system: f64,
    wall: Duration,
    lost: usize,
}

fn ours(targets: &[Ipv4Addr], options: PingerOptions) -> Run {
    let start = Instant::now();
    let (lost, cpu) = cpu_of(nix::sys::resource::UsageWho::RUSAGE_SELF, || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let pinger = Pinger::open(options).expect("an ICMP socket");
            let mut pings = JoinSet::new();
            for target in targets {
                let (pinger, target) = (pinger.clone(), *target);
                pings.spawn(async move { pinger.ping(target, TIMEOUT).await.is_err() });
            }
            pings.join_all().await.into_iter().filter(|lost| *lost).count()
        })
    });
    Run { user: cpu.user, system: cpu.system, wall: start.elapsed(), lost }
}

fn theirs(fping: &Fping, interval_ms: u32) -> Run {
    let start = Instant::now();
    let (rtts, cpu) = cpu_of(nix::sys::resource::UsageWho::RUSAGE_CHILDREN, || fping.run(interval_ms));
    Run { user: cpu.user, system: cpu.system, wall: start.elapsed(), lost: fping.targets - rtts.len() }
}

fn main() {
    let Some(pairs) = support::pairs() else { return };
    let targets = support::targets();
    let fping = Fping::new(&targets);
    println!("| pair | who | user s | system s | CPU s | wall s | lost |");
    println!("|---|---|---|---|---|---|---|");
    let total = |run: &Run| run.user + run.system;
    let (mut paced, mut unpaced) = (Vec::new(), Vec::new());
    for pair in 1..=pairs {
        // fping wakes for each packet when it paces, and spins when it does not: the latter is its cheapest.
        let slow = theirs(&fping, 1);
        let default = ours(&targets, PingerOptions::default());
        let fast = theirs(&fping, 0);
        let unlimited = ours(&targets, PingerOptions::default().packets_per_second(1_000_000));
        for (who, run) in [
            ("fping -c1 -i1", &slow),
            ("ours, 5,000/s (default)", &default),
            ("fping -c1 -i0", &fast),
            ("ours, as fast as it goes", &unlimited),
        ] {
            let Run { user, system, wall, lost } = run;
            println!(
                "| {pair} | {who} | {user:.3} | {system:.3} | {:.3} | {:.2} | {lost} |",
                total(run),
                wall.as_secs_f64()
            );
        }
        paced.push([total(&default) / total(&slow), total(&default) / total(&fast)]);
        unpaced.push(total(&unlimited) / total(&fast));
    }
    let column = |n: usize| median(&mut paced.iter().map(|ratios| ratios[n]).collect::<Vec<_>>());
    println!("\nCPU, medians of {pairs} pairs:");
    println!(
        "- at the default rate: {:.2} times that of fping -i1, {:.2} times that of fping -i0",
        column(0),
        column(1)
    );
    println!("- as fast as it goes: {:.2} times that of fping -i0", median(&mut unpaced));
}
