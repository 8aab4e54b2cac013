//! From a template to a plan: where in a record the few fields are that a [`Flow`] has.
//!
//! All numbers are read in the same way: the eight bytes that end where the field ends, less what is before it. So
//! a field that a template lacks costs no branch (its mask is zero), and neither does its width. It needs eight bytes
//! before the record, and those are always there: headers are longer.

use super::times::TimeKind;
use crate::flow::{Has, Ip};

/// How many bytes before a record are needed to read it.
pub(super) const BEFORE: usize = 8;

/// The fields of a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub(super) enum Slot {
    SrcHigh,
    SrcLow,
    Src4,
    DstHigh,
    DstLow,
    Dst4,
    Bytes,
    /// Instead of the ones before, where those are zero.
    OtherBytes,
    Packets,
    OtherPackets,
    Input,
    Output,
    SrcPort,
    DstPort,
    Protocol,
    Flags,
    Tos,
    Direction,
    Start,
    End,
    Boot,
    Event,
    Interval,
    SpacingInterval,
    Spacing,
    Size,
    Population,
    Sampler,
    Exporter4,
    ExporterHigh,
    ExporterLow,
    ReverseBytes,
    ReversePackets,
    ReverseFlags,
    ReverseTos,
    ReverseStart,
    ReverseEnd,
}

pub(super) const ALL: [Slot; SLOTS] = {
    use Slot::*;
    [
        SrcHigh,
        SrcLow,
        Src4,
        DstHigh,
        DstLow,
        Dst4,
        Bytes,
        OtherBytes,
        Packets,
        OtherPackets,
        Input,
        Output,
        SrcPort,
        DstPort,
        Protocol,
        Flags,
        Tos,
        Direction,
        Start,
        End,
        Boot,
        Event,
        Interval,
        SpacingInterval,
        Spacing,
        Size,
        Population,
        Sampler,
        Exporter4,
        ExporterHigh,
        ExporterLow,
        ReverseBytes,
        ReversePackets,
        ReverseFlags,
        ReverseTos,
        ReverseStart,
        ReverseEnd,
    ]
};

pub(super) const SLOTS: usize = Slot::ReverseEnd as usize + 1;

/// Where a number ends in its record, and which bits of the eight bytes before are its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Place {
    pub(super) end: u16,
    pub(super) mask: u64,
}

/// The places of all slots, and how records are read with them.
pub(super) type Places = [Place; SLOTS];

/// A record, with the eight bytes before it.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) window: &'a [u8],
    pub(super) places: &'a Places,
}

impl Record<'_> {
    #[inline(always)]
    pub(super) fn get(self, slot: Slot) -> u64 {
        let place = self.places[slot as usize];
        let at = usize::from(place.end);
        match self.window.get(at..at + BEFORE).and_then(|bytes| bytes.first_chunk::<BEFORE>()) {
            Some(bytes) => u64::from_be_bytes(*bytes) & place.mask,
            None => 0,
        }
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masks are no wider than what is read with them")]
    pub(super) fn get_u32(self, slot: Slot) -> u32 {
        self.get(slot) as u32
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masks are no wider than what is read with them")]
    pub(super) fn get_u16(self, slot: Slot) -> u16 {
        self.get(slot) as u16
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masks are no wider than what is read with them")]
    pub(super) fn get_u8(self, slot: Slot) -> u8 {
        self.get(slot) as u8
    }

    #[inline(always)]
    pub(super) fn address(self, family: Family, high: Slot, low: Slot, four: Slot) -> Ip {
        match family {
            Family::Four => Ip::v4(self.get_u32(four)),
            Family::Six => Ip { high: self.get(high), low: self.get(low) },
            // The one that is not used is zero.
            Family::Both => match (Ip { high: self.get(high), low: self.get(low) }, self.get_u32(four)) {
                (Ip::NONE, 0) => Ip::NONE,
                (Ip::NONE, four) => Ip::v4(four),
                (six, _) => six,
            },
            Family::None => Ip::NONE,
        }
    }
}

/// Which addresses a template has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Family {
    #[default]
    None,
    Four,
    Six,
    Both,
}

impl Family {
    pub(super) const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, family) | (family, Self::None) => family,
            (Self::Four, Self::Four) => Self::Four,
            (Self::Six, Self::Six) => Self::Six,
            _ => Self::Both,
        }
    }
}

