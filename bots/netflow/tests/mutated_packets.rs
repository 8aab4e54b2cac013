//! Real packets, mutated: whatever comes, nothing panics, and little is remembered.
//!
//! ```text
//! cargo test --release -p grafolean-netflow-bot --test mutated_packets -- --ignored --nocapture      20 million
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "these are tests, helpers included"
)]

#[path = "support/mutation.rs"]
mod mutation;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use grafolean_netflow_bot::Ip;
use grafolean_netflow_bot::books::Books;
use grafolean_netflow_bot::decode::{Decoder, Kept, Limits};
use grafolean_netflow_bot::pcap::Capture;
use grafoleancollector::Timestamp;
use mutation::Random;

#[test]
fn whatever_an_exporter_sends_nothing_panics() {
    assert!(mutate_and_decode(60_000) > 0);
}

#[test]
#[ignore = "takes minutes"]
fn whatever_an_exporter_sends_twenty_million_times() {
    let flows = mutate_and_decode(20_000_000);
    eprintln!("20,000,000 packets, of which {flows} flows came");
}

/// All packets that the captures have, templates first, and datagrams of sFlow.
fn seeds() -> Vec<Vec<u8>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut files: Vec<_> = ["logstash-codec-netflow", "python-netflow"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(data.join(folder)).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "dat"))
        .collect();
    files.sort();
    assert!(files.len() > 50);
    let mut seeds: Vec<_> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    let netflow = seeds.len();
    let is_capture = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "pcap");
    let captures = std::fs::read_dir(data.join("tcpdump")).unwrap().map(|file| file.unwrap().path());
    let mut captures: Vec<_> = captures.filter(is_capture).collect();
    captures.sort();
    for capture in captures {
        let mut capture = Capture::open(&capture).unwrap();
        while let Some(datagram) = capture.datagram().unwrap() {
            seeds.push(datagram.payload.to_vec());
        }
    }
    assert!(seeds.len() > netflow + 10);
    seeds
}

/// So many of the sources are known.
const KNOWN: u32 = 3;

/// Decodes so many packets. Returns how many flows came of them.
fn mutate_and_decode(packets: u64) -> u64 {
    let threads = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let run = |thread: u64| {
        thread::spawn(move || {
            let seeds = seeds();
            let books = Arc::new(Books::default());
            let mut limits = Limits::default();
            limits.unknown_sources = 16;
            limits.templates = 64;
            limits.bytes_of_unknown = 4 << 20;
            let mut decoder = Decoder::new(Arc::clone(&books)).with_limits(limits);
            decoder.set_known(Arc::new((0..KNOWN).map(Ip::v4).collect()));
            let mut now = Timestamp::from_secs(1_700_000_000);
            let mut flows = 0;
            let mut kept = std::collections::BTreeMap::new();
            for n in (thread..packets).step_by(threads as usize) {
                let packet = Random::new(n).mutate(&seeds);
                let source = Ip::v4((n % 20) as u32);
                now = now.plus(Duration::from_millis(200));
                decoder.datagram(now, source, &packet, &mut |_, more| {
                    assert!(!more.is_empty());
                    flows += more.len() as u64;
                });
                if n % 5_000 < threads {
                    for (key, value) in decoder.changes() {
                        match value {
                            Some(value) => kept.insert(key, value),
                            None => kept.remove(&key),
                        };
                    }
                    let templates: i64 = books.list().iter().map(|books| books.templates.get()).sum();
                    assert!((0..=(16 * 4 + i64::from(KNOWN) * 64) * 64).contains(&templates), "{templates}");
                    let streams: i64 = books.list().iter().map(|books| books.streams.get()).sum();
                    assert!((0..=16 * 4 + i64::from(KNOWN) * 64).contains(&streams), "{streams}");
                    for exporter in books.list() {
                        let names = exporter.interfaces();
                        let text: usize =
                            names.values().map(|name| name.name.len() + name.description.len()).sum();
                        assert!(text < 1 << 20 && (names.is_empty() || exporter.is_known()), "{text}");
                    }
                    let bytes: usize = kept.iter().map(|(key, value)| key.len() + value.len()).sum();
                    assert!(bytes < 16 << 20, "{bytes} bytes are kept");
                }
            }
            // All that was kept can be taken up again.
            let (_, unusable) = Kept::read(kept.iter().map(|(key, value)| (&key[..], &value[..])), now);
            assert!(unusable.unreadable.is_empty(), "{} of {}", unusable.unreadable.len(), kept.len());
            flows
        })
    };
    let threads: Vec<_> = (0..threads).map(run).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
}

#[test]
fn whatever_was_kept_in_damaged_form_is_refused_or_taken_but_never_a_panic() {
    let mut decoder = Decoder::new(Arc::default());
    decoder.set_known(Arc::new([Ip::v4(7)].into()));
    let seeds = seeds();
    for packet in &seeds {
        decoder.datagram(Timestamp::from_secs(1_700_000_000), Ip::v4(7), packet, &mut |_, _| {});
    }
    let kept: Vec<_> = decoder.changes().into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    assert!(kept.len() > 50);
    let values: Vec<_> = kept.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect();
    for n in 0..20_000 {
        let mut random = Random::new(n);
        let (key, value) = &kept[n as usize % kept.len()];
        let (damaged_key, damaged_value) =
            (random.mutate(&values), random.mutate(std::slice::from_ref(value)));
        let pairs = [(&key[..], &damaged_value[..]), (&damaged_key[..], &value[..])];
        let (kept, unusable) = Kept::read(pairs, Timestamp::from_secs(1_700_000_000));
        for key in unusable.unreadable.iter().chain(&unusable.too_old) {
            assert!(key == pairs[0].0 || key == pairs[1].0);
        }
        let mut next = Decoder::new(Arc::default()).with_kept(Arc::new(kept));
        next.datagram(Timestamp::from_secs(1_700_000_000), Ip::v4(7), &seeds[0], &mut |_, _| {});
    }
}
