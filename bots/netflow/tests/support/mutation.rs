//! Real packets, changed in a few places.

/// The same for the same number.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(n: u64) -> Self {
        Self(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 32) as usize % limit
    }

    /// One of the seeds, changed in up to four places.
    pub(crate) fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, seeds);
        }
        bytes
    }

    /// Half of the changes leave all lengths as they are.
    fn change(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        /// Where lengths and numbers go wrong.
        const BYTES: [u8; 10] = [0, 1, 2, 4, 7, 8, 0x7f, 0x80, 0xfe, 0xff];
        if bytes.is_empty() {
            return bytes.push(0);
        }
        let at = self.below(bytes.len());
        let end = (at + 1 + self.below(16)).min(bytes.len());
        match self.below(9) {
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at] = self.next() as u8,
            2 => bytes[at] = BYTES[self.below(BYTES.len())],
            3 => bytes[at] = bytes[at].wrapping_add(1),
            4 => {
                let with = BYTES[self.below(BYTES.len())];
                bytes[at..end].fill(with);
            }
            5 => drop(bytes.drain(at..end)),
            6 => {
                let copied = bytes[at..end].to_vec();
                let to = self.below(bytes.len());
                bytes.splice(to..to, copied);
            }
            7 => {
                let other = &seeds[self.below(seeds.len())];
                if !other.is_empty() {
                    let from = self.below(other.len());
                    bytes.splice(at..end, other[from..(from + 16).min(other.len())].iter().copied());
                }
            }
            _ => bytes.truncate(at),
        }
    }
}
