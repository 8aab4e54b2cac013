//! As much BER as an agent needs.

use std::net::Ipv4Addr;
use std::sync::Arc;

pub const INTEGER: u8 = 0x02;
pub const OCTETS: u8 = 0x04;
pub const NULL: u8 = 0x05;
pub const OID: u8 = 0x06;
pub const SEQUENCE: u8 = 0x30;
pub const GET: u8 = 0xa0;
pub const GET_NEXT: u8 = 0xa1;
pub const RESPONSE: u8 = 0xa2;
pub const GET_BULK: u8 = 0xa5;
pub const NO_SUCH_OBJECT: u8 = 0x80;
pub const END_OF_MIB: u8 = 0x82;

/// The value of an object.
#[derive(Clone)]
pub enum Var {
    Integer(i32),
    Counter32(u32),
    Gauge(u32),
    TimeTicks(u32),
    Counter64(u64),
    Text(Vec<u8>),
    Object(Vec<u32>),
    Address(Ipv4Addr),
    /// Wrapped in Opaque.
    Float(f32),
    /// Wrapped in Opaque.
    Double(f64),
    /// Made anew for each answer, for the address that was asked.
    Live(Arc<dyn Fn(Ipv4Addr) -> Var + Send + Sync>),
}

impl Var {
    pub fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }

    pub fn encode(&self, asked: Ipv4Addr, out: &mut Vec<u8>) {
        match self {
            Self::Integer(value) => signed(INTEGER, (*value).into(), out),
            Self::Counter32(value) => signed(0x41, (*value).into(), out),
            Self::Gauge(value) => signed(0x42, (*value).into(), out),
            Self::TimeTicks(value) => signed(0x43, (*value).into(), out),
            Self::Counter64(value) => signed(0x46, (*value).into(), out),
            Self::Text(text) => tlv(OCTETS, text, out),
            Self::Object(arcs) => oid(arcs, out),
            Self::Address(address) => tlv(0x40, &address.octets(), out),
            Self::Float(value) => tlv(0x44, &[&[0x9f, 0x78, 4][..], &value.to_be_bytes()].concat(), out),
            Self::Double(value) => tlv(0x44, &[&[0x9f, 0x79, 8][..], &value.to_be_bytes()].concat(), out),
            Self::Live(make) => make(asked).encode(asked, out),
        }
    }
}

pub fn tlv(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    length(content.len(), out);
    out.extend_from_slice(content);
}

fn length(length: usize, out: &mut Vec<u8>) {
    match length {
        0..0x80 => out.push(length as u8),
        0x80..0x100 => out.extend_from_slice(&[0x81, length as u8]),
        _ => out.extend_from_slice(&[0x82, (length >> 8) as u8, length as u8]),
    }
}

/// What is encoded by `content`, with its tag and length in front.
pub fn wrap(tag: u8, out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    // Room for the longest length; what is not needed is closed up.
    out.extend_from_slice(&[tag, 0x82, 0, 0]);
    content(out);
    let size = out.len() - start - 4;
    if size < 0x80 {
        out[start + 1] = size as u8;
        out.drain(start + 2..start + 4);
    } else {
        out[start + 2] = (size >> 8) as u8;
        out[start + 3] = size as u8;
    }
}

fn signed(tag: u8, value: i128, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    let mut start = bytes.len() - 1;
    while (value >> (8 * (bytes.len() - start) - 1)) != (value >> 127) {
        start -= 1;
    }
    tlv(tag, &bytes[start..], out);
}

pub fn oid(arcs: &[u32], out: &mut Vec<u8>) {
    let mut content = [0; 700];
    content[0] = (arcs[0] * 40 + arcs[1]) as u8;
    let mut size = 1;
    for arc in &arcs[2..] {
        for shift in [28, 21, 14, 7] {
            if *arc >> shift != 0 {
                content[size] = 0x80 | (*arc >> shift) as u8;
                size += 1;
            }
        }
        content[size] = (*arc & 0x7f) as u8;
        size += 1;
    }
    tlv(OID, &content[..size], out);
}

/// Takes the next tag, length and value.
pub fn next<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&[tag, first], mut after) = rest.split_first_chunk()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let (bytes, later) = after.split_at_checked(usize::from(first & 0x7f))?;
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        after = later;
    }
    let (value, after) = after.split_at_checked(length)?;
    *rest = after;
    Some((tag, value))
}

pub fn number(bytes: &[u8]) -> i64 {
    let start = if bytes.first().is_some_and(|first| *first >= 0x80) { -1 } else { 0 };
    bytes.iter().fold(start, |value, byte| value << 8 | i64::from(*byte))
}

pub fn arcs(content: &[u8]) -> Vec<u32> {
    let first = content.first().copied().unwrap_or(0);
    let mut arcs = Vec::with_capacity(content.len() + 1);
    arcs.extend([u32::from(first / 40), u32::from(first % 40)]);
    let mut arc = 0u32;
    for byte in content.iter().skip(1) {
        arc = arc << 7 | u32::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            arcs.push(arc);
            arc = 0;
        }
    }
    arcs
}
