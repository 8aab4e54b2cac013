//! The books of one exporter.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use grafoleancollector::Timestamp;
use grafoleancollector::telemetry::{Counter, Gauge};

use crate::flow::{Ip, Version};

/// What may be wrong with a datagram. All that can be read of it is used all the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Malformed {
    /// It is none of the versions that are understood, or no flow packet at all.
    Version,
    /// It ends before its header does.
    Header,
    /// It does not have as many records as it says.
    Count,
    /// It does not have as many bytes as it says.
    Length,
    /// The length of a set is less than its own header, or more than there is.
    SetLength,
    /// A set is of a kind that does not exist.
    SetKind,
    /// A template is cut off, has no fields or no bytes, or an id that it may not have.
    Template,
    /// Something is wrong with an sFlow datagram.
    Sflow,
}

impl Malformed {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Version,
        Self::Header,
        Self::Count,
        Self::Length,
        Self::SetLength,
        Self::SetKind,
        Self::Template,
        Self::Sflow,
    ];

    /// As metrics call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Header => "header",
            Self::Count => "count",
            Self::Length => "length",
            Self::SetLength => "set_length",
            Self::SetKind => "set_kind",
            Self::Template => "template",
            Self::Sflow => "sflow",
        }
    }
}

/// Who said what the sampling rate is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
#[non_exhaustive]
pub enum RateOrigin {
    /// Nobody.
    #[default]
    None,
    /// The flow records themselves.
    Record,
    /// Options data.
    Options,
    /// The header of packets.
    Header,
}

impl RateOrigin {
    const ALL: [Self; 4] = [Self::None, Self::Record, Self::Options, Self::Header];

    /// In one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Record => "record",
            Self::Options => "options",
            Self::Header => "header",
        }
    }
}

/// The sampling rate of the flows that came last.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SamplingRate {
    /// None: the exporter has not said.
    pub rate: Option<NonZeroU32>,
    /// Who said it.
    pub origin: RateOrigin,
}

/// What an exporter calls an interface.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct InterfaceName {
    /// Its name, such as `Gi0/1`. Empty where it is not told.
    pub name: Box<str>,
    /// Its description. Empty where it is not told.
    pub description: Box<str>,
}

/// What is counted of the packets of one version.
#[derive(Debug, Default)]
pub struct VersionBooks {
    /// Datagrams.
    pub packets: Counter,
    /// Their bytes.
    pub datagram_bytes: Counter,
    /// Flows that were in them.
    pub flows: Counter,
    /// Octets of those flows, not scaled.
    pub octets: Counter,
    /// Units that did not arrive, by the numbers in packets: flows (v5, v7), packets (v9), records (IPFIX) or
    /// datagrams (sFlow).
    pub lost: Counter,
    /// Units that did arrive, where that is known.
    pub arrived: Counter,
    /// Packets that came after later ones, or twice.
    pub late: Counter,
    /// How often the numbers began anew.
    pub restarts: Counter,
}

impl VersionBooks {
    /// Which part of all units was lost, from 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    pub fn loss(&self) -> f64 {
        let (lost, arrived) = (self.lost.get() as f64, self.arrived.get() as f64);
        if lost > 0.0 { lost / (lost + arrived) } else { 0.0 }
    }

    fn add(&self, other: &Self) {
        for (sum, more) in [
            (&self.packets, &other.packets),
            (&self.datagram_bytes, &other.datagram_bytes),
            (&self.flows, &other.flows),
            (&self.octets, &other.octets),
            (&self.lost, &other.lost),
            (&self.arrived, &other.arrived),
            (&self.late, &other.late),
            (&self.restarts, &other.restarts),
        ] {
            sum.add(more.get());
        }
    }
}

/// Data sets whose template has not come yet.
#[derive(Debug, Default)]
pub struct Waiting {
    /// So many wait.
    pub sets: Gauge,
    /// Read after all, when their template came.
    pub replayed: Counter,
    /// Dropped without having been read: the template did not come, or there was no room.
    pub dropped: Counter,
    /// Since when, in microseconds. 0: nothing waits.
    pub(crate) since: AtomicI64,
}

