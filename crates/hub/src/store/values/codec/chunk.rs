//! A chunk: values of one path, compressed.
//!
//! ```text
//! format | count | first time | second - first | times: parameter, change of the step … | values … | checksum
//! ```
//!
//! Steps are counted in seconds or milliseconds where they can be. Values that are decimals of a few digits, as most
//! measured ones are, become whole numbers and then differences; others what changes in their bits (as Gorilla does).

use super::bits::{BitReader, BitWriter, MAX_PARAMETER, best_parameter};
use super::{
    Damage, fold_sign, put_number, put_signed, seal, take_byte, take_float, take_number, take_signed,
    unfold_sign, unseal,
};

/// A time and its value.
pub(crate) type Point = (i64, f64);

/// Values in a chunk at most.
pub(in super::super) const MAX_POINTS: usize = 8_192;

/// What steps of time are counted in, in microseconds.
const UNITS: [i64; 3] = [1, 1_000, 1_000_000];

const CONSTANT: u8 = 0;
const DECIMAL: u8 = 1;
const XOR: u8 = 2;

/// Digits after the point at most, of what counts as a decimal.
const MAX_DIGITS: usize = 9;
const POWERS: [f64; MAX_DIGITS + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/// Whole numbers below are exact: 2^53.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// The bytes of some values, at most [`MAX_POINTS`].
#[expect(clippy::cast_possible_truncation, reason = "the index of a unit, a number of digits, a parameter")]
pub(in super::super) fn encode(points: &[Point]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64 + 10 * points.len());
    let unit = best_unit(points);
    let decimals = if is_constant(points) { None } else { as_decimals(points) };
    let values = match decimals {
        None if is_constant(points) => CONSTANT,
        None => XOR,
        Some(_) => DECIMAL,
    };
    bytes.push((unit as u8) << 4 | values);
    put_number(&mut bytes, points.len() as u64);
    let Some(first) = points.first() else {
        seal(&mut bytes);
        return bytes;
    };
    put_signed(&mut bytes, first.0);
    let mut bytes = put_times(bytes, points, UNITS[unit]);
    bytes = match decimals {
        Some((digits, wholes)) => {
            bytes.push(digits as u8);
            put_wholes(bytes, &wholes)
        }
        None if values == CONSTANT => {
            bytes.extend_from_slice(&first.1.to_le_bytes());
            bytes
        }
        None => put_xor(bytes, points),
    };
    seal(&mut bytes);
    bytes
}

/// Appends the values of a chunk to `points`.
pub(in super::super) fn decode(bytes: &[u8], points: &mut Vec<Point>) -> Result<(), Damage> {
    let mut rest = unseal(bytes)?;
    let format = take_byte(&mut rest)?;
    let unit = *UNITS.get(usize::from(format >> 4)).ok_or(Damage::Format)?;
    let count = usize::try_from(take_number(&mut rest)?).map_err(|_| Damage::Format)?;
    if count > MAX_POINTS {
        return Err(Damage::Format);
    }
    if count == 0 {
        return Ok(());
    }
    let begin = points.len();
    rest = take_times(rest, points, count, unit)?;
    let points = &mut points[begin..];
    match format & 15 {
        CONSTANT => {
            let value = take_float(&mut rest)?;
            points.iter_mut().for_each(|point| point.1 = value);
            Ok(())
        }
        DECIMAL => take_decimals(rest, points),
        XOR => take_xor(rest, points),
        _ => Err(Damage::Format),
    }
}

fn is_constant(points: &[Point]) -> bool {
    points.windows(2).all(|pair| pair[0].1.to_bits() == pair[1].1.to_bits())
}

fn best_unit(points: &[Point]) -> usize {
    let fits =
        |unit: &usize| points.windows(2).all(|pair| pair[1].0.wrapping_sub(pair[0].0) % UNITS[*unit] == 0);
    (1..UNITS.len()).rev().find(fits).unwrap_or(0)
}

fn put_times(mut bytes: Vec<u8>, points: &[Point], unit: i64) -> Vec<u8> {
    let Some((first, second)) = points.first().zip(points.get(1)) else { return bytes };
    let step = |pair: &[Point]| pair[1].0.wrapping_sub(pair[0].0) / unit;
    put_signed(&mut bytes, second.0.wrapping_sub(first.0) / unit);
    let changes =
        || points.windows(3).map(|three| fold_sign(step(&three[1..]).wrapping_sub(step(&three[..2]))));
    put_rice_codes(bytes, changes)
}

