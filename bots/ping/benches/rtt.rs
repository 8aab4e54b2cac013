//! Round trips while 1,000 pings a second are under way, next to fping's at the same rate on the same targets:
//! `cargo bench -p grafolean-ping-bot --bench rtt [-- PAIRS]`
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark prints, and has nobody to report to"
)]

#[path = "support/mod.rs"]
mod support;

use grafolean_ping_bot::icmp::{Pinger, PingerOptions, Reply, RttClock};
use std::net::Ipv4Addr;
use std::time::Duration;
use support::{Fping, cpu_of, median};
use tokio::task::JoinSet;

const RATE: u32 = 1_000;
const TIMEOUT: Duration = Duration::from_millis(500);

fn ours(targets: &[Ipv4Addr]) -> Vec<Reply> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let options = PingerOptions::default().packets_per_second(RATE).burst(1);
        let pinger = Pinger::open(options).expect("an ICMP socket");
        let mut pings = JoinSet::new();
        for target in targets {
            let (pinger, target) = (pinger.clone(), *target);
            pings.spawn(async move { pinger.ping(target, TIMEOUT).await.ok() });
        }
        pings.join_all().await.into_iter().flatten().collect()
    })
}

fn main() {
    let Some(pairs) = support::pairs() else { return };
    let targets = support::targets();
    // Five seconds of load.
    let targets = &targets[..5_000];
    let fping = Fping::new(targets);
    println!("| pair | who | median µs | p99 µs | lost | CPU s | not by kernel time | median ratio |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut ratios = Vec::new();
    for pair in 1..=pairs {
        let (mut theirs, cpu_theirs) = cpu_of(nix::sys::resource::UsageWho::RUSAGE_CHILDREN, || fping.run(1));
        let (replies, cpu) = cpu_of(nix::sys::resource::UsageWho::RUSAGE_SELF, || ours(targets));
        let monotonic = replies.iter().filter(|reply| reply.clock != RttClock::Kernel).count();
        let mut rtts: Vec<f64> = replies.iter().map(|reply| reply.rtt.as_secs_f64() * 1e6).collect();
        let ratio = median(&mut rtts) / median(&mut theirs);
        for (who, rtts, cpu, monotonic, ratio) in
            [("fping -c1 -i1", &mut theirs, cpu_theirs, 0, 1.0), ("ours", &mut rtts, cpu, monotonic, ratio)]
        {
            let p99 = rtts.get(rtts.len() * 99 / 100).copied().unwrap_or(f64::NAN);
            println!(
                "| {pair} | {who} | {:.1} | {p99:.1} | {} | {:.3} | {monotonic} | {ratio:.2} |",
                median(rtts),
                fping.targets - rtts.len(),
                cpu.user + cpu.system,
            );
        }
        ratios.push(ratio);
    }
    println!("\nmedian round trip: {:.2} times fping's (median of {pairs} pairs)", median(&mut ratios));
}
