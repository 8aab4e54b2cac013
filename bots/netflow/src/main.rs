//! The `grafolean-netflow-bot` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = std::env::args_os().skip(1);
    grafolean_netflow_bot::try_flows(arguments.collect())
}
