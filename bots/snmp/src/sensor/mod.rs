//! What Grafolean stores of a sensor, and the values that it makes of what a poll has read.

pub(crate) mod evaluate;
mod expression;
mod output_path;
mod slug;
pub(crate) mod text;

pub use expression::{DivisionByZero, Expression, ExpressionError};
pub use output_path::{OutputPath, OutputPathError, RenderError};
pub use slug::slugify;
