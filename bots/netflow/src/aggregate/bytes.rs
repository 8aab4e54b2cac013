//! Numbers and addresses as few bytes.

use crate::flow::Ip;

const V4: u8 = 0;
const V6: u8 = 1;

/// Seven bits to a byte, the lowest first.
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

pub(super) fn put_ip(out: &mut Vec<u8>, ip: Ip) {
    if let Some(v4) = ip.as_v4() {
        out.push(V4);
        out.extend_from_slice(&v4.to_be_bytes());
    } else {
        out.push(V6);
        out.extend_from_slice(&ip.octets());
    }
}

/// Reads what was put. Nothing is believed: what is not there is `None`.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        u32::try_from(self.u64()?).ok()
    }

    /// How many items follow, none of which takes less than `each` bytes.
    pub(super) fn len(&mut self, each: usize) -> Option<usize> {
        let len = usize::try_from(self.u64()?).ok()?;
        (len <= self.0.len() / each).then_some(len)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn ip(&mut self) -> Option<Ip> {
        match self.byte()? {
            V4 => Some(Ip::v4(u32::from_be_bytes(self.array()?))),
            V6 => Some(Ip::v6(self.array()?)),
            _ => None,
        }
    }

    pub(super) const fn is_done(&self) -> bool {
        self.0.is_empty()
    }
}
