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
