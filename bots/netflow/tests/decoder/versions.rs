//! What each version of an export packet says of itself: its records, its clock, what was lost.

use grafolean_netflow_bot::books::{Malformed, RateOrigin};
use grafolean_netflow_bot::{Flow, Has, Ip, Version};

use crate::bench::{Bench, EXPORT_MS, ROUTER, numbers};
use crate::packets::{FIELDS, ipfix, record, set, template, v5, v9};

#[test]
fn a_record_of_v5_has_all_that_it_says() {
    let mut bench = Bench::new();
    let flows = bench.flows(&v5(0, 1, 1, 0));
    let expected = Flow {
        src: Ip::v4(0x0a00_0001),
        dst: Ip::v4(0x0a00_0002),
        bytes: 100,
        packets: 2,
        start: EXPORT_MS - 5_000,
        end: EXPORT_MS - 1_000,
        input: 3,
        output: 4,
        src_port: 12_345,
        dst_port: 80,
        protocol: 6,
        tcp_flags: 0x1b,
        tos: 8,
        has: Has::PROTOCOL.with(Has::SRC_PORT).with(Has::DST_PORT).with(Has::INPUT).with(Has::OUTPUT),
        ..Flow::default()
    };
    assert_eq!(flows, [expected]);
    let (origin, _) = &bench.runs[0];
    assert_eq!((origin.version, origin.domain, origin.source), (Version::V5, 0x102, ROUTER));
}

#[test]
fn a_packet_of_v7_is_like_v5_with_longer_records() {
    let mut packet = v5(0, 2, 0, 0);
    packet[1] = 7;
    for _ in 0..2 {
        packet.extend(&v5(0, 1, 1, 0)[24..]);
        packet.extend([10, 9, 9, 9]);
    }
    assert_eq!(Bench::new().octets(&packet), [100, 100]);
}

#[test]
fn the_records_that_a_v5_packet_has_are_read_although_it_says_that_there_are_more() {
    let mut bench = Bench::new();
    assert_eq!(bench.octets(&v5(0, 30, 3, 0)), [100; 3]);
    assert_eq!(bench.octets(&v5(0, 1, 3, 0)), [100], "what is behind its records is not believed");
    assert_eq!(
        bench.octets(&v5(0, 55_582, 30, 0)),
        [0; 0],
        "no exporter sends so many: the header is damaged"
    );
    assert_eq!(bench.malformed(Malformed::Count), 3);
}

#[test]
fn datagrams_of_sflow_are_counted_with_the_others() {
    let mut bench = Bench::new();
    // Version, agent's address, sub-agent, sequence, uptime, samples: one of an Ethernet frame, one of 512.
    let ethernet = [2, 16, 1_500, 0, 0, 0];
    let sample = [&[9, 3, 512, 5_120, 0, 3, 4, 1][..], &ethernet].concat();
    let samples = [&[1, sample.len() as u32 * 4][..], &sample].concat();
    for sequence in (0..100).filter(|sequence| *sequence != 50) {
        let header = [5, 1, 0x0a00_0007, 2, sequence, 60_000, 1];
        let flows = bench.flows(&numbers(&[&header[..], &samples].concat()));
        assert_eq!((flows[0].bytes, flows[0].sampling, flows[0].input), (1_500, 512, 3));
    }
    let (origin, _) = &bench.runs[0];
    assert_eq!((origin.reported, origin.domain, origin.version), (Ip::v4(0x0a00_0007), 2, Version::Sflow));
    let books = bench.of(ROUTER);
    let sflow = books.version(Version::Sflow);
    assert_eq!((sflow.flows.get(), sflow.octets.get(), sflow.lost.get()), (99, 99 * 1_500, 1));
    assert_eq!(books.sampling().origin, RateOrigin::Header);
}

#[test]
fn a_set_that_is_longer_than_its_message_is_read_as_far_as_it_goes() {
    let mut bench = Bench::new();
    let mut packet = v9(1, 0, &[set(0, &template(256, &FIELDS)), set(256, &[record(1), record(2)].concat())]);
    packet.truncate(packet.len() - 3);
    assert_eq!(bench.octets(&packet), [1]);
    assert_eq!(bench.malformed(Malformed::SetLength), 1);
}

#[test]
fn padding_and_zeros_behind_records_are_nothing() {
    let mut bench = Bench::new();
    let padded = [&record(1)[..], &[0; 3]].concat();
    let mut packet = v9(1, 0, &[set(0, &[&template(256, &FIELDS)[..], &[0; 2]].concat()), set(256, &padded)]);
    packet.extend([0; 60]);
    assert_eq!(bench.octets(&packet), [1]);
    assert!(Malformed::ALL.into_iter().all(|why| bench.malformed(why) == 0));
}

#[test]
fn packets_of_other_protocols_and_cut_ones_cost_nothing() {
    let mut bench = Bench::new();
    for datagram in
        [&b""[..], &[0], &[0, 9], b"GET / HTTP/1.1\r\n", &[0xff; 1_400], &[0; 64], &v9(1, 0, &[])[..19]]
    {
        assert!(bench.flows(datagram).is_empty());
    }
    assert_eq!(bench.malformed(Malformed::Version), 5);
    assert_eq!(bench.malformed(Malformed::Header), 2);
}

#[test]
fn gaps_are_counted_in_the_units_of_each_version() {
    let mut bench = Bench::new();
    for n in (0..100).filter(|n| *n != 7) {
        bench.flows(&v5(n * 3, 3, 3, 0));
        bench.flows(&v9(
            1,
            n,
            &[set(0, &template(256, &FIELDS)), set(256, &[record(1), record(2)].concat())],
        ));
        bench.flows(&ipfix(
            1,
            n * 2,
            &[set(2, &template(256, &FIELDS)), set(256, &[record(1), record(2)].concat())],
        ));
    }
    let books = bench.of(ROUTER);
    let lost = [Version::V5, Version::V9, Version::Ipfix].map(|version| books.version(version).lost.get());
    assert_eq!(lost, [3, 1, 2]);
    assert_eq!(books.templates.get(), 2, "gaps cost no template");
}

#[test]
fn the_clock_of_an_exporter_is_compared_with_ours() {
    let mut bench = Bench::new();
    bench.later(3_600);
    for n in 0..100 {
        bench.flows(&v5(n, 1, 1, 0));
    }
    assert_eq!(bench.of(ROUTER).skew_ms(), Some(3_600_000));
}
