//! All that is counted in one window, of all exporters.

use std::collections::HashMap;

use super::cut::{Sizes, most_by_exporter};
use super::hash::{Folded, salt};
use super::table::{Book, NOWHERE, Table};
use super::{ExporterKey, Totals};
use crate::flow::Ip;

/// More exporters are not told apart: their flows are refused.
pub(super) const MOST_EXPORTERS: usize = 16_384;
/// An exporter has at most so many interfaces on each side; the flows of others count for the exporter alone.
pub(super) const MOST_INTERFACES: usize = 4_096;
/// All exporters together have at most so many, on all sides.
pub(super) const MOST_LANES: usize = 131_072;
/// An exporter has at most this share of the lanes that are still free…
const SHARE_OF_FREE: usize = 16;
/// …but so many in any case, as long as there are any.
const FEWEST_INTERFACES: usize = 16;
/// What a lane and an exporter take beside their tables, with their places in the maps.
const LANE_BYTES: usize = size_of::<Lane>() + 2 * size_of::<Book>() + 32;
const EXPORTER_BYTES: usize = size_of::<Exporter>() + 3 * (size_of::<Wire>() + 2 * size_of::<Book>()) + 48;

/// Which way a flow passes an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// In.
    Ingress,
    /// Out, as the record says.
    Egress,
    /// Out, as follows from a record of what came in.
    Derived,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Ingress, Self::Egress, Self::Derived];
}

/// For which sides of its exporter a connection and its port count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sides {
    /// Only in.
    Ingress,
    /// In, and out if egress is derived from what came in.
    Both,
    /// Only out.
    Egress,
}

impl Sides {
    pub(super) const ALL: [Self; 3] = [Self::Ingress, Self::Both, Self::Egress];
}

/// One way through one interface: a group of the tables of addresses and protocols.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    pub(super) totals: Totals,
    pub(super) exporter: u32,
    /// None: all interfaces beyond the limit.
    pub(super) interface: Option<u32>,
    pub(super) way: Way,
}

/// A group of the tables of connections and ports.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wire {
    pub(super) exporter: u32,
    pub(super) sides: Sides,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Exporter {
    pub(super) key: ExporterKey,
    /// By [`Sides`].
    wires: [u32; 3],
    /// How many interfaces it has, by [`Way`].
    interfaces: [u32; 3],
    pub(super) sampling: u32,
    /// Whether it sent a record of what goes out.
    pub(super) sends_egress: bool,
    /// Whether egress derived from its records counts: decided when a minute is closed.
    pub(super) derives: bool,
}

/// What becomes of an exporter's derived egress when its counts move on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Derived {
    /// It stays what it is.
    Stays,
    /// It becomes its egress, or is forgotten, as was decided for the exporter.
    Ends,
}

#[derive(Debug)]
pub(super) struct Store {
    exporters: Vec<Exporter>,
    by_key: HashMap<ExporterKey, u32, Folded>,
    lanes: Vec<Lane>,
    lane_of: HashMap<u64, u32, Folded>,
    wires: Vec<Wire>,
    pub(super) ips: Table<Ip>,
    pub(super) protocols: Table<u8>,
    pub(super) connections: Table<(Ip, Ip)>,
    pub(super) ports: Table<u16>,
    budget: usize,
    /// How many entries were dropped for want of room.
    pub(super) dropped: u64,
}

impl Store {
    pub(super) fn new(budget: usize) -> Self {
        Self {
            exporters: Vec::new(),
            by_key: HashMap::default(),
            lanes: Vec::new(),
            lane_of: HashMap::default(),
            wires: Vec::new(),
            ips: Table::new(),
            protocols: Table::new(),
            connections: Table::new(),
            ports: Table::new(),
            budget,
            dropped: 0,
        }
    }

    /// Forgets everything, but keeps the memory for what comes next.
    pub(super) fn clear(&mut self) {
        self.exporters.clear();
        self.by_key.clear();
        self.lanes.clear();
        self.lane_of.clear();
        self.wires.clear();
        self.ips.clear();
        self.protocols.clear();
        self.connections.clear();
        self.ports.clear();
        self.dropped = 0;
    }

    pub(super) fn exporters(&self) -> &[Exporter] {
        &self.exporters
    }

