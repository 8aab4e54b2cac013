//! Which core a process runs on, and what it uses.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Keeps this thread, and what it starts, on one core.
pub(crate) fn stay_on(core: usize) {
    let mut cores = CpuSet::new();
    // With a single core all share it.
    let _ = cores.set(core).and_then(|()| sched_setaffinity(Pid::from_raw(0), &cores));
}

/// Runs something on a core, and what it starts.
pub(crate) fn on<T>(core: usize, run: impl FnOnce() -> T + Send) -> T
where
    T: Send,
{
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            stay_on(core);
            run()
        });
        thread.join().expect("it does not panic")
    })
}

/// The CPU seconds of a process: fields 14 and 15 of its stat, in ticks of 10 ms.
pub(crate) fn cpu_of(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    [11, 12].map(|at| fields[at].parse::<f64>().expect("a number")).iter().sum::<f64>() / 100.0
}

/// The most memory that a process ever had.
pub(crate) fn peak_megabytes_of(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kibibytes.unwrap_or(f64::NAN) * 1024.0 / 1e6
}
