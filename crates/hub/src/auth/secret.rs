//! Random secrets, their hashes, and comparisons that take the same time whatever they find.

use ring::{
    digest, hmac,
    rand::{SecureRandom, SystemRandom},
};
use subtle::ConstantTimeEq;

/// The system gave no random numbers: nothing that needs a secret can go on.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no random numbers")]
pub(crate) struct NoRandom;

/// Random bytes that nobody can foresee.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// 256 random bits as text.
pub(crate) fn random_text() -> Result<String, NoRandom> {
    random::<32>().map(|bytes| hex(&bytes))
}

/// A random UUID (version 4): the form of a bot's token.
pub(crate) fn random_uuid() -> Result<String, NoRandom> {
    let mut bytes = random::<16>()?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex(&bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Ok(format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)))
}

/// Whether this has the form of a bot's token.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, byte)| match i {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// SHA-256: what is kept of a secret that is random itself.
pub(crate) fn hash(secret: &str) -> [u8; 32] {
    hash_bytes(secret.as_bytes())
}

/// SHA-256.
pub(crate) fn hash_bytes(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// A second secret that only who holds the first one can be given.
pub(crate) fn derived(secret: &str, purpose: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex(hmac::sign(&key, purpose.as_bytes()).as_ref())
}

/// Whether both are the same.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_uuid_has_the_form_of_a_token_and_is_never_the_same() {
        let (one, other) = (random_uuid().unwrap(), random_uuid().unwrap());
        assert!(is_uuid(&one) && is_uuid(&other));
        assert_ne!(one, other);
        assert_eq!(one.as_bytes()[14], b'4');
        for wrong in ["", "123", &one[1..], &one.replace('-', "x")] {
            assert!(!is_uuid(wrong), "{wrong}");
        }
    }

    #[test]
    fn hashes_are_sha_256() {
        assert!(hex(&hash("abc")).starts_with("ba7816bf8f01cfea"));
    }
}
