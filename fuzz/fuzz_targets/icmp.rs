//! Any bytes as packets from the network: nothing may panic.

#![no_main]

use grafolean_ping_bot::icmp::packet::{Layout, parse, parse_request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    for layout in [Layout::Ipv4Raw, Layout::Ipv4Datagram, Layout::Ipv6] {
        let _ = parse(layout, packet);
        let _ = parse_request(layout, packet);
    }
});
