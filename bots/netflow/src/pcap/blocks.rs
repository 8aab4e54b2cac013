//! pcapng: sections, interfaces, packets.

use std::io::Read;

use grafoleancollector::Timestamp;

use super::classic::Order;
use super::source::{MOST_PACKET, Source};
use super::{CaptureError, Captured};

/// The type of the block with which each section begins; the same in both byte orders.
pub(super) const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const INTERFACE: u32 = 1;
/// Of the format's first years.
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const PACKET: u32 = 6;

const BIG: [u8; 4] = [0x1a, 0x2b, 0x3c, 0x4d];
const LITTLE: [u8; 4] = [0x4d, 0x3c, 0x2b, 0x1a];

/// Type, length, and the length again at the end.
const AROUND: u32 = 12;
/// Packets of interfaces beyond so many are of an unknown link type.
const MOST_INTERFACES: usize = 4_096;
const UNKNOWN_LINK: u16 = u16::MAX;

#[derive(Debug)]
pub(super) struct Blocks {
    order: Order,
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: u16,
    snapshot: u32,
    resolution: u8,
    /// Seconds to add to each time.
    offset: i64,
}

impl Blocks {
    /// Reads the rest of the first block, behind its type.
    pub(super) fn open<R: Read>(source: &mut Source<R>) -> Result<Self, CaptureError> {
        let mut blocks = Self { order: Order::Big, interfaces: Vec::new() };
        let is_whole = blocks.begin_section(source)?;
        if is_whole { Ok(blocks) } else { Err(source.no_capture(" (it is too short)")) }
    }

    /// What follows the type of a section's block. False: the end.
    fn begin_section<R: Read>(&mut self, source: &mut Source<R>) -> Result<bool, CaptureError> {
        let begin = source.offset().saturating_sub(4);
        let Some(length) = source.more()? else { return Ok(false) };
        let Some(magic) = source.more()? else { return Ok(false) };
        self.order = match magic {
            BIG => Order::Big,
            LITTLE => Order::Little,
            _ => return Err(source.damaged(begin, "a section of unknown byte order")),
        };
        self.interfaces.clear();
        let length = self.order.u32(length);
        if length < AROUND + 16 {
            return Err(source.damaged(begin, "a section whose length is too small"));
        }
        source.skip(u64::from(length - AROUND))
    }

    /// The next packet, into `packet`.
    pub(super) fn packet<R: Read>(
        &mut self,
        source: &mut Source<R>,
        packet: &mut Vec<u8>,
    ) -> Result<Option<Captured>, CaptureError> {
        loop {
            let begin = source.offset();
            let Some(kind) = source.array()? else { return Ok(None) };
            if kind == SECTION {
                if !self.begin_section(source)? {
                    return Ok(None);
                }
                continue;
            }
            let Some(length) = source.more()?.map(|length| self.order.u32(length)) else { return Ok(None) };
            let Some(content) = length.checked_sub(AROUND) else {
                return Err(source.damaged(begin, "a block whose length is too small"));
            };
            let kind = self.order.u32(kind);
            let is_of_use = matches!(kind, INTERFACE | OLD_PACKET | SIMPLE_PACKET | PACKET);
            if is_of_use && content as usize > MOST_PACKET {
                return Err(source.damaged(begin, "a block of more than a mebibyte"));
            }
            // Blocks are padded to words, whether their lengths say so or not.
            let padding = u64::from(length.wrapping_neg() % 4);
            let is_whole = match is_of_use {
                true => source.fill(packet, content as usize)?,
                false => source.skip(content.into())?,
            };
            if !is_whole || !source.skip(padding)? {
                return Ok(None);
            }
            let Some(again) = source.more()?.map(|length| self.order.u32(length)) else { return Ok(None) };
            if again != length {
                return Err(source.damaged(begin, "a block whose two lengths differ"));
            }
            let captured = match kind {
                INTERFACE => {
                    if self.interfaces.len() < MOST_INTERFACES {
                        let interface = self.interface(packet);
                        self.interfaces.push(interface.ok_or_else(|| {
                            source.damaged(begin, "an interface's block that is too short")
                        })?);
                    }
                    continue;
                }
                PACKET | OLD_PACKET => self.full(kind, packet),
                SIMPLE_PACKET => self.simple(packet),
                _ => continue,
            };
            let captured = captured.ok_or_else(|| source.damaged(begin, "a packet larger than its block"))?;
            return Ok(Some(captured));
        }
    }

