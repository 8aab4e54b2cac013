//! From the records of a data set to flows.

use std::num::NonZeroU32;

use super::frame;
use super::plan::{BEFORE, Family, Part, Plan, Record, Slot};
use super::run::{Run, Tally, rate, ratio};
use super::sampling::Sampling;
use super::times::{TimeKind, Times};
use crate::books::RateOrigin;
use crate::flow::{Direction, Event, Flow, Ip, Origin};

/// What records of a set have in common.
#[derive(Clone, Copy)]
pub(super) struct Set<'a> {
    pub(super) plan: &'a Plan,
    pub(super) times: Times,
    pub(super) sampling: &'a Sampling,
    /// The rate of records that do not say anything of it.
    pub(super) usual_rate: u32,
    /// Whether some interfaces have rates of their own.
    pub(super) is_by_interface: bool,
    /// How the exporter calls itself in its options.
    pub(super) exporter: Ip,
}

impl Set<'_> {
    /// Reads the records in `data[at..]`, of which there are eight bytes before `at`. Returns how many there are.
    pub(super) fn read<S: FnMut(&Origin, &[Flow])>(
        &self,
        data: &[u8],
        at: usize,
        run: &mut Run<'_, S>,
    ) -> u64 {
        if self.plan.rare.exporter == Family::None {
            run.reported(self.exporter);
        }
        if self.usual_rate > 0 && !self.plan.has_sampling {
            run.tally.rate = Some((self.usual_rate, RateOrigin::Options));
        }
        if self.plan.walk.is_empty() {
            self.read_fixed(data, at, run)
        } else {
            self.read_variable(data, at, run)
        }
    }

    fn read_fixed<S: FnMut(&Origin, &[Flow])>(&self, data: &[u8], at: usize, run: &mut Run<'_, S>) -> u64 {
        let plan = self.plan;
        let begin = at - BEFORE;
        let records = (data.len() - at) / plan.length;
        let window =
            |n: usize| data[begin + n * plan.length..].get(..BEFORE + plan.length).unwrap_or_default();
        if plan.is_rare || self.is_by_interface {
            for n in 0..records {
                let record = Record { window: window(n), places: &plan.places };
                let flow = self.flow(record, &mut run.tally);
                self.rare(flow, record, plan.frame, run);
            }
        } else {
            let mut said = Tally::default();
            run.extend(records, |n| self.flow(Record { window: window(n), places: &plan.places }, &mut said));
            run.tally.nonsense_rates += said.nonsense_rates;
            run.tally.rate = said.rate.or(run.tally.rate);
        }
        records as u64
    }

    fn read_variable<S: FnMut(&Origin, &[Flow])>(&self, data: &[u8], at: usize, run: &mut Run<'_, S>) -> u64 {
        let plan = self.plan;
        let (mut at, mut records) = (at, 0);
        let (mut places, mut frame) = (plan.places, None);
        while data.len().saturating_sub(at) >= plan.length {
            let Some(length) = plan.locate(&data[at..], &mut places, &mut frame) else {
                // The last record is cut off, or this is padding.
                break;
            };
            let record = Record { window: &data[at - BEFORE..at + length], places: &places };
            let flow = self.flow(record, &mut run.tally);
            self.rare(flow, record, frame, run);
            at += length;
            records += 1;
        }
        records
    }

    #[inline(always)]
    fn flow(&self, record: Record<'_>, tally: &mut Tally) -> Flow {
        let plan = self.plan;
        Flow {
            src: record.address(plan.src, Slot::SrcHigh, Slot::SrcLow, Slot::Src4),
            dst: record.address(plan.dst, Slot::DstHigh, Slot::DstLow, Slot::Dst4),
            bytes: record.get(Slot::Bytes),
            packets: record.get(Slot::Packets),
            start: self.times.read(plan.start, record.get(Slot::Start)),
            end: self.times.read(plan.end, record.get(Slot::End)),
            input: record.get_u32(Slot::Input),
            output: record.get_u32(Slot::Output),
            sampling: if plan.has_sampling { self.rate(record, tally) } else { self.usual_rate },
            src_port: record.get_u16(Slot::SrcPort),
            dst_port: record.get_u16(Slot::DstPort),
            protocol: record.get_u8(Slot::Protocol),
            tcp_flags: record.get_u8(Slot::Flags),
            tos: record.get_u8(Slot::Tos),
            direction: if plan.has_direction { direction(record) } else { Direction::Unknown },
            event: Event::None,
            has: plan.has,
        }
    }

    /// What few templates have.
    #[inline]
    fn rare<S: FnMut(&Origin, &[Flow])>(
        &self,
        mut flow: Flow,
        record: Record<'_>,
        frame: Option<Part>,
        run: &mut Run<'_, S>,
    ) {
        let rare = self.plan.rare;
        // What the record or its sampler says is more particular.
        if self.is_by_interface
            && (!self.plan.has_sampling || flow.sampling == 0)
            && let Some(rate) = self.sampling.of_interface(&flow)
        {
            flow.sampling = rate.get();
            run.tally.rate = Some((flow.sampling, RateOrigin::Options));
        }
        if rare.other_counters {
            if flow.bytes == 0 {
                flow.bytes = record.get(Slot::OtherBytes);
            }
            if flow.packets == 0 {
                flow.packets = record.get(Slot::OtherPackets);
            }
        }
        if rare.event {
            flow.event = match record.get_u8(Slot::Event) {
                0 => Event::None,
                2 => Event::Delete,
                5 => Event::Update,
                _ => Event::NoTraffic,
            };
        }
        let mut times = self.times;
        if rare.boot {
            times = times.since_boot(times.read(TimeKind::Millis, record.get(Slot::Boot)));
            flow.start = times.read(self.plan.start, record.get(Slot::Start));
            flow.end = times.read(self.plan.end, record.get(Slot::End));
        }
        if rare.one_packet {
            flow.packets = 1;
        }
        if let Some(frame) = frame {
            let bytes =
                BEFORE.checked_add(frame.start).and_then(|at| record.window.get(at..)?.get(..frame.length));
            frame::describe(bytes.unwrap_or_default(), &mut flow);
        }
        if rare.exporter != Family::None {
            let exporter =
                record.address(rare.exporter, Slot::ExporterHigh, Slot::ExporterLow, Slot::Exporter4);
            run.reported(if exporter.is_none() { self.exporter } else { exporter });
        }
        run.push(flow);
        if rare.reverse {
            self.reverse(flow, record, times, run);
        }
    }

    /// The other direction of the same connection, if anything went there.
    fn reverse<S: FnMut(&Origin, &[Flow])>(
        &self,
        flow: Flow,
        record: Record<'_>,
        times: Times,
        run: &mut Run<'_, S>,
    ) {
        let (bytes, packets) = (record.get(Slot::ReverseBytes), record.get(Slot::ReversePackets));
        if bytes == 0 && packets == 0 {
            return;
        }
        let plan = self.plan;
        let has_times = plan.reverse_start != TimeKind::None;
        run.push(Flow {
            src: flow.dst,
            dst: flow.src,
            bytes,
            packets,
            start: if has_times {
                times.read(plan.reverse_start, record.get(Slot::ReverseStart))
            } else {
                flow.start
            },
            end: if has_times {
                times.read(plan.reverse_end, record.get(Slot::ReverseEnd))
            } else {
                flow.end
            },
            input: flow.output,
            output: flow.input,
            src_port: flow.dst_port,
            dst_port: flow.src_port,
            tcp_flags: record.get_u8(Slot::ReverseFlags),
            tos: record.get_u8(Slot::ReverseTos),
            has: flow.has.swapped(),
            ..flow
        });
    }

    #[inline]
    fn rate(&self, record: Record<'_>, tally: &mut Tally) -> u32 {
        // Most of those that say anything name their sampler and no more.
        let said = if self.plan.has_rate { said_rate(record, &mut tally.nonsense_rates) } else { None };
        let (rate, origin) = match said {
            Some(rate) => (rate.get(), RateOrigin::Record),
            None if self.plan.has_sampler => {
                (self.sampling.of(record.get(Slot::Sampler)), RateOrigin::Options)
            }
            None => (self.usual_rate, RateOrigin::Options),
        };
        if rate > 0 {
            tally.rate = Some((rate, origin));
        }
        rate
    }
}

/// The rate that a record itself has.
fn said_rate(record: Record<'_>, nonsense: &mut u64) -> Option<NonZeroU32> {
    rate(record.get(Slot::Interval), nonsense)
        .or_else(|| {
            let taken = record.get(Slot::SpacingInterval);
            ratio(taken.saturating_add(record.get(Slot::Spacing)), taken, nonsense)
        })
        .or_else(|| ratio(record.get(Slot::Population), record.get(Slot::Size), nonsense))
}

#[inline(always)]
fn direction(record: Record<'_>) -> Direction {
    match record.get_u8(Slot::Direction) {
        0 => Direction::Ingress,
        1 => Direction::Egress,
        _ => Direction::Unknown,
    }
}
