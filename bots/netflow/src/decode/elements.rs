//! Which elements are used, and for what.

use super::plan::Slot;

/// Where a number goes: a slot, how much better it is there than others (from 1), and its widest value.
pub(super) type Use = (Slot, u8, u64);

pub(super) const U8: u64 = u8::MAX as u64;
pub(super) const U16: u64 = u16::MAX as u64;
pub(super) const U32: u64 = u32::MAX as u64;
pub(super) const U64: u64 = u64::MAX;
/// Counters of the other end of a connection (232, 299).
pub(super) const REVERSE_PAIR: u8 = 1;
/// Counters of the end that began it (231, 298).
pub(super) const INITIATOR: u8 = 2;
/// Counters from here on are those of ordinary flows.
pub(super) const ORDINARY: u8 = 3;
/// octetDeltaCount, packetDeltaCount
pub(super) const BEST: u8 = 5;
/// dataLinkFrameSize
pub(super) const FRAME: u8 = 1;

/// What an element is used for.
pub(super) fn number(element: u16) -> Option<Use> {
    Some(match element {
        // octetDeltaCount, octetTotalCount, postOctetDeltaCount, initiatorOctets, dataLinkFrameSize
        1 => (Slot::Bytes, BEST, U64),
        85 => (Slot::Bytes, 4, U64),
        23 => (Slot::Bytes, ORDINARY, U64),
        231 => (Slot::Bytes, INITIATOR, U64),
        312 => (Slot::Bytes, FRAME, U64),
        2 => (Slot::Packets, BEST, U64),
        86 => (Slot::Packets, 4, U64),
        24 => (Slot::Packets, ORDINARY, U64),
        298 => (Slot::Packets, INITIATOR, U64),
        232 => (Slot::ReverseBytes, REVERSE_PAIR, U64),
        299 => (Slot::ReversePackets, REVERSE_PAIR, U64),
        4 => (Slot::Protocol, 1, U8),
        5 => (Slot::Tos, 1, U8),
        6 => (Slot::Flags, 1, U8),
        7 => (Slot::SrcPort, 2, U16),
        180 | 182 => (Slot::SrcPort, 1, U16),
        11 => (Slot::DstPort, 2, U16),
        181 | 183 => (Slot::DstPort, 1, U16),
        10 => (Slot::Input, 2, U32),
        252 => (Slot::Input, 1, U32),
        14 => (Slot::Output, 2, U32),
        253 => (Slot::Output, 1, U32),
        61 => (Slot::Direction, 1, U8),
        160 => (Slot::Boot, 1, U64),
        // firewallEvent, and what the first ASAs called it
        233 => (Slot::Event, 2, U8),
        40_005 => (Slot::Event, 1, U8),
        // samplingInterval, samplerRandomInterval; samplingPacketInterval and Space; samplingSize and Population
        34 => (Slot::Interval, 2, U64),
        50 => (Slot::Interval, 1, U64),
        305 => (Slot::SpacingInterval, 1, U32),
        306 => (Slot::Spacing, 1, U32),
        309 => (Slot::Size, 1, U32),
        310 => (Slot::Population, 1, U32),
        // FLOW_SAMPLER_ID, selectorId
        48 => (Slot::Sampler, 2, U64),
        302 => (Slot::Sampler, 1, U64),
        _ => return None,
    })
}

/// The same of an element of RFC 5103's reverse information.
pub(super) fn reverse_number(element: u16) -> Option<Use> {
    let (slot, rank, mask) = number(element)?;
    let slot = match slot {
        Slot::Bytes => Slot::ReverseBytes,
        Slot::Packets => Slot::ReversePackets,
        Slot::Flags => Slot::ReverseFlags,
        Slot::Tos => Slot::ReverseTos,
        _ => return None,
    };
    Some((slot, rank + REVERSE_PAIR, mask))
}
