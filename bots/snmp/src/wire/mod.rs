//! The wire: any number of devices over one socket per address family.
//!
//! ```text
//! Device (trait Agent) ─ Session: client, engine, hints ─ async-snmp: messages, cryptography, tries
//!                                                              │ Transport
//!      Family: socket, error queue ◀── Pending: ids ◀── Line ◀─┘
//! ```
//!
//! | file | its one idea |
//! |---|---|
//! | `credential` | what Grafolean stores, checked |
//! | `secret` | texts that nobody may see |
//! | `device` | one request, one answer: the poll engine's [`Agent`](crate::Agent) |
//! | `session` | what is remembered of a device: its client, its engine, how often it was silent |
//! | `notes` | hints at why a device does not answer |
//! | `keys` | SNMPv3 keys, derived once for each pair of passwords |
//! | `line` | one device on a shared socket: the library's transport |
//! | `exchange` | one try of a request, from its sending to its answer; no sockets |
//! | `pending` | which requests are under way, and which of them a datagram answers; no sockets |
//! | `envelope` | what the outside of a message tells; no sockets |
//! | `socket` | the socket of an address family, and what its error queue says |
//! | `replay` | a device of our own making, for the fuzz targets |
//! | `convert` | between the library's types and ours |
//! | `stats` | what is counted |
//!
//! The library encodes, decodes, authenticates, encrypts and tries again. The sockets are ours because of what a
//! monitor must know and the library's do not tell: a closed port instead of mere silence, an answer that
//! came from elsewhere, late answers, what the kernel dropped; and because its request ids are one counter, so that
//! a device could guess the ids of the others.

mod convert;
mod credential;
mod device;
mod envelope;
mod exchange;
mod keys;
mod line;
mod notes;
mod pending;
pub(crate) mod replay;
mod secret;
mod session;
mod socket;
mod stats;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use credential::{Credential, Tuning};
pub use device::Device;
pub use stats::WireStats;

use grafoleancollector::Finding;
use grafoleancollector::telemetry::{Histogram, Throttle};
use keys::KeyCache;
use line::Line;
use session::Session;
use socket::Family;
use stats::Counters;
use tokio::time::Instant;

/// Devices with their credentials that are remembered: a few kB each.
const MOST_SESSIONS: usize = 50_000;

/// Devices whose engine was replaced that the log names: a forger may make us believe it as often as he likes.
const LINES_PER_MINUTE: u32 = 10;

/// What answers of a thousand devices at once take.
const ENOUGH_BUFFER: usize = 1 << 20;

/// No socket could be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The system refuses a socket.
    #[error("cannot open a UDP socket")]
    Socket(#[source] io::Error),
    /// The host has neither IPv4 nor IPv6.
    #[error("this host has neither IPv4 nor IPv6")]
    NoFamily,
}

/// All devices, over one socket per address family.
pub struct Wire {
    v4: Option<Arc<Family>>,
    v6: Option<Arc<Family>>,
    keys: Arc<KeyCache>,
    said: Arc<Throttle>,
    counters: Arc<Counters>,
    sessions: Mutex<Sessions>,
    opened: Instant,
    most_sessions: usize,
}

type Sessions = HashMap<(SocketAddr, Arc<Credential>), Arc<Session>>;

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("v4", &self.v4).field("v6", &self.v6).finish_non_exhaustive()
    }
}

impl Wire {
    /// Opens the sockets, within a tokio runtime.
    ///
    /// # Errors
    /// If a socket is refused, or no address family is there.
    pub fn open() -> Result<Self, WireError> {
        Self::with_capacity(MOST_SESSIONS)
    }

    /// As [`open`](Self::open), remembering at most so many devices. One that is forgotten costs SNMPv3 a discovery.
    ///
    /// # Errors
    /// If a socket is refused, or no address family is there.
    pub fn with_capacity(sessions: usize) -> Result<Self, WireError> {
        let counters = Arc::<Counters>::default();
        let open = |v6| Family::open(v6, Arc::clone(&counters)).map_err(WireError::Socket);
        let (v4, v6) = (open(false)?.map(Arc::new), open(true)?.map(Arc::new));
        if v4.is_none() && v6.is_none() {
            return Err(WireError::NoFamily);
        }
        Ok(Self {
            v4,
            v6,
            keys: Arc::default(),
            said: Arc::new(Throttle::new(LINES_PER_MINUTE, Duration::from_secs(60))),
            counters,
            sessions: Mutex::default(),
            opened: Instant::now(),
            most_sessions: sessions.max(1),
        })
    }

    /// A device that is asked with this credential; nothing is sent yet. The same target with an equal credential is
    /// the same device, however often it is asked for: its engine, its limits and its history are remembered.
    #[must_use]
    pub fn agent(&self, target: SocketAddr, credential: &Arc<Credential>) -> Device {
        let has_bulk = credential.has_bulk();
        // ::ffff:10.0.0.1 is meant for the IPv4 socket.
        let target = SocketAddr::new(target.ip().to_canonical(), target.port()).with_zone_of(target);
        let family = if target.is_ipv6() { &self.v6 } else { &self.v4 };
        let session = family.as_ref().map(|family| self.session(target, credential, family));
        Device { target, session, has_bulk }
    }

