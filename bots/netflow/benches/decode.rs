//! Real captures, looped in memory on one core: flows per second, and those of `netflow_parser` in the same run.
//!
//! Most of the captures are single packets of few flows, in which the packet costs more than its flows. So there is a
//! second row of each: "full" is the same packet with its first set of real records repeated up to 1,428 bytes, as
//! busy exporters fill them.
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

const ROUNDS: usize = 4;
const ROUND: Duration = Duration::from_millis(300);

fn main() {
    println!("{:<32}{:>8}{:>14}{:>18}{:>8}", "flows/s", "per packet", "ours", "netflow_parser", "ratio");
    for (name, templates, data) in CAPTURES {
        let read = |files: &[&str]| -> Vec<Vec<u8>> {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
            files.iter().map(|file| std::fs::read(folder.join(file)).unwrap()).collect()
        };
        let (templates, data) = (read(templates), read(data));
        measure(name, &templates, &data);
        let full: Vec<_> = data.iter().filter_map(|packet| full(&templates, packet)).collect();
        if !full.is_empty() {
            measure(&format!("{name}, full"), &templates, &full);
        }
    }
}

fn measure(name: &str, templates: &[Vec<u8>], data: &[Vec<u8>]) {
    let (mut decoder, mut packets) = (Decoder::new(Arc::new(Books::default())), 0);
    let mut ours = |datagram: &[u8]| {
        let mut flows = 0;
        decoder.datagram(Timestamp::from_secs(1_700_000_000), Ip::v4(1), datagram, &mut |_, run| {
            flows += black_box(run).len();
        });
        packets += 1;
        // As often as the bot does at the least.
        if packets % 64 == 0 {
            decoder.flush();
        }
        flows
    };
    templates.iter().for_each(|datagram| _ = ours(datagram));
    let flows = data.iter().map(|datagram| ours(datagram)).sum::<usize>() as f64 / data.len() as f64;
    let ours = best(data, &mut ours);

    let mut parser = NetflowParser::default();
    let mut theirs = |datagram: &[u8]| records(&black_box(parser.parse_bytes(datagram)).packets);
    templates.iter().for_each(|datagram| _ = theirs(datagram));
    let theirs = best(data, &mut theirs);
    println!("{name:<32}{flows:>8.1}{ours:>14.0}{theirs:>18.0}{:>8.1}", ours / theirs);
}

/// Bytes of a packet that fits into an Ethernet frame with room for tunnels.
const FULL: usize = 1_428;

/// The same packet with nothing but records of its first data set, again and again, until it is full. None where the
/// records are not all of one length.
fn full(templates: &[Vec<u8>], packet: &[u8]) -> Option<Vec<u8>> {
    let u16_at = |bytes: &[u8], at: usize| Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let version = u16_at(packet, 0)?;
    let header = match version {
        9 => 20,
        10 => 16,
        _ => return None,
    };
    let mut at = header;
    while u16_at(packet, at)? < 256 {
        at += usize::from(u16_at(packet, at + 2)?);
    }
    let (id, length) = (u16_at(packet, at)?, usize::from(u16_at(packet, at + 2)?));
    let mut of_record = None;
    for template in templates {
        let mut set = header;
        while let (Some(kind), Some(bytes)) = (u16_at(template, set), u16_at(template, set + 2)) {
            let (mut field, end) = (set + 4, (set + usize::from(bytes)).min(template.len()));
            while matches!(kind, 0 | 2) && field + 8 <= end {
                let (this, count) = (u16_at(template, field)?, u16_at(template, field + 2)?);
                field += 4;
                let mut sum = 0;
                for _ in 0..count {
                    let length = u16_at(template, field + 2)?;
                    sum =
                        if length == u16::MAX { usize::MAX } else { usize::from(length).saturating_add(sum) };
                    field += if version == 10 && u16_at(template, field)? & 0x8000 != 0 { 8 } else { 4 };
                }
                if this == id {
                    of_record = Some(sum);
                }
            }
            set += usize::from(bytes).max(4);
        }
    }
    let of_record = of_record.filter(|length| *length < FULL)?;
    let records = packet.get(at + 4..at + length)?;
    let records = &records[..records.len() / of_record * of_record];
    let count = (FULL - header - 4) / of_record;
    let mut full = packet[..header].to_vec();
    full.extend(id.to_be_bytes());
    full.extend(u16::try_from(4 + count * of_record).ok()?.to_be_bytes());
    full.extend(records.iter().cycle().take(count * of_record));
    let (length, records) = (u16::try_from(full.len()).ok()?, u16::try_from(count).ok()?);
    // v9 counts records, IPFIX bytes.
    full[2..4].copy_from_slice(&if version == 9 { records } else { length }.to_be_bytes());
    Some(full)
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
