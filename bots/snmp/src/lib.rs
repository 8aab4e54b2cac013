//! Grafolean's SNMP bot.

mod agent;
mod expression;
#[doc(hidden)]
pub mod fuzzing;
mod oid;
mod output_path;
mod slug;
mod value;
pub mod wire;

pub use agent::{Agent, Binding, SnmpError};
pub use expression::{DivisionByZero, Expression, ExpressionError};
pub use oid::{Oid, OidError};
pub use output_path::{OutputPath, OutputPathError, RenderError};
pub use slug::slugify;
pub use value::Value;
