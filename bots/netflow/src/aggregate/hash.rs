//! Hashes of keys that strangers choose.
//!
//! A folded multiply (both halves of a 128-bit product) with secret numbers of this process: two instructions for
//! eight bytes, and nobody who cannot read our memory can find keys that fall together.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::OnceLock;

use crate::flow::Ip;

/// The secret numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed([u64; 5]);

impl Seed {
    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        static SEED: OnceLock<Seed> = OnceLock::new();
        // The standard library's keys come from the system.
        *SEED.get_or_init(|| Self(std::array::from_fn(|_| RandomState::new().build_hasher().finish() | 1)))
    }

    #[inline]
    fn ip(&self, ip: Ip, a: usize, b: usize) -> u64 {
        fold(ip.high ^ self.0[a], ip.low ^ self.0[b])
    }

    #[inline]
    fn finish(&self, hash: u64, salt: u64) -> u64 {
        fold(hash ^ salt, self.0[4])
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the halves of a product")]
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    (product >> 64) as u64 ^ product as u64
}

/// What is counted: an address, a connection, a port, a protocol.
pub(crate) trait Key: Copy + Ord {
    /// The hash of this key in a group of this salt.
    fn hash(self, salt: u64, seed: &Seed) -> u64;

    /// The key in eight bytes, where it has room in them.
    fn word(self) -> Option<u64>;

    /// The key of such a word.
    fn from_word(word: u64) -> Self;
}

impl Key for Ip {
    #[inline]
    fn hash(self, salt: u64, seed: &Seed) -> u64 {
        seed.finish(seed.ip(self, 0, 1), salt)
    }

    #[inline]
    fn word(self) -> Option<u64> {
        self.as_v4().map(u64::from)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it is made of 32 bits")]
    fn from_word(word: u64) -> Self {
        Self::v4(word as u32)
    }
}

impl Key for (Ip, Ip) {
    #[inline]
    fn hash(self, salt: u64, seed: &Seed) -> u64 {
        seed.finish(seed.ip(self.0, 0, 1) ^ seed.ip(self.1, 2, 3).rotate_left(23), salt)
    }

    #[inline]
    fn word(self) -> Option<u64> {
        Some(u64::from(self.0.as_v4()?) << 32 | u64::from(self.1.as_v4()?))
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it is made of 32 bits twice")]
    fn from_word(word: u64) -> Self {
        (Ip::v4((word >> 32) as u32), Ip::v4(word as u32))
    }
}

impl Key for u16 {
    #[inline]
    fn hash(self, salt: u64, seed: &Seed) -> u64 {
        seed.finish(u64::from(self) ^ seed.0[0], salt)
    }

    #[inline]
    fn word(self) -> Option<u64> {
        Some(self.into())
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it is made of so many bits")]
    fn from_word(word: u64) -> Self {
        word as Self
    }
}

impl Key for u8 {
    #[inline]
    fn hash(self, salt: u64, seed: &Seed) -> u64 {
        seed.finish(u64::from(self) ^ seed.0[1], salt)
    }

    #[inline]
    fn word(self) -> Option<u64> {
        Some(self.into())
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it is made of so many bits")]
    fn from_word(word: u64) -> Self {
        word as Self
    }
}

/// What the hashes of a group's keys begin with. It goes by what the group stands for, not by its number: so a key
/// has the same hash in all tables.
pub(super) fn salt(of: impl Hash) -> u64 {
    Folded::default().hash_one(of)
}

/// The same for the standard library's maps, which hold what is looked up once per packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folded(Seed);

impl Default for Folded {
    fn default() -> Self {
        Self(Seed::of_process())
    }
}

impl BuildHasher for Folded {
    type Hasher = FoldedHasher;

    fn build_hasher(&self) -> FoldedHasher {
        FoldedHasher { state: self.0.0[0], seed: self.0 }
    }
}

pub(super) struct FoldedHasher {
    state: u64,
    seed: Seed,
}

impl Hasher for FoldedHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word) ^ (chunk.len() as u64) << 56);
        }
    }

    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.state = fold(self.state ^ value, self.seed.0[1]).wrapping_add(self.seed.0[2]);
    }

    #[inline]
    fn write_isize(&mut self, value: isize) {
        self.write_u64(value.cast_unsigned() as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        fold(self.state, self.seed.0[3])
    }
}
