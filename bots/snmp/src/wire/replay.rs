//! A device of our own making, whose answers are any datagrams: what fuzz targets poll. It has all that a real one has,
//! from the requests under way to the values, but for the socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use async_snmp::{Candidate, Error, RequestRegistration, Result, Transport};
use async_trait::async_trait;
use bytes::Bytes;
use grafoleancollector::telemetry::Throttle;

use super::credential::Credential;
use super::device;
use super::exchange::exchange;
use super::keys::KeyCache;
use super::line::Road;
use super::notes::Notes;
use super::pending::{Asked, Pending};
use super::session::Session;
use super::stats::{Counters, WireStats};
use crate::agent::{Agent, Binding, SnmpError};
use crate::oid::Oid;

/// The id of all requests, so that datagrams can be made that answer them.
pub(crate) const REQUEST_ID: i32 = 258;
const TARGET: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 161);

/// Makes devices, which share what is costly.
pub(crate) struct Replays {
    keys: Arc<KeyCache>,
    said: Arc<Throttle>,
}

impl Replays {
    pub(crate) fn new() -> Self {
        Self { keys: Arc::default(), said: Arc::new(Throttle::new(1, Duration::from_secs(60))) }
    }

    /// A device that answers its first request with the first of these, and so on, and all others with the last.
    pub(crate) fn device(&self, credential: &Arc<Credential>, answers: Vec<Vec<u8>>) -> Replayed {
        let replay = Replay(Arc::new(Story { answers, ..Story::default() }));
        let (keys, said) = (Arc::clone(&self.keys), Arc::clone(&self.said));
        Replayed(Session::new(Arc::clone(credential), replay, keys, said), credential.has_bulk())
    }
}

/// A device of our own making.
pub(crate) struct Replayed(Session<Replay>, bool);

impl Replayed {
    pub(crate) fn stats(&self) -> WireStats {
        self.0.road().counters().snapshot()
    }
}

#[async_trait]
impl Agent for Replayed {
    async fn get(&self, oids: &[Oid]) -> std::result::Result<Vec<Binding>, SnmpError> {
        device::get(&self.0, oids).await
    }

    async fn get_next(&self, oids: &[Oid]) -> std::result::Result<Vec<Binding>, SnmpError> {
        device::get_next(&self.0, oids).await
    }

    async fn get_bulk(&self, oids: &[Oid], rows: u32) -> std::result::Result<Vec<Binding>, SnmpError> {
        device::get_bulk(&self.0, oids, rows).await
    }

    fn has_bulk(&self) -> bool {
        self.1
    }
}

#[derive(Clone)]
struct Replay(Arc<Story>);

#[derive(Default)]
struct Story {
    answers: Vec<Vec<u8>>,
    told: AtomicUsize,
    pending: Pending,
    counters: Counters,
    notes: Arc<Notes>,
}

impl Road for Replay {
    fn counters(&self) -> &Counters {
        &self.0.counters
    }

    fn notes(&self) -> &Notes {
        &self.0.notes
    }
}

impl Transport for Replay {
    async fn send(&self, _: &[u8]) -> Result<()> {
        let Story { answers, told, pending, counters, .. } = &*self.0;
        let next = told.fetch_add(1, Relaxed).min(answers.len().saturating_sub(1));
        if let Some(answer) = answers.get(next) {
            pending.deliver(answer, TARGET, counters);
        }
        Ok(())
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
        let Story { pending, counters, notes, .. } = &*self.0;
        let asked = Asked { target: TARGET, accept_any_source: false, request: datagram, notes };
        let until = registration.deadline();
        let exchange =
            exchange(pending, counters, &asked, registration, until, self.send(datagram), validate);
        // What has not answered by now never will: nobody waits for it.
        tokio::select! {
            biased;
            result = exchange => result,
            () = std::future::ready(()) => {
                Err(Error::Timeout { target: TARGET, elapsed: Duration::ZERO, retries: 0 }.boxed())
            }
        }
    }

    fn peer_addr(&self) -> SocketAddr {
        TARGET
    }

    fn local_addr(&self) -> SocketAddr {
        TARGET
    }

    fn alloc_request_id(&self) -> i32 {
        REQUEST_ID
    }

    fn is_reliable(&self) -> bool {
        false
    }
}
