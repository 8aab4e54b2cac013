//! What it costs to add flows up, and how good the lists are: `cargo bench -p grafolean-netflow-bot --bench aggregate`
//!
//! Each part runs in a process of its own, so that its peak of memory is its own: `cost`, `top`, `memory`, `hour`.
//! Flows are made beforehand; CPU is that of adding, merging, closing, and writing down what is kept.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark has nobody to report to"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "figures"
)]

use std::collections::HashSet;
use std::time::Duration;

use grafolean_netflow_bot::aggregate::{
    Count, ExporterKey, Level, Report, Rules, Slice, Windows, WindowsOptions,
};
use grafolean_netflow_bot::{Flow, Has, Ip};
use grafoleancollector::Timestamp;
use nix::sys::resource::{UsageWho, getrusage};

const SLICE_BYTES: usize = 24 << 20;
const PACKET: usize = 26;

fn main() {
    let part = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    match part.as_deref() {
        Some("cost") => cost(),
        Some("top") => top(),
        Some("memory") => memory(),
        Some("hour") => hour(),
        _ => {
            for part in ["cost", "top", "memory", "hour"] {
                let program = std::env::current_exe().expect("this program");
                let status =
                    std::process::Command::new(program).arg(part).status().expect("this program again");
                assert!(status.success(), "{part}");
            }
        }
    }
}

/// CPU of this process.
fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("usage");
    let of = |time: nix::sys::time::TimeVal| {
        Duration::from_secs(time.tv_sec() as u64) + Duration::from_micros(time.tv_usec() as u64)
    };
    of(usage.user_time()) + of(usage.system_time())
}

fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("VmHWM");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).expect("a number") / 1_024
}

/// Numbers that look random (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[derive(Clone, Copy)]
enum Law {
    /// The key of rank r is drawn in proportion to 1/r.
    Zipf1,
    /// The same to 1/r^0.8.
    Zipf08,
    Uniform,
}

impl Law {
    const ALL: [Self; 3] = [Self::Zipf1, Self::Zipf08, Self::Uniform];

    const fn name(self) -> &'static str {
        match self {
            Self::Zipf1 => "zipf 1.0",
            Self::Zipf08 => "zipf 0.8",
            Self::Uniform => "uniform",
        }
    }

    fn draw(self, random: &mut Random, keys: u64) -> u64 {
        let (u, n) = (random.unit(), keys as f64);
        let rank = match self {
            Self::Zipf1 => n.powf(u),
            Self::Zipf08 => n * u.powi(5),
            Self::Uniform => n * u,
        };
        (rank as u64).min(keys - 1)
    }
}

/// A flow of connection `key`: its own source, one of `keys / 8` destinations, one of 24 interfaces each way.
fn flow(key: u64, keys: u64, bytes: u64) -> Flow {
    let mixed = mix(key);
    Flow {
        src: Ip::v4(key as u32),
        dst: Ip::v4(0x8000_0000 | (mixed % (keys / 8).max(1)) as u32),
        bytes,
        packets: 1 + bytes / 1_000,
        input: (mixed >> 32) as u32 % 24 + 1,
        output: (mixed >> 40) as u32 % 24 + 1,
        dst_port: [443, 80, 53, 22, 8_080][(mixed >> 48) as usize % 5],
        protocol: [6, 6, 6, 17][(mixed >> 56) as usize % 4],
        has: Has::PROTOCOL.with(Has::DST_PORT).with(Has::INPUT).with(Has::OUTPUT),
        ..Flow::default()
    }
}

/// Sizes as of Pareto: most are small, some are very large.
fn size(random: &mut Random) -> u64 {
    (60.0 / random.unit().max(1e-9).powf(0.8)).min(1e9) as u64
}

fn exporter(number: usize) -> ExporterKey {
    ExporterKey::from(Ip::v4(0x0a00_0000 + number as u32))
}

