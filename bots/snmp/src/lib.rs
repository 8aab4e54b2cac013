//! Grafolean's SNMP bot.

mod agent;
mod oid;
mod value;
pub mod wire;

pub use agent::{Agent, Binding, SnmpError};
pub use oid::{Oid, OidError};
pub use value::Value;
