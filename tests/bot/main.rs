//! A whole bot against a fake backend: how it keeps time, survives bad company, and stops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod changes;
mod configuration;
mod health;
mod lifecycle;
mod outages;
mod parts;
mod posting;
mod problems;
mod remembering;
mod scripted;
mod starting;
mod stopping;
mod timetable;
