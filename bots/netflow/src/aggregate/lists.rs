//! From tables to sorted top lists.

use std::cmp::{Ordering, Reverse};

use grafoleancollector::Timestamp;

use super::hash::Key;
use super::store::{Exporter, Lane, Sides, Store, Way, Wire};
use super::table::{Grouped, Table};
use super::{Count, ExporterReport, InterfaceReport, Level, Report, Side};

/// How long lists are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    pub(super) of_interface: usize,
    pub(super) of_exporter: usize,
}

/// So many keys are added up at a time where a list comes from several groups.
const AT_A_TIME: usize = 65_536;

/// Keeps the items with the most bytes; among equals, those with the smaller keys.
struct Top<K> {
    most: usize,
    items: Vec<(K, Count)>,
}

fn order<K: Ord>(a: &(K, Count), b: &(K, Count)) -> Ordering {
    (Reverse(a.1.bytes), &a.0).cmp(&(Reverse(b.1.bytes), &b.0))
}

impl<K: Ord + Copy> Top<K> {
    const fn new(most: usize) -> Self {
        Self { most, items: Vec::new() }
    }

    fn add(&mut self, key: K, count: Count) {
        if count.bytes == 0 {
            return;
        }
        if self.items.len() > self.most * 4 + 32 {
            self.items.select_nth_unstable_by(self.most, order);
            self.items.truncate(self.most);
        }
        self.items.push((key, count));
    }

    fn sorted(mut self) -> Vec<(K, Count)> {
        self.items.sort_unstable_by(order);
        self.items.truncate(self.most);
        self.items.shrink_to_fit();
        self.items
    }
}

/// The list of one or more groups, and by how much its values may be too small.
fn list<K: Key>(table: &Table<K>, grouped: &Grouped, groups: &[u32], most: usize) -> (Vec<(K, Count)>, u64) {
    let floors = groups.iter().map(|group| table.books()[*group as usize].floor);
    let error = floors.fold(0, u64::saturating_add);
    let mut top = Top::new(most);
    let entries = || groups.iter().flat_map(|group| grouped.of(*group)).map(|place| table.entry(*place));
    if groups.len() <= 1 {
        entries().for_each(|entry| top.add(entry.key, entry.count()));
        return (top.sorted(), error);
    }
    // Added up part by part, so that the sums of a large exporter do not take as much memory as its tables.
    let all: usize = groups.iter().map(|group| grouped.of(*group).len()).sum();
    let parts = all.div_ceil(AT_A_TIME).max(1) as u64;
    for part in 0..parts {
        let mut sums = Table::with_room(all.min(AT_A_TIME));
        let group = sums.new_group(0);
        for entry in entries() {
            let hash = sums.hash(group, entry.key);
            if parts == 1 || (hash >> 8) % parts == part {
                sums.add(group, entry.key, entry.count());
            }
        }
        sums.entries().for_each(|entry| top.add(entry.key, entry.count()));
    }
    (top.sorted(), error)
}

/// Groups by exporter: those of exporter `e` are at `e`.
fn by_exporter(exporters: usize, of: impl Iterator<Item = u32>) -> Vec<Vec<u32>> {
    let mut groups = vec![Vec::new(); exporters];
    for (group, exporter) in (0_u32..).zip(of) {
        groups[exporter as usize].push(group);
    }
    groups
}

/// All of one window. `derives` says of which exporters derived egress counts.
pub(super) fn report(
    store: &Store,
    level: Level,
    begin: Timestamp,
    lengths: Lengths,
    derives: impl Fn(&Exporter) -> bool,
) -> Report {
    let reporter = Reporter {
        store,
        ips: store.ips.grouped(),
        protocols: store.protocols.grouped(),
        connections: store.connections.grouped(),
        ports: store.ports.grouped(),
        lengths,
    };
    let lanes = by_exporter(store.exporters().len(), store.lanes().iter().map(|lane| lane.exporter));
    let wires = by_exporter(store.exporters().len(), store.wires().iter().map(|wire| wire.exporter));
    let mut exporters: Vec<ExporterReport> = store
        .exporters()
        .iter()
        .zip(lanes.iter().zip(&wires))
        .filter(|(_, (lanes, _))| !lanes.is_empty())
        .map(|(exporter, (lanes, wires))| {
            let derives = derives(exporter);
            ExporterReport {
                exporter: exporter.key,
                sampling: exporter.sampling,
                ingress: reporter.side(
                    lanes,
                    wires,
                    |lane| lane.way == Way::Ingress,
                    |wire| wire.sides != Sides::Egress,
                ),
                egress: reporter.side(
                    lanes,
                    wires,
                    |lane| lane.way == Way::Egress || derives && lane.way == Way::Derived,
                    |wire| wire.sides == Sides::Egress || derives && wire.sides == Sides::Both,
                ),
            }
        })
        .collect();
    exporters.sort_unstable_by_key(|exporter| exporter.exporter);
    Report { level, end: level.end(begin), exporters }
}

struct Reporter<'a> {
    store: &'a Store,
    ips: Grouped,
    protocols: Grouped,
    connections: Grouped,
    ports: Grouped,
    lengths: Lengths,
}

impl Reporter<'_> {
    fn side(
        &self,
        lanes: &[u32],
        wires: &[u32],
        is_lane: impl Fn(&Lane) -> bool,
        is_wire: impl Fn(&Wire) -> bool,
    ) -> Side {
        let store = self.store;
        let lanes: Vec<u32> =
            lanes.iter().copied().filter(|lane| is_lane(&store.lanes()[*lane as usize])).collect();
        let wires: Vec<u32> =
            wires.iter().copied().filter(|wire| is_wire(&store.wires()[*wire as usize])).collect();
        let most = self.lengths.of_exporter;
        let (ips, ips_error) = list(&store.ips, &self.ips, &lanes, most);
        let (protocols, protocols_error) = list(&store.protocols, &self.protocols, &lanes, most);
        let (connections, connections_error) = list(&store.connections, &self.connections, &wires, most);
        let (ports, ports_error) = list(&store.ports, &self.ports, &wires, most);
        let mut side = Side {
            ips,
            protocols,
            connections,
            ports,
            error: ips_error.max(protocols_error).max(connections_error).max(ports_error),
            ..Side::default()
        };
        lanes.iter().for_each(|lane| side.totals.add(store.lanes()[*lane as usize].totals));
        side.interfaces = self.interfaces(lanes);
        side
    }

    /// An interface has two lanes out in the minute in which its exporter began to tell of egress.
    fn interfaces(&self, mut lanes: Vec<u32>) -> Vec<(u32, InterfaceReport)> {
        let store = self.store;
        let interface = |lane: &u32| store.lanes()[*lane as usize].interface;
        lanes.sort_unstable_by_key(interface);
        let mut reports: Vec<(u32, InterfaceReport)> = lanes
            .chunk_by(|a, b| interface(a) == interface(b))
            .filter_map(|lanes| {
                let index = interface(lanes.first()?)?;
                let most = self.lengths.of_interface;
                let (ips, ips_error) = list(&store.ips, &self.ips, lanes, most);
                let (protocols, protocols_error) = list(&store.protocols, &self.protocols, lanes, most);
                let error = ips_error.max(protocols_error);
                let mut report = InterfaceReport { ips, protocols, error, ..InterfaceReport::default() };
                lanes.iter().for_each(|lane| report.totals.add(store.lanes()[*lane as usize].totals));
                Some((index, report))
            })
            .collect();
        reports.sort_unstable_by_key(|(index, report)| (Reverse(report.totals.bytes), *index));
        reports
    }
}
