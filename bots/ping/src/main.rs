//! The `grafolean-ping-bot` binary.

use std::process::ExitCode;

use grafolean_ping_bot::{CONCURRENCY, PingBot, VARIABLES, try_hosts};
use grafoleancollector::Program;

fn main() -> ExitCode {
    Program::new("grafolean-ping-bot", env!("CARGO_PKG_VERSION"))
        .about("Grafolean's ICMP ping bot: pings the devices that Grafolean names, and delivers the results")
        .variables(VARIABLES)
        .concurrency(CONCURRENCY)
        .command("try", "Ping hosts without any backend, and print what fping would", try_hosts)
        .main(PingBot::from_environment)
}
