//! What raw flows take on the disk, and what it costs to write them.
//!
//! ```text
//! cargo bench -p grafolean-netflow-bot --bench archive            3,000,000 flows of a million a minute
//! cargo bench -p grafolean-netflow-bot --bench archive -- 10      10,000,000
//! ```
//!
//! The traffic is that of the load bench, no flow twice. The CPU is that of the thread which writes; what fills the
//! queue is not counted.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a benchmark prints, and has nobody to report to"
)]

#[path = "load/traffic.rs"]
mod traffic;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use grafolean_netflow_bot::archive::{Archive, ArchiveOptions};
use grafolean_netflow_bot::{Flow, Ip, Origin, Version};
use grafoleancollector::{SystemClock, Timestamp};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;

use crate::traffic::Traffic;

const DATAGRAM: usize = 26;
const DATAGRAMS: usize = 8_192 / DATAGRAM + 1;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` only wants to see that the program can be started.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let millions = arguments.iter().find_map(|argument| argument.parse::<usize>().ok()).unwrap_or(3);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let options = ArchiveOptions::new(Duration::from_secs(86_400));
    let archive = Archive::start(directory.path(), &options, Arc::new(SystemClock)).expect("an archive");
    let counts = Arc::clone(archive.counts());
    let mut feed = archive.feed();

    let begin = 1_795_298_400_000;
    let mut traffic = Traffic::new(1, begin);
    let mut written = 0;
    let mut cpu = 0.0;
    while written < millions * 1_000_000 {
        let datagrams: Vec<(Origin, Vec<Flow>)> = (0..DATAGRAMS)
            .map(|n| {
                // A million flows a minute.
                let received = begin + ((written + n * DATAGRAM) as i64 * 60_000 / 1_000_000);
                traffic.now = received;
                let source = Ip::v4(0x0a00_0001 + (n % 8) as u32);
                let received = Timestamp::from_micros(received * 1_000);
                let origin = Origin { source, reported: Ip::NONE, domain: 0, version: Version::V9, received };
                (origin, (0..DATAGRAM).map(|_| traffic.flow()).collect())
            })
            .collect();
        // What finds no room is offered once more.
        loop {
            let dropped = counts.dropped_queue.get();
            for (origin, flows) in &datagrams {
                feed.offer(origin, flows);
            }
            feed.flush();
            if counts.dropped_queue.get() == dropped {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        written += DATAGRAMS * DATAGRAM;
        cpu = cpu_of_writer().unwrap_or(cpu);
    }
    drop(feed);
    archive.close();

    let kept = counts.written.get() as f64;
    let files = fs::read_dir(directory.path()).expect("the directory");
    let bytes: u64 = files.map(|file| file.and_then(|file| file.metadata()).expect("a file").len()).sum();
    println!("| flows | bytes per flow | CPU ns per flow | flows per second of a core |");
    println!("|---:|---:|---:|---:|");
    println!("| {kept} | {:.2} | {:.0} | {:.0} |", bytes as f64 / kept, cpu / kept * 1e9, kept / cpu,);
    assert_eq!(counts.dropped_disk.get(), 0);
    println!();
    columns(directory.path(), kept);
}

/// What each column takes of that.
fn columns(directory: &Path, flows: f64) {
    let mut sizes = BTreeMap::<String, i64>::new();
    for file in fs::read_dir(directory).expect("the directory") {
        let file = fs::File::open(file.expect("a file").path()).expect("a file");
        let reader = SerializedFileReader::new(file).expect("a Parquet file");
        for column in reader.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns) {
            *sizes.entry(column.column_path().string()).or_default() += column.compressed_size();
        }
    }
    for (name, size) in sizes {
        println!("{name:12} {:.3}", size as f64 / flows);
    }
}

/// CPU seconds of the thread that writes.
fn cpu_of_writer() -> Option<f64> {
    fs::read_dir("/proc/self/task")
        .ok()?
        .filter_map(Result::ok)
        .find_map(|task| {
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            let spent = fs::read_to_string(task.path().join("schedstat")).ok()?;
            (name.trim() == "archive").then(|| spent.split(' ').next()?.parse::<f64>().ok()).flatten()
        })
        .map(|nanoseconds| nanoseconds / 1e9)
}
