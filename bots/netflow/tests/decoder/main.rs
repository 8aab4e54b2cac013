//! What separates a good decoder from a toy, and bad things that it must survive.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "these are tests, helpers included")]

mod bench;
mod books;
mod limits;
mod lives;
mod names;
#[path = "../support/packets.rs"]
mod packets;
mod records;
mod sampling;
mod templates;
mod versions;
