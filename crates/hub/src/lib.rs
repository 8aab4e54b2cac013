//! A Grafolean-compatible backend, embedded: the API, the storage and the page of one machine.

#![allow(dead_code, reason = "the API that uses the storage is being built on top of it")]

pub(crate) mod clock;
pub(crate) mod store;

pub use store::OpenError;
#[doc(hidden)]
pub use store::benching;
