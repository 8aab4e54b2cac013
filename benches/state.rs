//! What it costs to remember: small values of many keys, which change again and again, in a file.
//!
//! ```text
//! cargo bench --bench state
//! ```
//!
//! Each part is a process of its own, on one file: it is filled, then all keys change as fast as the file takes it,
//! then at the pace of a large bot, then it is read by the next life.
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use std::path::Path;
use std::time::Duration;

use grafoleancollector::{State, Table};
use support::{Error, arguments, cpu_seconds, memory_bytes, once_more};
use tokio::time::{Instant, MissedTickBehavior, interval};

const URL: &str = "https://grafolean.example.org/api";
const KEYS: u32 = 100_000;
const VALUE_BYTES: usize = 600;
/// How often all keys change at full speed.
const ROUNDS: u32 = 10;
/// The pace of a large bot: 100,000 keys that change every 33 s.
const PUTS_PER_SECOND: u32 = 3_000;
const PACED_SECONDS: u32 = 60;
/// A scattered order that meets each key once: the step has no divisor in common with the number of keys.
const STEP: u32 = 38_197;

fn main() -> Result<(), Error> {
    let Some(arguments) = arguments() else { return Ok(()) };
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments[..] {
        ["fill", directory] => runtime.block_on(change(directory, 1)),
        ["change", directory] => runtime.block_on(change(directory, ROUNDS)),
        ["pace", directory] => runtime.block_on(pace(directory)),
        ["load", directory] => runtime.block_on(load(directory)),
        _ => all(),
    }
}

fn all() -> Result<(), Error> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().to_str().ok_or("a path of plain letters")?;
    println!("{KEYS} keys, values of {VALUE_BYTES} bytes");
    println!(
        "| | puts/s | CPU µs per put | µs until put returns | bytes to the disk per put | peak memory MB |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for part in ["fill", "change", "pace"] {
        let [rate, cpu, put, written, memory] = once_more(&[part, path])?;
        println!("| {part} | {rate:.0} | {cpu:.2} | {put:.2} | {written:.0} | {memory:.0} |");
    }
    let [seconds, cpu, before, after] = once_more(&["load", path])?;
    let file = directory.path().join("state.sqlite").metadata()?.len() as f64 / 1e6;
    println!(
        "load: {seconds:.3} s, {cpu:.2} s of CPU, memory from {before:.0} to {after:.0} MB; file {file:.0} MB"
    );
    Ok(())
}

/// Puts all keys, and waits until they are written; so many times. What it takes to make a value is measured too.
async fn change(directory: &str, rounds: u32) -> Result<(), Error> {
    let (state, table) = open(directory)?;
    let spent = Spent::begin();
    let mut in_put = Duration::ZERO;
    for round in 0..rounds {
        let began = Instant::now();
        for n in 0..KEYS {
            put(&table, n, round);
        }
        in_put += began.elapsed();
        // A table is read when all that waits is written.
        state.table("nothing").load().await;
    }
    state.close().await;
    spent.print(rounds * KEYS, in_put);
    Ok(())
}

async fn pace(directory: &str) -> Result<(), Error> {
    let (state, table) = open(directory)?;
    let spent = Spent::begin();
    let mut in_put = Duration::ZERO;
    let mut ticks = interval(Duration::from_millis(10));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut n = 0;
    for _ in 0..PACED_SECONDS * 100 {
        ticks.tick().await;
        let began = Instant::now();
        for _ in 0..PUTS_PER_SECOND / 100 {
            put(&table, n % KEYS, n / KEYS);
            n += 1;
        }
        in_put += began.elapsed();
    }
    state.close().await;
    spent.print(n, in_put);
    Ok(())
}

async fn load(directory: &str) -> Result<(), Error> {
    let before = memory_bytes("VmRSS");
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let (_state, table) = open(directory)?;
    let remembered = table.load().await;
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    assert_eq!(remembered.len(), KEYS as usize);
    println!("{seconds} {cpu} {} {}", before / 1e6, memory_bytes("VmRSS") / 1e6);
    Ok(())
}

fn open(directory: &str) -> Result<(State, Table), Error> {
    let state = State::sqlite(Path::new(directory), URL)?;
    let table = state.table("counters");
    Ok((state, table))
}

fn put(table: &Table, n: u32, round: u32) {
    let key = u64::from(n) * u64::from(STEP) % u64::from(KEYS);
    let value = (key ^ u64::from(round)).to_le_bytes().repeat(VALUE_BYTES / 8);
    table.put(format!("{}/1.3.6.1.2.1.31.1.1.1.6.{}", key / 50, key % 50).as_bytes(), value);
}

/// What was spent since it began.
struct Spent {
    began: Instant,
    cpu: f64,
    written: f64,
}

impl Spent {
    fn begin() -> Self {
        Self { began: Instant::now(), cpu: cpu_seconds(), written: bytes_written() }
    }

    fn print(&self, puts: u32, in_put: Duration) {
        let per_put = |amount: f64| amount / f64::from(puts);
        println!(
            "{} {} {} {} {}",
            f64::from(puts) / self.began.elapsed().as_secs_f64(),
            per_put(cpu_seconds() - self.cpu) * 1e6,
            per_put(in_put.as_secs_f64()) * 1e6,
            per_put(bytes_written() - self.written),
            memory_bytes("VmHWM") / 1e6,
        );
    }
}

/// What this process caused to be written to the disk.
fn bytes_written() -> f64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(f64::NAN)
}
