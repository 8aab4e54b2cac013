//! What is known of a window once it is closed.

use grafoleancollector::Timestamp;

use super::{ExporterKey, Level};
use crate::flow::Ip;

/// Sums of flows, multiplied by the sampling rate. They stop at the largest number rather than begin anew.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Totals {
    /// Octets.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Flow records, not multiplied.
    pub flows: u64,
}

impl Totals {
    /// These and those.
    pub fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.packets = self.packets.saturating_add(other.packets);
        self.flows = self.flows.saturating_add(other.flows);
    }
}

/// What was counted of one item of a list, multiplied by the sampling rate.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Count {
    /// Octets.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
}

/// One window of all exporters that sent anything in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// How long the window was.
    pub level: Level,
    /// When it ended.
    pub end: Timestamp,
    /// What it holds, by exporter, in their order.
    pub exporters: Vec<ExporterReport>,
}

/// One window of one exporter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExporterReport {
    /// Whose.
    pub exporter: ExporterKey,
    /// The sampling rate by which its newest flow was multiplied.
    pub sampling: u32,
    /// What came in, by source address.
    pub ingress: Side,
    /// What went out, by destination address.
    pub egress: Side,
}

/// What came in, or went out. Lists are sorted: most bytes first, among equals by their keys.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Side {
    /// All of it, exact.
    pub totals: Totals,
    /// The addresses with the most bytes.
    pub ips: Vec<(Ip, Count)>,
    /// The protocols.
    pub protocols: Vec<(u8, Count)>,
    /// From where to where.
    pub connections: Vec<((Ip, Ip), Count)>,
    /// Destination ports.
    pub ports: Vec<(u16, Count)>,
    /// Each interface by its SNMP index.
    pub interfaces: Vec<(u32, InterfaceReport)>,
    /// By so many bytes any listed value may be too small, and what is not listed at all may have so many more than
    /// the last of a list. 0: the lists are exact.
    pub error: u64,
}

/// What came in, or went out, through one interface.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct InterfaceReport {
    /// All of it, exact.
    pub totals: Totals,
    /// The addresses with the most bytes.
    pub ips: Vec<(Ip, Count)>,
    /// The protocols.
    pub protocols: Vec<(u8, Count)>,
    /// As [`Side::error`].
    pub error: u64,
}