impl Waiting {
    /// Since when data has been waiting for a template.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        Some(self.since.load(Relaxed)).filter(|micros| *micros != 0).map(Timestamp::from_micros)
    }
}

impl Waiting {
    pub(crate) fn set_since(&self, since: Option<Timestamp>) {
        self.since.store(since.map_or(0, Timestamp::as_micros), Relaxed);
    }
}

/// What is counted of one exporter.
#[derive(Debug, Default)]
pub struct ExporterBooks {
    address: Ip,
    /// How many decoders write in them.
    decoders: AtomicU32,
    is_known: AtomicBool,
    is_mixed: AtomicBool,
    versions: [VersionBooks; Version::ALL.len()],
    /// Streams (versions and observation domains) that are followed now.
    pub streams: Gauge,
    /// Templates that are known now.
    pub templates: Gauge,
    /// Templates that came, again and again.
    pub templates_received: Counter,
    /// Those of them that are for options.
    pub options_templates_received: Counter,
    /// Templates that came with other fields than before.
    pub templates_changed: Counter,
    /// Templates that the exporter withdrew.
    pub templates_withdrawn: Counter,
    /// Templates that had not been repeated for too long.
    pub templates_expired: Counter,
    /// Templates and streams for which there was no room.
    pub refused: Counter,
    /// Data sets without a template, when they came.
    pub sets_without_template: Counter,
    /// What became of them.
    pub waiting: Waiting,
    /// Records of options.
    pub options_records: Counter,
    /// Flows that lasted longer than two minutes.
    pub long_flows: Counter,
    /// Sampling rates that nobody can mean.
    pub nonsense_rates: Counter,
    malformed: [Counter; Malformed::ALL.len()],
    /// The rate, and in the upper half who said it.
    sampling: AtomicU64,
    /// Milliseconds by which the exporter's clock is behind ours; [`i64::MIN`]: not known.
    skew: Skew,
    last_seen: AtomicI64,
    /// What was reported in a log.
    pub(crate) said: Said,
    /// The rate that was reported last, and when.
    said_rate: Mutex<Option<(Timestamp, SamplingRate)>>,
    interfaces: Mutex<BTreeMap<u32, InterfaceName>>,
}

#[derive(Debug)]
struct Skew(AtomicI64);

impl Default for Skew {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

/// Which warnings were logged, each once.
#[derive(Debug, Default)]
pub(crate) struct Said(AtomicU32);

impl Said {
    pub(crate) const WAITING: u32 = 1;
    pub(crate) const SKEW: u32 = 2;
    pub(crate) const LONG_FLOWS: u32 = 4;
    pub(crate) const MIXED: u32 = 8;

    /// Whether that was not logged yet.
    pub(crate) fn is_new(&self, what: u32) -> bool {
        self.0.load(Relaxed) & what == 0
    }

    /// It is logged now. Whether it is the first time: two decoders may come to it at once.
    pub(crate) fn first(&self, what: u32) -> bool {
        self.0.fetch_or(what, Relaxed) & what == 0
    }
}

impl ExporterBooks {
    pub(crate) fn new(address: Ip) -> Self {
        Self { address, ..Self::default() }
    }

    pub(super) fn opened(&self) {
        self.decoders.fetch_add(1, Relaxed);
    }

    /// Whether no decoder writes in them any more.
    pub(super) fn closed(&self) -> bool {
        self.decoders.fetch_sub(1, Relaxed) <= 1
    }

    /// Whether an entity has the exporter.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.is_known.load(Relaxed)
    }

    pub(crate) fn set_known(&self, is_known: bool) {
        self.is_known.store(is_known, Relaxed);
    }

    /// Whether its templates turn back again and again to what they were: several exporters share the address.
    #[must_use]
    pub fn is_mixed(&self) -> bool {
        self.is_mixed.load(Relaxed)
    }

    pub(crate) fn set_mixed(&self) {
        self.is_mixed.store(true, Relaxed);
    }

