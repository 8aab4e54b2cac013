//! sFlow, with captures from other people's agents, datagrams of our own making, and both of them mutated.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "these are tests, which fail by panicking"
)]

#[path = "support/mutation.rs"]
mod mutation;

use std::path::Path;

use grafolean_netflow_bot::pcap::Capture;
use grafolean_netflow_bot::sflow::{Header, Malformed, decode};
use grafolean_netflow_bot::{Direction, Flow, Has, Ip};
use mutation::Random;
use proptest::prelude::*;

const CAPTURES: [&str; 4] =
    ["sflow-print-v6", "sflow_expanded", "sflow_multiple_counter_30_pdus", "sflow_print-segv"];

/// The payloads of a capture's datagrams.
fn payloads(name: &str) -> Vec<Vec<u8>> {
    let path = format!("{}/tests/data/tcpdump/{name}.pcap", env!("CARGO_MANIFEST_DIR"));
    let mut capture = Capture::open(Path::new(&path)).unwrap();
    let mut payloads = Vec::new();
    while let Some(datagram) = capture.datagram().unwrap() {
        payloads.push(datagram.payload.to_vec());
    }
    payloads
}

fn decoded(datagram: &[u8]) -> (Header, Vec<Flow>) {
    let mut flows = Vec::new();
    (decode(datagram, &mut flows).unwrap(), flows)
}

/// What the captures hold by `expected.jsonl` and tshark: datagrams, those that are no sFlow, samples of packets, of
/// counters.
#[test]
fn captures_have_the_samples_that_others_find() {
    for (name, datagrams, foreign, flow_samples, counter_samples) in [
        ("sflow-print-v6", 25, 0, 13, 48),
        ("sflow_expanded", 1, 0, 1, 0),
        // The others are of NetFlow v5.
        ("sflow_multiple_counter_30_pdus", 30, 5, 0, 144),
        // Its UDP header says that there are eight bytes.
        ("sflow_print-segv", 1, 1, 0, 0),
    ] {
        let payloads = payloads(name);
        let mut flows = Vec::new();
        let headers: Vec<Header> =
            payloads.iter().filter_map(|payload| decode(payload, &mut flows).ok()).collect();
        let sum = |of: fn(&Header) -> u32| headers.iter().map(of).sum::<u32>();
        assert_eq!((payloads.len(), payloads.len() - headers.len()), (datagrams, foreign), "{name}");
        assert_eq!(sum(|header| header.flow_samples), flow_samples, "{name}");
        assert_eq!(sum(|header| header.counter_samples), counter_samples, "{name}");
        assert_eq!(flows.len(), flow_samples as usize, "{name}");
        assert!(
            headers.iter().all(|header| header.trouble.is_none() && header.unknown_samples == 0),
            "{name}"
        );
    }
}

#[test]
fn a_tagged_frame_of_an_expanded_sample_is_a_flow() {
    let (header, flows) = decoded(&payloads("sflow_expanded")[0]);
    let [flow] = flows[..] else { panic!("{flows:?}") };
    assert!(!header.agent.is_none());
    assert_eq!((flow.packets, flow.protocol, flow.tos), (1, 6, 8));
    assert_eq!((flow.src, flow.src_port, flow.dst_port), (Ip::v4(0x3434_3434), 22, 52_237));
    assert_eq!((flow.bytes, flow.sampling, flow.tcp_flags), (126, 1_000, 0x18));
    assert_eq!((flow.input, flow.output, flow.direction), (29_001, 1_285_816_721, Direction::Unknown));
}

/// Writes a datagram as an agent would.
#[derive(Default)]
struct Agent {
    samples: Vec<Vec<u8>>,
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn opaque(format: u32, content: &[u8]) -> Vec<u8> {
    let mut padded = content.to_vec();
    padded.resize(content.len().next_multiple_of(4), 0);
    [words(&[format, padded.len() as u32]), padded].concat()
}

fn raw_header(protocol: u32, length: u32, header: &[u8]) -> Vec<u8> {
    let padding = vec![0; header.len().wrapping_neg() % 4];
    opaque(1, &[&words(&[protocol, length, 4, header.len() as u32]), header, &padding].concat())
}

impl Agent {
    fn flow(self, source: u32, rate: u32, input: u32, output: u32, records: &[Vec<u8>]) -> Self {
        let head = words(&[1, source, rate, 0, 0, input, output, records.len() as u32]);
        self.sample(1, &[head, records.concat()].concat())
    }

