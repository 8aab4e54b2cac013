//! Which requests are under way, and which of them a datagram answers; no sockets.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_snmp::{RequestRegistration, ResponseIdentity};
use bytes::Bytes;
use tokio::sync::Notify;

use super::envelope::Envelope;
use super::notes::Notes;
use super::stats::Counters;

/// How many tries that were given up are remembered, so that their answers are known to be late.
const REMEMBERED: usize = 8192;
/// A request keeps no more candidates than this: who floods us with forgeries gets no memory for it.
const MOST_CANDIDATES: usize = 16;

/// The requests under way on one socket.
#[derive(Debug, Default)]
pub(super) struct Pending {
    table: Mutex<Table>,
    ids: Ids,
}

#[derive(Debug, Default)]
struct Table {
    waiting: HashMap<i32, Arc<Slot>>,
    given_up: HashSet<i32>,
    given_up_order: VecDeque<i32>,
}

/// Ids that a device cannot guess from those that it has seen: it might answer for another one.
#[derive(Debug, Default)]
struct Ids {
    key: RandomState,
    count: AtomicU64,
}

impl Ids {
    fn next(&self) -> i32 {
        let hash = self.key.hash_one(self.count.fetch_add(1, Relaxed));
        // RFC 3412 allows 31 bits.
        #[allow(clippy::cast_possible_truncation, reason = "masked")]
        let id = (hash & 0x7fff_ffff) as i32;
        id
    }
}

/// A try that waits for its answer.
#[derive(Debug)]
struct Slot {
    target: SocketAddr,
    accept_any_source: bool,
    /// Whether this asks for the engine of an SNMPv3 agent.
    discovery: bool,
    registration: RequestRegistration,
    notes: Arc<Notes>,
    inbox: Mutex<Inbox>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Inbox {
    candidates: VecDeque<(Bytes, SocketAddr)>,
    refused: bool,
}

/// What a try wakes up for.
pub(super) enum Arrival {
    Candidate(Bytes, SocketAddr),
    Refused,
}

/// A try under way; when it is dropped, its answer is late.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    pending: &'a Pending,
    slot: Arc<Slot>,
    answered: bool,
}

/// Who is asked, and how.
pub(super) struct Asked<'a> {
    pub(super) target: SocketAddr,
    pub(super) accept_any_source: bool,
    pub(super) request: &'a [u8],
    pub(super) notes: &'a Arc<Notes>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panicking thread left behind is at worst a request without an answer.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A zone is not compared: the kernel tells it for link-local addresses only.
fn same(one: SocketAddr, other: SocketAddr) -> bool {
    one.ip() == other.ip() && one.port() == other.port()
}

impl Pending {
    /// An id that no request under way has.
    pub(super) fn free_id(&self) -> i32 {
        let table = locked(&self.table);
        loop {
            let id = self.ids.next();
            if id != 0 && !table.waiting.contains_key(&id) {
                return id;
            }
        }
    }

    /// Whether such a request was tried before. SNMPv3 has a new id for each try, and says which ones there were.
    pub(super) fn is_retry(&self, registration: &RequestRegistration) -> bool {
        !registration.aliases().is_empty()
            || locked(&self.table).given_up.contains(&registration.request_id())
    }

    /// Registers a try; None when one of its ids is taken.
    pub(super) fn register(
        &self,
        registration: RequestRegistration,
        asked: &Asked<'_>,
        counters: &Counters,
    ) -> Option<Waiting<'_>> {
        let &Asked { target, accept_any_source, request, notes } = asked;
        let discovery = Envelope::read(request)
            .and_then(|envelope| envelope.v3)
            .is_some_and(|outside| outside.engine.is_empty());
        let slot = Arc::new(Slot {
            target,
            accept_any_source,
            discovery,
            registration,
            notes: Arc::clone(notes),
            inbox: Mutex::default(),
            arrived: Notify::new(),
        });
        let mut table = locked(&self.table);
        if slot.ids().any(|id| table.waiting.contains_key(&id)) {
            return None;
        }
        let mut retry = !slot.registration.aliases().is_empty();
        for id in slot.ids() {
            table.waiting.insert(id, Arc::clone(&slot));
            retry |= !table.given_up.is_empty() && table.given_up.remove(&id);
        }
        drop(table);
        if retry {
            counters.retries.add();
        } else {
            counters.requests.add();
        }
        Some(Waiting { pending: self, slot, answered: false })
    }

    /// Hands a datagram to the request that it may answer.
    pub(super) fn deliver(&self, datagram: &[u8], source: SocketAddr, counters: &Counters) {
        let Some(envelope) = Envelope::read(datagram) else { return counters.malformed.add() };
        let slot = {
            let table = locked(&self.table);
            match table.waiting.get(&envelope.id) {
                Some(slot) => Arc::clone(slot),
                None if table.given_up.contains(&envelope.id) => return counters.late.add(),
                None => return counters.unexpected.add(),
            }
        };
        let from_target = same(source, slot.target);
        if !from_target && !slot.accept_any_source {
            slot.notes.other_source(source);
            return counters.foreign.add();
        }
        if slot.registration.evaluate_response_identity(datagram, from_target) == ResponseIdentity::Reject {
            if envelope.v3.is_none() {
                slot.notes.other_community();
            }
            return counters.unexpected.add();
        }
        if let Some(outside) = envelope.v3 {
            slot.notes.heard(&outside, slot.discovery);
        }
        let mut inbox = locked(&slot.inbox);
        if inbox.candidates.len() >= MOST_CANDIDATES {
            return counters.unexpected.add();
        }
        inbox.candidates.push_back((Bytes::copy_from_slice(datagram), source));
        drop(inbox);
        slot.arrived.notify_one();
    }

    /// Some requests to this address were refused.
    pub(super) fn refuse(&self, target: SocketAddr) {
        for slot in self.to(target) {
            slot.notes.refused();
            locked(&slot.inbox).refused = true;
            slot.arrived.notify_one();
        }
    }

    /// Some router says that there is no way to this address; there may be one again before the time is up.
    pub(super) fn note_unreachable(&self, target: SocketAddr, why: &str) {
        for slot in self.to(target) {
            slot.notes.unreachable(why.to_owned());
        }
    }

    fn to(&self, target: SocketAddr) -> Vec<Arc<Slot>> {
        let table = locked(&self.table);
        table.waiting.values().filter(|slot| same(slot.target, target)).cloned().collect()
    }
}

