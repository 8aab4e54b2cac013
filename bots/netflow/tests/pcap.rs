//! Captures: of tcpdump, of our own making, and damaged ones.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stderr,
    reason = "these are tests, which fail by panicking"
)]

#[path = "support/mutation.rs"]
mod mutation;
#[path = "support/tcpdump.rs"]
mod tcpdump;

use std::net::UdpSocket;
use std::path::Path;

use grafolean_netflow_bot::Ip;
use grafolean_netflow_bot::pcap::{Capture, CaptureError, Seen};
use mutation::Random;
use proptest::prelude::*;
use tcpdump::Tcpdump;

/// A datagram from 10.0.0.1:1234 to 10.0.0.2:2055.
fn ip(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() + 28) as u16;
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet.extend([4, 0xd2, 8, 7]);
    packet.extend((length - 20).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(payload);
    packet
}

fn ethernet(payload: &[u8]) -> Vec<u8> {
    [&[0; 12], &[8, 0][..], &ip(payload)].concat()
}

/// In which byte order a capture is written.
#[derive(Clone, Copy, Debug)]
enum Order {
    Big,
    Little,
}

impl Order {
    fn words(self, words: &[u32]) -> Vec<u8> {
        let bytes = |word: &u32| match self {
            Self::Big => word.to_be_bytes(),
            Self::Little => word.to_le_bytes(),
        };
        words.iter().flat_map(bytes).collect()
    }

    fn halves(self, a: u16, b: u16) -> Vec<u8> {
        match self {
            Self::Big => [a.to_be_bytes(), b.to_be_bytes()].concat(),
            Self::Little => [a.to_le_bytes(), b.to_le_bytes()].concat(),
        }
    }

    fn block(self, kind: u32, content: &[u8]) -> Vec<u8> {
        let padding = content.len().wrapping_neg() % 4;
        let length = (content.len() + padding + 12) as u32;
        [&self.words(&[kind, length]), content, &vec![0; padding], &self.words(&[length])].concat()
    }

    fn section(self) -> Vec<u8> {
        self.block(0x0a0d_0d0a, &[self.words(&[0x1a2b_3c4d]), self.halves(1, 0), vec![0xff; 8]].concat())
    }

    fn interface(self, link: u16, options: &[u8]) -> Vec<u8> {
        self.block(1, &[&self.halves(link, 0), &self.words(&[0]), options].concat())
    }

    fn packet(self, interface: u32, ticks: u64, packet: &[u8]) -> Vec<u8> {
        let length = packet.len() as u32;
        let head = self.words(&[interface, (ticks >> 32) as u32, ticks as u32, length, length]);
        self.block(6, &[&head, packet].concat())
    }

    fn classic(self, magic: u32, link: u32, packets: &[(u32, u32, Vec<u8>)]) -> Vec<u8> {
        let mut file = self.words(&[magic, 0x0002_0004, 0, 0, 65_535, link]);
        for (seconds, parts, packet) in packets {
            let length = packet.len() as u32;
            file.extend(self.words(&[*seconds, *parts, length, length]));
            file.extend(packet);
        }
        file
    }
}

const ORDERS: [Order; 2] = [Order::Big, Order::Little];
const MICROS: u32 = 0xa1b2_c3d4;
const NANOS: u32 = 0xa1b2_3c4d;

type Read = (Vec<(i64, Vec<u8>)>, Seen);

fn try_read(file: &[u8]) -> Result<Read, CaptureError> {
    let mut capture = Capture::new("test.pcap", file)?;
    let mut datagrams = Vec::new();
    while let Some(datagram) = capture.datagram()? {
        datagrams.push((datagram.time.as_micros(), datagram.payload.to_vec()));
    }
    Ok((datagrams, *capture.seen()))
}

fn read(file: &[u8]) -> Read {
    try_read(file).unwrap()
}

#[test]
fn both_byte_orders_and_resolutions_of_pcap_are_read() {
    for order in ORDERS {
        for (magic, parts) in [(MICROS, 7), (NANOS, 7_999)] {
            let file = order.classic(magic, 1, &[(100, parts, ethernet(b"one")), (101, 0, ethernet(b""))]);
            let (datagrams, seen) = read(&file);
            assert_eq!(datagrams, [(100_000_007, b"one".to_vec()), (101_000_000, vec![])], "{order:?}");
            assert_eq!((seen.packets, seen.datagrams, seen.is_cut_short), (2, 2, false));
        }
    }
}

