//! Grafolean's SNMP bot.

mod agent;
mod convert;
mod counter;
mod evaluate;
mod expression;
#[doc(hidden)]
pub mod fuzzing;
mod get;
mod interfaces;
mod line;
mod manners;
mod oid;
mod output_path;
mod poll;
#[cfg(test)]
mod scripted;
mod slug;
mod value;
mod walk;
pub mod wire;

pub use agent::{Agent, Binding, SnmpError};
pub use expression::{DivisionByZero, Expression, ExpressionError};
pub use oid::{Oid, OidError};
pub use output_path::{OutputPath, OutputPathError, RenderError};
pub use slug::slugify;
pub use value::Value;
