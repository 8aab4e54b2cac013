//! Behaviour of slices and windows together.

use std::net::IpAddr;
use std::time::Duration;

use grafoleancollector::Timestamp;

use super::*;
use crate::flow::{Direction, Event, Flow, Has, Ip};

mod counting;
mod time;

const BUDGET: usize = 8 << 20;

fn ip(text: &str) -> Ip {
    Ip::from(text.parse::<IpAddr>().unwrap())
}

fn exporter(number: u32) -> ExporterKey {
    ExporterKey::from(Ip::v4(0x0a00_0000 + number))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

/// 1,000 bytes in two packets of TCP to port 443, in at 3 and out at 4.
fn flow(src: &str, dst: &str) -> Flow {
    Flow {
        src: ip(src),
        dst: ip(dst),
        bytes: 1_000,
        packets: 2,
        input: 3,
        output: 4,
        src_port: 50_000,
        dst_port: 443,
        protocol: 6,
        has: Has::PROTOCOL.with(Has::SRC_PORT).with(Has::DST_PORT).with(Has::INPUT).with(Has::OUTPUT),
        ..Flow::default()
    }
}

fn egress(flow: Flow) -> Flow {
    Flow { direction: Direction::Egress, ..flow }
}

fn slice(begin: i64, flows: &[Flow]) -> Slice {
    let mut slice = Slice::new(at(begin), BUDGET);
    slice.add(&exporter(1), &Rules::default(), flows);
    slice
}

fn windows() -> Windows {
    Windows::new(WindowsOptions::default())
}

/// The minute of these flows of one exporter.
fn minute_of(rules: &Rules, flows: &[Flow]) -> ExporterReport {
    let (mut slice, mut windows) = (Slice::new(at(60), BUDGET), windows());
    slice.add(&exporter(1), rules, flows);
    windows.merge(slice);
    let mut reports = windows.close(at(120));
    assert_eq!(reports.len(), 1);
    reports.remove(0).exporters.remove(0)
}

const fn bytes(bytes: u64, packets: u64) -> Count {
    Count { bytes, packets }
}