#[test]
fn a_datagram_tells_who_sent_it_to_whom() {
    let file = Order::Little.classic(MICROS, 1, &[(100, 0, ethernet(b"payload"))]);
    let mut capture = Capture::new("test.pcap", &file[..]).unwrap();
    let datagram = capture.datagram().unwrap().unwrap();
    assert_eq!((datagram.source, datagram.source_port), (Ip::v4(0x0a00_0001), 1_234));
    assert_eq!((datagram.destination, datagram.destination_port), (Ip::v4(0x0a00_0002), 2_055));
    assert_eq!(datagram.payload, b"payload");
}

#[test]
fn link_types_are_known() {
    let v4 = ip(b"x");
    let after = |head: &[u8]| [head, &v4].concat();
    let cooked = [&[0; 14], &[8, 0][..]].concat();
    let cooked_2 = [&[8, 0], &[0; 18][..]].concat();
    for (link, packet) in [
        (1, after(&[&[0; 12], &[0x81, 0, 0, 7, 8, 0][..]].concat())),
        (0, after(&[2, 0, 0, 0])),
        (108, after(&[0, 0, 0, 2])),
        (9, after(&[0, 0x21])),
        (101, v4.clone()),
        (12, v4.clone()),
        (228, v4.clone()),
        (113, after(&cooked)),
        (276, after(&cooked_2)),
        // With a checksum of four bytes behind each frame.
        (0x4400_0001, [ethernet(b"x"), vec![9; 4]].concat()),
    ] {
        let (datagrams, _) = read(&Order::Little.classic(MICROS, link, &[(1, 0, packet)]));
        assert_eq!(datagrams, [(1_000_000, b"x".to_vec())], "link type {link}");
    }
    let (datagrams, seen) = read(&Order::Little.classic(MICROS, 105, &[(1, 0, v4.clone())]));
    assert_eq!((datagrams.len(), seen.unknown_link), (0, 1));
    assert_eq!(seen.to_string(), "1 packets, 0 UDP datagrams, 1 of link type 105, which is not known");
}

#[test]
fn what_is_no_whole_datagram_is_counted() {
    let mut fragment = ethernet(b"fragment");
    fragment[20] = 0x20;
    let mut tcp = ethernet(b"tcp");
    tcp[23] = 6;
    let mut lie = ethernet(b"length");
    lie[38..40].copy_from_slice(&100_u16.to_be_bytes());
    let arp = [&[0xff; 12], &[8, 6][..], &[0; 28]].concat();
    let mut file = Order::Little.classic(MICROS, 1, &[]);
    for packet in [fragment, tcp, lie, arp] {
        let length = packet.len() as u32;
        file.extend(Order::Little.words(&[1, 0, length, length]));
        file.extend(packet);
    }
    let short = ethernet(b"short");
    file.extend(Order::Little.words(&[1, 0, 44, short.len() as u32]));
    file.extend(&short[..44]);
    // So short that nobody knows what it was.
    file.extend(Order::Little.words(&[1, 0, 20, short.len() as u32]));
    file.extend(&short[..20]);
    let (datagrams, seen) = read(&file);
    assert_eq!(datagrams, []);
    assert_eq!((seen.packets, seen.fragments, seen.others, seen.truncated), (6, 1, 2, 3));
    assert_eq!(
        seen.to_string(),
        "6 packets, 0 UDP datagrams, 2 of other protocols, 1 fragments (set the exporter to smaller datagrams), \
         3 truncated (capture with -s 0)"
    );
}

#[test]
fn padding_of_a_frame_and_a_short_udp_length_end_the_payload() {
    let mut padded = ethernet(b"ab");
    padded.extend([0; 18]);
    let mut shorter = ethernet(b"abcdef");
    shorter[38..40].copy_from_slice(&10_u16.to_be_bytes());
    let (datagrams, _) = read(&Order::Big.classic(MICROS, 1, &[(0, 0, padded), (0, 0, shorter)]));
    assert_eq!(datagrams, [(0, b"ab".to_vec()), (0, b"ab".to_vec())]);
}

