//! The `grafolean-ping-bot` binary.
fn main() {}
