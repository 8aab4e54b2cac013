//! Real captures, looped in memory on one core: flows per second, and those of `netflow_parser` in the same run.
//!
//! ```text
//! cargo bench -p grafolean-netflow-bot --bench decode
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a load program"
)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use grafolean_netflow_bot::Ip;
use grafolean_netflow_bot::books::Books;
use grafolean_netflow_bot::decode::Decoder;
use grafoleancollector::Timestamp;
use netflow_parser::variable_versions::{ipfix, v9};
use netflow_parser::{NetflowPacket, NetflowParser};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Captures: a name, those with templates, those that are looped.
const CAPTURES: &[(&str, &[&str], &[&str])] = &[
    ("v5 MikroTik", &[], &["logstash-codec-netflow/netflow5_test_microtik.dat"]),
    (
        "v9 nProbe",
        &["logstash-codec-netflow/netflow9_test_nprobe_tpl.dat"],
        &["logstash-codec-netflow/netflow9_test_nprobe_data.dat"],
    ),
    (
        "v9 softflowd",
        &["python-netflow/PACKET_V9_TEMPLATE.dat"],
        &[
            "python-netflow/PACKETS_V9_00.dat",
            "python-netflow/PACKETS_V9_01.dat",
            "python-netflow/PACKETS_V9_02.dat",
        ],
    ),
    (
        "v9 ASR 9000",
        &["logstash-codec-netflow/netflow9_test_cisco_asr9k_tpl260.dat"],
        &["logstash-codec-netflow/netflow9_test_cisco_asr9k_data260.dat"],
    ),
    (
        "v9 H3C",
        &["logstash-codec-netflow/netflow9_test_h3c_tpl3281.dat"],
        &["logstash-codec-netflow/netflow9_test_h3c_data3281.dat"],
    ),
    (
        "IPFIX OpenBSD",
        &["logstash-codec-netflow/ipfix_test_openbsd_pflow_tpl.dat"],
        &["logstash-codec-netflow/ipfix_test_openbsd_pflow_data.dat"],
    ),
    ("IPFIX softflowd", &["python-netflow/PACKET_IPFIX_TEMPLATE.dat"], &["python-netflow/PACKET_IPFIX.dat"]),
    (
        "IPFIX NetScaler, variable",
        &["logstash-codec-netflow/ipfix_test_netscaler_tpl.dat"],
        &["logstash-codec-netflow/ipfix_test_netscaler_data.dat"],
    ),
];

const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_millis(700);

fn main() {
    println!("{:<28}{:>14}{:>18}{:>8}", "flows/s", "ours", "netflow_parser", "ratio");
    for (name, templates, data) in CAPTURES {
        let read = |files: &[&str]| -> Vec<Vec<u8>> {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
            files.iter().map(|file| std::fs::read(folder.join(file)).unwrap()).collect()
        };
        let (templates, data) = (read(templates), read(data));

        let mut decoder = Decoder::new(Arc::new(Books::default()));
        let mut ours = |datagram: &[u8]| {
            let mut flows = 0;
            decoder.datagram(Timestamp::from_secs(1_700_000_000), Ip::v4(1), datagram, &mut |_, run| {
                flows += black_box(run).len();
            });
            flows
        };
        templates.iter().for_each(|datagram| _ = ours(datagram));
        let ours = best(&data, &mut ours);

        let mut parser = NetflowParser::default();
        let mut theirs = |datagram: &[u8]| records(&black_box(parser.parse_bytes(datagram)).packets);
        templates.iter().for_each(|datagram| _ = theirs(datagram));
        let theirs = best(&data, &mut theirs);
        println!("{name:<28}{ours:>14.0}{theirs:>18.0}{:>8.1}", ours / theirs);
    }
}

/// Flows per second of this thread's own time (others use the machine too), in the best of some rounds.
fn best(data: &[Vec<u8>], decode: &mut impl FnMut(&[u8]) -> usize) -> f64 {
    let round = || {
        let (began, mut flows) = (used(), 0);
        let mut used_since = Duration::ZERO;
        while used_since < ROUND {
            for _ in 0..256 {
                flows += data.iter().map(|datagram| decode(black_box(datagram))).sum::<usize>();
            }
            used_since = used().saturating_sub(began);
        }
        flows as f64 / used_since.as_secs_f64()
    };
    std::iter::repeat_with(round).take(ROUNDS).fold(0.0, f64::max)
}

/// The time that this thread has had of a core.
fn used() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    let micros = [usage.user_time(), usage.system_time()].map(|time| time.num_microseconds().unsigned_abs());
    Duration::from_micros(micros.iter().sum())
}

/// The flow records in what `netflow_parser` gives.
fn records(packets: &[NetflowPacket]) -> usize {
    let count = |packet: &NetflowPacket| match packet {
        NetflowPacket::V5(packet) => packet.flowsets.len(),
        NetflowPacket::V9(packet) => {
            let sets = packet.flowsets.iter().map(|set| match &set.body {
                v9::FlowSetBody::Data(data) => data.fields.len(),
                _ => 0,
            });
            sets.sum()
        }
        NetflowPacket::IPFix(packet) => {
            let sets = packet.flowsets.iter().map(|set| match &set.body {
                ipfix::FlowSetBody::Data(data) => data.fields.len(),
                _ => 0,
            });
            sets.sum()
        }
        _ => 0,
    };
    packets.iter().map(count).sum()
}
