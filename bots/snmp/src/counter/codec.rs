//! Baselines as bytes: a few for each, since a bot may have a million of them.

use grafoleancollector::EntityId;

use super::baselines::SeriesKey;
use super::{Baseline, DeviceTime, Reading, Step, Width};
use crate::oid::Oid;
use crate::poll::Index;

/// The first byte of every key and value. Others are from another version, and not read.
const VERSION: u8 = 1;
const BITS64: u8 = 1;
const HAS_DEVICE: u8 = 2;
const HAS_RATE: u8 = 4;
/// No object identifier is longer.
const MOST_ARCS: usize = 128;

pub(super) fn encode_key(key: &SeriesKey) -> Vec<u8> {
    let mut out = vec![VERSION];
    put(&mut out, key.entity.get());
    put(&mut out, key.every.into());
    key.oid.arcs().iter().for_each(|arc| put(&mut out, (*arc).into()));
    out
}

pub(super) fn decode_key(bytes: &[u8]) -> Option<SeriesKey> {
    let mut from = bytes.strip_prefix(&[VERSION])?;
    let entity = EntityId::new(take(&mut from)?);
    let every = take_u32(&mut from)?;
    let mut arcs = Vec::new();
    while !from.is_empty() {
        arcs.push(take_u32(&mut from)?);
    }
    (arcs.len() <= MOST_ARCS).then(|| SeriesKey { entity, every, oid: Oid::new(arcs) })
}

pub(super) fn encode_rows(rows: &[(Index, Baseline)]) -> Vec<u8> {
    let mut out = vec![VERSION];
    // The rows of a column were read within moments: what is near to the row before takes few bytes.
    let (mut last_at, mut last_ticks) = (0, 0);
    for (index, Baseline { reading, step }) in rows {
        let Reading { width, value, at, device } = *reading;
        let rate = if let Step::Rate(rate) = step { Some(rate) } else { None };
        let flags = if width == Width::Bits64 { BITS64 } else { 0 }
            | if device.is_some() { HAS_DEVICE } else { 0 }
            | if rate.is_some() { HAS_RATE } else { 0 };
        put(&mut out, index.len() as u64);
        index.iter().for_each(|arc| put(&mut out, (*arc).into()));
        out.push(flags);
        put(&mut out, value);
        put_signed(&mut out, at.wrapping_sub(last_at));
        last_at = at;
        if let Some(DeviceTime { ticks, lag }) = device {
            put_signed(&mut out, i64::from(ticks) - last_ticks);
            put_signed(&mut out, lag.into());
            last_ticks = ticks.into();
        }
        if let Some(rate) = rate {
            out.extend(rate.to_le_bytes());
        }
    }
    out
}

pub(super) fn decode_rows(bytes: &[u8]) -> Option<Vec<(Index, Baseline)>> {
    let mut from = bytes.strip_prefix(&[VERSION])?;
    let (mut last_at, mut last_ticks) = (0_i64, 0_i64);
    let mut rows: Vec<(Index, Baseline)> = Vec::new();
    while !from.is_empty() {
        let arcs = usize::try_from(take(&mut from)?).ok().filter(|arcs| *arcs <= MOST_ARCS)?;
        let index: Index = (0..arcs).map(|_| take_u32(&mut from)).collect::<Option<_>>()?;
        if rows.last().is_some_and(|(before, _)| *before >= index) {
            return None;
        }
        let flags = *from.split_off_first()?;
        let width = if flags & BITS64 == 0 { Width::Bits32 } else { Width::Bits64 };
        let value = take(&mut from)?;
        if width == Width::Bits32 && value > u32::MAX.into() || flags > BITS64 | HAS_DEVICE | HAS_RATE {
            return None;
        }
        last_at = last_at.wrapping_add(take_signed(&mut from)?);
        let mut device = None;
        if flags & HAS_DEVICE != 0 {
            last_ticks = last_ticks.checked_add(take_signed(&mut from)?)?;
            let ticks = u32::try_from(last_ticks).ok()?;
            device = Some(DeviceTime { ticks, lag: take_signed(&mut from)?.try_into().ok()? });
        }
        let mut step = Step::First;
        if flags & HAS_RATE != 0 {
            let (bytes, rest) = from.split_first_chunk()?;
            from = rest;
            let rate = f64::from_le_bytes(*bytes);
            step = if rate.is_finite() { Step::Rate(rate) } else { Step::First };
        }
        rows.push((index, Baseline { reading: Reading { width, value, at: last_at, device }, step }));
    }
    Some(rows)
}

/// Seven bits to a byte, the lowest first; the eighth says that more follow.
#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Small numbers of either sign take few bytes: 0, -1, 1, -2, … become 0, 1, 2, 3, …
fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
}

fn take(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *from.split_off_first()?;
        let part = u64::from(byte & 0x7f);
        if part << shift >> shift != part {
            return None;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take_signed(from: &mut &[u8]) -> Option<i64> {
    let value = take(from)?;
    Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

fn take_u32(from: &mut &[u8]) -> Option<u32> {
    u32::try_from(take(from)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn baseline() -> impl Strategy<Value = Baseline> {
        let device = prop::option::of((any::<u32>(), any::<i32>()));
        let step = prop_oneof![Just(Step::First), (0.0..1e14).prop_map(Step::Rate)];
        (any::<bool>(), any::<u64>(), any::<i64>(), device, step).prop_map(
            |(wide, value, at, device, step)| {
                let (width, value) =
                    if wide { (Width::Bits64, value) } else { (Width::Bits32, value & u64::from(u32::MAX)) };
                let device = device.map(|(ticks, lag)| DeviceTime { ticks, lag });
                Baseline { reading: Reading { width, value, at, device }, step }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            entity: u64,
            every: u32,
            arcs in prop::collection::vec(any::<u32>(), 0..20),
            rows in prop::collection::btree_map(prop::collection::vec(any::<u32>(), 0..5), baseline(), 0..20),
        ) {
            let key = SeriesKey { entity: EntityId::new(entity), every, oid: Oid::new(arcs) };
            prop_assert_eq!(decode_key(&encode_key(&key)), Some(key));
            let rows: Vec<(Index, Baseline)> = rows.into_iter().map(|(index, row)| (index.into(), row)).collect();
            prop_assert_eq!(decode_rows(&encode_rows(&rows)), Some(rows));
        }

        #[test]
        fn damaged_bytes_are_refused_or_read_but_never_a_panic(bytes: Vec<u8>) {
            let versioned = [&[VERSION], &*bytes].concat();
            let _ = (decode_key(&bytes), decode_rows(&bytes), decode_key(&versioned), decode_rows(&versioned));
        }
    }

    #[test]
    fn another_version_is_not_read() {
        assert_eq!(decode_key(&[2, 0, 0]), None);
        assert_eq!(decode_rows(&[2]), None);
        assert_eq!(decode_rows(&[]), None);
    }

    #[test]
    fn a_row_among_its_neighbours_takes_some_twenty_bytes() {
        let device = Some(DeviceTime { ticks: 123_456_789, lag: 20 });
        let reading = Reading { width: Width::Bits64, value: 1 << 40, at: 1_700_000_000_000_000, device };
        let rows: Vec<(Index, Baseline)> = (1..=24)
            .map(|n| (Index::from_slice(&[n]), Baseline { reading, step: Step::Rate(1e6) }))
            .collect();
        assert!(encode_rows(&rows).len() < 24 * 21 + 20, "{}", encode_rows(&rows).len());
    }
}
