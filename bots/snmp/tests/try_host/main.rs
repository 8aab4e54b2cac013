//! `try` as its users meet it: the real binary, its arguments, output and exit codes, against net-snmp's snmpd and a
//! simulated agent that misbehaves. On loopback only.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "these are tests, which fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod misbehaving;
mod objects;
mod program;
mod real_agent;
mod sensor;
