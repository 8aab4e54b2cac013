//! A whole bot: a backend that says what to measure, devices that answer (or do not), values that arrive.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "these are tests, which fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod configuration;
mod counters;
mod crowds;
mod dead;
mod engines;
mod interfaces;
mod libraries;
mod log;
mod measuring;
mod misbehaviour;
mod stage;
mod stopping;
mod tables;
