//! Any text as an expression, evaluated with any numbers: it is compiled or refused, and gives a number or none.

#![no_main]

use grafolean_snmp_bot::fuzzing::expression;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<f64>, &str)| expression(input.1, &input.0));
