//! The `grafolean-snmp-bot` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    grafolean_snmp_bot::try_host(std::env::args_os().skip(1).collect())
}
