//! Grafolean's SNMP bot.

mod agent;
#[doc(hidden)]
pub mod benching;
mod counter;
#[doc(hidden)]
pub mod fuzzing;
mod interfaces;
mod oid;
mod poll;
mod sensor;
mod value;
pub mod wire;

pub use agent::{Agent, Binding, SnmpError};
pub use oid::{Oid, OidError};
pub use sensor::{
    DivisionByZero, Expression, ExpressionError, OutputPath, OutputPathError, RenderError, slugify,
};
pub use value::Value;
