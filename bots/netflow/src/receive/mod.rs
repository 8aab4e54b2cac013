//! Datagrams from the network.
//!
//! A [`Listener`] is a bound socket. A [`Receiver`] takes what arrives there, many datagrams with one system call, on
//! one thread: nothing in it is shared, and nothing is allocated once it runs. [`Networks`] and [`RateLimit`] say whose
//! datagrams are welcome, [`addresses`] reads what people write into `NETFLOW_LISTEN`.

mod addresses;
mod listener;
mod networks;
mod rate_limit;
mod receiver;

pub use addresses::{AddressError, addresses};
pub use listener::{DEFAULT_RECEIVE_BUFFER, ListenError, ListenOptions, Listener};
pub use networks::{NetworkError, Networks};
pub use rate_limit::RateLimit;
pub use receiver::Receiver;
