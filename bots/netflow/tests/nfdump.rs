//! Our decoder and aggregation against nfdump's: the same packets to both, and the same sums.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "these are tests, helpers included"
)]

#[path = "support/nfcapd.rs"]
mod nfcapd;
#[path = "support/packets.rs"]
mod packets;
#[path = "try_flows/program.rs"]
#[allow(dead_code, reason = "`try`'s own tests use all of it")]
mod program;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use grafolean_netflow_bot::aggregate::{Count, ExporterKey, Rules, Slice, Windows, WindowsOptions};
use grafolean_netflow_bot::books::Books;
use grafolean_netflow_bot::decode::Decoder;
use grafolean_netflow_bot::{Flow, Ip, Origin};
use grafoleancollector::Timestamp;
use serde_json::Value;

use crate::nfcapd::Nfcapd;
use crate::packets::{EXPORT, FIELDS, ipfix, set, template, v5, v9};
use crate::program::Try;

/// Flows, bytes and packets.
type Sums = [u64; 3];

fn data() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// Decodes the datagrams of these exporters.
fn decode(datagrams: &[(IpAddr, Vec<u8>)], mut each: impl FnMut(&Origin, &[Flow])) {
    let mut decoder = Decoder::new(Arc::new(Books::default()));
    for (source, datagram) in datagrams {
        let received = Timestamp::from_secs(EXPORT.into());
        decoder.datagram(received, Ip::from(*source), datagram, &mut each);
    }
}

/// nfcapd multiplies by the rate in the header of v5 when it writes.
fn ours(datagrams: &[(IpAddr, Vec<u8>)]) -> Sums {
    let mut sums = [0; 3];
    decode(datagrams, |_, flows| {
        for flow in flows {
            let rate = u64::from(flow.sampling.max(1));
            sums[0] += 1;
            sums[1] += flow.bytes * rate;
            sums[2] += flow.packets * rate;
        }
    });
    sums
}

/// Sets of which nfdump counts something else, what it counts, and why.
fn nfdump_rather(set: &str) -> Option<Sums> {
    match set {
        // Several packets in one datagram: nfdump reads on, we believe the first one's count.
        "logstash/netflow-5-valid-01" => Some([30, 18_684, 230]),
        // Records have the same octets and packets as IN_ (1, 2) and as OUT_ (23, 24), and nfcapd's sums have both.
        "logstash/netflow-9-fortigate-fortios-54x-appid" => Some([17, 58_984, 210]),
        // The template comes behind the data: nfdump drops what came before it.
        "pynetflow/v9-mixed" => Some([0, 0, 0]),
        _ => None,
    }
}

