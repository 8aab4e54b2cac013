//! The program as its operators meet it: the real binary, its arguments, environment, signals, output and exit codes,
//! against a fake backend on loopback.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test fails by panicking")]

mod arguments;
mod backend_away;
mod check;
mod data_dir;
mod killed;
mod logging;
mod once;
#[path = "../../../../tests/support/program.rs"]
mod program;
mod scene;
mod service;
mod settings;
mod stopping;
mod token;
mod try_hosts;

/// The program that is tested.
const BINARY: &str = env!("CARGO_BIN_EXE_grafolean-ping-bot");
