//! Single bits, and numbers that are mostly small (Rice codes).

use super::Damage;

/// A quotient from here on is not written in unary: the number follows as it is.
const ESCAPE: u32 = 20;
/// The largest parameter of the code.
pub(super) const MAX_PARAMETER: u32 = 56;

#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits not yet in `bytes`, the first one highest.
    pending: u64,
    count: u32,
}

impl BitWriter {
    pub(super) fn after(bytes: Vec<u8>) -> Self {
        Self { bytes, pending: 0, count: 0 }
    }

    /// The low `count` bits of `bits`, at most 64.
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        if count > 32 {
            self.put_few(bits >> 32, count - 32);
            self.put_few(bits & 0xffff_ffff, 32);
        } else {
            self.put_few(bits, count);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
    fn put_few(&mut self, bits: u64, count: u32) {
        self.pending = self.pending << count | bits & ((1 << count) - 1);
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.pending >> self.count) as u8);
        }
    }

    /// A number that is near `2^parameter` or below it.
    pub(super) fn put_rice(&mut self, number: u64, parameter: u32) {
        let quotient = number >> parameter;
        if quotient < u64::from(ESCAPE) {
            #[expect(clippy::cast_possible_truncation, reason = "below ESCAPE")]
            let ones = quotient as u32;
            self.put((1 << (ones + 1)) - 2, ones + 1);
            self.put(number, parameter);
        } else {
            let length = 64 - number.leading_zeros();
            self.put((1 << ESCAPE) - 1, ESCAPE);
            self.put(u64::from(length - 1), 6);
            self.put(number, length);
        }
    }

    /// Whole bytes: the last one is filled with zeros.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.put_few(0, 8 - self.count);
        }
        self.bytes
    }
}

pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits taken from `bytes` and not yet given, the next one highest of `count`.
    pending: u64,
    count: u32,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, pending: 0, count: 0 }
    }

    pub(super) fn take(&mut self, count: u32) -> Result<u64, Damage> {
        if count > 32 {
            Ok(self.take_few(count - 32)? << 32 | self.take_few(32)?)
        } else {
            self.take_few(count)
        }
    }

    fn take_few(&mut self, count: u32) -> Result<u64, Damage> {
        while self.count < count {
            let (byte, rest) = self.bytes.split_first().ok_or(Damage::Short)?;
            self.bytes = rest;
            self.pending = self.pending << 8 | u64::from(*byte);
            self.count += 8;
        }
        self.count -= count;
        Ok(self.pending >> self.count & ((1 << count) - 1))
    }

    pub(super) fn take_rice(&mut self, parameter: u32) -> Result<u64, Damage> {
        let mut quotient = 0;
        while self.take_few(1)? == 1 {
            quotient += 1;
            if quotient == ESCAPE {
                #[expect(clippy::cast_possible_truncation, reason = "six bits")]
                let length = self.take(6)? as u32 + 1;
                return self.take(length);
            }
        }
        Ok(u64::from(quotient) << parameter | self.take(parameter)?)
    }

    /// The bytes after the one that was read last.
    pub(super) fn rest(self) -> &'a [u8] {
        self.bytes
    }
}

/// The parameter with which these numbers take the least room, about: each counts as the middle of those of its length.
pub(super) fn best_parameter(numbers: impl Iterator<Item = u64>) -> u32 {
    let mut lengths = [0_u32; 65];
    for number in numbers {
        lengths[(64 - number.leading_zeros()) as usize] += 1;
    }
    let cost = |parameter: u32| -> u64 {
        let of_length = |(length, count): (u32, &u32)| {
            let middle = if length < 2 { u64::from(length) } else { 3 << (length - 2) };
            let quotient = middle >> parameter;
            let bits = if quotient < u64::from(ESCAPE) {
                quotient + 1 + u64::from(parameter)
            } else {
                u64::from(ESCAPE + 6 + length)
            };
            bits * u64::from(*count)
        };
        (0..).zip(&lengths).filter(|(_, count)| **count > 0).map(of_length).sum()
    };
    (0..=MAX_PARAMETER).min_by_key(|parameter| cost(*parameter)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_come_back(numbers in prop::collection::vec((any::<u64>(), 0_u32..=64), 0..100)) {
            let mut writer = BitWriter::default();
            for (bits, count) in &numbers {
                writer.put(*bits, *count);
            }
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for (bits, count) in numbers {
                let wanted = if count == 64 { bits } else { bits & ((1 << count) - 1) };
                prop_assert_eq!(reader.take(count), Ok(wanted));
            }
            prop_assert!(reader.rest().is_empty());
        }

        #[test]
        fn rice_codes_come_back(
            numbers in prop::collection::vec(prop_oneof![0_u64..1_000, any::<u64>()], 0..100),
            parameter in 0..=MAX_PARAMETER,
        ) {
            let mut writer = BitWriter::default();
            numbers.iter().for_each(|number| writer.put_rice(*number, parameter));
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for number in numbers {
                prop_assert_eq!(reader.take_rice(parameter), Ok(number));
            }
        }
    }

    #[test]
    fn the_parameter_fits_the_numbers() {
        assert_eq!(best_parameter([0; 9].into_iter()), 0);
        let near_a_thousand = best_parameter((900..1_100).chain([u64::MAX]));
        assert!((8..=10).contains(&near_a_thousand), "{near_a_thousand}");
    }
}
