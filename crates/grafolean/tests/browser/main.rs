//! The page as a person uses it: in a real browser, against the program as it is started.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test says why it is skipped")]

mod driver;
mod first_start;
mod rights;
mod snmp_device;

#[path = "../support/person.rs"]
mod person;
#[path = "../../../../tests/support/program.rs"]
mod program;
#[path = "../support/scene.rs"]
mod scene;
#[path = "../../../../bots/snmp/tests/support/mod.rs"]
mod simulated;

const BINARY: &str = env!("CARGO_BIN_EXE_grafolean");
