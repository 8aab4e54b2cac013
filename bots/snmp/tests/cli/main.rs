//! The program as its operators meet it: the real binary, its arguments, environment, signals, output and exit codes,
//! against net-snmp's snmpd, a simulated agent, and a fake backend. On loopback only.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "these are tests, which fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod agents;
mod commands;
mod lives;
mod memory;
#[path = "../../../../tests/support/program.rs"]
mod program;
mod scene;
mod secrets;
mod settings;

/// The program that is tested.
const BINARY: &str = env!("CARGO_BIN_EXE_grafolean-snmp-bot");
