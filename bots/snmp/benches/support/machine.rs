//! The machine: which core a process runs on, what it uses, and what all others use meanwhile.

use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;
use tokio::time::Instant;

/// What counts as quiet: so much of all cores together is busy.
const QUIET: f64 = 0.12;
/// How long a quiet moment is waited for; then it is measured all the same, and said.
const PATIENCE: Duration = Duration::from_secs(30);
/// Clock ticks a second; Linux has had 100 for all programs since 2.6.
const TICKS: f64 = 100.0;

/// Keeps this thread, and the processes that it starts, on one core.
pub(crate) fn stay_on(core: usize) {
    let mut cores = CpuSet::new();
    // With a single core all share it.
    let _ = cores.set(core).and_then(|()| sched_setaffinity(Pid::from_raw(0), &cores));
}

/// The CPU seconds of this process.
pub(crate) fn own_cpu() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("getrusage takes this argument");
    [usage.user_time(), usage.system_time()].map(|time| time.num_microseconds() as f64 / 1e6).iter().sum()
}

/// The CPU seconds of another process: fields 14 and 15 of its stat.
pub(crate) fn cpu_of(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    [11, 12].map(|at| fields[at].parse::<f64>().expect("a number")).iter().sum::<f64>() / TICKS
}

/// The memory of another process.
pub(crate) fn megabytes_of(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kibibytes.unwrap_or(f64::NAN) * 1024.0 / 1e6
}

/// How much the machine has worked since it was started.
pub(crate) struct Work {
    busy: f64,
    at: Instant,
}

impl Work {
    pub(crate) fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").expect("Linux");
        let all = stat.lines().next().unwrap_or_default();
        let ticks: Vec<f64> = all.split_whitespace().skip(1).filter_map(|text| text.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal
        let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|at| ticks.get(*at)).sum::<f64>() / TICKS;
        Self { busy, at: Instant::now() }
    }

    /// The cores that others kept busy since then, where ours used so many CPU seconds.
    pub(crate) fn of_others(&self, ours: f64) -> f64 {
        let now = Self::now();
        ((now.busy - self.busy - ours) / (now.at - self.at).as_secs_f64()).max(0.0)
    }
}

/// Waits until nobody else needs the machine. Returns false when that did not come to pass.
pub(crate) fn wait_until_quiet() -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let before = Work::now();
        std::thread::sleep(Duration::from_millis(300));
        if before.of_others(0.0) <= QUIET * cores {
            return true;
        }
    }
    false
}
