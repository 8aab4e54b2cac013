//! What several tests and benches share.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "helpers of tests, of which each uses some"
)]

pub mod agent;
pub mod ber;
pub mod snmpd;
