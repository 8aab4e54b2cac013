//! From the windows that were closed to values at paths.
//!
//! ```text
//! netflow.<1min|15min|1h|4h|24h>.<ingress|egress>                     the account
//!   .entity.<id>                                                      an entity, and of each, the biggest
//!     .topip.<ip> .topprotocol.<name> .topconn.<src>.<dst> .topdstports.<port>
//!     .if.<index>                                                     an interface, and of each, the biggest
//!       .topip.<ip> .topprotocol.<name>
//! ```
//!
//! Values are bytes in the window. All values of a window carry one time, its end, so that what is sent twice is
//! stored once.

mod merge;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use grafoleancollector::{EntityId, Samples, Timestamp};

use crate::aggregate::{Count, ExporterKey, ExporterReport, InterfaceReport, Report, Side, Totals};
use crate::flow::Ip;
use crate::protocols;
use merge::Merged;

/// The entities of an account, in parts: one run delivers one part, so that no run has more values than fit into a
/// little memory.
#[derive(Clone, Default, Debug)]
pub(crate) struct Owners {
    parts: Vec<Vec<Owner>>,
    /// The domains that entities of the account have for themselves.
    domains: HashSet<ExporterKey>,
}

/// Entities of one part, more or less. One with 24 interfaces has up to 1,000 values.
const PART: usize = 32;

impl Owners {
    /// An entity stays in its part unless there are many more, or fewer.
    pub(crate) fn new(owners: Vec<Owner>) -> Self {
        let count = owners.len().div_ceil(PART).next_power_of_two();
        let mut parts = vec![Vec::new(); count];
        let exporters = owners.iter().flat_map(|owner| &owner.exporters);
        let domains = exporters.filter(|exporter| exporter.domain.is_some()).copied().collect();
        for owner in owners {
            let part = owner.entity.get() % count as u64;
            #[expect(clippy::cast_possible_truncation, reason = "below the number of parts")]
            parts[part as usize].push(owner);
        }
        Self { parts, domains }
    }

    /// The numbers of the parts.
    pub(crate) fn parts(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.parts.len()).unwrap_or(u32::MAX)
    }

    /// The entities of a part.
    pub(crate) fn of_part(&self, part: u32) -> &[Owner] {
        self.parts.get(part as usize).map_or(&[], Vec::as_slice)
    }

    fn all(&self) -> impl Iterator<Item = &Owner> {
        self.parts.iter().flatten()
    }
}

/// An entity, as far as its values go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Owner {
    pub(crate) entity: EntityId,
    /// Whose flows are its own.
    pub(crate) exporters: Vec<ExporterKey>,
    /// The interfaces that count for the account's totals. Empty: the whole entity does.
    pub(crate) boundary: BTreeSet<u32>,
}

/// Adds the values of one window to `samples`: those of some of an account's entities, and with the first of them the
/// account's own.
pub(crate) fn deliver(report: &Report, owners: &Owners, part: u32, top_n: usize, samples: &mut Samples) {
    let exporters = ByAddress::new(report);
    let mut window = Window { time: report.end, top_n, path: String::with_capacity(160), samples };
    for (direction, side_of) in DIRECTIONS {
        window.path.clear();
        let _ = write!(window.path, "netflow.{}.{direction}", report.level.name());
        for owner in owners.of_part(part) {
            let own = exporters.of(owner, owners);
            if let Some(side) = Merged::of(own.map(side_of).filter(|side| side.totals.flows > 0)) {
                window.entity(owner.entity, &side);
            }
        }
        if part == 0 {
            let account = account_totals(&exporters, owners, side_of);
            if account.flows > 0 {
                window.value(account.bytes);
            }
        }
    }
}

/// The sum of an account. Two entities may have the same exporter: it counts once, as the first of them has it.
fn account_totals(exporters: &ByAddress<'_>, owners: &Owners, side_of: SideOf) -> Totals {
    let mut counted = HashSet::new();
    let mut sum = Totals::default();
    for owner in owners.all() {
        for of in exporters.of(owner, owners).filter(|of| counted.insert(of.exporter)) {
            sum.add(owner.share(side_of(of)));
        }
    }
    sum
}

/// The exporters of a window by their address: one, or several domains of it.
struct ByAddress<'a>(HashMap<Ip, Vec<&'a ExporterReport>>);

