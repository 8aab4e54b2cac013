//! The top talkers of a second, of a minute, of a capture.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::mem;
use std::time::Duration;

use grafoleancollector::Timestamp;

use crate::aggregate::{ExporterKey, Level, Report, Rules, Slice, Totals, Windows, WindowsOptions};
use crate::{Flow, Ip, Origin};

/// What one slice may take: a second's flows, or a part of a capture.
const SLICE_BYTES: usize = 16 << 20;
/// Of each list so many are remembered of a second.
const KEPT: usize = 200;
/// So many items the lists of an exporter have, of which those above are taken.
const TOP: usize = 40;
/// What is shown is that of so many seconds.
const SECONDS: usize = 60;

/// Adds up flows as the bot itself does.
pub(super) struct Meter {
    rules: Rules,
    slice: Slice,
    windows: Windows,
}

impl Default for Meter {
    fn default() -> Self {
        Self { rules: Rules::default(), slice: slice(), windows: windows() }
    }
}

/// All in one minute, whatever the time: nothing but sums is wanted.
const BEGIN: Timestamp = Timestamp::from_secs(0);
const END: Timestamp = Timestamp::from_secs(60);

fn slice() -> Slice {
    Slice::new(BEGIN, SLICE_BYTES)
}

fn windows() -> Windows {
    Windows::new(WindowsOptions::default().with_top_n(TOP))
}

impl Meter {
    pub(super) fn add(&mut self, origin: &Origin, flows: &[Flow]) {
        self.slice.add(&ExporterKey::from(origin.source), &self.rules, flows);
        if self.slice.is_full() {
            self.windows.merge(mem::replace(&mut self.slice, slice()));
            // Nothing is kept.
            drop(self.windows.changes());
        }
    }

    /// What was added since the last call.
    pub(super) fn take(&mut self) -> Traffic {
        let mut traffic = Traffic::default();
        let mut windows = mem::replace(&mut self.windows, windows());
        windows.merge(mem::replace(&mut self.slice, slice()));
        for report in windows.close(END).iter().filter(|report| report.level == Level::Minute) {
            traffic.add_report(report);
        }
        traffic
    }
}

/// What was in the flows of some time, in bytes.
#[derive(Clone, Default, Debug)]
pub(super) struct Traffic {
    pub(super) exporters: HashMap<Ip, Totals>,
    pub(super) sources: List<Ip>,
    pub(super) destinations: List<Ip>,
    pub(super) connections: List<(Ip, Ip)>,
    pub(super) ports: List<u16>,
    pub(super) protocols: List<u8>,
    /// Through which interface of which exporter it came in.
    pub(super) interfaces: List<(Ip, u32)>,
}

impl Traffic {
    fn add_report(&mut self, report: &Report) {
        for exporter in &report.exporters {
            let address = exporter.exporter.address;
            let (ingress, egress) = (&exporter.ingress, &exporter.egress);
            // An exporter may tell of one side only; of both, neither is counted twice.
            let side = if ingress.totals.bytes >= egress.totals.bytes { ingress } else { egress };
            self.exporters.entry(address).or_default().add(side.totals);
            self.sources.extend(ingress.ips.iter().map(|(ip, count)| (*ip, count.bytes)));
            self.destinations.extend(egress.ips.iter().map(|(ip, count)| (*ip, count.bytes)));
            self.connections.extend(side.connections.iter().map(|(key, count)| (*key, count.bytes)));
            self.ports.extend(side.ports.iter().map(|(port, count)| (*port, count.bytes)));
            self.protocols.extend(side.protocols.iter().map(|(protocol, count)| (*protocol, count.bytes)));
            let interfaces = side.interfaces.iter();
            self.interfaces
                .extend(interfaces.map(|(index, report)| ((address, *index), report.totals.bytes)));
        }
        self.sources.cut();
        self.destinations.cut();
        self.connections.cut();
        self.ports.cut();
        self.interfaces.cut();
    }

    fn add(&mut self, other: &Self) {
        for (exporter, totals) in &other.exporters {
            self.exporters.entry(*exporter).or_default().add(*totals);
        }
        self.sources.extend(other.sources.iter());
        self.destinations.extend(other.destinations.iter());
        self.connections.extend(other.connections.iter());
        self.ports.extend(other.ports.iter());
        self.protocols.extend(other.protocols.iter());
        self.interfaces.extend(other.interfaces.iter());
    }

    pub(super) fn bytes(&self) -> u64 {
        self.exporters.values().fold(0, |sum, totals| sum.saturating_add(totals.bytes))
    }
}

/// The most of something, in bytes.
#[derive(Clone, Debug)]
pub(super) struct List<K>(HashMap<K, u64>);

