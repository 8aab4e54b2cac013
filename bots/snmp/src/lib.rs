//! Grafolean's SNMP bot.
//!
//! | file | its one idea |
//! |---|---|
//! | `bot` | the collector: for each entity a job for its sensors and one for its interfaces |
//! | `protocol` | what Grafolean stores for the protocol |
//! | `measure` | one run of an entity's sensors: one poll, and the values that come of it; `harvest`: each path once |
//! | `sensor` | a sensor: what it reads, its expression, its output path |
//! | `poll` | one poll of a device: GETs and walks, from agents that may misbehave |
//! | `counter` | from counters to rates; baselines that outlive the process |
//! | `interfaces` | a device's interfaces as entities below it |
//! | `device` | what is remembered of a device; `patience`: when it does not answer; `notices`: what was said of it |
//! | [`wire`] | any number of devices over one socket per address family |
//! | `agent`, `oid`, `value` | the nouns of SNMP |
//! | `metrics` | what is counted |

mod agent;
#[doc(hidden)]
pub mod benching;
mod bot;
mod counter;
mod device;
#[doc(hidden)]
pub mod fuzzing;
mod harvest;
mod interfaces;
mod measure;
mod metrics;
mod notices;
mod oid;
mod patience;
mod poll;
mod protocol;
mod sensor;
mod try_host;
mod value;
pub mod wire;

pub use agent::{Agent, Binding, SnmpError};
pub use bot::{CONCURRENCY, SnmpBot, SnmpTask, VARIABLES};
pub use oid::{Oid, OidError};
pub use protocol::Snmp;
pub use sensor::{
    DivisionByZero, Expression, ExpressionError, OutputPath, OutputPathError, RenderError, Sensor, slugify,
};
pub use try_host::try_host;
pub use value::Value;

use grafoleancollector::Program;

/// The library under this bot: it logs each request that fails, and each strange datagram, whoever sent it.
pub const QUIET_LIBRARY: &str = "async_snmp";

/// The bot as a program, for its own binary and for others that hold it: its name, variables and commands.
pub fn program() -> Program {
    Program::new("grafolean-snmp-bot", env!("CARGO_PKG_VERSION"))
        .about("Grafolean's SNMP bot: polls the devices that Grafolean names, and delivers their values")
        .variables(VARIABLES)
        .concurrency(CONCURRENCY)
        .quiet_library(QUIET_LIBRARY)
        .command(
            "try",
            "Ask a device without any backend: what it is like, and what a sensor would deliver",
            try_host,
        )
}
