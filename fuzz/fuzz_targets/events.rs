//! Any bytes as a stream of events: nothing may panic, hang, or need much memory.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| grafoleancollector::fuzzing::events(stream));
