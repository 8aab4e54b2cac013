//! The line to one device: what the library under us sends and receives through.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_snmp::{
    Candidate, Error, ReceiveLimits, RequestRegistration, Result, Transport, UDP_RECEIVE_LIMITS,
};
use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::exchange::exchange;
use super::notes::Notes;
use super::pending::Asked;
use super::socket::Family;
use super::stats::Counters;

/// What fits into an Ethernet frame. Answers may be longer.
const LONGEST_REQUEST: usize = 1472;
/// From a refused try to the next one, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What a session is held over: a [`Line`], or for the fuzz targets a device of our own making.
pub(super) trait Road: Transport + Clone + 'static {
    fn counters(&self) -> &Counters;
    fn notes(&self) -> &Notes;
}

/// A device on a shared socket.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) family: Arc<Family>,
    pub(super) target: SocketAddr,
    pub(super) accept_any_source: bool,
    pub(super) notes: Arc<Notes>,
}

impl Line {
    fn network(&self, source: io::Error) -> Box<Error> {
        Error::Network { target: self.target, source }.boxed()
    }

    fn fits(datagram: &[u8]) -> Result<()> {
        let size = datagram.len();
        if size <= LONGEST_REQUEST {
            return Ok(());
        }
        Err(Error::OutboundMessageTooLarge { size, limit: LONGEST_REQUEST }.boxed())
    }
}

impl Road for Line {
    fn counters(&self) -> &Counters {
        self.family.counters()
    }

    fn notes(&self) -> &Notes {
        &self.notes
    }
}

impl Transport for Line {
    async fn send(&self, datagram: &[u8]) -> Result<()> {
        Self::fits(datagram)?;
        self.family.send(datagram, self.target).await.map_err(|error| self.network(error))
    }

    async fn request_with<T, F>(
        &self,
        datagram: &[u8],
        registration: RequestRegistration,
        validate: F,
    ) -> Result<T>
    where
        T: Send,
        F: FnMut(Bytes, SocketAddr) -> Result<Candidate<T>> + Send,
    {
        Self::fits(datagram)?;
        let patience = registration.deadline().saturating_duration_since(Instant::now());
        if let Some(refused) = self.notes.last_refused()
            && self.family.pending().is_retry(&registration)
        {
            // Somebody may be about to listen there again.
            sleep_until(refused + patience.min(LONGEST_PAUSE)).await;
        }
        let until = Instant::now() + patience;
        let asked = Asked {
            target: self.target,
            accept_any_source: self.accept_any_source,
            request: datagram,
            notes: &self.notes,
        };
        let (pending, counters) = (self.family.pending(), self.family.counters());
        exchange(pending, counters, &asked, registration, until, self.send(datagram), validate).await
    }

    fn peer_addr(&self) -> SocketAddr {
        self.target
    }

    fn local_addr(&self) -> SocketAddr {
        self.family.local()
    }

    /// The library's own ids are one counter for all devices, so that each could guess the others'.
    fn alloc_request_id(&self) -> i32 {
        self.family.pending().free_id()
    }

    fn is_reliable(&self) -> bool {
        false
    }

    fn receive_limits(&self) -> ReceiveLimits {
        UDP_RECEIVE_LIMITS
    }

    fn send_capacity(&self) -> usize {
        LONGEST_REQUEST
    }
}
