//! The fake backend obeys the rules of the observed one, and its faults do what they say.

#[expect(clippy::unwrap_used, reason = "used by tests only, which are to fail there")]
mod client;
mod faults;
mod observation;
mod reading;
mod values;
