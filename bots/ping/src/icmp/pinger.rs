//! The public face of the engine: both families behind one call.

use super::clock::RttClock;
use super::error::{MissingPermission, OpenError, PingError};
use super::family::Family;
use super::flights::Outcome;
use super::pacer::Pacer;
use super::socket::{Buffers, IcmpSocket, IpFamily, NoSocket, SocketKind};
use super::stats::{Counters, PingStats};
use grafoleancollector::Address;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// How a [`Pinger`] behaves. The defaults suit tens of thousands of targets a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PingerOptions {
    /// Echo requests sent per second at most, over both families. 5,000 of fping's size are some 4 Mbit/s: a stream
    /// that neither a small branch's line nor a router's ICMP limiter mistakes for an attack, and enough for 100,000
    /// targets × 3 packets a minute.
    pub packets_per_second: u32,
    /// Echo requests that may leave at once after a pause, at most. 32 fit into any device's queue.
    pub burst: u32,
    /// Bytes of receive buffer to ask the kernel for, per family. 4 MiB hold some 5,000 answers: a second at the
    /// default rate in which this process gets no CPU.
    pub receive_buffer: usize,
    /// Bytes of send buffer to ask the kernel for, per family. A request to a silent neighbour stays in it for the
    /// three seconds of address resolution; 4 MiB keep thousands of those from holding up the others.
    pub send_buffer: usize,
    /// Bytes of payload in a request, 56 as ping and fping send; at least 8, for the nonce.
    pub payload: usize,
    /// The only kind of socket to use; `None` takes the unprivileged kind where it is allowed, else the raw kind.
    pub socket_kind: Option<SocketKind>,
}

impl Default for PingerOptions {
    fn default() -> Self {
        Self {
            packets_per_second: 5_000,
            burst: 32,
            receive_buffer: 4 << 20,
            send_buffer: 4 << 20,
            payload: 56,
            socket_kind: None,
        }
    }
}

impl PingerOptions {
    /// Sets [`packets_per_second`](Self::packets_per_second).
    #[must_use]
    pub fn packets_per_second(mut self, rate: u32) -> Self {
        self.packets_per_second = rate;
        self
    }

    /// Sets [`burst`](Self::burst).
    #[must_use]
    pub fn burst(mut self, packets: u32) -> Self {
        self.burst = packets;
        self
    }

    /// Sets [`receive_buffer`](Self::receive_buffer).
    #[must_use]
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = bytes;
        self
    }

    /// Sets [`send_buffer`](Self::send_buffer).
    #[must_use]
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer = bytes;
        self
    }

    /// Sets [`payload`](Self::payload).
    #[must_use]
    pub fn payload(mut self, bytes: usize) -> Self {
        self.payload = bytes;
        self
    }

    /// Sets [`socket_kind`](Self::socket_kind).
    #[must_use]
    pub fn socket_kind(mut self, kind: SocketKind) -> Self {
        self.socket_kind = Some(kind);
        self
    }
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The time from just before the request was handed to the kernel until its answer arrived.
    pub rtt: Duration,
    /// What that was measured with.
    pub clock: RttClock,
}

/// Pings any number of targets at once. Cheap to clone; the sockets close with the last clone.
#[derive(Clone)]
pub struct Pinger {
    inner: Arc<Inner>,
}

struct Inner {
    v4: Result<Arc<Family>, String>,
    v6: Result<Arc<Family>, String>,
    pacer: Pacer,
    counters: Arc<Counters>,
    receivers: Vec<AbortHandle>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for receiver in &self.receivers {
            receiver.abort();
        }
    }
}

impl fmt::Debug for Pinger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinger").field("stats", &self.stats()).finish()
    }
}