/// What is rare in templates, so that records of all others need not look for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Rare {
    /// The exporter's own address.
    pub(super) exporter: Family,
    /// Counters of the other direction.
    pub(super) reverse: bool,
    /// A firewall's event, and no counter of an ordinary flow.
    pub(super) event: bool,
    /// When the exporter began, in the record.
    pub(super) boot: bool,
    /// Other counters where the first are zero.
    pub(super) other_counters: bool,
    /// A piece of the frame itself.
    pub(super) frame: bool,
    /// There is no counter of packets, and a record is one frame.
    pub(super) one_packet: bool,
}

/// How the records of one template are read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Plan {
    pub(super) places: Places,
    pub(super) src: Family,
    pub(super) dst: Family,
    pub(super) has: Has,
    pub(super) start: TimeKind,
    pub(super) end: TimeKind,
    pub(super) reverse_start: TimeKind,
    pub(super) reverse_end: TimeKind,
    pub(super) has_direction: bool,
    /// A sampling rate, or the id of a sampler.
    pub(super) has_sampling: bool,
    pub(super) has_sampler: bool,
    /// A rate in the record itself.
    pub(super) has_rate: bool,
    /// Whether there is anything in `rare`.
    pub(super) is_rare: bool,
    pub(super) rare: Rare,
    /// Bytes of a record; the fewest that it can have, where it has fields of variable length.
    pub(super) length: usize,
    /// Where the frame is, when nothing before it is variable.
    pub(super) frame: Option<Part>,
    /// Empty: all fields have a fixed length.
    pub(super) walk: Box<[Step]>,
}

/// Bytes in a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    pub(super) start: usize,
    pub(super) length: usize,
}

/// So many bytes of fixed fields, then a field of variable length; the last step ends without one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Step {
    pub(super) fixed: usize,
    /// Slots whose places count from the beginning of this step.
    pub(super) slots: Box<[Slot]>,
    pub(super) frame: Option<Part>,
    pub(super) variable: Option<Variable>,
}

/// What a field of variable length is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Variable {
    Nothing,
    Frame,
    Number(Slot, u64),
}

/// The lowest `bytes` bytes.
pub(super) const fn ones(bytes: usize) -> u64 {
    if bytes >= 8 { u64::MAX } else { (1 << (8 * bytes)) - 1 }
}

impl Plan {
    /// Finds the places in a record that has fields of variable length, and says how long it is. None when it is
    /// cut off. `places` are those of the plan, or of the record before.
    pub(super) fn locate(
        &self,
        record: &[u8],
        places: &mut Places,
        frame: &mut Option<Part>,
    ) -> Option<usize> {
        let mut at = 0;
        *frame = None;
        for step in &self.walk {
            let base = u16::try_from(at).ok()?;
            for slot in &step.slots {
                places[*slot as usize].end = self.places[*slot as usize].end.checked_add(base)?;
            }
            if let Some(part) = step.frame {
                *frame = Some(Part { start: at + part.start, ..part });
            }
            at += step.fixed;
            let Some(variable) = step.variable else { break };
            let (start, length) = match record.get(at..)? {
                [255, high, low, ..] => (at + 3, usize::from(u16::from_be_bytes([*high, *low]))),
                [short, ..] if *short < 255 => (at + 1, usize::from(*short)),
                _ => return None,
            };
            at = start + length;
            match variable {
                Variable::Nothing => {}
                Variable::Frame => *frame = Some(Part { start, length }),
                Variable::Number(slot, mask) => {
                    places[slot as usize] = Place { end: u16::try_from(at).ok()?, mask: mask & ones(length) };
                }
            }
        }
        (at <= record.len()).then_some(at)
    }
}
