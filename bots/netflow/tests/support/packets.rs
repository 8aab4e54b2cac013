//! Builds packets of v5, v9 and IPFIX, good ones and bad ones.

#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    reason = "each test uses its own part; lengths are small"
)]

/// Seconds since the epoch at which packets are exported.
pub(crate) const EXPORT: u32 = 1_700_000_000;
/// How long exporters have been up then, in milliseconds.
pub(crate) const UPTIME: u32 = 3_600_000;

/// A field specifier: element, length, enterprise number (IPFIX).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Spec(pub(crate) u16, pub(crate) u16, pub(crate) Option<u32>);

/// A field of an element that IANA has registered.
pub(crate) const fn field(element: u16, length: u16) -> Spec {
    Spec(element, length, None)
}

/// A field of an enterprise.
pub(crate) const fn of_enterprise(number: u32, element: u16, length: u16) -> Spec {
    Spec(element, length, Some(number))
}

pub(crate) const VARIABLE: u16 = 65_535;

fn specs(fields: &[Spec]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Spec(element, length, enterprise) in fields {
        let bit = if enterprise.is_some() { 0x8000 } else { 0 };
        bytes.extend((element | bit).to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(enterprise.iter().flat_map(|number| number.to_be_bytes()));
    }
    bytes
}

/// A set: its id, and what is in it.
pub(crate) fn set(id: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 4).unwrap_or(u16::MAX);
    [&id.to_be_bytes()[..], &length.to_be_bytes(), body].concat()
}

/// A template record, as v9 and IPFIX have it.
pub(crate) fn template(id: u16, fields: &[Spec]) -> Vec<u8> {
    [&id.to_be_bytes()[..], &(fields.len() as u16).to_be_bytes(), &specs(fields)].concat()
}

/// The record of an options template of IPFIX.
pub(crate) fn ipfix_options(id: u16, scopes: u16, fields: &[Spec]) -> Vec<u8> {
    let count = (fields.len() as u16).to_be_bytes();
    [&id.to_be_bytes()[..], &count, &scopes.to_be_bytes(), &specs(fields)].concat()
}

/// The record of an options template of v9.
pub(crate) fn v9_options(id: u16, scopes: &[Spec], fields: &[Spec]) -> Vec<u8> {
    let lengths = [scopes.len() as u16 * 4, fields.len() as u16 * 4].map(u16::to_be_bytes).concat();
    [&id.to_be_bytes()[..], &lengths, &specs(scopes), &specs(fields)].concat()
}

/// A packet of v9.
pub(crate) fn v9(domain: u32, sequence: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let header = [UPTIME, EXPORT, sequence, domain].map(u32::to_be_bytes).concat();
    [&[0, 9][..], &(sets.len() as u16).to_be_bytes(), &header, &sets.concat()].concat()
}

/// A message of IPFIX.
pub(crate) fn ipfix(domain: u32, sequence: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let sets = sets.concat();
    let header = [EXPORT, sequence, domain].map(u32::to_be_bytes).concat();
    [&[0, 10][..], &((16 + sets.len()) as u16).to_be_bytes(), &header, &sets].concat()
}

/// A packet of v5 with records of 100 octets in 2 packets; its header says that there are `count`.
pub(crate) fn v5(sequence: u32, count: u16, records: usize, sampling: u16) -> Vec<u8> {
    let mut packet = [5_u16, count].map(u16::to_be_bytes).concat();
    packet.extend([UPTIME, EXPORT, 0, sequence].map(u32::to_be_bytes).concat());
    packet.extend([1, 2]);
    packet.extend(sampling.to_be_bytes());
    for _ in 0..records {
        packet.extend([10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4]);
        packet.extend([2, 100, UPTIME - 5_000, UPTIME - 1_000].map(u32::to_be_bytes).concat());
        packet.extend([0x30, 0x39, 0, 80, 0, 0x1b, 6, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    packet
}

/// The fields of [`record`].
pub(crate) const FIELDS: [Spec; 8] = [
    field(8, 4),
    field(12, 4),
    field(10, 4),
    field(14, 4),
    field(2, 4),
    field(1, 4),
    field(4, 1),
    field(11, 2),
];

/// A record of [`FIELDS`] with so many octets, from 10.0.0.1 to port 80 of 10.0.0.2, by TCP.
pub(crate) fn record(octets: u32) -> Vec<u8> {
    let numbers = [0x0a00_0001, 0x0a00_0002, 3, 4, 2, octets].map(u32::to_be_bytes).concat();
    [&numbers[..], &[6, 0, 80]].concat()
}
