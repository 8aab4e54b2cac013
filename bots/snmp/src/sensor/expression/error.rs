//! What can be wrong with an expression's text.

use super::{MAX_BYTES, MAX_DEPTH, MAX_OPERATIONS};

/// Why a text is no expression. Columns count characters, from 1.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExpressionError {
    /// More text than any expression needs.
    #[error("{bytes} bytes: an expression has at most {MAX_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Parentheses, signs, powers or choices within each other.
    #[error("column {column}: nested more than {MAX_DEPTH} deep")]
    TooDeep {
        /// Where it became too deep.
        column: usize,
    },
    /// More operations than one evaluation may cost.
    #[error("column {column}: more than {MAX_OPERATIONS} operations")]
    TooManyOperations {
        /// Where the limit was reached.
        column: usize,
    },
    /// Something else belongs here.
    #[error("column {column}: expected {expected}, found {found}")]
    Unexpected {
        /// Where.
        column: usize,
        /// What would do.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// `$99` of a sensor with fewer OIDs.
    #[error(
        "column {column}: {name} is none of the sensor's values: {}",
        match oid_count { 0 => "it has no OIDs".to_owned(), 1 => "expected $1".to_owned(), n => format!("expected $1 to ${n}") }
    )]
    UnknownValue {
        /// Where.
        column: usize,
        /// The value as it is written.
        name: String,
        /// How many OIDs the sensor has.
        oid_count: usize,
    },
    /// Neither a constant nor a function.
    #[error(
        "column {column}: {name} is not known: expected a number, $1, pi, e, true, false, not, or one of the functions {}",
        super::function::names()
    )]
    UnknownName {
        /// Where.
        column: usize,
        /// The name.
        name: String,
    },
    /// A function with too few or too many arguments.
    #[error("column {column}: {function} expects {expected}, found {found}")]
    Arguments {
        /// Where the function's name begins.
        column: usize,
        /// Its name.
        function: &'static str,
        /// How many it takes.
        expected: &'static str,
        /// How many there are.
        found: usize,
    },
}

impl ExpressionError {
    /// Where in the text, counted in characters from 1. None when it is about the text as a whole.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        match self {
            Self::TooLong { .. } => None,
            Self::TooDeep { column }
            | Self::TooManyOperations { column }
            | Self::Unexpected { column, .. }
            | Self::UnknownValue { column, .. }
            | Self::UnknownName { column, .. }
            | Self::Arguments { column, .. } => Some(*column),
        }
    }
}
