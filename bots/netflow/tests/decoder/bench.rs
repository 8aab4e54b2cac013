//! A decoder at work: packets in, flows out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use grafolean_netflow_bot::books::{Books, ExporterBooks, Malformed};
use grafolean_netflow_bot::decode::{Decoder, Kept};
use grafolean_netflow_bot::{Flow, Ip, Origin};
use grafoleancollector::Timestamp;

use crate::packets::{EXPORT, Spec, ipfix, set, template};

pub(crate) const ROUTER: Ip = Ip::v4(0xc000_0201);
pub(crate) const OTHER: Ip = Ip::v4(0xc000_0202);
pub(crate) const EXPORT_MS: i64 = EXPORT as i64 * 1_000;

/// A decoder, and what it hands over.
pub(crate) struct Bench {
    pub(crate) decoder: Decoder,
    pub(crate) books: Arc<Books>,
    pub(crate) now: Timestamp,
    pub(crate) runs: Vec<(Origin, Vec<Flow>)>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|decoder| decoder)
    }

    pub(crate) fn with(limits: impl FnOnce(Decoder) -> Decoder) -> Self {
        let books = Arc::new(Books::default());
        let decoder = limits(Decoder::new(Arc::clone(&books)));
        Self { decoder, books, now: Timestamp::from_secs(EXPORT.into()), runs: Vec::new() }
    }

    /// The next life, which begins with what this one has kept.
    pub(crate) fn restarted(&mut self, known: &[Ip]) -> Self {
        let kept: BTreeMap<_, _> =
            self.decoder.changes().into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        let mut next = Self::with(|decoder| decoder.with_kept(take_up(&kept, self.now)));
        next.now = self.now;
        next.decoder.set_known(Arc::new(known.iter().copied().collect()));
        next
    }

    /// The flows of a datagram.
    pub(crate) fn flows_from(&mut self, source: Ip, datagram: &[u8]) -> Vec<Flow> {
        let Self { decoder, runs, now, .. } = self;
        runs.clear();
        decoder.datagram(*now, source, datagram, &mut |origin, flows| runs.push((*origin, flows.to_vec())));
        decoder.flush();
        runs.iter().flat_map(|(_, flows)| flows.clone()).collect()
    }

    pub(crate) fn flows(&mut self, datagram: &[u8]) -> Vec<Flow> {
        self.flows_from(ROUTER, datagram)
    }

    /// The octets of a datagram's flows.
    pub(crate) fn octets(&mut self, datagram: &[u8]) -> Vec<u64> {
        self.flows(datagram).iter().map(|flow| flow.bytes).collect()
    }

    /// What one template makes of one record, by IPFIX.
    pub(crate) fn ipfix_record(&mut self, fields: &[Spec], record: &[u8]) -> Vec<Flow> {
        self.flows(&ipfix(1, 0, &[set(2, &template(300, fields)), set(300, record)]))
    }

    pub(crate) fn later(&mut self, seconds: u64) {
        let end = self.now.plus(Duration::from_secs(seconds));
        while self.now < end {
            self.now = self.now.plus(Duration::from_secs(1_800)).min(end);
            self.decoder.tick(self.now);
        }
    }

    pub(crate) fn of(&self, address: Ip) -> Arc<ExporterBooks> {
        self.books.of(address).unwrap()
    }

    pub(crate) fn malformed(&self, why: Malformed) -> u64 {
        self.of(ROUTER).malformed(why).get()
    }
}

pub(crate) fn take_up(kept: &BTreeMap<Vec<u8>, Vec<u8>>, now: Timestamp) -> Arc<Kept> {
    let (kept, unusable) = Kept::read(kept.iter().map(|(key, value)| (&key[..], &value[..])), now);
    assert!(unusable.unreadable.is_empty() && unusable.too_old.is_empty(), "{unusable:?}");
    Arc::new(kept)
}

pub(crate) fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}
