//! The `grafolean` binary, from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test says why it is skipped")]

mod alone;
mod everything;
mod orders;
mod troubles;

#[path = "../../../../tests/support/program.rs"]
mod program;
#[path = "../support/scene.rs"]
mod scene;

const BINARY: &str = env!("CARGO_BIN_EXE_grafolean");
