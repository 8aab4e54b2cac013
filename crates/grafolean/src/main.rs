//! The `grafolean` binary: the hub and the bots in one process.
//!
//! | file | its one idea |
//! |---|---|
//! | `cli` | what can be said on the command line |
//! | `serve` | the hub, with or without bots: start, announce, stop in order |
//! | `bots` | the bots of this machine: one that cannot run does not stop the others |
//! | `data_dir` | what lies where in the data directory |
//! | `desk` | orders to a hub that runs: a socket in its data directory |
//! | `orders` | users, bots and their tokens: what is done, in the process that has the data |
//! | `password` | a password from a terminal, a file, or standard input |
//! | `check` | what would keep it from working |
//! | `failure` | one clear line, and an exit code |

mod bots;
mod check;
mod cli;
mod data_dir;
mod desk;
mod failure;
mod orders;
mod password;
mod serve;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgMatches;
use grafolean_netflow_bot::{NetFlowBot, keep_memory_together};
use grafolean_ping_bot::PingBot;
use grafolean_snmp_bot::SnmpBot;
use grafoleancollector::Environment;
use grafoleancollector::telemetry::{Log, Logging};

use crate::failure::Failure;

/// The hub, the bots' loops and the page share these; runs have threads of their own.
const THREADS: usize = 2;

fn main() -> ExitCode {
    keep_memory_together();
    let matches = match cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version are "errors" too, which go to standard output and exit with 0.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    // A bot alone is its own program: with its own arguments, settings and exit codes.
    if let Some(("bot", bot)) = matches.subcommand() {
        return one_bot(bot);
    }
    match act(&matches) {
        Ok(code) => code,
        Err(failure) => failure.exit(),
    }
}

fn one_bot(matches: &ArgMatches) -> ExitCode {
    let Some((name, own)) = matches.subcommand() else { return ExitCode::from(2) };
    let arguments = cli::rest(own);
    let called = format!("grafolean bot {name}");
    match name {
        "ping" => {
            grafolean_ping_bot::program().called(called).main_with(arguments, PingBot::from_environment)
        }
        "snmp" => {
            grafolean_snmp_bot::program().called(called).main_with(arguments, SnmpBot::from_environment)
        }
        _ => {
            grafolean_netflow_bot::program().called(called).main_with(arguments, NetFlowBot::from_environment)
        }
    }
}

fn act(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let environment = Environment::load()?;
    let data_dir = cli::data_dir(matches, &environment)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(Failure::runtime)?;
    let done = runtime.block_on(async {
        match matches.subcommand() {
            Some(("check", _)) => Ok(check::check(&cli::serving(matches, &data_dir)?, &environment).await),
            Some(("backup", own)) => {
                orders::backup(&data_dir, cli::path(own, "file")).await.map(|()| ExitCode::SUCCESS)
            }
            Some((what @ ("user" | "bot-token"), own)) => {
                let order = cli::order(what, own)?;
                desk::carry_out(&data_dir, order).await.map(|()| ExitCode::SUCCESS)
            }
            _ => {
                let log = start_log(&environment)?;
                serve::serve(&cli::serving(matches, &data_dir)?, &environment, &log).await
            }
        }
    });
    // Whatever still blocks a thread, such as a name server that does not answer, is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(200));
    done
}

/// Says something on standard output. Whoever reads it may have had enough of it.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn start_log(environment: &Environment) -> Result<Log, Failure> {
    Ok(Logging::from_environment(environment)?.quiet(grafolean_snmp_bot::QUIET_LIBRARY).start())
}
