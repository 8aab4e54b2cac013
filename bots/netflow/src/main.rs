//! The `grafolean-netflow-bot` binary.

use std::process::ExitCode;

use grafolean_netflow_bot::{NetFlowBot, VARIABLES, keep_memory_together, try_flows};
use grafoleancollector::Program;

fn main() -> ExitCode {
    keep_memory_together();
    Program::new("grafolean-netflow-bot", env!("CARGO_PKG_VERSION"))
        .about("Grafolean's NetFlow bot: receives flows (NetFlow v5, v7, v9, IPFIX, sFlow v5), adds them up, and delivers the sums")
        .variables(VARIABLES)
        .command("try", "Listen without any backend, and show who sends flows and what is in them", try_flows)
        .main(NetFlowBot::from_environment)
}