#[test]
fn nfdump_counts_the_same_in_the_captures() {
    let test = "nfdump_counts_the_same_in_the_captures";
    let expected = std::fs::read_to_string(data().join("expected.jsonl")).unwrap();
    let (mut sets, mut wrong) = (0, Vec::new());
    let exporter: IpAddr = "127.0.0.1".parse().unwrap();
    for line in expected.lines() {
        let set: Value = serde_json::from_str(line).unwrap();
        // Those of sFlow are for sfcapd.
        if set.get("data_records").is_none() {
            continue;
        }
        let name = set["group"].as_str().unwrap();
        let files = set["files"].as_array().unwrap().iter();
        let datagrams: Vec<_> = files
            .map(|file| (exporter, std::fs::read(data().join(file.as_str().unwrap())).unwrap()))
            .collect();
        let Some(nfcapd) = Nfcapd::start(test) else { return };
        nfcapd.send(&datagrams);
        let theirs = nfcapd.finish().sums();
        let ours = nfdump_rather(name).unwrap_or_else(|| ours(&datagrams));
        if theirs != ours {
            wrong.push(format!("{name}: nfdump counts {theirs:?}, we {ours:?}"));
        }
        sets += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(sets, 35);
}

/// Flows of many sources and three protocols, a record of [`FIELDS`] each.
fn records(seed: u32, many: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in 0..many {
        let mixed = (seed * 1_000_003 + n).wrapping_mul(2_654_435_761);
        let source = 0x0a01_0000 + mixed % 1_000;
        let octets = 40 + (mixed >> 12) % 100_000;
        let numbers = [source, 0x0a02_0000 + n % 77, 3, 4, 1 + n % 9, octets];
        bytes.extend(numbers.map(u32::to_be_bytes).concat());
        bytes.extend([[6, 17, 1][n as usize % 3], 0, 80]);
    }
    bytes
}

/// 100,000 flows of four exporters, the one of v5 sampled. nfdump 1.7.1 does not take the rate in options of v9 that
/// have elements 34 and 35, nor 48 to 50.
fn traffic() -> Vec<(IpAddr, Vec<u8>)> {
    const TOGETHER: u32 = 40;
    let of = |n: u8| IpAddr::from([127, 41, 0, n]);
    let mut all = vec![
        (of(1), v9(1, 0, &[set(0, &template(256, &FIELDS))])),
        (of(2), v9(1, 0, &[set(0, &template(256, &FIELDS))])),
        (of(3), ipfix(1, 0, &[set(2, &template(256, &FIELDS))])),
    ];
    for n in 0..750 {
        let set = set(256, &records(n, TOGETHER));
        all.push((of(1), v9(1, n + 1, std::slice::from_ref(&set))));
        all.push((of(2), v9(1, n + 1, std::slice::from_ref(&set))));
        if n < 625 {
            all.push((of(3), ipfix(1, n * TOGETHER, &[set])));
        }
        if n < 500 {
            all.push((of(4), v5(n * 30, 30, 30, 0x4000 | 10)));
        }
    }
    all
}

/// Bytes and packets of each key.
type Table = BTreeMap<String, [u64; 2]>;

fn add(to: &mut Table, key: String, count: Count) {
    let sums = to.entry(key).or_default();
    sums[0] += count.bytes;
    sums[1] += count.packets;
}

/// By source address and by protocol, as our minute reports it.
fn reported(datagrams: &[(IpAddr, Vec<u8>)]) -> [Table; 2] {
    let begin = Timestamp::from_secs(i64::from(EXPORT) / 60 * 60);
    let mut slice = Slice::new(begin, 64 << 20);
    decode(datagrams, |origin, flows| {
        let exporter = ExporterKey { address: origin.source, domain: None };
        slice.add(&exporter, &Rules::default(), flows);
    });
    let mut windows = Windows::new(WindowsOptions::default().with_top_n(10_000));
    windows.merge(slice);
    let mut tables = [Table::new(), Table::new()];
    let [sources, protocols] = &mut tables;
    let reports = windows.close(begin.plus(Duration::from_secs(60)));
    assert_eq!(reports.len(), 1);
    for side in reports[0].exporters.iter().map(|exporter| &exporter.ingress) {
        assert_eq!(side.error, 0);
        side.ips.iter().for_each(|(ip, count)| add(sources, ip.to_string(), *count));
        side.protocols.iter().for_each(|(protocol, count)| add(protocols, protocol.to_string(), *count));
    }
    tables
}

#[test]
fn nfdump_has_the_same_sources_and_protocols_in_a_hundred_thousand_flows() {
    let test = "nfdump_has_the_same_sources_and_protocols_in_a_hundred_thousand_flows";
    let Some(nfcapd) = Nfcapd::start(test) else { return };
    let datagrams = traffic();
    assert_eq!(ours(&datagrams)[0], 100_000);
    nfcapd.send(&datagrams);
    let files = nfcapd.finish();
    assert_eq!(files.sums(), ours(&datagrams));
    let table = |by: &str, format: &str| -> Table {
        let rows = files.nfdump(&["-q", "-N", "-A", by, "-o", &format!("fmt:{format}|%byt|%pkt")]);
        let rows = rows.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
        rows.filter(|row| row.len() == 3)
            .map(|row| {
                let key = match row[0] {
                    "TCP" => "6",
                    "UDP" => "17",
                    "ICMP" => "1",
                    other => other,
                };
                (key.to_owned(), [row[1].parse().unwrap(), row[2].parse().unwrap()])
            })
            .collect()
    };
    let [sources, protocols] = reported(&datagrams);
    assert_eq!((sources.len(), protocols.len()), (1_001, 3));
    assert_eq!(table("proto", "%pr"), protocols);
    assert_eq!(table("srcip", "%sa"), sources);
}

#[test]
fn what_nfreplay_sends_is_tried() {
    let Some(nfcapd) = Nfcapd::start("what_nfreplay_sends_is_tried") else { return };
    let exporter: IpAddr = "127.0.0.1".parse().unwrap();
    let capture =
        |name: &str| (exporter, std::fs::read(data().join("logstash-codec-netflow").join(name)).unwrap());
    let datagrams = [capture("netflow9_test_h3c_tpl3281.dat"), capture("netflow9_test_h3c_data3281.dat")];
    nfcapd.send(&datagrams);
    let files = nfcapd.finish();
    let [flows, bytes, packets] = ours(&datagrams);
    for version in ["5", "9"] {
        let listening = Try::start(&["--listen", "127.0.0.1:0", "--json", "--count", &flows.to_string()]);
        files.replay(version, listening.address());
        let ended = listening.end();
        let lines: Vec<Value> =
            ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let sum = |what: &str| lines.iter().map(|line| line[what].as_u64().unwrap()).sum::<u64>();
        assert_eq!((ended.code, lines.len() as u64), (Some(0), flows), "{ended:?}");
        assert_eq!((sum("bytes"), sum("packets")), (bytes, packets));
        assert!(lines.iter().all(|line| line["version"] == format!("v{version}")), "{ended:?}");
    }
}
