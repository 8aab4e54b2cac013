//! Samples as bytes: how a parcel lies in the database.
//!
//! `version u8 | checksum u64 | count | samples`, numbers as varints where not said otherwise. A sample is
//! `bytes shared with the path before | bytes that follow | those bytes | value f64 | time`, the time as the
//! zigzag difference to the sample before, in microseconds. The paths of a run begin alike and share one
//! time, so a sample takes some 20 bytes where its path alone may take 40.

use crate::clock::Timestamp;
use crate::sample::{Path, Sample};

const VERSION: u8 = 1;
const HEADER: usize = 1 + 8;

/// Why bytes are no parcel.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("its format has version {0}, this program knows {VERSION}")]
    Version(u8),
    #[error("its bytes are damaged")]
    Damaged,
}

/// Writes samples.
pub(crate) fn encode(samples: &[Sample]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + 8 + samples.len() * 32);
    out.push(VERSION);
    out.extend_from_slice(&[0; 8]);
    put_varint(&mut out, samples.len() as u64);
    let (mut path_before, mut time_before) = ("", 0_i64);
    for sample in samples {
        let path = sample.path.as_str();
        let shared = path.bytes().zip(path_before.bytes()).take_while(|(a, b)| a == b).count();
        put_varint(&mut out, shared as u64);
        put_varint(&mut out, (path.len() - shared) as u64);
        out.extend_from_slice(&path.as_bytes()[shared..]);
        out.extend_from_slice(&sample.value.to_le_bytes());
        let time = sample.time.as_micros();
        let difference = time.wrapping_sub(time_before);
        put_varint(&mut out, ((difference << 1) ^ (difference >> 63)).cast_unsigned());
        (path_before, time_before) = (path, time);
    }
    let sum = checksum(&out[HEADER..]).to_le_bytes();
    out[1..HEADER].copy_from_slice(&sum);
    out
}

/// Reads samples. Any bytes may come: they are samples or an error.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Sample>, DecodeError> {
    let (header, body) = bytes.split_at_checked(HEADER).ok_or(DecodeError::Damaged)?;
    if header[0] != VERSION {
        return Err(DecodeError::Version(header[0]));
    }
    if header[1..] != checksum(body).to_le_bytes() {
        return Err(DecodeError::Damaged);
    }
    read(&mut { body }).ok_or(DecodeError::Damaged)
}

fn read(rest: &mut &[u8]) -> Option<Vec<Sample>> {
    let count = usize::try_from(take_varint(rest)?).ok()?;
    // A sample takes at least 12 bytes: no count may ask for more memory than that.
    let mut samples = Vec::<Sample>::with_capacity(count.min(rest.len() / 12 + 1));
    let mut time = 0_i64;
    for _ in 0..count {
        let shared = usize::try_from(take_varint(rest)?).ok()?;
        let length = usize::try_from(take_varint(rest)?).ok()?;
        let suffix = std::str::from_utf8(rest.split_off(..length)?).ok()?;
        let prefix = match samples.last() {
            Some(before) => before.path.as_str().get(..shared)?,
            None if shared == 0 => "",
            None => return None,
        };
        let mut path = String::with_capacity(prefix.len() + suffix.len());
        path.push_str(prefix);
        path.push_str(suffix);
        let value = f64::from_le_bytes(rest.split_off(..8)?.try_into().ok()?);
        let zigzag = take_varint(rest)?;
        time = time.wrapping_add((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
        if !value.is_finite() {
            return None;
        }
        samples.push(Sample { path: Path::new(path).ok()?, value, time: Timestamp::from_micros(time) });
    }
    rest.is_empty().then_some(samples)
}

fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push((n & 0x7f) as u8);
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

/// FNV-1a over words of 8 bytes: it is to find a disk's mistakes, not an enemy's.
fn checksum(bytes: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64 ^ bytes.len() as u64;
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        sum = (sum ^ u64::from_le_bytes(*word)).wrapping_mul(0x0100_0000_01b3).rotate_left(29);
    }
    for byte in tail {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(29);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_sample() -> impl Strategy<Value = Sample> {
        let value = any::<f64>().prop_filter("finite", |value| value.is_finite());
        ("([a-c]{1,4}|%2e)(\\.[a-c]{1,3}){0,4}", value, any::<i64>()).prop_map(|(path, value, time)| Sample {
            path: Path::new(path).unwrap(),
            value,
            time: Timestamp::from_micros(time),
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(samples in prop::collection::vec(any_sample(), 0..40)) {
            prop_assert_eq!(decode(&encode(&samples)), Ok(samples));
        }

        #[test]
        fn damage_is_found(
            samples in prop::collection::vec(any_sample(), 1..20), at: prop::sample::Index, flip in 1..=255_u8,
        ) {
            let mut bytes = encode(&samples);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(decode(&bytes).is_err());
            bytes.truncate(at);
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_samples_or_an_error(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&body);
            let mut bytes = vec![VERSION];
            bytes.extend_from_slice(&checksum(&body).to_le_bytes());
            bytes.extend_from_slice(&body);
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn a_sample_of_a_run_takes_some_twenty_bytes() {
        let samples: Vec<_> = (0..1_000)
            .map(|n| Sample {
                path: Path::new(format!("entity.{}.ping.p{}.rtt", 1_500_000_000 + n / 3, n % 3)).unwrap(),
                value: 0.25,
                time: Timestamp::from_secs(1_700_000_000),
            })
            .collect();
        let bytes = encode(&samples).len();
        assert!(bytes < 24_000, "{bytes} bytes for 1,000 samples");
    }
}
