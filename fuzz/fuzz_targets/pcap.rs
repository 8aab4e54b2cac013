//! Any bytes as a capture.

#![no_main]

use grafolean_netflow_bot::pcap::Capture;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut capture) = Capture::new("fuzz", bytes) else { return };
    let mut payloads = 0;
    while let Ok(Some(datagram)) = capture.datagram() {
        payloads += datagram.payload.len();
    }
    assert!(payloads <= bytes.len());
    let _ = capture.seen().to_string();
});
