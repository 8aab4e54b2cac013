//! What one receiving thread hears in a few seconds.

use std::hint::black_box;

use grafoleancollector::Timestamp;

use super::store::{Sides, Store, Way};
use super::table::NOWHERE;
use super::{Count, ExporterKey, Rules};
use crate::flow::{Direction, Flow, Has, Ip};

/// So many flows are planned before any is counted.
const AT_A_TIME: usize = 32;
/// Interfaces that were looked up lately.
const RECENT: usize = 1_024;
/// Protocols of a lane whose places are remembered.
const PROTOCOLS: usize = 4;

const TCP: u8 = 6;
const UDP: u8 = 17;
const DCCP: u8 = 33;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;

/// What was not counted as it should be.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Losses {
    /// Flows of exporters beyond the limit: not counted at all.
    pub refused_flows: u64,
    /// Flows through interfaces beyond the limit: counted for their exporter only.
    pub other_interfaces: u64,
    /// Keys that gave way to others for want of memory.
    pub dropped_keys: u64,
}

/// What one receiving thread heard in a few seconds, added up.
///
/// ```
/// use grafolean_netflow_bot::aggregate::{ExporterKey, Rules, Slice, Windows, WindowsOptions};
/// use grafolean_netflow_bot::{Flow, Ip};
/// use grafoleancollector::Timestamp;
///
/// let mut slice = Slice::new(Timestamp::from_secs(60), 1 << 20);
/// let flow = Flow { src: Ip::v4(0x0a00_0001), bytes: 1500, packets: 1, input: 3, output: 4, ..Flow::default() };
/// slice.add(&ExporterKey::from(Ip::v4(0x0a00_00fe)), &Rules::default(), &[flow]);
/// let mut windows = Windows::new(WindowsOptions::default());
/// windows.merge(slice);
/// let reports = windows.close(Timestamp::from_secs(120));
/// assert_eq!(reports[0].exporters[0].ingress.ips[0].0, Ip::v4(0x0a00_0001));
/// assert_eq!(reports[0].exporters[0].egress.totals.bytes, 1500);
/// ```
#[derive(Debug)]
pub struct Slice {
    pub(super) begin: Timestamp,
    pub(super) store: Store,
    losses: Losses,
    recent: Box<[Recent; RECENT]>,
    /// Where protocols of lanes were found last: a row for each lane.
    protocol_places: Vec<[u32; PROTOCOLS]>,
    plans: Vec<Plan>,
}

/// A lane that was looked up lately.
#[derive(Clone, Copy, Debug)]
struct Recent {
    exporter: u32,
    interface: u32,
    way: Way,
    lane: u32,
}

impl Recent {
    const NONE: Self = Self { exporter: NOWHERE, interface: 0, way: Way::Ingress, lane: NOWHERE };
}

/// What is to be counted for one flow, and where it may be.
#[derive(Clone, Copy, Debug)]
struct Plan {
    count: Count,
    protocol: Option<u8>,
    near: Passage,
    far: Option<Passage>,
    connection: Option<Spot<(Ip, Ip)>>,
    port: Option<Spot<u16>>,
}

impl Plan {
    fn ips(&self) -> impl Iterator<Item = &Spot<Ip>> {
        self.near.ip.iter().chain(self.far.iter().filter_map(|far| far.ip.as_ref()))
    }

    fn ips_mut(&mut self) -> impl Iterator<Item = &mut Spot<Ip>> {
        self.near.ip.iter_mut().chain(self.far.iter_mut().filter_map(|far| far.ip.as_mut()))
    }
}

/// One way through an interface, and whose address counts there.
#[derive(Clone, Copy, Debug)]
struct Passage {
    lane: u32,
    ip: Option<Spot<Ip>>,
}

/// A key of a table, its hash, and the place where it may be.
#[derive(Clone, Copy, Debug)]
struct Spot<K> {
    key: K,
    hash: u64,
    group: u32,
    guess: u32,
}

impl Slice {
    /// An empty one that begins at `begin` and takes about `budget` bytes at most: when its keys would take more, some
    /// of them give way.
    #[must_use]
    pub fn new(begin: Timestamp, budget: usize) -> Self {
        Self {
            begin,
            store: Store::new(budget),
            losses: Losses::default(),
            recent: Box::new([Recent::NONE; RECENT]),
            protocol_places: Vec::new(),
            plans: Vec::with_capacity(AT_A_TIME),
        }
    }