fn take_times<'a>(
    mut rest: &'a [u8],
    points: &mut Vec<Point>,
    count: usize,
    unit: i64,
) -> Result<&'a [u8], Damage> {
    let mut time = take_signed(&mut rest)?;
    points.reserve(count);
    points.push((time, 0.0));
    if count == 1 {
        return Ok(rest);
    }
    let mut step = take_signed(&mut rest)?;
    time = time.wrapping_add(step.wrapping_mul(unit));
    points.push((time, 0.0));
    let (mut codes, parameter) = rice_codes(rest)?;
    for _ in 2..count {
        step = step.wrapping_add(unfold_sign(codes.take_rice(parameter)?));
        time = time.wrapping_add(step.wrapping_mul(unit));
        points.push((time, 0.0));
    }
    Ok(codes.rest())
}

/// The parameter, then the codes.
#[expect(clippy::cast_possible_truncation, reason = "a parameter")]
fn put_rice_codes<I: Iterator<Item = u64>>(mut bytes: Vec<u8>, numbers: impl Fn() -> I) -> Vec<u8> {
    let parameter = best_parameter(numbers());
    bytes.push(parameter as u8);
    let mut writer = BitWriter::after(bytes);
    numbers().for_each(|number| writer.put_rice(number, parameter));
    writer.finish()
}

fn rice_codes(mut rest: &[u8]) -> Result<(BitReader<'_>, u32), Damage> {
    let parameter = u32::from(take_byte(&mut rest)?);
    if parameter > MAX_PARAMETER {
        return Err(Damage::Format);
    }
    Ok((BitReader::new(rest), parameter))
}

/// The values as whole numbers, and the digits after the point that they have; if they are that exactly.
fn as_decimals(points: &[Point]) -> Option<(usize, Vec<i64>)> {
    let mut digits = 0;
    for (_, value) in points {
        while whole(*value, digits).is_none() {
            digits += 1;
            if digits > MAX_DIGITS {
                return None;
            }
        }
    }
    let wholes = points.iter().map(|(_, value)| whole(*value, digits)).collect::<Option<_>>()?;
    Some((digits, wholes))
}

