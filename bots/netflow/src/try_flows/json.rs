//! Each flow as a line of JSON. The keys are a promise: `--help` lists them.

use std::fmt::Display;
use std::io::{self, Write};

use serde::{Serialize, Serializer};

use crate::{Direction, Event, Flow, Has, Ip, Origin};

#[derive(Serialize)]
struct Line {
    time: i64,
    #[serde(serialize_with = "text")]
    exporter: Ip,
    #[serde(serialize_with = "text_or_null")]
    reported: Option<Ip>,
    version: &'static str,
    domain: u32,
    direction: Option<&'static str>,
    event: Option<&'static str>,
    #[serde(serialize_with = "text_or_null")]
    src: Option<Ip>,
    #[serde(serialize_with = "text_or_null")]
    dst: Option<Ip>,
    src_port: Option<u16>,
    dst_port: Option<u16>,
    protocol: Option<u8>,
    tcp_flags: u8,
    tos: u8,
    input: Option<u32>,
    output: Option<u32>,
    bytes: u64,
    packets: u64,
    sampling: Option<u32>,
    start: Option<i64>,
    end: Option<i64>,
}

fn text<S: Serializer>(value: &impl Display, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(value)
}

fn text_or_null<S: Serializer>(value: &Option<impl Display>, out: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => out.collect_str(value),
        None => out.serialize_none(),
    }
}

pub(super) fn write(out: &mut impl Write, origin: &Origin, flow: &Flow) -> io::Result<()> {
    let some = |ip: Ip| Some(ip).filter(|ip| !ip.is_none());
    let line = Line {
        time: origin.received.as_millis(),
        exporter: origin.source,
        reported: some(origin.reported),
        version: origin.version.name(),
        domain: origin.domain,
        direction: match flow.direction {
            Direction::Unknown => None,
            Direction::Ingress => Some("ingress"),
            Direction::Egress => Some("egress"),
        },
        event: match flow.event {
            Event::None => None,
            Event::NoTraffic => Some("no_traffic"),
            Event::Delete => Some("delete"),
            Event::Update => Some("update"),
        },
        src: some(flow.src),
        dst: some(flow.dst),
        src_port: flow.has.has(Has::SRC_PORT).then_some(flow.src_port),
        dst_port: flow.has.has(Has::DST_PORT).then_some(flow.dst_port),
        protocol: flow.has.has(Has::PROTOCOL).then_some(flow.protocol),
        tcp_flags: flow.tcp_flags,
        tos: flow.tos,
        input: flow.has.has(Has::INPUT).then_some(flow.input),
        output: flow.has.has(Has::OUTPUT).then_some(flow.output),
        bytes: flow.bytes,
        packets: flow.packets,
        sampling: Some(flow.sampling).filter(|rate| *rate > 0),
        start: Some(flow.start).filter(|time| *time != 0),
        end: Some(flow.end).filter(|time| *time != 0),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use grafoleancollector::Timestamp;

    use super::*;
    use crate::Version;

    #[test]
    fn a_line_has_all_keys_and_null_for_what_is_not_there() {
        let origin = Origin {
            source: Ip::v4(0x0a00_0001),
            reported: Ip::NONE,
            domain: 7,
            version: Version::Ipfix,
            received: Timestamp::from_micros(1_700_000_000_123_456),
        };
        let line = |flow: &Flow| {
            let mut out = Vec::new();
            write(&mut out, &origin, flow).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            line(&Flow::default()),
            "{\"time\":1700000000123,\"exporter\":\"10.0.0.1\",\"reported\":null,\"version\":\"ipfix\",\"domain\":7,\
             \"direction\":null,\"event\":null,\"src\":null,\"dst\":null,\"src_port\":null,\"dst_port\":null,\
             \"protocol\":null,\"tcp_flags\":0,\"tos\":0,\"input\":null,\"output\":null,\"bytes\":0,\"packets\":0,\
             \"sampling\":null,\"start\":null,\"end\":null}\n"
        );
        let flow = Flow {
            src: Ip::v4(1),
            protocol: 6,
            input: 3,
            sampling: 100,
            direction: Direction::Egress,
            event: Event::Delete,
            has: Has::PROTOCOL.with(Has::INPUT),
            ..Flow::default()
        };
        let line = line(&flow);
        for part in
            ["\"src\":\"0.0.0.1\"", "\"protocol\":6", "\"input\":3", "\"sampling\":100", "egress", "delete"]
        {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}
