//! The `grafolean-snmp-bot` binary.

use std::process::ExitCode;

use grafolean_snmp_bot::{CONCURRENCY, SnmpBot, VARIABLES, try_host};
use grafoleancollector::Program;

fn main() -> ExitCode {
    Program::new("grafolean-snmp-bot", env!("CARGO_PKG_VERSION"))
        .about("Grafolean's SNMP bot: polls the devices that Grafolean names, and delivers their values")
        .variables(VARIABLES)
        .concurrency(CONCURRENCY)
        // It logs each request that fails, and each strange datagram, whoever sent it.
        .quiet_library("async_snmp")
        .command(
            "try",
            "Ask a device without any backend: what it is like, and what a sensor would deliver",
            try_host,
        )
        .main(SnmpBot::from_environment)
}