/// The whole number that is `value` with the point moved, where moving it back gives the same bits.
#[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
fn whole(value: f64, digits: usize) -> Option<i64> {
    let whole = (value * POWERS[digits]).round();
    if whole.abs() >= MAX_EXACT {
        return None;
    }
    let whole = whole as i64;
    (from_whole(whole, digits).to_bits() == value.to_bits()).then_some(whole)
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53, else the bytes were not ours")]
fn from_whole(whole: i64, digits: usize) -> f64 {
    whole as f64 / POWERS[digits]
}

fn put_wholes(mut bytes: Vec<u8>, wholes: &[i64]) -> Vec<u8> {
    put_signed(&mut bytes, wholes.first().copied().unwrap_or(0));
    put_rice_codes(bytes, || wholes.windows(2).map(|pair| fold_sign(pair[1].wrapping_sub(pair[0]))))
}

fn take_decimals(mut rest: &[u8], points: &mut [Point]) -> Result<(), Damage> {
    let digits = usize::from(take_byte(&mut rest)?);
    if digits > MAX_DIGITS {
        return Err(Damage::Format);
    }
    let mut whole = take_signed(&mut rest)?;
    let (mut codes, parameter) = rice_codes(rest)?;
    for (n, point) in points.iter_mut().enumerate() {
        if n > 0 {
            whole = whole.wrapping_add(unfold_sign(codes.take_rice(parameter)?));
        }
        point.1 = from_whole(whole, digits);
    }
    Ok(())
}

/// The first value, then for each: `0` the same again; `10` bits of the window that the last one had; `11` a new
/// window: zeros before it, its length, its bits.
fn put_xor(mut bytes: Vec<u8>, points: &[Point]) -> Vec<u8> {
    let mut last = points.first().map_or(0, |point| point.1.to_bits());
    bytes.extend_from_slice(&last.to_le_bytes());
    let mut writer = BitWriter::after(bytes);
    let (mut before, mut after) = (64, 0);
    for (_, value) in points.iter().skip(1) {
        let changed = last ^ value.to_bits();
        last = value.to_bits();
        if changed == 0 {
            writer.put(0, 1);
            continue;
        }
        let (zeros_before, zeros_after) = (changed.leading_zeros(), changed.trailing_zeros());
        // A new window costs 12 bits: it is worth it when the old one is wider by more.
        let fits = before < 64 && zeros_before >= before && zeros_after >= after;
        if fits && (zeros_before - before) + (zeros_after - after) <= 12 {
            writer.put(0b10, 2);
        } else {
            (before, after) = (zeros_before, zeros_after);
            writer.put(0b11, 2);
            writer.put(u64::from(before), 6);
            writer.put(u64::from(64 - before - after - 1), 6);
        }
        writer.put(changed >> after, 64 - before - after);
    }
    writer.finish()
}

#[expect(clippy::cast_possible_truncation, reason = "six bits")]
fn take_xor(mut rest: &[u8], points: &mut [Point]) -> Result<(), Damage> {
    let mut last = take_float(&mut rest)?.to_bits();
    let mut bits = BitReader::new(rest);
    let (mut length, mut after) = (0, 0);
    for (n, point) in points.iter_mut().enumerate() {
        if n > 0 && bits.take(1)? == 1 {
            if bits.take(1)? == 1 {
                let before = bits.take(6)? as u32;
                length = bits.take(6)? as u32 + 1;
                after = 64_u32.checked_sub(before + length).ok_or(Damage::Format)?;
            }
            if length == 0 {
                return Err(Damage::Format);
            }
            last ^= bits.take(length)? << after;
        }
        point.1 = f64::from_bits(last);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn there_and_back(points: &[Point]) -> Vec<u8> {
        let bytes = encode(points);
        let mut back = Vec::new();
        decode(&bytes, &mut back).unwrap();
        let bits = |points: &[Point]| points.iter().map(|(t, v)| (*t, v.to_bits())).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(points));
        bytes
    }

    fn minutes(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
        (0..).zip(values).map(|(n, value)| (1_700_000_000_000_000 + n * 60_000_000, value)).collect()
    }

    #[test]
    fn all_kinds_of_numbers_come_back_with_all_their_bits() {
        let kinds = [
            0.0,
            -0.0,
            1.0,
            -1.5,
            0.1,
            1e-9,
            123_456_789.012_345,
            f64::MIN_POSITIVE,
            5e-324,
            -2.225e-308,
            f64::MAX,
            f64::MIN,
            f64::EPSILON,
            9_007_199_254_740_992.0,
            9_007_199_254_740_993.0,
            1e22,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            f64::from_bits(0x7ff0_0000_0000_0001),
        ];
        there_and_back(&minutes(kinds));
        for kind in kinds {
            there_and_back(&minutes([kind]));
            there_and_back(&minutes([kind, kind, kind]));
            there_and_back(&minutes([1.0, kind]));
            there_and_back(&minutes([kind, 0.25, kind, 0.5]));
        }
        there_and_back(&[]);
    }

    #[test]
    fn what_repeats_takes_little_room() {
        let n = 1_000;
        let bytes = |values: Vec<f64>| there_and_back(&minutes(values)).len();
        assert!(bytes(vec![1.0; n]) < 160);
        assert!(bytes((0..n).map(|i| (i % 2) as f64).collect()) < 500);
        // A round trip in microseconds, about 1.2 ms with an outlier now and then.
        let rtt = |i: usize| {
            (1_200 + (i * 7_919) % 300 + if i.is_multiple_of(100) { 80_000 } else { 0 }) as f64 / 1e6
        };
        assert!(bytes((0..n).map(rtt).collect()) < 1_700);
    }

    #[test]
    fn bytes_that_are_not_ours_are_an_error() {
        let mut points = Vec::new();
        for bytes in [&b""[..], b"abc", b"abcdefghijkl", &[0; 100]] {
            decode(bytes, &mut points).unwrap_err();
        }
    }

    fn any_points() -> impl Strategy<Value = Vec<Point>> {
        let time = prop_oneof![
            any::<i64>(),
            (0_i64..100_000).prop_map(|n| 1_700_000_000_000_000 + n * 1_000_000),
            0_i64..20_000_000_000_000_000,
        ];
        let value = prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            (-100_000_i32..100_000).prop_map(|n| f64::from(n) / 1_000.0),
            any::<i32>().prop_map(f64::from),
            Just(1.0),
        ];
        let mixed = prop::collection::vec((time.clone(), value), 0..300);
        let decimals =
            prop::collection::vec((time, (0_i32..5_000).prop_map(|n| f64::from(n) / 100.0)), 0..300);
        prop_oneof![mixed, decimals]
    }

    proptest! {
        #[test]
        fn any_values_come_back(points in any_points()) {
            there_and_back(&points);
        }

        #[test]
        fn damaged_bytes_are_an_error(
            points in any_points(),
            at in any::<prop::sample::Index>(),
            flip in 1_u8..=255,
        ) {
            let mut bytes = encode(&points);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(decode(&bytes, &mut Vec::new()).is_err());
            bytes.truncate(at);
            prop_assert!(decode(&bytes, &mut Vec::new()).is_err());
        }

        /// Even where the checksum fits.
        #[test]
        fn foreign_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), points in any_points()) {
            seal(&mut bytes);
            let _ = decode(&bytes, &mut Vec::new());
            let mut mixed = encode(&points);
            mixed.truncate(mixed.len() / 2);
            mixed.extend(bytes);
            seal(&mut mixed);
            let _ = decode(&mixed, &mut Vec::new());
        }
    }
}
