//! The `grafolean-netflow-bot` binary.

use std::process::ExitCode;

use grafolean_netflow_bot::{NetFlowBot, keep_memory_together, program};

fn main() -> ExitCode {
    keep_memory_together();
    program().main(NetFlowBot::from_environment)
}
