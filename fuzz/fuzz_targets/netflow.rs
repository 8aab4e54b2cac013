//! Datagrams of one exporter, one after the other: each begins with its length.
#![no_main]

use std::sync::Arc;

use grafolean_netflow_bot::Ip;
use grafolean_netflow_bot::decode::{Decoder, Kept};
use grafoleancollector::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let now = Timestamp::from_secs(1_700_000_000);
    let mut decoder = Decoder::new(Arc::default());
    decoder.set_known(Arc::new([Ip::v4(1)].into()));
    let mut rest = data;
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(behind.len());
        let (datagram, behind) = behind.split_at(length);
        decoder.datagram(now, Ip::v4(1), datagram, &mut |_, flows| {
            assert!(!flows.is_empty());
        });
        rest = behind;
    }
    let changes = decoder.changes();
    let kept = changes.iter().filter_map(|(key, value)| Some((&key[..], value.as_deref()?)));
    assert!(Kept::read(kept, now).1.unreadable.is_empty());
});
