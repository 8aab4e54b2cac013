//! Export datagrams of NetFlow v5 and v9.

use grafolean_netflow_bot::Flow;

use crate::traffic::Traffic;

/// Which form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    V5,
    V9,
}

/// Flows in a datagram of 1,428 bytes (v9), or as many as v5 allows.
impl Form {
    pub(crate) fn flows(self) -> usize {
        match self {
            Self::V5 => 30,
            Self::V9 => 26,
        }
    }
}

/// A datagram, and how many bytes its flows have together.
pub(crate) struct Datagram {
    pub(crate) bytes: Vec<u8>,
    pub(crate) octets: u64,
}

/// Type and length of each field: 54 bytes, as a router's usual template has them.
const FIELDS: [(u16, u16); 19] = [
    (8, 4),
    (12, 4),
    (15, 4),
    (10, 4),
    (14, 4),
    (2, 4),
    (1, 4),
    (22, 4),
    (21, 4),
    (7, 2),
    (11, 2),
    (6, 1),
    (4, 1),
    (5, 1),
    (61, 1),
    (16, 4),
    (17, 4),
    (9, 1),
    (13, 1),
];
pub(crate) const TEMPLATE: u16 = 256;
/// Milliseconds that the exporters have been up.
const UPTIME: u32 = 864_000_000;

fn header(version: u16, count: u16, seconds: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1_500);
    bytes.extend(version.to_be_bytes());
    bytes.extend(count.to_be_bytes());
    bytes.extend(UPTIME.to_be_bytes());
    bytes.extend(seconds.to_be_bytes());
    bytes
}

/// A v9 datagram with so many templates, from the first id on.
pub(crate) fn templates(seconds: u32, domain: u32, many: u16) -> Datagram {
    let mut bytes = header(9, many, seconds);
    bytes.extend([0; 4]);
    bytes.extend(domain.to_be_bytes());
    for id in 0..many {
        bytes.extend([0, 0]);
        bytes.extend((8 + 4 * FIELDS.len() as u16).to_be_bytes());
        bytes.extend((TEMPLATE + id).to_be_bytes());
        bytes.extend((FIELDS.len() as u16).to_be_bytes());
        for (kind, length) in FIELDS {
            bytes.extend(kind.to_be_bytes());
            bytes.extend(length.to_be_bytes());
        }
    }
    Datagram { bytes, octets: 0 }
}

/// A v9 datagram of one template's flows.
pub(crate) fn v9(traffic: &mut Traffic, domain: u32, template: u16, flows: &[Flow]) -> Datagram {
    let mut bytes = header(9, flows.len() as u16, (traffic.now / 1_000) as u32);
    bytes.extend([0; 4]);
    bytes.extend(domain.to_be_bytes());
    bytes.extend(template.to_be_bytes());
    bytes.extend((4 + 54 * flows.len() as u16).to_be_bytes());
    let mut octets = 0;
    for flow in flows {
        octets += flow.bytes;
        let uptime = |time: i64| UPTIME.wrapping_sub((traffic.now - time) as u32);
        bytes.extend((flow.src.low as u32).to_be_bytes());
        bytes.extend((flow.dst.low as u32).to_be_bytes());
        bytes.extend(0x0a00_0001_u32.to_be_bytes());
        bytes.extend(flow.input.to_be_bytes());
        bytes.extend(flow.output.to_be_bytes());
        bytes.extend((flow.packets as u32).to_be_bytes());
        bytes.extend((flow.bytes as u32).to_be_bytes());
        bytes.extend(uptime(flow.start).to_be_bytes());
        bytes.extend(uptime(flow.end).to_be_bytes());
        bytes.extend(flow.src_port.to_be_bytes());
        bytes.extend(flow.dst_port.to_be_bytes());
        bytes.extend([flow.protocol, 0, flow.tos, 0]);
        bytes.extend([0; 8]);
        bytes.extend([24, 24]);
    }
    Datagram { bytes, octets }
}

/// A v5 datagram.
pub(crate) fn v5(traffic: &mut Traffic, engine: u8, flows: &[Flow]) -> Datagram {
    let mut bytes = header(5, flows.len() as u16, (traffic.now / 1_000) as u32);
    bytes.extend([0; 8]);
    bytes.extend([0, engine, 0, 0]);
    let mut octets = 0;
    for flow in flows {
        octets += flow.bytes;
        let uptime = |time: i64| UPTIME.wrapping_sub((traffic.now - time) as u32);
        bytes.extend((flow.src.low as u32).to_be_bytes());
        bytes.extend((flow.dst.low as u32).to_be_bytes());
        bytes.extend(0x0a00_0001_u32.to_be_bytes());
        bytes.extend((flow.input as u16).to_be_bytes());
        bytes.extend((flow.output as u16).to_be_bytes());
        bytes.extend((flow.packets as u32).to_be_bytes());
        bytes.extend((flow.bytes as u32).to_be_bytes());
        bytes.extend(uptime(flow.start).to_be_bytes());
        bytes.extend(uptime(flow.end).to_be_bytes());
        bytes.extend(flow.src_port.to_be_bytes());
        bytes.extend(flow.dst_port.to_be_bytes());
        bytes.extend([0, flow.tcp_flags, flow.protocol, flow.tos]);
        bytes.extend([0; 4]);
        bytes.extend([24, 24, 0, 0]);
    }
    Datagram { bytes, octets }
}

impl Datagram {
    /// Where both versions have their sequence number is where it belongs: v9 counts datagrams, v5 flows.
    pub(crate) fn number(&mut self, form: Form, sequence: u32) {
        let at = match form {
            Form::V5 => 16,
            Form::V9 => 12,
        };
        self.bytes[at..at + 4].copy_from_slice(&sequence.to_be_bytes());
    }
}
