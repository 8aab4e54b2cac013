//! What the benchmarks share: the list of targets, fping, and the CPU time of both.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::Command;

/// The number of pairs to run: the argument after `--`, or 5. `None` under `cargo test --all-targets`, which only
/// wants to see that the benchmark compiles.
pub(crate) fn pairs() -> Option<usize> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let bench = arguments.iter().any(|argument| argument == "--bench");
    bench.then(|| arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(5))
}

/// 10,000 addresses in 127.20.0.0/16.
pub(crate) fn targets() -> Vec<Ipv4Addr> {
    (0..40).flat_map(|high| (1..=250).map(move |low| Ipv4Addr::new(127, 20, high, low))).collect()
}

pub(crate) struct Fping {
    list: tempfile::NamedTempFile,
    pub(crate) targets: usize,
}

impl Fping {
    pub(crate) fn new(targets: &[Ipv4Addr]) -> Self {
        let mut list = tempfile::NamedTempFile::new().expect("a temporary file");
        for target in targets {
            writeln!(list, "{target}").expect("room for the list");
        }
        Self { list, targets: targets.len() }
    }

    /// Pings each target once, one every so many milliseconds, and returns the round trips in microseconds.
    pub(crate) fn run(&self, interval_ms: u32) -> Vec<f64> {
        let output = Command::new("fping")
            .args(["-c1", "-q", &format!("-i{interval_ms}"), "-f"])
            .arg(self.list.path())
            .output()
            .expect("fping is installed");
        // 127.20.0.1 : xmt/rcv/%loss = 1/1/0%, min/avg/max = 0.008/0.008/0.008
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        let answered = report.lines().filter_map(|line| line.split_once("min/avg/max = "));
        answered
            .filter_map(|(_, rtts)| rtts.split('/').nth(1)?.parse().ok())
            .map(|ms: f64| ms * 1e3)
            .collect()
    }
}

pub(crate) struct Cpu {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

/// Runs something, and says what CPU seconds it cost.
pub(crate) fn cpu_of<T>(who: UsageWho, run: impl FnOnce() -> T) -> (T, Cpu) {
    let now = || {
        let usage = getrusage(who).expect("getrusage takes these arguments");
        [usage.user_time(), usage.system_time()].map(|time| time.num_microseconds() as f64 / 1e6)
    };
    let before = now();
    let value = run();
    let after = now();
    (value, Cpu { user: after[0] - before[0], system: after[1] - before[1] })
}

pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
