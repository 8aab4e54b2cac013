//! The `grafolean` binary: the hub and the bots in one process.

fn main() {}
