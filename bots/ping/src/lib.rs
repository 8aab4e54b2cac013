//! Grafolean's ICMP ping bot.
//!
//! | file | its one idea |
//! |---|---|
//! | `bot` | the collector: a job for each entity, a run for each job |
//! | `protocol` | what Grafolean stores for the protocol: `n_packets`, `timeout`, … |
//! | `measure` | one run: a few packets to one device, and the values that come of it |
//! | [`icmp`] | the engine: any number of pings at once over one socket per address family |
//! | `try_hosts` | `try`: pings without any backend, printed as fping prints them |

mod bot;
pub mod icmp;
mod measure;
mod protocol;
mod try_hosts;

pub use bot::{CONCURRENCY, PingBot, PingTask, VARIABLES};
pub use measure::{Pings, Rtt, Summary, measure};
pub use protocol::{Credential, Ping, Sensor};
pub use try_hosts::try_hosts;

use grafoleancollector::Program;

/// The bot as a program, for its own binary and for others that hold it: its name, variables and commands.
pub fn program() -> Program {
    Program::new("grafolean-ping-bot", env!("CARGO_PKG_VERSION"))
        .about("Grafolean's ICMP ping bot: pings the devices that Grafolean names, and delivers the results")
        .variables(VARIABLES)
        .concurrency(CONCURRENCY)
        .command("try", "Ping hosts without any backend, and print what fping would", try_hosts)
}