impl Pinger {
    /// Opens a socket for each address family that this host has, and receives on the current tokio runtime.
    ///
    /// A host without one of the families gets a pinger whose pings to that family say so.
    ///
    /// # Errors
    /// When neither kind of socket is allowed, with the remedy; when there is no tokio runtime; or when the kernel
    /// gives no socket of any family for another reason.
    pub fn open(options: PingerOptions) -> Result<Self, OpenError> {
        let runtime = Handle::try_current().map_err(|_| OpenError::NoRuntime)?;
        let counters = Arc::new(Counters::default());
        let buffers = Buffers { receive: options.receive_buffer, send: options.send_buffer };
        let open = |family| {
            let socket = IcmpSocket::open(family, options.socket_kind, buffers)?;
            Family::new(socket, options.payload, counters.clone()).map(Arc::new).map_err(NoSocket::Other)
        };
        let (v4, v6) = match (open(IpFamily::V4), open(IpFamily::V6)) {
            (Err(v4), Err(v6)) => return Err(no_socket_at_all(v4, v6)),
            (v4, v6) => (v4.map_err(said), v6.map_err(said)),
        };
        let receivers = [&v4, &v6]
            .into_iter()
            .flatten()
            .map(|family| runtime.spawn(family.clone().keep_receiving()).abort_handle())
            .collect();
        let pacer = Pacer::new(options.packets_per_second, options.burst);
        Ok(Self { inner: Arc::new(Inner { v4, v6, pacer, counters, receivers }) })
    }

    /// Sends one echo request and waits for its answer, at most `timeout` from the sending: the wait for the pacer
    /// does not count. Dropped before its end, a ping leaves nothing behind.
    ///
    /// # Errors
    /// When no answer came in time, when the network or this host said that there will be none, or when the request
    /// could not be sent.
    pub async fn ping(&self, target: impl Into<Address>, timeout: Duration) -> Result<Reply, PingError> {
        let target = target.into();
        let (name, family) = match target.ip() {
            IpAddr::V4(_) => (IpFamily::V4.name(), &self.inner.v4),
            IpAddr::V6(_) => (IpFamily::V6.name(), &self.inner.v6),
        };
        let family = family.as_ref().map_err(|why| PingError::NoSocket { family: name, why: why.clone() })?;
        // A semaphore that is never closed always grants in the end.
        let _number = family.sequences().acquire().await;
        self.inner.pacer.take().await;
        match family.send(target, timeout).await?.outcome().await? {
            Outcome::Answered { rtt, clock } => Ok(Reply { rtt, clock }),
            Outcome::Unreachable { reason, from } => Err(PingError::Unreachable { reason, from: Some(from) }),
            Outcome::Late => Err(PingError::TimedOut(timeout)),
        }
    }

    /// What has been counted so far.
    #[must_use]
    pub fn stats(&self) -> PingStats {
        let Inner { v4, v6, counters, .. } = &*self.inner;
        let waiting: usize = [v4, v6].into_iter().flatten().map(|family| family.waiting()).sum();
        PingStats {
            sent: counters.sent.get(),
            answered: counters.answered.get(),
            timed_out: counters.timed_out.get(),
            unreachable: counters.unreachable.get(),
            late: counters.late.get(),
            duplicate: counters.duplicate.get(),
            foreign: counters.foreign.get(),
            malformed: counters.malformed.get(),
            send_errors: counters.send_errors.get(),
            kernel_drops: counters.kernel_drops.get(),
            waiting: waiting as u64,
            ipv4: v4.as_ref().ok().map(|family| family.stats()),
            ipv6: v6.as_ref().ok().map(|family| family.stats()),
        }
    }
}

fn no_socket_at_all(v4: NoSocket, v6: NoSocket) -> OpenError {
    match (v4, v6) {
        (NoSocket::Permission, _) | (_, NoSocket::Permission) => {
            OpenError::Permission(MissingPermission { binary: std::env::current_exe().ok() })
        }
        (NoSocket::Other(error), _) | (_, NoSocket::Other(error)) => OpenError::Socket(error),
        (NoSocket::Family, NoSocket::Family) => {
            OpenError::Socket(std::io::Error::from_raw_os_error(libc::EAFNOSUPPORT))
        }
    }
}

fn said(why: NoSocket) -> String {
    match why {
        NoSocket::Family => "this host does not have that address family".to_owned(),
        NoSocket::Permission => MissingPermission { binary: std::env::current_exe().ok() }.to_string(),
        NoSocket::Other(error) => error.to_string(),
    }
}