impl<K> Default for List<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Copy + Eq + Hash + Ord> List<K> {
    fn extend(&mut self, more: impl Iterator<Item = (K, u64)>) {
        for (key, bytes) in more {
            let sum = self.0.entry(key).or_default();
            *sum = sum.saturating_add(bytes);
        }
    }

    fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        self.0.iter().map(|(key, bytes)| (*key, *bytes))
    }

    fn cut(&mut self) {
        if self.0.len() > KEPT {
            self.0 = self.top(KEPT).into_iter().collect();
        }
    }

    /// The biggest, most bytes first, among equals by their keys.
    pub(super) fn top(&self, count: usize) -> Vec<(K, u64)> {
        let mut all: Vec<_> = self.iter().collect();
        all.sort_unstable_by_key(|(key, bytes)| (Reverse(*bytes), *key));
        all.truncate(count);
        all
    }
}

/// What came in about the last minute.
#[derive(Default)]
pub(super) struct Recent(VecDeque<Second>);

struct Second {
    took: Duration,
    traffic: Traffic,
    /// Packets and flows so far, by exporter, when it began.
    counts: HashMap<Ip, (u64, u64)>,
}

impl Recent {
    /// What came in a second, or in as long as it took.
    pub(super) fn push(&mut self, took: Duration, traffic: Traffic, counts: HashMap<Ip, (u64, u64)>) {
        if self.0.len() == SECONDS {
            self.0.pop_front();
        }
        self.0.push_back(Second { took, traffic, counts });
    }

    /// All of it.
    pub(super) fn traffic(&self) -> Traffic {
        let mut sum = Traffic::default();
        self.0.iter().for_each(|second| sum.add(&second.traffic));
        sum
    }

    /// How long it is.
    pub(super) fn took(&self) -> Duration {
        self.0.iter().map(|second| second.took).sum()
    }

    /// Packets and flows of an exporter before all of it.
    pub(super) fn before(&self, exporter: Ip) -> (u64, u64) {
        self.0.front().and_then(|second| second.counts.get(&exporter)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Has, Version};

    fn origin() -> Origin {
        let (source, received) = (Ip::v4(0x0a00_00fe), Timestamp::from_secs(1));
        Origin { source, reported: Ip::NONE, domain: 0, version: Version::V5, received }
    }

    fn flow(src: u32, bytes: u64) -> Flow {
        let has = Has::PROTOCOL.with(Has::SRC_PORT).with(Has::DST_PORT).with(Has::INPUT).with(Has::OUTPUT);
        let (src, dst, protocol, dst_port) = (Ip::v4(src), Ip::v4(9), 6, 443);
        Flow { src, dst, protocol, dst_port, bytes, packets: 1, input: 3, output: 4, has, ..Flow::default() }
    }

    #[test]
    fn a_minute_is_made_of_its_last_sixty_seconds() {
        let (mut meter, mut recent) = (Meter::default(), Recent::default());
        for second in 0..70 {
            meter.add(&origin(), &[flow(1, 100), Flow { sampling: 10, ..flow(2 + second % 2, 50) }]);
            let counts = HashMap::from([(origin().source, (u64::from(second), 2 * u64::from(second)))]);
            recent.push(Duration::from_secs(1), meter.take(), counts);
        }
        let traffic = recent.traffic();
        assert_eq!((recent.took(), traffic.bytes()), (Duration::from_secs(60), 60 * 600));
        assert_eq!(traffic.sources.top(9), [(Ip::v4(2), 15_000), (Ip::v4(3), 15_000), (Ip::v4(1), 6_000)]);
        assert_eq!(traffic.sources.top(1).len(), 1);
        assert_eq!(traffic.destinations.top(9), [(Ip::v4(9), 36_000)]);
        assert_eq!(traffic.ports.top(9), [(443, 36_000)]);
        assert_eq!(traffic.protocols.top(9), [(6, 36_000)]);
        assert_eq!(traffic.interfaces.top(9), [((origin().source, 3), 36_000)]);
        assert_eq!(recent.before(origin().source), (10, 20));
        assert_eq!(recent.before(Ip::v4(7)), (0, 0));
    }

    #[test]
    fn of_many_talkers_the_biggest_are_remembered() {
        let mut meter = Meter::default();
        for n in 0..100_000 {
            meter.add(&origin(), &[flow(1_000 + n, if n % 10_000 == 0 { 1_000_000 } else { 1 })]);
        }
        let traffic = meter.take();
        assert!(traffic.sources.top(10).iter().all(|(_, bytes)| *bytes >= 1_000_000));
        assert!(traffic.sources.top(usize::MAX).len() <= KEPT);
        assert_eq!(meter.take().bytes(), 0);
    }
}
