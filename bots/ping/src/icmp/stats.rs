//! What the engine counts.

use super::socket::SocketKind;
use grafoleancollector::telemetry::Counter;

/// A reading of a [`Pinger`](super::Pinger)'s counters, all since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PingStats {
    /// Echo requests handed to the kernel.
    pub sent: u64,
    /// Requests answered in time.
    pub answered: u64,
    /// Requests that got no answer in time.
    pub timed_out: u64,
    /// Requests that a router, or this host itself, could not deliver.
    pub unreachable: u64,
    /// Answers to our requests that came after their timeout.
    pub late: u64,
    /// Further answers to a request that was already answered.
    pub duplicate: u64,
    /// Packets that answer no request of ours: another program's, or forged.
    pub foreign: u64,
    /// Packets that are no correct ICMP.
    pub malformed: u64,
    /// Requests that could not be sent, for a reason that says nothing about the target.
    pub send_errors: u64,
    /// Packets that the kernel dropped because the receive buffer was full. Each may look like a lost answer.
    pub kernel_drops: u64,
    /// Requests under way now.
    pub waiting: u64,
    /// The IPv4 socket, if there is one.
    pub ipv4: Option<SocketStats>,
    /// The IPv6 socket, if there is one.
    pub ipv6: Option<SocketStats>,
}

/// What the kernel granted to one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketStats {
    /// Unprivileged or raw.
    pub kind: SocketKind,
    /// Bytes of receive buffer that the kernel granted. It counts its own bookkeeping against it and doubles what
    /// was asked for to make up for that.
    pub receive_buffer: usize,
    /// Bytes of send buffer, likewise.
    pub send_buffer: usize,
}

/// Both families count into the same counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sent: Counter,
    pub(crate) answered: Counter,
    pub(crate) timed_out: Counter,
    pub(crate) unreachable: Counter,
    pub(crate) late: Counter,
    pub(crate) duplicate: Counter,
    pub(crate) foreign: Counter,
    pub(crate) malformed: Counter,
    pub(crate) send_errors: Counter,
    pub(crate) kernel_drops: Counter,
}
