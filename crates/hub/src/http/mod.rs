//! HTTP/1.1, as far as it knows nothing of the hub: connections, requests, answers.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod query;
pub(crate) mod server;
pub(crate) mod stall;
pub(crate) mod tls;

pub(crate) use answer::{Answer, Refusal};
