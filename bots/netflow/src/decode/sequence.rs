//! What got lost on the way, by the numbers in packets.

/// Gaps that may still be filled by packets that were overtaken.
const OPEN_GAPS: usize = 4;
/// After so many packets, nothing fills a gap any more.
const OVERTAKEN: u64 = 32;

/// How far numbers may jump before they are taken for new ones: (ahead, back).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reach {
    ahead: u32,
    back: u32,
}

impl Reach {
    /// Numbers that count packets.
    pub(super) const PACKETS: Self = Self { ahead: 100_000, back: 256 };
    /// Numbers that count flows.
    pub(super) const FLOWS: Self = Self { ahead: 4_000_000, back: 16_384 };
}

/// What a packet's number told.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Told {
    /// Units that are lost for good.
    pub(super) lost: u64,
    /// The exporter has begun anew, or its numbers make no sense.
    pub(super) restarted: bool,
    /// The packet came after later ones, or twice.
    pub(super) late: bool,
}

/// Follows the numbers of one stream.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Sequence {
    /// The number that the next packet should have. None: not known.
    pub(super) next: Option<u32>,
    uptime: u32,
    packets: u64,
    gaps: [Gap; OPEN_GAPS],
    /// Whether there may be any.
    has_gaps: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Gap {
    first: u32,
    missing: u32,
    since: u64,
}

impl Sequence {
    /// Goes on where a former life of the bot ended.
    pub(super) fn from_next(next: u32) -> Self {
        Self { next: Some(next), ..Self::default() }
    }

    /// A packet with that number, of so many units; None where nobody knows how many.
    #[inline]
    pub(super) fn packet(
        &mut self,
        number: u32,
        units: Option<u32>,
        uptime: Option<u32>,
        reach: Reach,
    ) -> Told {
        self.packets += 1;
        let mut told = Told { lost: self.close(|gap, now| gap.since + OVERTAKEN < now), ..Told::default() };
        // A minute of grace, for packets that were overtaken.
        let began_anew = uptime.is_some_and(|uptime| uptime.saturating_add(60_000) < self.uptime);
        if let Some(uptime) = uptime
            && (began_anew || uptime > self.uptime)
        {
            self.uptime = uptime;
        }
        let after = units.map(|units| number.wrapping_add(units));
        let Some(next) = self.next else {
            self.next = after;
            return told;
        };
        let ahead = number.wrapping_sub(next);
        let back = next.wrapping_sub(number);
        if began_anew || (ahead > reach.ahead && back > reach.back) {
            told.lost += self.close(|_, _| true);
            told.restarted = true;
        } else if ahead == 0 {
        } else if ahead <= reach.ahead {
            told.lost += self.open(Gap { first: next, missing: ahead, since: self.packets });
        } else {
            told.late = true;
            self.fill(number, units.unwrap_or(1));
            return told;
        }
        self.next = after;
        told
    }

    #[inline]
    fn close(&mut self, which: impl Fn(Gap, u64) -> bool) -> u64 {
        if !self.has_gaps {
            return 0;
        }
        let mut lost = 0;
        for gap in &mut self.gaps {
            if gap.missing > 0 && which(*gap, self.packets) {
                lost += u64::from(std::mem::take(&mut gap.missing));
            }
        }
        self.has_gaps = self.gaps.iter().any(|gap| gap.missing > 0);
        lost
    }

    /// Returns what is lost for good because there is no room for another gap.
    fn open(&mut self, gap: Gap) -> u64 {
        self.has_gaps = true;
        match self.gaps.iter_mut().min_by_key(|old| (old.missing > 0, old.since)) {
            Some(old) => u64::from(std::mem::replace(old, gap).missing),
            None => gap.missing.into(),
        }
    }

    fn fill(&mut self, number: u32, units: u32) {
        let within = |gap: &&mut Gap| gap.missing > 0 && number.wrapping_sub(gap.first) < 1 << 31;
        if let Some(gap) = self.gaps.iter_mut().filter(within).max_by_key(|gap| gap.since) {
            gap.missing = gap.missing.saturating_sub(units);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(sequence: &mut Sequence, numbers: impl IntoIterator<Item = u32>) -> u64 {
        let told = numbers.into_iter().map(|n| sequence.packet(n, Some(1), None, Reach::PACKETS));
        told.map(|told| told.lost).sum()
    }

    #[test]
    fn a_gap_is_lost_when_nothing_has_filled_it_for_a_while() {
        let mut sequence = Sequence::default();
        assert_eq!(lost(&mut sequence, [7, 8, 9, 13]), 0, "it may only be late");
        assert_eq!(lost(&mut sequence, 14..100), 3);
    }

    #[test]
    fn packets_that_overtook_each_other_are_not_lost() {
        let mut sequence = Sequence::default();
        assert_eq!(lost(&mut sequence, [1, 3, 2, 6, 4, 5, 7]), 0);
        assert_eq!(lost(&mut sequence, 8..200), 0);
    }

    #[test]
    fn the_numbers_go_round() {
        let mut sequence = Sequence::default();
        assert_eq!(lost(&mut sequence, [u32::MAX - 1, u32::MAX, 0, 1]), 0);
        assert_eq!(lost(&mut sequence, 3..100), 1);
    }

    #[test]
    fn an_exporter_that_begins_anew_has_lost_nothing() {
        let mut sequence = Sequence::default();
        assert_eq!(lost(&mut sequence, [5_000_000, 5_000_001, 0, 1, 2, 3]), 0);
        let mut sequence = Sequence::default();
        sequence.packet(90, Some(1), Some(9_000_000), Reach::PACKETS);
        let told = sequence.packet(1, Some(1), Some(1_000), Reach::PACKETS);
        assert_eq!((told.restarted, told.late), (true, false), "although the numbers are near");
        assert_eq!(lost(&mut sequence, 2..100), 0);
    }

    #[test]
    fn flows_are_counted_where_numbers_count_flows() {
        let mut sequence = Sequence::default();
        for number in (0..3_000).step_by(30) {
            assert_eq!(sequence.packet(number, Some(30), None, Reach::FLOWS), Told::default());
        }
        sequence.packet(3_060, Some(30), None, Reach::FLOWS);
        let more = (3_090..9_000).step_by(30).map(|n| sequence.packet(n, Some(30), None, Reach::FLOWS).lost);
        assert_eq!(more.sum::<u64>(), 60);
    }

    #[test]
    fn after_a_packet_of_unknown_content_nothing_is_said_to_be_lost() {
        let mut sequence = Sequence::default();
        sequence.packet(100, None, None, Reach::FLOWS);
        assert_eq!(sequence.packet(180, Some(5), None, Reach::FLOWS), Told::default());
        assert_eq!(sequence.packet(185, Some(5), None, Reach::FLOWS), Told::default());
    }
}
