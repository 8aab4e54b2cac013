//! Lists of values as bots send them to the hub.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| grafolean_hub::fuzzing::values(body));