    fn expanded(self, source: [u32; 2], input: [u32; 2], output: [u32; 2], records: &[Vec<u8>]) -> Self {
        let head = [&[1], &source[..], &[100, 0, 0], &input, &output, &[records.len() as u32]].concat();
        self.sample(3, &[words(&head), records.concat()].concat())
    }

    fn sample(mut self, format: u32, content: &[u8]) -> Self {
        self.samples.push(opaque(format, content));
        self
    }

    fn datagram(&self) -> Vec<u8> {
        let head = words(&[5, 1, 0xc000_0201, 7, 42, 1_000, self.samples.len() as u32]);
        [head, self.samples.concat()].concat()
    }

    fn flows(&self) -> Vec<Flow> {
        let (header, flows) = decoded(&self.datagram());
        assert_eq!(header.trouble, None);
        flows
    }
}

/// From 10.0.0.1:1234 to 10.0.0.2:443.
fn tcp_segment() -> Vec<u8> {
    let mut packet = vec![0x45, 0x10, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet.extend([4, 0xd2, 1, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x18, 0, 0, 0, 0, 0, 0]);
    packet
}

fn frame() -> Vec<u8> {
    [&[0; 12], &[8, 0][..], &tcp_segment()].concat()
}

#[test]
fn a_sampled_frame_is_a_flow_of_one_packet_with_the_length_of_the_frame() {
    let agent =
        Agent::default().flow(3, 512, 3, 4, &[opaque(1001, &[0; 16]), raw_header(1, 1_518, &frame())]);
    let has = Has::PROTOCOL.with(Has::SRC_PORT).with(Has::DST_PORT).with(Has::INPUT).with(Has::OUTPUT);
    let expected = Flow {
        src: Ip::v4(0x0a00_0001),
        dst: Ip::v4(0x0a00_0002),
        bytes: 1_518,
        packets: 1,
        input: 3,
        output: 4,
        sampling: 512,
        src_port: 1_234,
        dst_port: 443,
        protocol: 6,
        tcp_flags: 0x18,
        tos: 0x10,
        direction: Direction::Ingress,
        has,
        ..Flow::default()
    };
    assert_eq!(agent.flows(), [expected]);
    let (header, _) = decoded(&agent.datagram());
    assert_eq!((header.agent, header.sub_agent, header.sequence), (Ip::v4(0xc000_0201), 7, 42));
    assert_eq!((header.uptime_ms, header.flow_samples), (1_000, 1));
    // The same in an expanded sample, with PPP, IP and MPLS in the place of Ethernet.
    let ip = tcp_segment();
    for (protocol, header) in [
        (11, ip.clone()),
        (13, [&[0, 1, 1, 64], &ip[..]].concat()),
        (7, [&[0xff, 3, 0, 0x21], &ip[..]].concat()),
    ] {
        let agent =
            Agent::default().expanded([0, 3], [0, 3], [0, 4], &[raw_header(protocol, 1_518, &header)]);
        assert_eq!(agent.flows(), [Flow { sampling: 100, ..expected }], "{protocol}");
    }
}

#[test]
fn a_sampling_rate_of_zero_is_handed_on() {
    assert_eq!(Agent::default().flow(3, 0, 3, 4, &[raw_header(1, 64, &frame())]).flows()[0].sampling, 0);
}

#[test]
fn agents_may_send_fields_in_the_place_of_the_header() {
    let v4 = opaque(3, &words(&[40, 6, 0x0a00_0001, 0x0a00_0002, 1_234, 443, 0x12, 8]));
    let v6 =
        opaque(4, &[words(&[60, 17]), vec![0x20; 16], vec![0x30; 16], words(&[53, 5_353, 0, 1])].concat());
    let ethernet = opaque(2, &words(&[64, 0, 0, 0, 0, 0x0800]));
    let flows = Agent::default().flow(1, 1, 1, 2, std::slice::from_ref(&v4)).flow(1, 1, 1, 2, &[v6]).flows();
    assert_eq!((flows[0].bytes, flows[0].src, flows[0].dst_port), (40, Ip::v4(0x0a00_0001), 443));
    assert_eq!((flows[0].tcp_flags, flows[0].tos, flows[0].protocol), (0x12, 8, 6));
    assert_eq!((flows[1].bytes, flows[1].dst, flows[1].src_port), (60, Ip::v6([0x30; 16]), 53));
    // Beside the header they say nothing new.
    let both = [v4, raw_header(1, 1_518, &frame())];
    for records in [both.clone(), [both[1].clone(), both[0].clone()]] {
        let flows = Agent::default().flow(1, 1, 1, 2, &records).flows();
        assert_eq!((flows[0].bytes, flows[0].tcp_flags), (1_518, 0x18));
    }
    let flows = Agent::default().flow(1, 1, 1, 2, &[ethernet]).flows();
    assert_eq!((flows[0].bytes, flows[0].src, flows[0].has.has(Has::PROTOCOL)), (64, Ip::NONE, false));
}

#[test]
fn bytes_count_without_any_ip() {
    let arp = [&[0xff; 12], &[8, 6][..], &[0; 28]].concat();
    for records in [raw_header(1, 64, &arp), raw_header(1, 64, &frame()[..30]), raw_header(99, 64, &frame())]
    {
        let flows = Agent::default().flow(3, 10, 3, 4, &[records]).flows();
        assert_eq!((flows[0].bytes, flows[0].packets, flows[0].src), (64, 1, Ip::NONE));
        assert!(!flows[0].has.has(Has::PROTOCOL) && flows[0].has.has(Has::INPUT));
    }
}

#[test]
fn interfaces_that_are_none_are_zero() {
    const INTERNAL: u32 = 0x3fff_ffff;
    let seen = |source, input, output| {
        let flow = Agent::default().flow(source, 1, input, output, &[raw_header(1, 64, &frame())]).flows()[0];
        (flow.input, flow.output, flow.has.has(Has::INPUT), flow.has.has(Has::OUTPUT), flow.direction)
    };
    let (ingress, egress, unknown) = (Direction::Ingress, Direction::Egress, Direction::Unknown);
    assert_eq!(seen(3, 3, 4), (3, 4, true, true, ingress));
    assert_eq!(seen(4, 3, 4), (3, 4, true, true, egress), "sampled on its way out");
    assert_eq!(seen(5, 3, 4), (3, 4, true, true, unknown));
    assert_eq!(seen(0x0100_0003, 3, 4), (3, 4, true, true, unknown), "sampled in a VLAN");
    assert_eq!(seen(3, 3, INTERNAL), (3, 0, true, true, ingress), "for the device itself");
    assert_eq!(seen(4, INTERNAL, 4), (0, 4, true, true, egress), "from the device itself");
    assert_eq!(seen(3, 3, 0), (3, 0, true, false, ingress), "unknown");
    assert_eq!(seen(3, 3, 1 << 30 | 7), (3, 0, true, true, ingress), "discarded");
    assert_eq!(seen(3, 3, 2 << 30 | 7), (3, 0, true, false, ingress), "flooded");
    assert_eq!(seen(3, 0, 0), (0, 0, false, false, unknown));
    // There is room for large indexes only in expanded samples.
    let large =
        Agent::default().expanded([0, 3], [0, 0x4000_0001], [0, u32::MAX], &[raw_header(1, 64, &frame())]);
    assert_eq!((large.flows()[0].input, large.flows()[0].output), (0x4000_0001, 0));
}

#[test]
fn what_is_unknown_costs_nothing_else() {
    let raw = raw_header(1, 64, &frame());
    let agent = Agent::default()
        .sample(2, &[0; 40])
        .sample(4, &[])
        .sample(5, &[0; 60])
        .sample(8_800 << 12 | 1, &[0; 12])
        .flow(3, 10, 3, 4, &[opaque(4_413 << 12 | 1, &[1; 40]), raw, opaque(1_003, &[])])
        .flow(3, 10, 3, 4, &[opaque(1_002, &[0; 16])]);
    let (header, flows) = decoded(&agent.datagram());
    assert_eq!((header.flow_samples, header.counter_samples, flows.len()), (2, 2, 1));
    assert_eq!((header.discard_samples, header.unknown_samples, header.without_packet), (1, 1, 1));
    assert_eq!(header.trouble, None);
}

#[test]
fn what_is_before_the_damage_counts() {
    let raw = raw_header(1, 64, &frame());
    let once = [raw.clone()];
    let agent = Agent::default().flow(3, 10, 3, 4, &once).flow(3, 10, 3, 4, &once);
    let whole = agent.datagram();
    for length in 0..whole.len() {
        let mut flows = Vec::new();
        match decode(&whole[..length], &mut flows) {
            Err(error) => assert!(length < 28 && error == Malformed::Header),
            Ok(header) => {
                assert!(length >= 28 && header.trouble.is_some(), "{length}");
                assert!(length < 28 + (whole.len() - 28) / 2 || !flows.is_empty(), "{length}");
            }
        }
    }
    let mut counts = whole;
    counts[24..28].copy_from_slice(&u32::MAX.to_be_bytes());
    let (header, flows) = decoded(&counts);
    assert_eq!((header.trouble, flows.len()), (Some(Malformed::Samples), 2), "more samples than there are");
    counts[24..28].copy_from_slice(&1_u32.to_be_bytes());
    let (header, flows) = decoded(&counts);
    assert_eq!((header.trouble, flows.len()), (Some(Malformed::Trailing), 1), "fewer samples than there are");
    let records = words(&[1, 3, 10, 0, 0, 3, 4, u32::MAX]);
    let agent = Agent::default().sample(1, &[records, raw.clone()].concat()).flow(3, 10, 3, 4, &[raw]);
    let (header, flows) = decoded(&agent.datagram());
    assert_eq!((header.trouble, flows.len()), (Some(Malformed::Records), 2), "more records than there are");
    let agent = Agent::default().flow(3, 10, 3, 4, &[opaque(1, &words(&[1, 64, 4, 1_000]))]);
    let (header, flows) = decoded(&agent.datagram());
    assert_eq!((header.trouble, flows.len()), (Some(Malformed::Fields), 1), "a header that is not there");
}

#[test]
fn other_protocols_are_refused() {
    let mut flows = Vec::new();
    assert_eq!(decode(&words(&[4, 1, 1, 1, 1, 1, 0]), &mut flows), Err(Malformed::Version));
    assert_eq!(decode(&words(&[5, 3, 1, 1, 1, 1, 0]), &mut flows), Err(Malformed::Agent));
    assert_eq!(decode(&[], &mut flows), Err(Malformed::Header));
    assert_eq!(
        decoded(&words(&[5, 0, 1, 1, 1, 0])).0.agent,
        Ip::NONE,
        "an agent that does not know its address"
    );
}

proptest! {
    /// Whatever stands around it: other samples, other records.
    #[test]
    fn each_sample_that_is_written_is_read(
        samples in prop::collection::vec((0_u32..5, any::<u32>(), 1_u32..1 << 30, any::<u32>(), 0_usize..50), 0..20),
    ) {
        let mut agent = Agent::default();
        let mut expected = Vec::new();
        for (kind, rate, input, bytes, other) in samples {
            let records = [opaque(1_000 + kind, &vec![7; other]), raw_header(1, bytes, &frame())];
            agent = match kind {
                0 => agent.flow(1, rate, input, 0, &records),
                1 => agent.expanded([0, 1], [0, input], [0, 0], &records),
                kind => { agent = agent.sample(kind * 10, &vec![1; other]); continue }
            };
            expected.push((if kind == 0 { rate } else { 100 }, input % 0x3fff_ffff, u64::from(bytes)));
        }
        let flows = agent.flows();
        let read: Vec<_> = flows.iter().map(|flow| (flow.sampling, flow.input, flow.bytes)).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), as_sflow: bool) {
        let mut datagram = bytes;
        if as_sflow {
            datagram.splice(0..0, words(&[5, 1]));
        }
        let mut flows = Vec::new();
        let _ = decode(&datagram, &mut flows);
        prop_assert!(flows.len() <= datagram.len() / 40);
    }
}

/// All datagrams of the captures, and one with all that we can write.
fn seeds() -> Vec<Vec<u8>> {
    let raw = raw_header(1, 1_518, &frame());
    let v6 =
        opaque(4, &[words(&[60, 17]), vec![0x20; 16], vec![0x30; 16], words(&[53, 5_353, 0, 1])].concat());
    let v4 = opaque(3, &words(&[40, 6, 1, 2, 1_234, 443, 0x12, 8]));
    let own = Agent::default()
        .flow(3, 10, 3, 4, &[raw.clone(), v4])
        .sample(5, &[0; 60])
        .expanded([0, 3], [0, 3], [0, 4], &[v6, raw])
        .datagram();
    CAPTURES.iter().flat_map(|name| payloads(name)).chain([own]).collect()
}

fn mutate_and_decode(datagrams: u64) {
    let seeds = seeds();
    let (mut flows, mut decoded) = (Vec::new(), 0);
    for n in 0..datagrams {
        let datagram = Random::new(n).mutate(&seeds);
        flows.clear();
        decoded += u64::from(decode(&datagram, &mut flows).is_ok());
        assert!(flows.len() <= datagram.len() / 40);
    }
    assert!(decoded > datagrams / 2, "{decoded} of {datagrams}: too far from sFlow");
}

#[test]
fn mutated_datagrams_are_decoded_or_refused() {
    mutate_and_decode(200_000);
}

#[test]
#[ignore = "takes minutes; run it with --release and overflow checks"]
fn twenty_million_mutated_datagrams_are_decoded_or_refused() {
    mutate_and_decode(20_000_000);
}