    /// The sampling rate, if it is not the one that was reported last, or not in the last `seconds`.
    pub(crate) fn new_rate(&self, now: Timestamp, seconds: i64) -> Option<(NonZeroU32, RateOrigin)> {
        let SamplingRate { rate, origin } = self.sampling();
        let said = self.said_rate.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = said.is_none_or(|(at, said)| {
            said != SamplingRate { rate, origin } && now.as_micros() - at.as_micros() >= seconds * 1_000_000
        });
        rate.filter(|_| is_new).map(|rate| (rate, origin))
    }

    pub(crate) fn say_rate(&self, now: Timestamp) {
        *self.said_rate.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, self.sampling()));
    }

    /// Whether several decoders hear this exporter.
    pub(crate) fn is_shared(&self) -> bool {
        self.decoders.load(Relaxed) > 1
    }

    /// Where datagrams come from.
    #[must_use]
    pub const fn address(&self) -> Ip {
        self.address
    }

    /// What is counted of one version.
    #[must_use]
    pub const fn version(&self, version: Version) -> &VersionBooks {
        &self.versions[version as usize]
    }

    /// The versions of which anything came.
    pub fn versions(&self) -> impl Iterator<Item = (Version, &VersionBooks)> {
        let all = Version::ALL.into_iter().map(|version| (version, self.version(version)));
        all.filter(|(_, books)| books.packets.get() > 0)
    }

    /// How often that was wrong.
    #[must_use]
    pub const fn malformed(&self, why: Malformed) -> &Counter {
        &self.malformed[why as usize]
    }

    /// The sampling rate of the flows that came last.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the halves")]
    pub fn sampling(&self) -> SamplingRate {
        let both = self.sampling.load(Relaxed);
        let origin = RateOrigin::ALL.get((both >> 32) as usize).copied().unwrap_or_default();
        SamplingRate { rate: NonZeroU32::new(both as u32), origin }
    }

    pub(crate) fn set_sampling(&self, rate: u32, origin: RateOrigin) {
        self.sampling.store(u64::from(rate) | (origin as u64) << 32, Relaxed);
    }

    /// By how many milliseconds the exporter's clock is behind ours, or ahead (less than 0); smoothed.
    #[must_use]
    pub fn skew_ms(&self) -> Option<i64> {
        Some(self.skew.0.load(Relaxed)).filter(|skew| *skew != i64::MIN)
    }

    pub(crate) fn set_skew_ms(&self, skew: i64) {
        self.skew.0.store(skew, Relaxed);
    }

    /// When the last datagram came.
    #[must_use]
    pub fn last_seen(&self) -> Option<Timestamp> {
        Some(self.last_seen.load(Relaxed)).filter(|micros| *micros != 0).map(Timestamp::from_micros)
    }

    pub(crate) fn seen(&self, at: Timestamp) {
        self.last_seen.store(at.as_micros(), Relaxed);
    }

    /// What the exporter calls its interfaces, by index.
    #[must_use]
    pub fn interfaces(&self) -> BTreeMap<u32, InterfaceName> {
        self.interfaces.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn name_interface(&self, index: u32, name: InterfaceName) {
        let mut interfaces = self.interfaces.lock().unwrap_or_else(PoisonError::into_inner);
        interfaces.insert(index, name);
    }

    pub(crate) fn forget_interfaces<'a>(&self, indexes: impl Iterator<Item = &'a u32>) {
        let mut interfaces = self.interfaces.lock().unwrap_or_else(PoisonError::into_inner);
        indexes.for_each(|index| drop(interfaces.remove(index)));
    }

    /// Adds the counters of another.
    pub(super) fn add(&self, other: &Self) {
        for (sum, more) in self.versions.iter().zip(&other.versions) {
            sum.add(more);
        }
        for (sum, more) in self.counters().into_iter().zip(other.counters()) {
            sum.add(more.get());
        }
        for (sum, more) in self.malformed.iter().zip(&other.malformed) {
            sum.add(more.get());
        }
    }

    fn counters(&self) -> [&Counter; 12] {
        [
            &self.templates_received,
            &self.options_templates_received,
            &self.templates_changed,
            &self.templates_withdrawn,
            &self.templates_expired,
            &self.refused,
            &self.sets_without_template,
            &self.waiting.replayed,
            &self.waiting.dropped,
            &self.options_records,
            &self.long_flows,
            &self.nonsense_rates,
        ]
    }
}
