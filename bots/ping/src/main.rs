//! The `grafolean-ping-bot` binary.

use std::process::ExitCode;

use grafolean_ping_bot::{PingBot, program};

fn main() -> ExitCode {
    program().main(PingBot::from_environment)
}
