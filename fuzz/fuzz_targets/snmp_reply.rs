//! Any datagram as what a device answers, from the requests under way to the values: nothing may panic, and what is
//! believed is in order. The first byte says how the device is asked; the rest is the datagram.

#![no_main]

use grafolean_snmp_bot::fuzzing::{Replies, Version};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static REPLIES: Replies = Replies::new().expect("a runtime");
}

fuzz_target!(|input: &[u8]| {
    let Some((how, datagram)) = input.split_first() else { return };
    let version = Version::ALL[usize::from(how % 4)];
    // SNMPv3 asks for the engine first.
    let answers = [&Replies::ENGINE_REPORT[..], datagram];
    let discovered = how & 4 != 0;
    REPLIES.with(|replies| replies.poll(version, if discovered { &answers } else { &answers[1..] }));
});
