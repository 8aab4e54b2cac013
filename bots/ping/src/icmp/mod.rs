//! The ICMP engine: any number of pings at once over one socket per address family.
//!
//! ```text
//! Pinger::ping ─ a free sequence number ─ Pacer: its turn ─ sendto ──▶ network
//!      ▲                                                                  │
//!      └──── wakes ── Flights: id, sequence, nonce, address ◀── recvmmsg ─┘
//! ```
//!
//! | file | its one idea |
//! |---|---|
//! | `packet` | echo requests to bytes, answers from bytes; no sockets |
//! | `flights` | which requests are under way, and which of them an answer belongs to; no sockets |
//! | `pacer` | the token bucket in front of the socket |
//! | `clock` | a round trip from two clocks, one of which may jump |
//! | `socket` | opening the best kind of socket that the kernel allows |
//! | `sys` | the system calls that std, socket2 and tokio lack: the only unsafe code |
//! | `family` | one socket with its flights: sending, receiving |
//! | `pinger` | the public face: both families, options |
//!
//! It stands below surge-ping's level because of what a monitor must know and surge-ping does not tell: whether a
//! missing answer was lost on the network or in this host's receive buffer, and whether an answer was late, a
//! duplicate or somebody else's.

mod clock;
mod error;
mod family;
mod flights;
mod pacer;
pub mod packet;
mod pinger;
mod socket;
mod stats;
mod sys;

pub use clock::RttClock;
pub use error::{OpenError, PingError};
pub use packet::Reason;
pub use pinger::{Pinger, PingerOptions, Reply};
pub use socket::SocketKind;
pub use stats::{PingStats, SocketStats};
