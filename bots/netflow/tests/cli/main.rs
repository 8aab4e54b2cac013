//! The program as its operators meet it: the real binary, real exporters, and a fake backend. On loopback only.
//!
//! The shortest window is a minute, and these tests wait for it to end; they run side by side.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "these are tests, which fail by panicking"
)]

mod commands;
mod delivery;
mod lives;
#[path = "../../../../tests/support/program.rs"]
mod program;
mod scene;
mod settings;
mod sockets;
mod softflowd;
mod suggestions;

/// The program that is tested.
const BINARY: &str = env!("CARGO_BIN_EXE_grafolean-netflow-bot");
