//! pcap: a header, then packets.

use std::io::Read;

use grafoleancollector::Timestamp;

use super::source::{MOST_PACKET, Source};
use super::{CaptureError, Captured};

/// Of the byte order in which it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    Big,
    Little,
}

impl Order {
    pub(super) const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Big => u16::from_be_bytes(bytes),
            Self::Little => u16::from_le_bytes(bytes),
        }
    }

    pub(super) const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Big => u32::from_be_bytes(bytes),
            Self::Little => u32::from_le_bytes(bytes),
        }
    }

    /// Words that stand one after the other.
    pub(super) fn words<const N: usize>(self, bytes: &[u8]) -> Option<[u32; N]> {
        let mut words = [0; N];
        for (word, bytes) in words.iter_mut().zip(bytes.get(..N * 4)?.chunks_exact(4)) {
            *word = self.u32(*bytes.first_chunk()?);
        }
        Some(words)
    }
}

#[derive(Debug)]
pub(super) struct Classic {
    order: Order,
    /// Parts of a second that are a microsecond.
    per_micro: u32,
    link: u16,
}

impl Classic {
    /// Reads what follows the magic number.
    pub(super) fn open<R: Read>(magic: [u8; 4], source: &mut Source<R>) -> Result<Self, CaptureError> {
        let (order, per_micro) = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => (Order::Big, 1),
            [0xd4, 0xc3, 0xb2, 0xa1] => (Order::Little, 1),
            [0xa1, 0xb2, 0x3c, 0x4d] => (Order::Big, 1_000),
            [0x4d, 0x3c, 0xb2, 0xa1] => (Order::Little, 1_000),
            [0x1f, 0x8b, ..] => {
                return Err(source.no_capture(": it is compressed (gunzip -c FILE | … --pcap -)"));
            }
            [0x28, 0xb5, 0x2f, 0xfd] => {
                return Err(source.no_capture(": it is compressed (zstd -dc FILE | … --pcap -)"));
            }
            _ => return Err(source.no_capture("")),
        };
        let header: [u8; 20] = source.array()?.ok_or_else(|| source.no_capture(" (it is too short)"))?;
        let [_version, _zone, _accuracy, _snapshot, link] =
            order.words(&header).ok_or_else(|| source.no_capture(""))?;
        // The upper bits tell of checksums behind the frames.
        let [_, _, high, low] = link.to_be_bytes();
        Ok(Self { order, per_micro, link: u16::from_be_bytes([high, low]) })
    }

    /// The next packet, into `packet`.
    pub(super) fn packet<R: Read>(
        &self,
        source: &mut Source<R>,
        packet: &mut Vec<u8>,
    ) -> Result<Option<Captured>, CaptureError> {
        let begin = source.offset();
        let Some(header) = source.array::<16>()? else { return Ok(None) };
        let Some([seconds, parts, captured, length]) = self.order.words(&header) else { return Ok(None) };
        let captured = captured as usize;
        if captured > MOST_PACKET {
            return Err(source.damaged(begin, "a packet of more than a mebibyte"));
        }
        if !source.fill(packet, captured)? {
            return Ok(None);
        }
        let micros = i64::from(seconds) * 1_000_000 + i64::from(parts / self.per_micro);
        Ok(Some(Captured { link: self.link, length, time: Some(Timestamp::from_micros(micros)) }))
    }
}
