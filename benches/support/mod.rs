//! What the load programs share: what a process has used so far, and starting the program once more.
#![allow(dead_code, reason = "each program uses a part of it")]

use std::process::{Command, Stdio};

pub(crate) type Error = Box<dyn std::error::Error>;

/// The arguments after `--`, or none at all where nothing is to be measured: `cargo test --all-targets` starts
/// load programs too, and only wants to see that they can be started.
pub(crate) fn arguments() -> Option<Vec<String>> {
    let (flags, wanted): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument == "--bench");
    (!flags.is_empty()).then_some(wanted)
}

/// Starts this program once more, as a process of its own, and gives the numbers that it prints: memory that was
/// used once is not given back, and would be counted again.
pub(crate) fn once_more<const N: usize>(arguments: &[&str]) -> Result<[f64; N], Error> {
    let child = Command::new(std::env::current_exe()?)
        .arg("--bench")
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()?
        .wait_with_output()?;
    if !child.status.success() {
        return Err(format!("the measurement {arguments:?} failed").into());
    }
    let output = String::from_utf8(child.stdout)?;
    let numbers: Vec<f64> = output.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    numbers.try_into().map_err(|_| format!("not {N} numbers: {output:?}").into())
}

/// The CPU time of all threads of this process so far, user and system: fields 14 and 15 of its stat.
pub(crate) fn cpu_seconds() -> f64 {
    /// Clock ticks a second; Linux has had 100 for all programs since 2.6.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / TICKS
}

/// Memory of this process in bytes: `VmRSS` is what it has now, `VmHWM` the most that it ever had.
pub(crate) fn memory_bytes(which: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kibibytes.unwrap_or(f64::NAN) * 1024.0
}

pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
