//! Any bytes as answers of the backend: nothing may panic, hang, or need much memory.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|answer: &[u8]| grafoleancollector::fuzzing::wire(answer));