    pub(super) fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    pub(super) fn wires(&self) -> &[Wire] {
        &self.wires
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.exporters.is_empty()
    }

    /// The exporter of this key; `None` when there are too many.
    pub(super) fn exporter(&mut self, key: &ExporterKey) -> Option<u32> {
        if let Some(&exporter) = self.by_key.get(key) {
            return Some(exporter);
        }
        if self.exporters.len() >= MOST_EXPORTERS {
            return None;
        }
        let exporter = u32::try_from(self.exporters.len()).ok()?;
        self.exporters.push(Exporter {
            key: *key,
            wires: [NOWHERE; 3],
            interfaces: [0; 3],
            sampling: 1,
            sends_egress: false,
            derives: false,
        });
        self.by_key.insert(*key, exporter);
        Some(exporter)
    }

    pub(super) fn exporter_mut(&mut self, exporter: u32) -> &mut Exporter {
        &mut self.exporters[exporter as usize]
    }

    /// The lane of an exporter's interface; that of all its other interfaces where there are too many.
    pub(super) fn lane(&mut self, exporter: u32, way: Way, interface: Option<u32>) -> u32 {
        let name = lane_name(exporter, way, interface);
        if let Some(&lane) = self.lane_of.get(&name) {
            return lane;
        }
        if interface.is_some() && !self.takes_interface(exporter, way) {
            return self.lane(exporter, way, None);
        }
        if interface.is_some() {
            self.exporters[exporter as usize].interfaces[way as usize] += 1;
        }
        self.lanes.push(Lane { totals: Totals::default(), exporter, interface, way });
        let key = self.exporters[exporter as usize].key;
        // What is derived may become egress: keys of both have the same hashes.
        let salt = salt((key, way == Way::Ingress, interface));
        let lane = self.ips.new_group(salt);
        let _same = self.protocols.new_group(salt);
        self.lane_of.insert(name, lane);
        lane
    }

    fn takes_interface(&self, exporter: u32, way: Way) -> bool {
        let free = MOST_LANES.saturating_sub(self.lanes.len());
        let has = self.exporters[exporter as usize].interfaces[way as usize] as usize;
        free > 0 && has < (free / SHARE_OF_FREE).clamp(FEWEST_INTERFACES, MOST_INTERFACES)
    }

    pub(super) fn lane_mut(&mut self, lane: u32) -> &mut Lane {
        &mut self.lanes[lane as usize]
    }

    #[inline]
    pub(super) fn wire(&mut self, exporter: u32, sides: Sides) -> u32 {
        let wire = self.exporters[exporter as usize].wires[sides as usize];
        if wire != NOWHERE { wire } else { self.new_wire(exporter, sides) }
    }

    fn new_wire(&mut self, exporter: u32, sides: Sides) -> u32 {
        self.wires.push(Wire { exporter, sides });
        let salt = salt((self.exporters[exporter as usize].key, sides == Sides::Egress));
        let wire = self.connections.new_group(salt);
        let _same = self.ports.new_group(salt);
        self.exporters[exporter as usize].wires[sides as usize] = wire;
        wire
    }

    const fn fixed_bytes(&self) -> usize {
        self.lanes.len() * LANE_BYTES + self.exporters.len() * EXPORTER_BYTES
    }

    const fn entry_bytes(&self) -> usize {
        self.ips.bytes() + self.protocols.bytes() + self.connections.bytes() + self.ports.bytes()
    }

    /// What entries may take: what exporters and interfaces leave of the budget, but a quarter of it in any case.
    const fn room(&self) -> usize {
        let (left, quarter) = (self.budget.saturating_sub(self.fixed_bytes()), self.budget / 4);
        if left > quarter { left } else { quarter }
    }

    /// Whether it will soon have as much as it may.
    pub(super) const fn is_nearly_full(&self) -> bool {
        self.entry_bytes() > self.room() / 8 * 7
    }

    /// Makes room where there is none: half of it, so that the next time is far away.
    #[inline]
    pub(super) fn keep_to_budget(&mut self) {
        let room = self.room();
        if self.entry_bytes() > room {
            // Where some keys are wide and others are not, those that stay may be the wide ones: still less than the room.
            let sizes = Sizes {
                ip: self.ips.bytes_of_entry(),
                connection: self.connections.bytes_of_entry(),
                port: self.ports.bytes_of_entry(),
                protocol: self.protocols.bytes_of_entry(),
            };
            self.cut(sizes, room / 2);
        }
    }

