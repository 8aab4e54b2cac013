//! Makes a plan of a template.

use super::elements::{
    BEST, FRAME, INITIATOR, ORDINARY, REVERSE_PAIR, U32, U64, Use, number, reverse_number,
};
use super::plan::{ALL, Family, Part, Place, Plan, Rare, SLOTS, Slot, Step, Variable, ones};
use super::template::{Field, REVERSE, VARIABLE};
use super::times::TimeKind;
use crate::flow::Has;

/// Lays out the fields of a template one after the other; the best for each slot stays.
struct Compiler {
    plan: Plan,
    ranks: [u8; SLOTS],
    /// In which step each slot is.
    steps: [usize; SLOTS],
    /// The step at hand: its bytes so far.
    at: usize,
    walk: Vec<Step>,
}

impl Plan {
    /// None where a record would have no bytes at all, or more than a datagram has.
    pub(super) fn new(fields: impl Iterator<Item = Field>) -> Option<Self> {
        let plan = Self {
            places: [Place::default(); SLOTS],
            src: Family::None,
            dst: Family::None,
            has: Has::default(),
            start: TimeKind::None,
            end: TimeKind::None,
            reverse_start: TimeKind::None,
            reverse_end: TimeKind::None,
            has_direction: false,
            has_sampling: false,
            has_sampler: false,
            has_rate: false,
            is_rare: false,
            rare: Rare::default(),
            length: 0,
            frame: None,
            walk: Box::default(),
        };
        let mut compiler = Compiler { plan, ranks: [0; SLOTS], steps: [0; SLOTS], at: 0, walk: Vec::new() };
        for field in fields {
            compiler.field(field);
            if compiler.plan.length > usize::from(u16::MAX) {
                return None;
            }
        }
        compiler.finish()
    }
}

impl Compiler {
    fn field(&mut self, field: Field) {
        let variable = field.length == VARIABLE;
        let length = if variable { 0 } else { usize::from(field.length) };
        let start = self.at;
        self.at += length;
        self.plan.length += if variable { 1 } else { length };
        let mut use_of = Variable::Nothing;
        match (field.enterprise, field.element) {
            _ if length == 0 && !variable => {}
            (0, 8 | 12 | 130) if length == 4 => self.address(field.element, Family::Four, start),
            (0, 27 | 28 | 131) if length == 16 => self.address(field.element, Family::Six, start),
            // dataLinkFrameSection
            (0, 315) if self.plan.frame.is_none() && !self.plan.rare.frame => {
                self.plan.rare.frame = true;
                if variable {
                    use_of = Variable::Frame;
                } else {
                    self.plan.frame = Some(Part { start, length });
                }
            }
            (0, element) => use_of = self.element(element, length, variable, number(element), false),
            (REVERSE, element) => {
                use_of = self.element(element, length, variable, reverse_number(element), true);
            }
            _ => {}
        }
        if variable {
            self.end_step(Some(use_of));
        }
    }

    fn element(
        &mut self,
        element: u16,
        length: usize,
        variable: bool,
        use_of: Option<Use>,
        reverse: bool,
    ) -> Variable {
        let (slot, rank, mask) = match (TimeKind::of(element, length), use_of) {
            (Some((kind, is_start, rank)), _) => {
                let (slot, kept) = match (reverse, is_start) {
                    (false, true) => (Slot::Start, &mut self.plan.start),
                    (false, false) => (Slot::End, &mut self.plan.end),
                    (true, true) => (Slot::ReverseStart, &mut self.plan.reverse_start),
                    (true, false) => (Slot::ReverseEnd, &mut self.plan.reverse_end),
                };
                if rank > self.ranks[slot as usize] {
                    *kept = kind;
                }
                (slot, rank, U64)
            }
            (None, Some(use_of)) => use_of,
            (None, None) => return Variable::Nothing,
        };
        let slot = match self.rank(slot, rank) {
            Some(slot) => slot,
            None => return Variable::Nothing,
        };
        if variable {
            return Variable::Number(slot, mask);
        }
        self.place(slot, self.at, mask & ones(length));
        Variable::Nothing
    }

    /// Which slot a field of that rank gets. Counters of ordinary flows may come twice: the lesser is looked at
    /// where the better is zero.
    fn rank(&mut self, slot: Slot, rank: u8) -> Option<Slot> {
        let other = match slot {
            Slot::Bytes => Some(Slot::OtherBytes),
            Slot::Packets => Some(Slot::OtherPackets),
            _ => None,
        };
        let taken = self.ranks[slot as usize];
        if rank > taken {
            if let (Some(other), ORDINARY..) = (other, taken) {
                self.plan.places[other as usize] = self.plan.places[slot as usize];
                self.steps[other as usize] = self.steps[slot as usize];
                self.ranks[other as usize] = taken;
            }
            self.ranks[slot as usize] = rank;
            return Some(slot);
        }
        let other =
            other.filter(|other| rank >= ORDINARY && rank < taken && rank > self.ranks[*other as usize])?;
        self.ranks[other as usize] = rank;
        Some(other)
    }

