//! The values of a column of which there are few: each is written once for a part of a file, and referred to by its number.

use std::cmp::Reverse;

use crate::aggregate::hash::{Key, Seed};

/// No number: a slot that is free.
const FREE: u32 = u32::MAX;

/// Gives values numbers.
pub(super) struct Dictionary<T> {
    seed: Seed,
    /// Numbers, where the hashes of their values say; always a power of two of them, at least half of them free.
    slots: Vec<u32>,
    values: Vec<T>,
}

impl<T: Key> Dictionary<T> {
    pub(super) fn new() -> Self {
        Self { seed: Seed::of_process(), slots: vec![FREE; 1 << 10], values: Vec::new() }
    }

    /// Forgets all values.
    pub(super) fn clear(&mut self) {
        self.slots.fill(FREE);
        self.values.clear();
    }

    /// All values, by their numbers.
    pub(super) fn values(&self) -> &[T] {
        &self.values
    }

    /// The number of a value: until all are numbered, in the order in which they come.
    #[inline]
    pub(super) fn number(&mut self, value: T) -> u64 {
        let at = self.find(value);
        match self.slots.get(at) {
            Some(&number) if number != FREE => return number.into(),
            _ => {}
        }
        let number = self.values.len() as u64;
        self.values.push(value);
        if self.values.len() * 2 > self.slots.len() {
            self.grow();
        } else {
            self.place(at, number);
        }
        number
    }

    /// Gives the values that are most frequent among `rows` the smallest numbers, there too: most of the bytes are
    /// small then, which is what compresses. From here on only [`values`](Self::values) is right.
    #[expect(clippy::cast_possible_truncation, reason = "numbers of values that are in memory")]
    pub(super) fn by_frequency(&mut self, rows: &mut [u64]) {
        let mut counts: Vec<(u32, usize)> = (0..self.values.len()).map(|number| (0, number)).collect();
        for row in rows.iter() {
            if let Some((count, _)) = counts.get_mut(*row as usize) {
                *count += 1;
            }
        }
        counts.sort_unstable_by_key(|&(count, number)| (Reverse(count), number));
        let mut new = vec![0; counts.len()];
        for (to, (_, from)) in (0..).zip(&counts) {
            new[*from] = to;
        }
        self.values = counts.iter().map(|(_, from)| self.values[*from]).collect();
        for row in rows {
            *row = new[*row as usize];
        }
    }

    /// The slot of a value: its own, or the free one that it would have.
    #[inline]
    fn find(&self, value: T) -> usize {
        let mask = self.slots.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "the lower bits are enough")]
        let mut at = value.hash(0, &self.seed) as usize & mask;
        while let Some(known) = self.slots.get(at).and_then(|number| self.values.get(*number as usize))
            && *known != value
        {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        self.slots = vec![FREE; self.slots.len() * 2];
        for number in 0..self.values.len() {
            self.place(self.find(self.values[number]), number as u64);
        }
    }

    fn place(&mut self, at: usize, number: u64) {
        if let (Some(slot), Ok(number)) = (self.slots.get_mut(at), u32::try_from(number)) {
            *slot = number;
        }
    }
}
