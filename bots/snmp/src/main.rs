//! The `grafolean-snmp-bot` binary.

use std::process::ExitCode;

use grafolean_snmp_bot::{SnmpBot, program};

fn main() -> ExitCode {
    program().main(SnmpBot::from_environment)
}