    fn place(&mut self, slot: Slot, end: usize, mask: u64) {
        // A record that is longer than this is refused in the end.
        let end = u16::try_from(end).unwrap_or(u16::MAX);
        self.plan.places[slot as usize] = Place { end, mask };
        self.steps[slot as usize] = self.walk.len();
    }

    fn address(&mut self, element: u16, family: Family, start: usize) {
        let (slots, kept) = match element {
            8 | 27 => ([Slot::Src4, Slot::SrcHigh, Slot::SrcLow], &mut self.plan.src),
            12 | 28 => ([Slot::Dst4, Slot::DstHigh, Slot::DstLow], &mut self.plan.dst),
            _ => ([Slot::Exporter4, Slot::ExporterHigh, Slot::ExporterLow], &mut self.plan.rare.exporter),
        };
        if matches!(
            (*kept, family),
            (Family::Both, _) | (Family::Four, Family::Four) | (Family::Six, Family::Six)
        ) {
            return;
        }
        *kept = kept.and(family);
        if family == Family::Four {
            self.place(slots[0], start + 4, U32);
        } else {
            self.place(slots[1], start + 8, U64);
            self.place(slots[2], start + 16, U64);
        }
    }

    fn end_step(&mut self, variable: Option<Variable>) {
        let step = self.walk.len();
        if let Some(Variable::Number(slot, _)) = variable {
            // Its place is found in each record.
            self.plan.places[slot as usize] = Place::default();
            self.steps[slot as usize] = usize::MAX;
        }
        self.walk.push(Step { fixed: self.at, slots: Box::default(), frame: None, variable });
        if let (Some(frame), true) = (self.plan.frame, self.walk[..step].iter().all(|s| s.frame.is_none())) {
            self.walk[step].frame = Some(frame);
        }
        self.at = 0;
    }

    fn has(&self, slot: Slot) -> bool {
        self.ranks[slot as usize] > 0
    }

    fn finish(mut self) -> Option<Plan> {
        if self.plan.length == 0 || self.plan.length > usize::from(u16::MAX) {
            return None;
        }
        if !self.walk.is_empty() {
            self.end_step(None);
            for (step, ends) in self.walk.iter_mut().enumerate() {
                let here = ALL.iter().filter(|slot| {
                    self.steps[**slot as usize] == step && self.plan.places[**slot as usize].mask != 0
                });
                ends.slots = here.copied().collect();
                // A number of variable length that was not the best in the end.
                if let Some(Variable::Number(slot, _)) = ends.variable
                    && self.steps[slot as usize] != usize::MAX
                {
                    ends.variable = Some(Variable::Nothing);
                }
            }
        }
        for (slot, has) in [
            (Slot::Protocol, Has::PROTOCOL),
            (Slot::SrcPort, Has::SRC_PORT),
            (Slot::DstPort, Has::DST_PORT),
            (Slot::Input, Has::INPUT),
            (Slot::Output, Has::OUTPUT),
        ] {
            if self.has(slot) {
                self.plan.has = self.plan.has.with(has);
            }
        }
        self.plan.has_direction = self.has(Slot::Direction);
        self.plan.has_sampler = self.has(Slot::Sampler);
        self.plan.has_rate =
            [Slot::Interval, Slot::SpacingInterval, Slot::Size].into_iter().any(|slot| self.has(slot));
        self.plan.has_sampling = self.plan.has_rate || self.plan.has_sampler;
        let bytes = self.ranks[Slot::Bytes as usize];
        let rare = Rare {
            // Responder's counters are those of the other direction only where the initiator's are those of this one.
            reverse: self.ranks[Slot::ReverseBytes as usize].max(self.ranks[Slot::ReversePackets as usize])
                > REVERSE_PAIR
                || bytes == INITIATOR && (self.has(Slot::ReverseBytes) || self.has(Slot::ReversePackets)),
            event: self.has(Slot::Event) && bytes != BEST,
            boot: self.has(Slot::Boot),
            other_counters: self.has(Slot::OtherBytes) || self.has(Slot::OtherPackets),
            one_packet: !self.has(Slot::Packets) && (bytes == FRAME || self.plan.rare.frame),
            ..self.plan.rare
        };
        self.plan.rare = rare;
        self.plan.is_rare = rare != Rare::default();
        self.plan.walk = self.walk.into();
        Some(self.plan)
    }
}
