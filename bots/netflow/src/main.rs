//! The `grafolean-netflow-bot` binary.

fn main() {}