#[test]
fn pcapng_is_read_with_several_interfaces_and_sections() {
    for order in ORDERS {
        let other = if matches!(order, Order::Big) { Order::Little } else { Order::Big };
        let nanos = [order.halves(9, 1), vec![9, 0, 0, 0], order.halves(0, 0)].concat();
        let binary =
            [order.halves(2, 3), b"lo0\0".to_vec(), order.halves(9, 1), vec![0x80 | 10, 0, 0, 0]].concat();
        let mut simple = order.words(&[ethernet(b"simple").len() as u32]);
        simple.extend(ethernet(b"simple"));
        let mut old = [order.halves(1, 0), order.words(&[0, 5_000, 35, 35])].concat();
        old.extend(ip(b"old data")[..35].to_vec());
        let file = [
            order.section(),
            order.interface(1, &nanos),
            order.interface(101, &binary),
            // Name resolution, statistics: of no use here.
            order.block(4, &[0; 40]),
            order.packet(0, 100_000_007_999, &ethernet(b"nanos")),
            order.packet(1, 3 << 9, &ip(b"binary")),
            order.block(3, &simple),
            order.block(2, &old),
            order.packet(7, 0, &ip(b"no such interface")),
            order.block(5, &[0; 12]),
            other.section(),
            other.interface(1, &[]),
            other.packet(0, 8_000_000, &ethernet(b"other")),
        ];
        let (datagrams, seen) = read(&file.concat());
        let expected: [(i64, &[u8]); 4] =
            [(100_000_007, b"nanos"), (1_500_000, b"binary"), (1_500_000, b"simple"), (8_000_000, b"other")];
        assert_eq!(datagrams, expected.map(|(time, payload)| (time, payload.to_vec())), "{order:?}");
        assert_eq!((seen.packets, seen.truncated, seen.unknown_link), (6, 1, 1));
    }
}

#[test]
fn a_capture_that_ends_in_the_middle_gives_what_it_has() {
    let classic = Order::Little.classic(MICROS, 1, &[(1, 0, ethernet(b"one")), (2, 0, ethernet(b"two"))]);
    let order = Order::Little;
    let head = [order.section(), order.interface(1, &[])].concat();
    let packets = [order.packet(0, 1, &ethernet(b"one")), order.packet(0, 2, &ethernet(b"two"))];
    let blocks = [&head[..], &packets[0], &packets[1]].concat();
    for (file, begin, first) in
        [(&classic, 24, 24 + 16 + 45), (&blocks, head.len(), head.len() + packets[0].len())]
    {
        for length in begin..file.len() {
            let (datagrams, seen) = read(&file[..length]);
            assert_eq!(datagrams.len(), usize::from(length >= first), "{length}");
            assert_eq!(seen.is_cut_short, length != begin && length != first, "{length}");
        }
    }
}

