//! Reports as bytes: those that could not be delivered yet are kept.

use grafoleancollector::Timestamp;

use super::bytes::{Reader, put, put_ip};
use super::{Count, ExporterKey, ExporterReport, InterfaceReport, Level, Report, Side, Totals};
use crate::flow::Ip;

/// The first byte. Others are from another version, and not read.
const VERSION: u8 = 1;

impl Report {
    /// As bytes, for [`decode`](Self::decode).
    ///
    /// ```
    /// use grafolean_netflow_bot::aggregate::{Level, Report};
    /// use grafoleancollector::Timestamp;
    /// let report = Report { level: Level::Hour, end: Timestamp::from_secs(3_600), exporters: Vec::new() };
    /// assert_eq!(Report::decode(&report.encode()), Some(report));
    /// assert_eq!(Report::decode(b"anything else"), None);
    /// ```
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.level.code()];
        out.extend(self.end.as_micros().to_le_bytes());
        put(&mut out, self.exporters.len() as u64);
        for exporter in &self.exporters {
            put_exporter_key(&mut out, &exporter.exporter);
            put(&mut out, exporter.sampling.into());
            put_side(&mut out, &exporter.ingress);
            put_side(&mut out, &exporter.egress);
        }
        out
    }

    /// From bytes; `None` if they are damaged, or from another version.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes.strip_prefix(&[VERSION])?);
        let level = Level::from_code(from.byte()?)?;
        let end = Timestamp::from_micros(i64::from_le_bytes(from.array()?));
        let mut exporters = Vec::new();
        for _ in 0..from.len(10)? {
            exporters.push(ExporterReport {
                exporter: take_exporter_key(&mut from)?,
                sampling: from.u32()?,
                ingress: take_side(&mut from)?,
                egress: take_side(&mut from)?,
            });
        }
        from.is_done().then_some(Self { level, end, exporters })
    }
}

pub(super) fn put_exporter_key(out: &mut Vec<u8>, key: &ExporterKey) {
    put_ip(out, key.address);
    put(out, key.domain.map_or(0, |domain| u64::from(domain) + 1));
}

pub(super) fn take_exporter_key(from: &mut Reader<'_>) -> Option<ExporterKey> {
    let address = from.ip()?;
    let domain = match from.u64()? {
        0 => None,
        more => Some(u32::try_from(more - 1).ok()?),
    };
    Some(ExporterKey { address, domain })
}

pub(super) fn put_totals(out: &mut Vec<u8>, totals: Totals) {
    put(out, totals.bytes);
    put(out, totals.packets);
    put(out, totals.flows);
}

pub(super) fn take_totals(from: &mut Reader<'_>) -> Option<Totals> {
    Some(Totals { bytes: from.u64()?, packets: from.u64()?, flows: from.u64()? })
}

fn put_side(out: &mut Vec<u8>, side: &Side) {
    put_totals(out, side.totals);
    put_list(out, &side.ips, |out, ip| put_ip(out, *ip));
    put_list(out, &side.protocols, |out, protocol| out.push(*protocol));
    put_list(out, &side.connections, |out, (src, dst)| {
        put_ip(out, *src);
        put_ip(out, *dst);
    });
    put_list(out, &side.ports, |out, port| put(out, (*port).into()));
    put(out, side.error);
    put(out, side.interfaces.len() as u64);
    for (index, interface) in &side.interfaces {
        put(out, (*index).into());
        put_totals(out, interface.totals);
        put_list(out, &interface.ips, |out, ip| put_ip(out, *ip));
        put_list(out, &interface.protocols, |out, protocol| out.push(*protocol));
        put(out, interface.error);
    }
}

fn take_side(from: &mut Reader<'_>) -> Option<Side> {
    let mut side = Side {
        totals: take_totals(from)?,
        ips: take_list(from, Reader::ip)?,
        protocols: take_list(from, Reader::byte)?,
        connections: take_list(from, take_connection)?,
        ports: take_list(from, |from| u16::try_from(from.u64()?).ok())?,
        error: from.u64()?,
        interfaces: Vec::new(),
    };
    for _ in 0..from.len(7)? {
        let index = from.u32()?;
        let interface = InterfaceReport {
            totals: take_totals(from)?,
            ips: take_list(from, Reader::ip)?,
            protocols: take_list(from, Reader::byte)?,
            error: from.u64()?,
        };
        side.interfaces.push((index, interface));
    }
    Some(side)
}

pub(super) fn take_connection(from: &mut Reader<'_>) -> Option<(Ip, Ip)> {
    Some((from.ip()?, from.ip()?))
}

fn put_list<K>(out: &mut Vec<u8>, list: &[(K, Count)], put_key: impl Fn(&mut Vec<u8>, &K)) {
    put(out, list.len() as u64);
    for (key, count) in list {
        put_key(out, key);
        put(out, count.bytes);
        put(out, count.packets);
    }
}

fn take_list<'a, K>(
    from: &mut Reader<'a>,
    take_key: impl Fn(&mut Reader<'a>) -> Option<K>,
) -> Option<Vec<(K, Count)>> {
    let len = from.len(3)?;
    let mut list = Vec::with_capacity(len);
    for _ in 0..len {
        let key = take_key(from)?;
        list.push((key, Count { bytes: from.u64()?, packets: from.u64()? }));
    }
    Some(list)
}
