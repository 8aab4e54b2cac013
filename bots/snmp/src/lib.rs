//! Grafolean's SNMP bot.

mod agent;
mod convert;
mod counter;
mod evaluate;
mod get;
mod interfaces;
mod line;
mod manners;
mod oid;
mod poll;
#[cfg(test)]
mod scripted;
mod value;
mod walk;

pub use agent::{Agent, Binding, SnmpError};
pub use oid::{Oid, OidError};
pub use value::Value;
