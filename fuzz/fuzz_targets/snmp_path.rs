//! Any texts as a template of paths, and as what is put into it: what comes of it is a path.

#![no_main]

use grafolean_snmp_bot::fuzzing::{output_path, slug};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, Vec<u32>, &str)| {
    let (template, index, value) = input;
    output_path(template, value, &index);
    slug(value);
});