    /// Empty again, for what comes from `begin` on, in the memory that it has.
    pub fn begin_anew(&mut self, begin: Timestamp) {
        self.begin = begin;
        self.store.clear();
        self.losses = Losses::default();
        self.recent.fill(Recent::NONE);
        self.protocol_places.clear();
    }

    /// When it began.
    #[must_use]
    pub const fn begin(&self) -> Timestamp {
        self.begin
    }

    /// Whether nothing was counted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    /// Whether it is better handed on now than at the end of its time: the next keys might make others give way.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.store.is_nearly_full()
    }

    /// Whose flows it has.
    pub fn exporters(&self) -> impl Iterator<Item = ExporterKey> {
        self.store.exporters().iter().map(|exporter| exporter.key)
    }

    /// What was not counted as it should be.
    #[must_use]
    pub fn losses(&self) -> Losses {
        Losses { dropped_keys: self.store.dropped, ..self.losses }
    }

    /// Counts flows of one exporter.
    pub fn add(&mut self, exporter: &ExporterKey, rules: &Rules, flows: &[Flow]) {
        let Some(exporter) = self.store.exporter(exporter) else {
            self.losses.refused_flows = self.losses.refused_flows.saturating_add(flows.len() as u64);
            return;
        };
        for run in flows.chunks(AT_A_TIME) {
            let mut plans = std::mem::take(&mut self.plans);
            plans.clear();
            for flow in run {
                self.plan(exporter, rules, flow, &mut plans);
            }
            self.search(&mut plans);
            self.count(&plans);
            self.plans = plans;
            self.store.keep_to_budget();
        }
        if let Some(flow) = flows.last() {
            self.store.exporter_mut(exporter).sampling = rules.rate(flow);
        }
    }

    /// Finds out what is to be counted.
    #[inline]
    fn plan(&mut self, exporter: u32, rules: &Rules, flow: &Flow, plans: &mut Vec<Plan>) {
        let is_egress = flow.direction == Direction::Egress;
        if is_egress {
            self.store.exporter_mut(exporter).sends_egress = true;
        }
        if !rules.counts(flow) {
            return;
        }
        let rate = u64::from(rules.rate(flow));
        let count =
            Count { bytes: flow.bytes.saturating_mul(rate), packets: flow.packets.saturating_mul(rate) };
        // Egress is derived as long as the exporter does not tell of it. Not for what was dropped, or was for the
        // router itself; unless the record knows no interface at all.
        let derives = !is_egress
            && (flow.output != 0 || flow.input == 0)
            && !self.store.exporters()[exporter as usize].sends_egress;
        let (near, far, sides) = if is_egress {
            (self.passage(exporter, Way::Egress, flow.output, flow.dst), None, Sides::Egress)
        } else {
            let near = self.passage(exporter, Way::Ingress, flow.input, flow.src);
            let far = derives.then(|| self.passage(exporter, Way::Derived, flow.output, flow.dst));
            (near, far, if derives { Sides::Both } else { Sides::Ingress })
        };
        let wire = self.store.wire(exporter, sides);
        let connection = (!flow.src.is_none() || !flow.dst.is_none()).then(|| {
            let key = (flow.src, flow.dst);
            let hash = self.store.connections.hash(wire, key);
            Spot { key, hash, group: wire, guess: NOWHERE }
        });
        let port = has_port(flow).then(|| {
            let hash = self.store.ports.hash(wire, flow.dst_port);
            Spot { key: flow.dst_port, hash, group: wire, guess: NOWHERE }
        });
        let protocol = flow.has.has(Has::PROTOCOL).then_some(flow.protocol);
        plans.push(Plan { count, protocol, near, far, connection, port });
    }

    #[inline]
    fn passage(&mut self, exporter: u32, way: Way, interface: u32, ip: Ip) -> Passage {
        let lane = self.lane(exporter, way, interface);
        let ip = (!ip.is_none()).then(|| {
            let hash = self.store.ips.hash(lane, ip);
            Spot { key: ip, hash, group: lane, guess: NOWHERE }
        });
        Passage { lane, ip }
    }

    #[inline]
    fn lane(&mut self, exporter: u32, way: Way, interface: u32) -> u32 {
        let mixed = (exporter << 2 | way as u32).wrapping_mul(0x9e37_79b1) ^ interface;
        let recent = &mut self.recent[(mixed.wrapping_mul(0x85eb_ca6b) >> 16) as usize % RECENT];
        if recent.interface == interface && recent.exporter == exporter && recent.way == way {
            return recent.lane;
        }
        let lane = self.store.lane(exporter, way, Some(interface));
        if self.store.lanes()[lane as usize].interface.is_some() {
            *recent = Recent { exporter, interface, way, lane };
        } else if way != Way::Derived {
            self.losses.other_interfaces = self.losses.other_interfaces.saturating_add(1);
        }
        lane
    }

    /// Finds out where the keys may be. All places of the indexes are read before the first is searched, and all entries
    /// before the first is counted, so that the memory is waited for once and not for each.
    #[inline]
    fn search(&self, plans: &mut [Plan]) {
        let Store { ips, connections, ports, .. } = &self.store;
        let mut read = 0;
        for plan in &*plans {
            plan.ips().for_each(|spot| read ^= ips.touch_index(spot.hash));
            plan.connection.iter().for_each(|spot| read ^= connections.touch_index(spot.hash));
            plan.port.iter().for_each(|spot| read ^= ports.touch_index(spot.hash));
        }
        black_box(read);
        for plan in &mut *plans {
            plan.ips_mut().for_each(|spot| spot.guess = ips.guess(spot.hash));
            plan.connection.iter_mut().for_each(|spot| spot.guess = connections.guess(spot.hash));
            plan.port.iter_mut().for_each(|spot| spot.guess = ports.guess(spot.hash));
        }
        for plan in &*plans {
            plan.ips().for_each(|spot| read ^= ips.touch_entry(spot.guess));
            plan.connection.iter().for_each(|spot| read ^= connections.touch_entry(spot.guess));
            plan.port.iter().for_each(|spot| read ^= ports.touch_entry(spot.guess));
        }
        black_box(read);
    }

    #[inline]
    fn count(&mut self, plans: &[Plan]) {
        for plan in plans {
            let count = plan.count;
            for passage in std::iter::once(plan.near).chain(plan.far) {
                let totals = &mut self.store.lane_mut(passage.lane).totals;
                totals.bytes = totals.bytes.saturating_add(count.bytes);
                totals.packets = totals.packets.saturating_add(count.packets);
                totals.flows = totals.flows.saturating_add(1);
                if let Some(protocol) = plan.protocol {
                    self.count_protocol(passage.lane, protocol, count);
                }
                if let Some(Spot { key, hash, group, guess }) = passage.ip {
                    self.store.ips.add_at(guess, hash, group, key, count);
                }
            }
            if let Some(Spot { key, hash, group, guess }) = plan.connection {
                self.store.connections.add_at(guess, hash, group, key, count);
            }
            if let Some(Spot { key, hash, group, guess }) = plan.port {
                self.store.ports.add_at(guess, hash, group, key, count);
            }
        }
    }
}

impl Slice {
    #[inline]
    fn count_protocol(&mut self, lane: u32, protocol: u8, count: Count) {
        if self.protocol_places.len() <= lane as usize {
            self.protocol_places.resize(lane as usize + 1, [NOWHERE; PROTOCOLS]);
        }
        // TCP, UDP and ICMP do not meet.
        let column = usize::from(protocol ^ protocol >> 3) % PROTOCOLS;
        let protocols = &mut self.store.protocols;
        let place = &mut self.protocol_places[lane as usize][column];
        let hash = if protocols.is_at(*place, lane, protocol) {
            0
        } else {
            let hash = protocols.hash(lane, protocol);
            *place = protocols.guess(hash);
            hash
        };
        protocols.add_at(*place, hash, lane, protocol, count);
    }
}

/// Whether the destination port means what people mean by one.
#[inline]
fn has_port(flow: &Flow) -> bool {
    flow.has.has(Has::DST_PORT)
        && (!flow.has.has(Has::PROTOCOL) || matches!(flow.protocol, TCP | UDP | SCTP | DCCP | UDP_LITE))
}