    fn session(
        &self,
        target: SocketAddr,
        credential: &Arc<Credential>,
        family: &Arc<Family>,
    ) -> Arc<Session> {
        let mut sessions = self.sessions();
        let key = (target, Arc::clone(credential));
        let session = match sessions.get(&key) {
            Some(session) => Arc::clone(session),
            None => {
                if sessions.len() >= self.most_sessions {
                    forget_oldest(&mut sessions);
                }
                let line = Line {
                    family: Arc::clone(family),
                    target,
                    accept_any_source: credential.accept_any_source,
                    notes: Arc::default(),
                };
                let (keys, said) = (Arc::clone(&self.keys), Arc::clone(&self.said));
                let session = Arc::new(Session::new(Arc::clone(credential), line, keys, said));
                sessions.insert(key, Arc::clone(&session));
                session
            }
        };
        session.used(self.now());
        session
    }

    /// Forgets the devices that nobody wanted to ask for so long, and the keys that only they needed: what was asked
    /// with a credential that has been replaced.
    pub fn forget_unused(&self, age: Duration) {
        let mut sessions = self.sessions();
        let (before, now) = (sessions.len(), self.now());
        let age = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
        sessions.retain(|_, session| now.saturating_sub(session.last_used()) < age);
        if sessions.len() < before {
            let passwords = sessions.keys().filter_map(|(_, asked)| asked.user()?.passwords.as_ref());
            self.keys.keep(&passwords.collect::<HashSet<_>>());
        }
    }

    /// Microseconds since it was opened.
    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the sockets are, for `check`.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let finding = |name: &str, family: &Option<Arc<Family>>| match family {
            None => {
                Finding::doubtful("snmp", format_args!("{name}: no socket; this host seems not to have it"))
            }
            Some(family) => {
                let bytes = family.receive_buffer();
                let text = format!("{name}: UDP socket, receive buffer {} KiB", bytes / 1024);
                if bytes < ENOUGH_BUFFER {
                    let more =
                        "answers of thousands of devices may not fit: raise the sysctl net.core.rmem_max";
                    Finding::doubtful("snmp", format_args!("{text}; {more}"))
                } else {
                    Finding::good("snmp", text)
                }
            }
        };
        vec![finding("IPv4", &self.v4), finding("IPv6", &self.v6)]
    }

    /// How long answers took, in seconds.
    pub(crate) fn round_trips(&self) -> &Histogram {
        &self.counters.round_trips
    }

    /// What happened since it was opened.
    #[must_use]
    pub fn stats(&self) -> WireStats {
        let families = [&self.v4, &self.v6].into_iter().flatten();
        let kernel_drops = families.map(|family| family.kernel_drops()).sum();
        let sessions = u64::try_from(self.sessions().len()).unwrap_or(u64::MAX);
        WireStats { kernel_drops, sessions, ..self.counters.snapshot() }
    }
}

/// A tenth at once, so that looking for the oldest is rare.
fn forget_oldest(sessions: &mut Sessions) {
    let mut uses: Vec<u64> = sessions.values().map(|session| session.last_used()).collect();
    let tenth = uses.len() / 10;
    let (_, &mut limit, _) = uses.select_nth_unstable(tenth);
    sessions.retain(|_, session| session.last_used() > limit);
}

trait WithZone {
    fn with_zone_of(self, other: SocketAddr) -> SocketAddr;
}

impl WithZone for SocketAddr {
    fn with_zone_of(mut self, other: SocketAddr) -> SocketAddr {
        if let (SocketAddr::V6(address), SocketAddr::V6(other)) = (&mut self, other) {
            address.set_scope_id(other.scope_id());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::Agent;
    use crate::oid::Oid;

    #[tokio::test]
    async fn sessions_and_keys_of_replaced_credentials_are_forgotten() {
        let wire = Wire::open().unwrap();
        let (target, tuning) = (
            "127.0.0.1:9".parse().unwrap(),
            Tuning { timeout: Some(0.01), retries: Some(0), ..Tuning::default() },
        );
        let credential = |phrase: &str| {
            let carol = Credential::v3("carol", Some(("SHA", phrase.to_owned())), None);
            Arc::new(carol.unwrap().tuned(&tuning).unwrap())
        };
        for phrase in ["an old phrase", "a new phrase"] {
            // Nobody answers there.
            let asked = wire.agent(target, &credential(phrase)).get(&[Oid::new([1, 3])]).await;
            assert!(asked.is_err());
        }
        assert_eq!((wire.stats().sessions, wire.keys.len()), (2, 2));
        wire.forget_unused(Duration::from_secs(3_600));
        assert_eq!((wire.stats().sessions, wire.keys.len()), (2, 2), "both were used just now");
        tokio::time::sleep(Duration::from_millis(20)).await;
        let used_again = wire.agent(target, &credential("a new phrase"));
        // Between this and the old one.
        wire.forget_unused(Duration::from_millis(20));
        assert!(wire.stats().sessions <= 1 && wire.keys.len() <= 1);
        wire.forget_unused(Duration::ZERO);
        assert_eq!((wire.stats().sessions, wire.keys.len()), (0, 0));
        assert!(used_again.get(&[Oid::new([1, 3])]).await.is_err(), "who holds one may go on");
    }
}