/// A whole minute: flows by slice, drawn and added; what each part took.
struct Clocked {
    add: Duration,
    merge: Duration,
    close: Duration,
    reports: Vec<Report>,
}

fn minute(
    windows: &mut Windows,
    begin: i64,
    per_slice: usize,
    exporters: usize,
    mut draw: impl FnMut(u64) -> Flow,
) -> Clocked {
    let mut clocked =
        Clocked { add: Duration::ZERO, merge: Duration::ZERO, close: Duration::ZERO, reports: Vec::new() };
    let rules = Rules::default();
    let mut spare = None;
    for number in 0..12 {
        let flows: Vec<Flow> = (0..per_slice).map(|n| draw((n / PACKET % exporters) as u64)).collect();
        let started = cpu();
        let at = Timestamp::from_secs(begin + number * 5);
        let mut slice = emptied(&mut spare, at);
        let mut merged = Duration::ZERO;
        for (packet, flows) in flows.chunks(PACKET).enumerate() {
            slice.add(&exporter(packet % exporters), &rules, flows);
            if slice.is_full() {
                let now = cpu();
                let other = emptied(&mut spare, at);
                spare = Some(windows.merge(std::mem::replace(&mut slice, other)));
                drop(windows.changes());
                merged += cpu() - now;
            }
        }
        let added = cpu();
        spare = Some(windows.merge(slice));
        drop(windows.changes());
        clocked.add += added - started - merged;
        clocked.merge += cpu() - added + merged;
    }
    let started = cpu();
    while let Some(report) = windows.close_next(Timestamp::from_secs(begin + 60)) {
        clocked.reports.push(report);
    }
    drop(windows.changes());
    clocked.close = cpu() - started;
    clocked
}

/// A slice in the memory of one that was merged, as the bot has it.
fn emptied(spare: &mut Option<Slice>, at: Timestamp) -> Slice {
    let mut slice = spare.take().unwrap_or_else(|| Slice::new(at, SLICE_BYTES));
    slice.begin_anew(at);
    slice
}

/// Which connections there are, and how many addresses they have.
#[derive(Clone, Copy)]
enum Shape {
    /// Each connection has a source and a destination of its own, at its interface: three keys each.
    Apart,
    /// Hosts have two connections each way, as a rule, and are behind one interface: two keys for each connection.
    Shared,
}

impl Shape {
    fn flow(self, key: u64, keys: u64, exporter: u64, bytes: u64) -> Flow {
        let key = key / 8 * 8 + exporter;
        match self {
            Self::Apart => flow(key, keys, bytes),
            Self::Shared => {
                let src = key / 16 * 8 + exporter;
                let dst = mix(key) % (keys / 16) * 8 + exporter;
                Flow {
                    src: Ip::v4(src as u32),
                    dst: Ip::v4(0x8000_0000 | dst as u32),
                    input: mix(src) as u32 % 24 + 1,
                    output: mix(dst) as u32 % 24 + 1,
                    ..flow(key, keys, bytes)
                }
            }
        }
    }
}

/// How many keys these flows have, and how many of them are connections.
fn distinct(flows: impl Iterator<Item = (u64, Flow)>) -> (usize, usize) {
    let (mut connections, mut others) = (HashSet::new(), HashSet::new());
    for (exporter, flow) in flows {
        connections.insert((exporter, flow.src.low, flow.dst.low));
        let (near, far) = (u64::from(flow.input), 1 << 32 | u64::from(flow.output));
        others.insert((exporter, near, flow.src.low));
        others.insert((exporter, far, flow.dst.low));
        others.insert((exporter, near, flow.protocol.into()));
        others.insert((exporter, far, flow.protocol.into()));
        others.insert((exporter, 0, flow.dst_port.into()));
    }
    (connections.len() + others.len(), connections.len())
}

const COST_SLICE: usize = 500_000;