    fn interface(&self, block: &[u8]) -> Option<Interface> {
        const RESOLUTION: u16 = 9;
        const OFFSET: u16 = 14;
        let link = self.order.u16(*block.first_chunk()?);
        let [_, snapshot] = self.order.words(block)?;
        let mut interface = Interface { link, snapshot, resolution: 6, offset: 0 };
        let mut options = block.get(8..).unwrap_or_default();
        while let Some((&[a, b, c, d], rest)) = options.split_first_chunk() {
            let (code, length) = (self.order.u16([a, b]), usize::from(self.order.u16([c, d])));
            let Some(value) = rest.get(..length) else { break };
            match (code, value) {
                (0, _) => break,
                (RESOLUTION, &[resolution]) => interface.resolution = resolution,
                (OFFSET, value) => {
                    if let Some(&bytes) = value.first_chunk() {
                        interface.offset = match self.order {
                            Order::Big => i64::from_be_bytes(bytes),
                            Order::Little => i64::from_le_bytes(bytes),
                        };
                    }
                }
                _ => {}
            }
            options = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Some(interface)
    }

    /// A packet with all that is known of it. Its bytes are moved to the front.
    fn full(&self, kind: u32, packet: &mut Vec<u8>) -> Option<Captured> {
        let [interface, high, low, captured, length] = self.order.words(packet)?;
        let interface = match kind {
            OLD_PACKET => self.order.u16(*packet.first_chunk()?).into(),
            _ => interface,
        };
        cut(packet, 20, captured)?;
        let interface = usize::try_from(interface).ok().and_then(|at| self.interfaces.get(at));
        let link = interface.map_or(UNKNOWN_LINK, |interface| interface.link);
        let time = interface.and_then(|interface| interface.time(u64::from(high) << 32 | u64::from(low)));
        Some(Captured { link, length, time })
    }

    /// A packet of the first interface, without a time.
    fn simple(&self, packet: &mut Vec<u8>) -> Option<Captured> {
        let [length] = self.order.words(packet)?;
        let interface = self.interfaces.first();
        let there = u32::try_from(packet.len() - 4).unwrap_or(u32::MAX);
        // A snapshot length of 0 is none.
        let snapshot = interface.map(|interface| interface.snapshot).filter(|&length| length > 0);
        let captured = length.min(there).min(snapshot.unwrap_or(u32::MAX));
        cut(packet, 4, captured)?;
        Some(Captured {
            link: interface.map_or(UNKNOWN_LINK, |interface| interface.link),
            length,
            time: None,
        })
    }
}

/// Leaves so many bytes of `packet`, from `begin` on. None: there are not so many.
fn cut(packet: &mut Vec<u8>, begin: usize, length: u32) -> Option<()> {
    let length = usize::try_from(length).ok()?;
    packet.get(begin..)?.get(..length)?;
    packet.copy_within(begin..begin + length, 0);
    packet.truncate(length);
    Some(())
}

impl Interface {
    /// None: no time that could be.
    fn time(self, ticks: u64) -> Option<Timestamp> {
        const MICROS: u128 = 1_000_000;
        let exponent = u32::from(self.resolution & 0x7f);
        let per_second = if self.resolution & 0x80 == 0 { 10_u128 } else { 2 }.checked_pow(exponent)?;
        // Never more than 2^64 × 10^6.
        let micros = u128::from(ticks) * MICROS / per_second;
        let offset = self.offset.checked_mul(1_000_000)?;
        i64::try_from(micros).ok()?.checked_add(offset).map(Timestamp::from_micros)
    }
}
