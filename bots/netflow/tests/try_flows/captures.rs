//! What is in captures.

use std::net::UdpSocket;

use serde_json::Value;

use crate::program::try_flows;
use crate::softflowd::{OCTETS, export};
use crate::tcpdump::Tcpdump;

fn data(name: &str) -> String {
    format!("{}/tests/data/tcpdump/{name}.pcap", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_capture_of_sflow_is_shown() {
    let ended = try_flows(&["--pcap", &data("sflow_expanded")]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // One of a thousand packets was sampled, of 126 bytes.
    for part in ["1 UDP datagrams, 1 flow", "sflow", "1:1000", "126k", "52.52.52.52", "TCP"] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    let ended = try_flows(&["--pcap", &data("sflow-print-v6"), "--json"]);
    let flows: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((ended.code, flows.len()), (Some(0), 13), "{ended:?}");
    assert!(flows.iter().all(|flow| flow["version"] == "sflow" && flow["packets"] == 1));
    let ended = try_flows(&["--pcap", &data("sflow-print-v6"), "--json", "--count", "5"]);
    assert_eq!(ended.stdout.lines().count(), 5);
}

#[test]
fn what_tcpdump_captures_of_softflowd_is_shown() {
    let test = "what_tcpdump_captures_of_softflowd_is_shown";
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = receiver.local_addr().unwrap();
    let Some(mut tcpdump) = Tcpdump::start(test, "lo", to.port(), 1) else { return };
    if export(test, "9", to).is_none() {
        return;
    }
    let file = tcpdump.finish();
    let ended = try_flows(&["--pcap", file.to_str().unwrap(), "--port", &to.port().to_string(), "--json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let flow: Value = serde_json::from_str(ended.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&flow["bytes"], &flow["version"]), (&OCTETS.into(), &"v9".into()));
    let ended = try_flows(&["--pcap", file.to_str().unwrap(), "--port", "1"]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.stderr,
        format!("Nothing was sent to that port; there are datagrams to {}\n", to.port())
    );
}

#[test]
fn where_nothing_can_be_decoded_it_says_why() {
    let ended = try_flows(&["--pcap", &data("sflow_print-segv")]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!ended.stderr.is_empty());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("no\u{1b}[2J.pcap");
    let path = file.to_str().unwrap();
    let ended = try_flows(&["--pcap", path]);
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(1), 1), "{ended:?}");
    assert!(ended.stderr.contains("cannot be opened: No such file"), "{ended:?}");
    std::fs::write(&file, "hello").unwrap();
    let ended = try_flows(&["--pcap", path]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("neither pcap nor pcapng"), "{ended:?}");
    // A capture without any packet, from standard input, which is empty.
    let ended = try_flows(&["--pcap", "-"]);
    assert!(ended.stderr.contains("standard input: neither pcap nor pcapng (it is too short)"), "{ended:?}");
}
