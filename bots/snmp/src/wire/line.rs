//! The line to one device: what the library under us sends and receives through.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_snmp::{
    Candidate, Error, ReceiveLimits, RequestRegistration, Result, Transport, UDP_RECEIVE_LIMITS,
};
use bytes::Bytes;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::notes::Notes;
use super::pending::{Arrival, Asked};
use super::socket::Family;

/// What fits into an Ethernet frame. Answers may be longer.
const LONGEST_REQUEST: usize = 1472;
/// From a refused try to the next one, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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

impl Transport for Line {
    async fn send(&self, datagram: &[u8]) -> Result<()> {
        Self::fits(datagram)?;
        self.family.send(datagram, self.target).await.map_err(|error| self.network(error))
    }

    async fn request_with<T, F>(
        &self,
        datagram: &[u8],
        registration: RequestRegistration,
        mut validate: F,
    ) -> Result<T>
    where
        T: Send,
        F: FnMut(Bytes, SocketAddr) -> Result<Candidate<T>> + Send,
    {
        Self::fits(datagram)?;
        let request_id = registration.request_id();
        let patience = registration.deadline().saturating_duration_since(Instant::now());
        if let Some(refused) = self.notes.last_refused()
            && self.family.pending().is_retry(&registration)
        {
            // Somebody may be about to listen there again.
            sleep_until(refused + patience.min(LONGEST_PAUSE)).await;
        }
        let began = Instant::now();
        let asked = Asked {
            target: self.target,
            accept_any_source: self.accept_any_source,
            request: datagram,
            notes: &self.notes,
        };
        let counters = self.family.counters();
        let waiting = self.family.pending().register(registration, &asked, counters);
        let mut waiting = waiting.ok_or_else(|| Error::RequestIdInUse { request_id }.boxed())?;
        let unanswered =
            || Error::Timeout { target: self.target, elapsed: began.elapsed(), retries: 0 }.boxed();
        let exchange = async {
            self.send(datagram).await?;
            loop {
                match waiting.next().await {
                    Arrival::Candidate(datagram, source) => match validate(datagram, source)? {
                        Candidate::Accept(answer) => return Ok(answer),
                        Candidate::Reject => counters.unexpected.add(),
                    },
                    // No reason to give up as long as there are tries: an agent that restarts is away for a moment.
                    Arrival::Refused => return Err(unanswered()),
                }
            }
        };
        let result = timeout_at(began + patience, exchange).await.unwrap_or_else(|_| Err(unanswered()));
        if result.is_ok() {
            counters.answers.add();
            counters.round_trips.observe(began.elapsed());
            (0..waiting.answered()).for_each(|_| counters.unexpected.add());
        }
        result
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
