//! The hub as a whole, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are not tests to the lint"
)]

mod access;
mod changes;
mod first_start;
mod inventory;
mod login;
mod observed;
mod people;
mod schemas;
mod server;
mod support;
mod values;
