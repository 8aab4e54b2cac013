//! Grafolean's SNMP bot.

mod agent;
mod counter;
#[doc(hidden)]
pub mod fuzzing;
mod interfaces;
mod oid;
mod poll;
mod sensor;
mod try_host;
mod value;
pub mod wire;

pub use agent::{Agent, Binding, SnmpError};
pub use oid::{Oid, OidError};
pub use sensor::{
    DivisionByZero, Expression, ExpressionError, OutputPath, OutputPathError, RenderError, slugify,
};
pub use try_host::try_host;
pub use value::Value;
