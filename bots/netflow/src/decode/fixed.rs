//! NetFlow v5 and v7: records of one form each.

use super::run::Run;
use super::times::{TimeKind, Times};
use crate::flow::{Direction, Event, Flow, Has, Ip, Origin, Version};

/// Bytes of the header, of both versions.
pub(super) const HEADER: usize = 24;

/// Exporters of v5 send no more records in a packet; of v7, one less.
const MOST_RECORDS: usize = 30;

const HAS: Has = Has::PROTOCOL.with(Has::SRC_PORT).with(Has::DST_PORT).with(Has::INPUT).with(Has::OUTPUT);

/// A packet's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) version: Version,
    pub(super) count: usize,
    pub(super) times: Times,
    pub(super) sequence: u32,
    /// Type and id of the engine (v5).
    pub(super) domain: u32,
    /// 0: it does not say.
    pub(super) sampling: u32,
}

impl Header {
    pub(super) fn read(version: Version, header: &[u8; HEADER]) -> Self {
        let u16_at = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let u32_at =
            |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let export = i64::from(u32_at(8)) * 1_000 + i64::from(u32_at(12) / 1_000_000);
        let is_v5 = version == Version::V5;
        Self {
            version,
            count: usize::from(u16_at(2)),
            times: Times { export, uptime: Some(u32_at(4)) },
            sequence: u32_at(16),
            domain: if is_v5 { u16_at(20).into() } else { 0 },
            // The two highest bits are the mode.
            sampling: if is_v5 { (u16_at(22) & 0x3fff).into() } else { 0 },
        }
    }

    const fn record_length(&self) -> usize {
        if matches!(self.version, Version::V5) { 48 } else { 52 }
    }

    /// How many records there are to be read, and whether it is as many as the header says. A header that says
    /// more than any exporter sends, and more than there is, is damaged: nothing of the packet can be believed.
    pub(super) fn records(&self, body: &[u8]) -> (usize, bool) {
        let there = body.len() / self.record_length();
        if self.count > there && self.count > MOST_RECORDS {
            return (0, false);
        }
        (self.count.min(there), self.count * self.record_length() == body.len())
    }

    pub(super) fn read_records<S: FnMut(&Origin, &[Flow])>(
        &self,
        body: &[u8],
        records: usize,
        run: &mut Run<'_, S>,
    ) {
        let header = *self;
        // Both begin alike.
        if self.version == Version::V5 {
            let records = body.as_chunks::<48>().0.iter().take(records);
            run.flows.extend(records.map(|record| header.flow(record)));
        } else {
            let records = body.as_chunks::<52>().0.iter().take(records);
            run.flows.extend(records.map(|record| header.flow(record)));
        }
        run.count(0);
    }

    #[inline(always)]
    fn flow<const LENGTH: usize>(&self, record: &[u8; LENGTH]) -> Flow {
        let u16_at = |at: usize| u16::from_be_bytes([record[at], record[at + 1]]);
        let u32_at =
            |at: usize| u32::from_be_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
        Flow {
            src: Ip::v4(u32_at(0)),
            dst: Ip::v4(u32_at(4)),
            input: u16_at(12).into(),
            output: u16_at(14).into(),
            packets: u32_at(16).into(),
            bytes: u32_at(20).into(),
            start: self.times.read(TimeKind::Uptime, u32_at(24).into()),
            end: self.times.read(TimeKind::Uptime, u32_at(28).into()),
            src_port: u16_at(32),
            dst_port: u16_at(34),
            tcp_flags: record[37],
            protocol: record[38],
            tos: record[39],
            sampling: self.sampling,
            direction: Direction::Unknown,
            event: Event::None,
            has: HAS,
        }
    }
}
