//! Grafolean's NetFlow bot.
//!
//! | file | its one idea |
//! |---|---|
//! | `bot` | the collector: for each account and interval a job that delivers what was received |
//! | `settings`, `protocol` | what the environment says, and what Grafolean stores |
//! | `owners` | which entity owns which exporter's flows |
//! | [`receive`] | sockets: many datagrams with one system call; who may send |
//! | [`decode`] | from a datagram to flows: v5, v7, v9, IPFIX; [`sflow`]: sFlow v5 |
//! | [`flow`] | what a flow is; `packet`: the flow that a packet's headers tell of |
//! | [`aggregate`] | from flows to values: exact sums, and lists of the biggest in bounded memory |
//! | `engine` | the threads: one for each socket, one that keeps the windows |
//! | `deliver` | from closed windows to values at paths; `protocols`: the names of IP protocols |
//! | `suggest` | exporters that no entity has become devices; `gateway`: whether a container's bridge hides them |
//! | [`archive`] | raw flows in Parquet files |
//! | [`books`], `metrics` | what is counted |
//! | `allocator` | how the C library keeps free memory |
//! | [`pcap`], `try_flows` | capture files; the command `try` |

pub mod aggregate;
mod allocator;
pub mod archive;
pub mod books;
mod bot;
pub mod decode;
mod deliver;
mod engine;
pub mod flow;
mod gateway;
mod metrics;
mod owners;
mod packet;
pub mod pcap;
mod protocol;
mod protocols;
pub mod receive;
mod settings;
pub mod sflow;
mod suggest;
mod try_flows;

pub use allocator::keep_memory_together;
pub use bot::{NetFlowBot, NetFlowTask};
pub use flow::{Direction, Event, Flow, Has, Ip, Origin, Version};
pub use protocol::{Defaults, NetFlow, Nothing};
pub use settings::{Options, Suggest, VARIABLES};
pub use try_flows::try_flows;

/// The highest sampling rate that is believed: sFlow has 24 bits for it, and no vendor documents more.
pub const MAX_SAMPLING: u32 = 1 << 24;

use grafoleancollector::Program;

/// The bot as a program, for its own binary and for others that hold it: its name, variables and commands.
pub fn program() -> Program {
    Program::new("grafolean-netflow-bot", env!("CARGO_PKG_VERSION"))
        .about("Grafolean's NetFlow bot: receives flows (NetFlow v5, v7, v9, IPFIX, sFlow v5), adds them up, and delivers the sums")
        .variables(VARIABLES)
        .command("try", "Listen without any backend, and show who sends flows and what is in them", try_flows)
}
