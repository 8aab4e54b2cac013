//! `try` as its users meet it: the real binary, its arguments, output and exit codes, with softflowd as the exporter.
//! On loopback only.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "these are tests, which fail by panicking"
)]

#[path = "../support/tcpdump.rs"]
mod tcpdump;

mod captures;
mod live;
mod program;
mod softflowd;