    /// Decides for each exporter whether its derived egress counts.
    pub(super) fn decide(&mut self, derives: impl Fn(&Exporter) -> bool) {
        for exporter in &mut self.exporters {
            exporter.derives = derives(exporter);
        }
    }

    /// Drops entries until those left take at most `room`.
    pub(super) fn cut(&mut self, sizes: Sizes, room: usize) {
        let most = most_by_exporter(self, sizes, room);
        if most.is_empty() {
            return;
        }
        let of = |exporter: u32| most.get(&exporter).copied().unwrap_or(usize::MAX);
        let (lanes, wires) = (&self.lanes, &self.wires);
        let of_lane = |group: u32| of(lanes[group as usize].exporter);
        let of_wire = |group: u32| of(wires[group as usize].exporter);
        let dropped = self.ips.cut(of_lane)
            + self.protocols.cut(of_lane)
            + self.connections.cut(of_wire)
            + self.ports.cut(of_wire);
        self.dropped = self.dropped.saturating_add(dropped as u64);
    }

    /// Adds all that `other` has.
    ///
    /// Returns the flows of exporters for which there is no room.
    pub(super) fn absorb(&mut self, other: &Self, derived: Derived) -> u64 {
        let ours: Vec<Option<u32>> = other
            .exporters
            .iter()
            .map(|theirs| {
                let ours = self.exporter(&theirs.key);
                if let Some(ours) = ours {
                    let ours = self.exporter_mut(ours);
                    ours.sends_egress |= theirs.sends_egress;
                    ours.sampling = theirs.sampling;
                }
                ours
            })
            .collect();
        let mut refused = 0_u64;
        let mut lanes = Vec::with_capacity(other.lanes.len());
        for lane in &other.lanes {
            let exporter = ours[lane.exporter as usize];
            let way = match (lane.way, derived) {
                (Way::Derived, Derived::Ends) => {
                    other.exporters[lane.exporter as usize].derives.then_some(Way::Egress)
                }
                (way, _) => Some(way),
            };
            if exporter.is_none() && lane.way != Way::Derived {
                refused = refused.saturating_add(lane.totals.flows);
            }
            let lane_here = exporter.zip(way).map(|(exporter, way)| self.lane(exporter, way, lane.interface));
            if let Some(ours) = lane_here {
                self.lane_mut(ours).totals.add(lane.totals);
            }
            lanes.push(lane_here);
        }
        let mut wires = Vec::with_capacity(other.wires.len());
        for wire in &other.wires {
            let derives = other.exporters[wire.exporter as usize].derives;
            let sides = match (wire.sides, derived) {
                (Sides::Both, Derived::Ends) if !derives => Sides::Ingress,
                (sides, _) => sides,
            };
            wires.push(ours[wire.exporter as usize].map(|exporter| self.wire(exporter, sides)));
        }
        self.take_tables(other, &lanes, &wires);
        self.dropped = self.dropped.saturating_add(other.dropped);
        refused
    }

    fn take_tables(&mut self, other: &Self, lanes: &[Option<u32>], wires: &[Option<u32>]) {
        self.protocols.absorb(&other.protocols, lanes);
        self.ports.absorb(&other.ports, wires);
        self.ips.add_floors(&other.ips, lanes);
        for part in other.ips.parts() {
            self.ips.take(&other.ips, part, lanes);
            self.keep_to_budget();
        }
        self.connections.add_floors(&other.connections, wires);
        for part in other.connections.parts() {
            self.connections.take(&other.connections, part, wires);
            self.keep_to_budget();
        }
        self.keep_to_budget();
    }
}

fn lane_name(exporter: u32, way: Way, interface: Option<u32>) -> u64 {
    // 14 bits of exporter, 2 of way, one for the interface that stands for all others, 32 of index.
    u64::from(exporter) << 35
        | (way as u64) << 33
        | u64::from(interface.is_none()) << 32
        | u64::from(interface.unwrap_or(0))
}
