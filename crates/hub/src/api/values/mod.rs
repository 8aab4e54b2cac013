//! Measured values: taken in, and given out.

pub(crate) mod json;
pub(crate) mod parse;
pub(crate) mod read;
pub(crate) mod top;
pub(crate) mod write;

use crate::http::Refusal;

pub(crate) const SECOND: i64 = 1_000_000;

/// The last time that can be told: the end of the year 2286, the last of ten digits.
pub(crate) const LAST_TIME: i64 = 9_999_999_999 * SECOND;

/// A time in seconds as text, to the microsecond; whatever is finer is rounded.
pub(crate) fn time(text: &str) -> Option<i64> {
    parse::micros(text.trim().as_bytes())
}

/// A path in a request that asks for values.
pub(crate) fn invalid_path(path: &str) -> Refusal {
    Refusal::invalid(format!("Invalid PathInputValue format: {}", parse::short(path)))
}
