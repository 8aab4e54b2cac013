//! A block of hours: what a path did in each of some hours in a row.
//!
//! ```text
//! format | which hours are there: 32 bits | of each: count * 2 + one value?, then the value, or sum, minimum, maximum | checksum
//! ```

use super::{Damage, put_number, seal, take_byte, take_float, take_number, unseal};

const FORMAT: u8 = 1;

/// Hours in a block.
pub(in super::super) const BLOCK: usize = 32;

/// What a path did in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Aggregate {
    pub(in super::super) count: u64,
    /// Ends at the largest number there is.
    pub(in super::super) sum: f64,
    pub(in super::super) minimum: f64,
    pub(in super::super) maximum: f64,
}

impl Aggregate {
    pub(in super::super) fn of(value: f64) -> Self {
        Self { count: 1, sum: value, minimum: value, maximum: value }
    }

    pub(in super::super) fn and(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            sum: finite(self.sum + other.sum),
            minimum: self.minimum.min(other.minimum),
            maximum: self.maximum.max(other.maximum),
        }
    }

    /// One of the values becomes another. The extremes can only grow: what the others were is not known.
    pub(in super::super) fn with_changed(self, old: f64, new: f64) -> Self {
        Self {
            count: self.count,
            sum: finite(self.sum + (new - old)),
            minimum: self.minimum.min(new),
            maximum: self.maximum.max(new),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53")]
    pub(in super::super) fn average(&self) -> f64 {
        // Rounding, and a sum at its end, must not lead out of what was measured.
        (self.sum / self.count.max(1) as f64).max(self.minimum).min(self.maximum)
    }
}

fn finite(sum: f64) -> f64 {
    sum.clamp(f64::MIN, f64::MAX)
}

pub(in super::super) type Hours = [Option<Aggregate>; BLOCK];

pub(in super::super) fn encode(hours: &Hours) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    let present =
        (0..).zip(hours).filter(|(_, hour)| hour.is_some()).fold(0, |bits: u32, (n, _)| bits | 1 << n);
    bytes.extend_from_slice(&present.to_le_bytes());
    for hour in hours.iter().flatten() {
        let one = hour.minimum.to_bits() == hour.maximum.to_bits() && is_sum_of_one(hour);
        put_number(&mut bytes, hour.count << 1 | u64::from(one));
        if one {
            bytes.extend_from_slice(&hour.minimum.to_le_bytes());
        } else {
            for float in [hour.sum, hour.minimum, hour.maximum] {
                bytes.extend_from_slice(&float.to_le_bytes());
            }
        }
    }
    seal(&mut bytes);
    bytes
}

fn is_sum_of_one(hour: &Aggregate) -> bool {
    sum_of_one(hour.count, hour.minimum).to_bits() == hour.sum.to_bits()
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53")]
fn sum_of_one(count: u64, value: f64) -> f64 {
    finite(count as f64 * value)
}

pub(in super::super) fn decode(bytes: &[u8]) -> Result<Hours, Damage> {
    let mut rest = unseal(bytes)?;
    if take_byte(&mut rest)? != FORMAT {
        return Err(Damage::Format);
    }
    let (present, mut rest) = rest.split_first_chunk().ok_or(Damage::Short)?;
    let present = u32::from_le_bytes(*present);
    let mut hours = [None; BLOCK];
    for (n, hour) in hours.iter_mut().enumerate() {
        if present >> n & 1 == 0 {
            continue;
        }
        let counted = take_number(&mut rest)?;
        let (count, value) = (counted >> 1, take_float(&mut rest)?);
        *hour = Some(if counted & 1 == 1 {
            Aggregate { count, sum: sum_of_one(count, value), minimum: value, maximum: value }
        } else {
            Aggregate { count, sum: value, minimum: take_float(&mut rest)?, maximum: take_float(&mut rest)? }
        });
    }
    Ok(hours)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_average_stays_within_what_was_measured() {
        let twice = |value| Aggregate::of(value).and(Aggregate::of(value)).and(Aggregate::of(value));
        for value in [0.1, 1.0, f64::MAX, f64::MIN, -0.3, 5e-324] {
            assert_eq!(twice(value).average(), value);
        }
        assert_eq!(Aggregate::of(f64::MAX).and(Aggregate::of(f64::MIN)).average(), 0.0);
        assert_eq!(Aggregate::of(1.0).and(Aggregate::of(2.0)).average(), 1.5);
    }

    fn any_hour() -> impl Strategy<Value = Option<Aggregate>> {
        let value = || prop_oneof![-1e9..1e9, Just(1.0), Just(-0.0), Just(f64::MAX), any::<f64>()];
        let of_one = (1_u64..5_000, value()).prop_map(|(count, value)| Aggregate {
            count,
            sum: sum_of_one(count, value),
            minimum: value,
            maximum: value,
        });
        let of_many = (1_u64..1 << 40, value(), value(), value())
            .prop_map(|(count, sum, minimum, maximum)| Aggregate { count, sum, minimum, maximum });
        prop_oneof![Just(None), of_one.prop_map(Some), of_many.prop_map(Some)]
    }

    fn any_hours() -> impl Strategy<Value = Hours> {
        let hours = prop::collection::vec((0..BLOCK, any_hour()), 0..BLOCK);
        hours.prop_map(|some| {
            let mut hours = [None; BLOCK];
            some.into_iter().for_each(|(n, hour)| hours[n] = hour);
            hours
        })
    }

    proptest! {
        #[test]
        fn hours_come_back(hours in any_hours()) {
            let back = decode(&encode(&hours)).unwrap();
            prop_assert_eq!(format!("{back:?}"), format!("{hours:?}"));
        }

        #[test]
        fn damaged_bytes_are_an_error(
            hours in any_hours(),
            at in any::<prop::sample::Index>(),
            flip in 1_u8..=255,
        ) {
            let mut bytes = encode(&hours);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(decode(&bytes).is_err());
            bytes.truncate(at);
            prop_assert!(decode(&bytes).is_err());
            seal(&mut bytes);
            let _ = decode(&bytes);
        }
    }
}