impl<'a> ByAddress<'a> {
    fn new(report: &'a Report) -> Self {
        let mut all: HashMap<_, Vec<_>> = HashMap::new();
        for of in &report.exporters {
            all.entry(of.exporter.address).or_default().push(of);
        }
        Self(all)
    }

    /// Those whose flows an entity owns. Of an address without a domain it owns every domain that no other entity of its
    /// own account has: what another account keeps apart is no less its own.
    fn of(&self, owner: &Owner, owners: &Owners) -> impl Iterator<Item = &'a ExporterReport> {
        owner.exporters.iter().flat_map(move |own| {
            let there = self.0.get(&own.address).map_or(&[][..], Vec::as_slice).iter().copied();
            there.filter(move |of| {
                let whole = own.domain.is_none() && !owners.domains.contains(&of.exporter);
                of.exporter == *own || whole
            })
        })
    }
}

type SideOf = fn(&ExporterReport) -> &Side;

const DIRECTIONS: [(&str, SideOf); 2] = [("ingress", |of| &of.ingress), ("egress", |of| &of.egress)];

impl Owner {
    /// What of it counts for its account.
    fn share(&self, side: &Side) -> Totals {
        if self.boundary.is_empty() {
            return side.totals;
        }
        let mut sum = Totals::default();
        for (_, interface) in side.interfaces.iter().filter(|(index, _)| self.boundary.contains(index)) {
            sum.add(interface.totals);
        }
        sum
    }
}

/// Where the values of a window go.
struct Window<'a> {
    time: Timestamp,
    top_n: usize,
    /// The path so far; each step appends to it, and takes away what it appended.
    path: String,
    samples: &'a mut Samples,
}

impl Window<'_> {
    fn entity(&mut self, entity: EntityId, side: &Side) {
        self.below(format_args!(".entity.{entity}"), |window| {
            window.value(side.totals.bytes);
            window.ips(&side.ips);
            window.protocols(&side.protocols);
            window.top("topconn", &side.connections, |path, (from, to)| {
                push_ip(path, *from);
                path.push('.');
                push_ip(path, *to);
            });
            window.top("topdstports", &side.ports, |path, port| {
                let _ = write!(path, "{port}");
            });
            for (index, interface) in &side.interfaces {
                window.interface(*index, interface);
            }
        });
    }

    fn interface(&mut self, index: u32, interface: &InterfaceReport) {
        self.below(format_args!(".if.{index}"), |window| {
            window.value(interface.totals.bytes);
            window.ips(&interface.ips);
            window.protocols(&interface.protocols);
        });
    }

    fn ips(&mut self, ips: &[(Ip, Count)]) {
        self.top("topip", ips, |path, ip| push_ip(path, *ip));
    }

    fn protocols(&mut self, of: &[(u8, Count)]) {
        self.top("topprotocol", of, |path, protocol| path.push_str(&protocols::segment(*protocol)));
    }

    fn top<K>(&mut self, list: &str, items: &[(K, Count)], name: impl Fn(&mut String, &K)) {
        for (key, count) in items.iter().take(self.top_n).filter(|(_, count)| count.bytes > 0) {
            self.below(format_args!(".{list}."), |window| {
                name(&mut window.path, key);
                window.value(count.bytes);
            });
        }
    }

    fn below(&mut self, step: std::fmt::Arguments<'_>, write: impl FnOnce(&mut Self)) {
        let here = self.path.len();
        // A string takes whatever is written to it.
        let _ = self.path.write_fmt(step);
        write(self);
        self.path.truncate(here);
    }

    fn value(&mut self, bytes: u64) {
        #[expect(clippy::cast_precision_loss, reason = "the backend holds all numbers as f64")]
        self.samples.push(self.path.as_str(), bytes as f64, Some(self.time));
    }
}

/// An address as one segment of a path.
fn push_ip(path: &mut String, ip: Ip) {
    let begin = path.len();
    let _ = write!(path, "{ip}");
    let text = path.split_off(begin);
    for c in text.chars() {
        match c {
            '.' => path.push_str("%2e"),
            ':' => path.push_str("%3a"),
            other => path.push(other),
        }
    }
}

#[cfg(test)]
mod tests;