#[test]
fn errors_name_the_file_and_the_place() {
    let says = |file: &[u8]| try_read(file).unwrap_err().to_string();
    assert_eq!(says(b""), "test.pcap: neither pcap nor pcapng (it is too short)");
    assert_eq!(says(b"#!/bin/sh, and more of it"), "test.pcap: neither pcap nor pcapng");
    assert!(says(b"\x1f\x8b\x08\0\0\0\0\0").contains("it is compressed (gunzip -c FILE"));
    let mut file = Order::Little.classic(MICROS, 1, &[(1, 0, ethernet(b"one"))]);
    file.extend(Order::Little.words(&[1, 0, u32::MAX, u32::MAX]));
    assert_eq!(says(&file), "test.pcap: damaged at byte 85: a packet of more than a mebibyte");
    let order = Order::Big;
    let mut file = [order.section(), order.block(99, &[0; 8])].concat();
    let end = file.len();
    file[end - 1] += 4;
    assert_eq!(says(&file), "test.pcap: damaged at byte 28: a block whose two lengths differ");
    let file = [order.section(), order.words(&[1, 4])].concat();
    assert_eq!(says(&file), "test.pcap: damaged at byte 28: a block whose length is too small");
    let error = Capture::open(Path::new("/nonexistent/flows.pcap")).err().unwrap();
    assert_eq!(error.to_string(), "/nonexistent/flows.pcap: cannot be opened");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn what_tcpdump_captures_is_read() {
    for (host, device) in [("127.0.0.1", "lo"), ("::1", "lo"), ("127.0.0.1", "any")] {
        let receiver = UdpSocket::bind((host, 0)).unwrap();
        let to = receiver.local_addr().unwrap();
        let Some(mut tcpdump) = Tcpdump::start("what_tcpdump_captures_is_read", device, to.port(), 3) else {
            return;
        };
        let sender = UdpSocket::bind((host, 0)).unwrap();
        let large = vec![7; 20_000];
        for payload in [&b"first"[..], b"", &large] {
            sender.send_to(payload, to).unwrap();
        }
        let file = tcpdump.finish();
        let mut capture = Capture::open(&file).unwrap();
        for payload in [&b"first"[..], b"", &large] {
            let datagram = capture.datagram().unwrap().unwrap();
            assert_eq!(datagram.payload, payload, "{host} {device}");
            assert_eq!(datagram.source.to_addr(), to.ip());
            assert_eq!(datagram.source_port, sender.local_addr().unwrap().port());
            assert_eq!(datagram.destination_port, to.port());
            assert!(datagram.time.as_millis() > 1_700_000_000_000);
        }
    }
}

proptest! {
    #[test]
    fn each_packet_that_is_written_is_read(
        packets in prop::collection::vec((any::<u32>(), 0_u32..1_000_000, prop::collection::vec(any::<u8>(), 0..300)), 0..20),
        is_big: bool,
    ) {
        let order = if is_big { Order::Big } else { Order::Little };
        let micros = |seconds: u32, micros: u32| i64::from(seconds) * 1_000_000 + i64::from(micros);
        let expected: Vec<_> =
            packets.iter().map(|(seconds, parts, payload)| (micros(*seconds, *parts), payload.clone())).collect();
        let framed: Vec<_> =
            packets.iter().map(|(seconds, parts, payload)| (*seconds, *parts, ethernet(payload))).collect();
        prop_assert_eq!(&read(&order.classic(MICROS, 1, &framed)).0, &expected);
        let mut blocks = [order.section(), order.interface(1, &[])].concat();
        for (seconds, parts, frame) in &framed {
            blocks.extend(order.packet(0, micros(*seconds, *parts) as u64, frame));
        }
        prop_assert_eq!(&read(&blocks).0, &expected);
    }
}

#[test]
fn damaged_captures_are_read_or_refused() {
    let order = Order::Little;
    let packets: Vec<_> = (0..4).map(|n| (n, n, ethernet(&[n as u8; 40]))).collect();
    let blocks = [
        order.section(),
        order.interface(1, &[order.halves(9, 1), vec![9, 0, 0, 0], order.halves(14, 8), vec![1; 8]].concat()),
        order.packet(0, 100, &ethernet(b"one")),
        order.block(3, &[order.words(&[46]), ethernet(b"two!")].concat()),
    ];
    let mut seeds =
        vec![order.classic(MICROS, 1, &packets), Order::Big.classic(NANOS, 113, &packets), blocks.concat()];
    for name in ["sflow_expanded", "sflow_print-segv"] {
        let path = format!("{}/tests/data/tcpdump/{name}.pcap", env!("CARGO_MANIFEST_DIR"));
        seeds.push(std::fs::read(path).unwrap());
    }
    let mut datagrams = 0;
    for n in 0..100_000 {
        let file = Random::new(n).mutate(&seeds);
        if let Ok((read, seen)) = try_read(&file) {
            assert!(read.iter().map(|(_, payload)| payload.len()).sum::<usize>() <= file.len());
            let Seen { packets, datagrams: whole, fragments, truncated, others, unknown_link, .. } = seen;
            assert_eq!(packets, whole + fragments + truncated + others + unknown_link);
            datagrams += whole;
        }
    }
    assert!(datagrams > 50_000, "{datagrams}: too far from captures");
}
