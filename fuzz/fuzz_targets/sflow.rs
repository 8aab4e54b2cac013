//! Any bytes as a datagram of sFlow.

#![no_main]

use grafolean_netflow_bot::sflow::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    let mut flows = Vec::new();
    let header = decode(datagram, &mut flows);
    // What a sample of a packet takes at least.
    assert!(flows.len() <= datagram.len() / 40);
    if let Ok(header) = header {
        assert_eq!(header.flow_samples as usize, flows.len() + header.without_packet as usize);
    }
});
