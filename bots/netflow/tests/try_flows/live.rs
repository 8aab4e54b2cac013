//! What comes from the network.

use std::net::UdpSocket;

use serde_json::Value;

use crate::program::{Ended, Try, try_flows};
use crate::softflowd::{OCTETS, PACKETS, export};

fn lines(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_flow_of_softflowd_is_a_line_of_json() {
    for (softflowd, version) in [("5", "v5"), ("9", "v9"), ("10", "ipfix")] {
        let listening = Try::start(&["--listen", "127.0.0.1:0", "--json", "--count", "1"]);
        if export("each_flow_of_softflowd_is_a_line_of_json", softflowd, listening.address()).is_none() {
            return;
        }
        let ended = listening.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let [flow] = &lines(&ended)[..] else { panic!("{ended:?}") };
        assert_eq!(flow["version"], version);
        assert_eq!(flow["exporter"], "127.0.0.1");
        assert_eq!((&flow["src"], &flow["dst"]), (&"10.0.0.1".into(), &"10.0.0.2".into()));
        assert_eq!(
            (&flow["src_port"], &flow["dst_port"], &flow["protocol"]),
            (&1_234.into(), &53.into(), &17.into())
        );
        assert_eq!((&flow["bytes"], &flow["packets"]), (&OCTETS.into(), &PACKETS.into()));
        assert!(flow["time"].as_i64().unwrap() > 1_700_000_000_000);
    }
}

#[test]
fn a_signal_ends_it_with_a_summary() {
    let listening = Try::start(&["--listen", "127.0.0.1:0", "--every", "1"]);
    if export("a_signal_ends_it_with_a_summary", "9", listening.address()).is_none() {
        return;
    }
    // A table before the end.
    let shown = listening.wait_for("stdout", "10.0.0.1 > 10.0.0.2");
    assert!(shown.contains("packets/s"), "{shown}");
    listening.interrupt();
    let ended = listening.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let last = ended.stdout.rsplit("127.0.0.1:").next().unwrap();
    for part in ["with 1 flow in", "exporter", "127.0.0.1", "v9", "UDP", "10.0.0.1 > 10.0.0.2", "100 %"] {
        assert!(last.contains(part), "{part}: {}", ended.stdout);
    }
}

/// A datagram of v5 with so many flows.
fn v5(flows: u8) -> Vec<u8> {
    let mut datagram = vec![0; 24 + 48 * usize::from(flows)];
    (datagram[1], datagram[3]) = (5, flows);
    datagram
}

#[test]
fn it_ends_after_as_many_flows_as_were_asked_for() {
    let listening =
        Try::start(&["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--json", "--count", "7"]);
    let address = listening.address();
    let exporter = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..3 {
        exporter.send_to(&v5(3), address).unwrap();
    }
    let ended = listening.end();
    assert_eq!((ended.code, lines(&ended).len()), (Some(0), 7), "{ended:?}");
}

#[test]
fn where_nothing_comes_it_says_what_to_check() {
    let ended = try_flows(&["--listen", "127.0.0.1:0", "--seconds", "1"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("Nothing has come yet. \"tcpdump -ni any udp port "), "{ended:?}");
    assert!(ended.stdout.contains("0 packets with 0 flows"), "{ended:?}");
}

#[test]
fn silence_is_told_of_while_it_lasts() {
    let listening = Try::start(&["--listen", "127.0.0.1:0"]);
    listening.wait_for("stderr", "is the exporter told to send to this host and port?");
    listening.interrupt();
    let ended = listening.end();
    assert_eq!((ended.code, ended.stderr.matches("Nothing has come").count()), (Some(1), 1), "{ended:?}");
}

#[test]
fn packets_of_other_protocols_are_no_flows() {
    let listening = Try::start(&["--listen", "127.0.0.1:0", "--every", "1"]);
    let exporter = UdpSocket::bind("127.0.0.1:0").unwrap();
    exporter.send_to(b"GET / HTTP/1.1\r\n\r\n", listening.address()).unwrap();
    listening.wait_for("stdout", "1 packet with 0 flows");
    listening.interrupt();
    let ended = listening.end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("none of them is NetFlow v5, v7, v9, IPFIX or sFlow v5"), "{ended:?}");
}

#[test]
fn data_without_its_template_is_waited_for_by_name() {
    let listening = Try::start(&["--listen", "127.0.0.1:0", "--every", "1"]);
    let exporter = UdpSocket::bind("127.0.0.1:0").unwrap();
    // v9, one record of a template that nobody has seen.
    let mut datagram = vec![0, 9, 0, 1];
    datagram.extend([0; 16]);
    datagram.extend([1, 0, 0, 8, 1, 2, 3, 4]);
    exporter.send_to(&datagram, listening.address()).unwrap();
    listening.wait_for("stdout", "waiting for a template");
    listening.interrupt();
    let ended = listening.end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("The data came without its templates"), "{ended:?}");
}

#[test]
fn a_taken_port_is_one_clear_line() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let socket = UdpSocket::bind(taken).unwrap();
    let ended = try_flows(&["--listen", &socket.local_addr().unwrap().to_string()]);
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(1), 1), "{ended:?}");
    assert!(ended.stderr.contains(&format!("{taken} is taken by another program")), "{ended:?}");
}

#[test]
fn wrong_arguments_end_with_two() {
    for arguments in [&["--listen", "router"][..], &["--port", "1"], &["--pcap"], &["--seconds", "x"]] {
        let ended = try_flows(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {ended:?}");
    }
    let help = try_flows(&["--help"]);
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("--pcap <FILE>") && help.stdout.contains("Exit code"), "{help:?}");
}