impl Slot {
    fn ids(&self) -> impl Iterator<Item = i32> {
        std::iter::once(self.registration.request_id()).chain(self.registration.aliases().iter().copied())
    }
}

impl Waiting<'_> {
    /// What comes next; cancelling it loses nothing.
    pub(super) async fn next(&self) -> Arrival {
        loop {
            {
                let mut inbox = locked(&self.slot.inbox);
                if let Some((datagram, source)) = inbox.candidates.pop_front() {
                    return Arrival::Candidate(datagram, source);
                }
                if std::mem::take(&mut inbox.refused) {
                    return Arrival::Refused;
                }
            }
            self.slot.arrived.notified().await;
        }
    }

    /// One of the candidates was the answer. How many there were besides: duplicates.
    pub(super) fn answered(&mut self) -> usize {
        self.answered = true;
        locked(&self.slot.inbox).candidates.len()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut table = locked(&self.pending.table);
        for id in self.slot.ids() {
            table.waiting.remove(&id);
            if !self.answered && table.given_up.insert(id) {
                table.given_up_order.push_back(id);
            }
        }
        while table.given_up_order.len() > REMEMBERED {
            if let Some(oldest) = table.given_up_order.pop_front() {
                table.given_up.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_positive_and_do_not_follow_each_other() {
        let pending = Pending::default();
        let ids: Vec<i32> = (0..1000).map(|_| pending.free_id()).collect();
        assert!(ids.iter().all(|id| *id > 0));
        let near = ids.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) < 1000).count();
        assert!(near < 5, "{near}");
    }

    /// What the outside of messages is read with must take anything.
    #[test]
    fn any_datagram_may_come() {
        let (pending, counters) = (Pending::default(), Counters::default());
        let target: SocketAddr = "127.0.0.1:161".parse().unwrap();
        let notes = Arc::<Notes>::default();
        let asked = Asked { target, accept_any_source: false, request: &[], notes: &notes };
        let began = tokio::time::Instant::now();
        let deadline = began + std::time::Duration::from_secs(60);
        let waiting = pending.register(RequestRegistration::v3(258, deadline), &asked, &counters).unwrap();
        // An SNMPv3 report of an unknown engine, in answer to request 258.
        let report = [
            &[0x30, 0x4b, 2, 1, 3, 0x30, 15, 2, 2, 1, 2, 2, 3, 0, 0xff, 0xe3, 4, 1, 0, 2, 1, 3, 4, 0x15][..],
            &[0x30, 0x13, 4, 5, 0x80, 0, 0x1f, 0x88, 4, 2, 1, 1, 2, 1, 1, 4, 0, 4, 0, 4, 0],
            &[0x30, 0x1e, 4, 0, 4, 0, 0xa8, 0x18, 2, 1, 0, 2, 1, 0, 2, 1, 0],
            &[0x30, 0x0d, 0x30, 0x0b, 6, 9, 0x2b, 6, 1, 6, 3, 15, 1, 1, 4],
        ]
        .concat();
        pending.deliver(&report, target, &counters);
        assert!(notes.since(began).engine_replaced());
        for n in 0..200_000u64 {
            let mut datagram = report.clone();
            let mut random = pending.ids.key.hash_one(n);
            for _ in 0..=random % 3 {
                let at = usize::try_from(random >> 32).unwrap() % datagram.len();
                random = random.rotate_left(17);
                match random % 4 {
                    0 => datagram.truncate(at.max(1)),
                    1 => datagram[at] ^= 1 << (random % 8),
                    2 => datagram.insert(at, random.to_be_bytes()[0]),
                    _ => datagram[at] = random.to_be_bytes()[1],
                }
            }
            pending.deliver(&datagram, target, &counters);
        }
        // Each is counted once, and no flood fills the memory.
        let ignored = counters.malformed.get() + counters.unexpected.get();
        assert_eq!(locked(&waiting.slot.inbox).candidates.len(), MOST_CANDIDATES);
        assert_eq!(ignored, 200_001 - 16);
    }
}