fn cost() {
    println!("\nCPU ns per flow, the second of two minutes of 6,000,000 flows, 8 exporters x 24 interfaces");
    println!(
        "law        keys      connections    add  merge+keep  close+keep    all   keys dropped   peak MB"
    );
    let sizes = [
        (Shape::Apart, [30_000; 3]),
        (Shape::Shared, [640_000, 520_000, 510_000]),
        (Shape::Apart, [330_000; 3]),
        (Shape::Apart, [1_000_000; 3]),
    ];
    // One line of the table alone: how often it says so, `cost 1 1`.
    let only: Option<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).next();
    for (_, (shape, keys)) in (0..).zip(sizes).filter(|(size, _)| only.is_none_or(|only| only == *size)) {
        for (law, keys) in Law::ALL.into_iter().zip(keys) {
            let mut windows = Windows::new(WindowsOptions::default());
            // The same flows in both minutes: the second finds the memory that the first has left.
            let [_, clocked] = [86_400, 86_460].map(|begin| {
                let mut random = Random(7);
                minute(&mut windows, begin, COST_SLICE, 8, |exporter| {
                    shape.flow(law.draw(&mut random, keys), keys, exporter, size(&mut random))
                })
            });
            let (peak, dropped) = (peak_mb(), windows.losses().dropped_keys);
            drop(windows);
            let mut random = Random(7);
            let (all, connections) = distinct((0..12 * COST_SLICE).map(|n| {
                let exporter = (n % COST_SLICE / PACKET % 8) as u64;
                (exporter, shape.flow(law.draw(&mut random, keys), keys, exporter, size(&mut random)))
            }));
            let per_flow = |time: Duration| time.as_nanos() as f64 / (12 * COST_SLICE) as f64;
            println!(
                "{:<8} {all:>9}  {connections:>9}  {:>9.0}  {:>10.0}  {:>10.0}  {:>5.0}   {dropped:>12}   {peak:>7}",
                law.name(),
                per_flow(clocked.add),
                per_flow(clocked.merge),
                per_flow(clocked.close),
                per_flow(clocked.add + clocked.merge + clocked.close),
            );
        }
    }
}

/// How many of the true top 10 are listed, and how far listed values are from the truth.
fn judge(what: &str, listed: &[(Ip, Count)], truth: &[u64], error: u64) {
    let mut order: Vec<usize> = (0..truth.len()).collect();
    order.select_nth_unstable_by_key(9, |key| std::cmp::Reverse(truth[*key]));
    order.truncate(10);
    let found =
        order.iter().filter(|key| listed[..10].iter().any(|(ip, _)| *ip == Ip::v4(**key as u32))).count();
    let mut worst = 0_u64;
    for (ip, count) in listed {
        let truth = truth[(ip.low as u32) as usize];
        assert!(count.bytes <= truth && truth - count.bytes <= error, "{what}: the bound is not kept");
        worst = worst.max(truth - count.bytes);
    }
    let tenth = truth[*order.iter().min_by_key(|key| truth[**key]).expect("ten")];
    println!(
        "{what:<28} {found:>2} of 10   error at most {:>7.3} % of the tenth, was {:>7.3} %",
        error as f64 * 100.0 / tenth as f64,
        worst as f64 * 100.0 / tenth as f64
    );
}

fn top() {
    println!("\ntop 10 source addresses of one exporter, 12,000,000 flows of a universe of 5,000,000");
    let keys = 5_000_000;
    for law in Law::ALL {
        let mut random = Random(11);
        let mut windows = Windows::new(WindowsOptions::default());
        let mut truth = vec![0_u64; keys as usize];
        let clocked = minute(&mut windows, 86_340, 1_000_000, 1, |_| {
            let key = law.draw(&mut random, keys);
            let size = size(&mut random);
            truth[key as usize] += size;
            flow(key, keys, size)
        });
        let distinct = truth.iter().filter(|bytes| **bytes > 0).count();
        println!("{}: {distinct} addresses, {} keys dropped", law.name(), windows.losses().dropped_keys);
        for report in clocked.reports {
            let side = &report.exporters[0].ingress;
            judge(&format!("  {}", report.level), &side.ips, &truth, side.error);
        }
    }
}

