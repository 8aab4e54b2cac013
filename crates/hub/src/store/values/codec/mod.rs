//! Bytes of values: chunks, hours, and the journal. No I/O.
//!
//! All of them end in a checksum: what is read is what was written, or an error.

mod bits;
pub(super) mod chunk;
pub(super) mod hours;
pub(super) mod journal;

use flate2::Crc;

const CHECKSUM_BYTES: usize = 4;

/// The bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    #[error("the checksum does not fit")]
    Checksum,
    #[error("the bytes end too early")]
    Short,
    #[error("the format is unknown")]
    Format,
}

fn seal(bytes: &mut Vec<u8>) {
    let sum = checksum(bytes);
    bytes.extend_from_slice(&sum);
}

/// What was sealed, if it is whole.
fn unseal(bytes: &[u8]) -> Result<&[u8], Damage> {
    let (body, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(Damage::Short)?;
    if *sum == checksum(body) { Ok(body) } else { Err(Damage::Checksum) }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}

/// Seven bits a byte, the lowest first.
#[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Result<u64, Damage> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(bytes)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Damage::Format)
}

fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put_number(bytes, fold_sign(number));
}

fn take_signed(bytes: &mut &[u8]) -> Result<i64, Damage> {
    Ok(unfold_sign(take_number(bytes)?))
}

fn take_byte(bytes: &mut &[u8]) -> Result<u8, Damage> {
    let (byte, rest) = bytes.split_first().ok_or(Damage::Short)?;
    *bytes = rest;
    Ok(*byte)
}

fn take_float(bytes: &mut &[u8]) -> Result<f64, Damage> {
    let (float, rest) = bytes.split_first_chunk().ok_or(Damage::Short)?;
    *bytes = rest;
    Ok(f64::from_le_bytes(*float))
}

/// Small numbers of either sign to small numbers: 0, -1, 1, -2, …
#[expect(clippy::cast_sign_loss, reason = "the bits are wanted")]
fn fold_sign(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

#[expect(clippy::cast_possible_wrap, reason = "the bits are wanted")]
fn unfold_sign(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}