/// So many flows, each of another address and connection, of 1,000 exporters with 24 interfaces.
fn memory() {
    println!("\nmemory: 1,000 exporters x 24 interfaces, 10,000,000 addresses and connections in a minute");
    let mut windows = Windows::new(WindowsOptions::default());
    let mut number = 0_u64;
    let before = peak_mb();
    // The last minutes of windows of all lengths, so that at the end all of them are full.
    for (hours, minutes) in [(11, 44), (11, 59), (15, 59), (22, 59), (23, 44), (23, 58), (23, 59)] {
        let begin = 86_400 + hours * 3_600 + minutes * 60;
        let started = cpu();
        let mut waiting: Option<Slice> = None;
        for seconds in 0..12 {
            let at = Timestamp::from_secs(begin + seconds * 5);
            let mut slice = Slice::new(at, SLICE_BYTES);
            let mut flows = [Flow::default(); PACKET];
            for packet in 0..10_000_000 / 12 / PACKET {
                for flow_of_packet in &mut flows {
                    number += 1;
                    *flow_of_packet = flow(mix(number) % (1 << 31), 1 << 31, 1_000);
                }
                slice.add(&exporter(packet % 1_000), &Rules::default(), &flows);
                if slice.is_full() {
                    // One is merged while the next is filled.
                    if let Some(full) =
                        waiting.replace(std::mem::replace(&mut slice, Slice::new(at, SLICE_BYTES)))
                    {
                        windows.merge(full);
                        drop(windows.changes());
                    }
                }
            }
            if let Some(full) = waiting.replace(slice) {
                windows.merge(full);
                drop(windows.changes());
            }
        }
        if let Some(full) = waiting {
            windows.merge(full);
        }
        let filled = peak_mb();
        let mut levels = String::new();
        while let Some(report) = windows.close_next(Timestamp::from_secs(begin + 60)) {
            levels = format!("{levels} {} ({} MB)", report.level, report.encode().len() >> 20);
        }
        let kept: usize = windows.changes().iter().filter_map(|(_, value)| Some(value.as_ref()?.len())).sum();
        println!(
            "{hours}:{minutes}: {:.1} s, peak {filled} MB, with the close {} MB; kept {} MB;{levels}",
            (cpu() - started).as_secs_f64(),
            peak_mb(),
            kept >> 20
        );
    }
    println!("peak {} MB, of which {before} before; {:?}", peak_mb(), windows.losses());
}

fn hour() {
    println!(
        "\na simulated hour, 1,000,000 flows per minute, 100 exporters x 24 interfaces, 100,000 hosts, zipf 1.0"
    );
    let mut random = Random(3);
    let mut windows = Windows::new(WindowsOptions::default());
    let mut all = Duration::ZERO;
    let mut reports = [0; 5];
    for number in 0..60 {
        let clocked = minute(&mut windows, 86_400 + number * 60, 1_000_000 / 12, 100, |exporter| {
            let key = Law::Zipf1.draw(&mut random, 100_000) / 100 * 100 + exporter;
            flow(key, 100_000, size(&mut random))
        });
        all += clocked.add + clocked.merge + clocked.close;
        for report in clocked.reports {
            reports[Level::ALL.iter().position(|level| *level == report.level).expect("a level")] += 1;
        }
    }
    println!(
        "{:.3} s of CPU per minute ({:.2} % of a core), reports {reports:?}, {} keys dropped, peak {} MB",
        all.as_secs_f64() / 60.0,
        all.as_secs_f64() / 36.0,
        windows.losses().dropped_keys,
        peak_mb()
    );
}
