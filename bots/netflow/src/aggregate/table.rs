//! Counts by key for many groups (an interface's addresses, an exporter's ports), and what happens when they are cut.
//!
//! All groups share one dense list of entries and one index over it, so that a group of three entries takes the room
//! of three entries: a site may have a hundred thousand groups.
//!
//! # What a cut costs in truth
//! Each group has a *floor*, 0 until it is cut for the first time. An entry has `counted` (what was added since it was
//! last inserted, never too much) and a *discount*; its `slack` is floor − discount, its *estimate* counted + slack.
//! A key that is inserted has discount 0: it may have been dropped before. At all times:
//!
//! 1. counted ≤ truth ≤ estimate, for each key in the table;
//! 2. truth ≤ floor, for each key that is not.
//!
//! *Adding* `w` keeps both: a present key gains `w` on all three; an absent one has truth ≤ floor + w = its estimate.
//! *Cutting* a group to its `c` largest estimates sets the floor to `m`, the largest estimate dropped (never below
//! the floor before: an estimate is never below its floor, see 3); survivors get their discount raised by as much as
//! the floor, so their slack stays; what is dropped had truth ≤ estimate ≤ m. *Absorbing* another table first adds
//! its floors to ours, then its entries, counted and discount: a key in both has slack (f − d) + (f′ − d′), the sum
//! of the two; a key only here may have had f′ there; one only there has f more. A key that is cut away in between
//! and then comes from the other table had truth here ≤ its estimate ≤ m, in which f′ is contained, so that
//! m − d′ is enough for both.
//!
//! 3. discount ≤ counted: a cut leaves an estimate ≥ m, so counted ≥ m − slack = the new discount; adding and
//!    absorbing add on both sides.
//!
//! How far can a floor rise? Let Ψ be the sum of (estimate − floor) over a group's entries; by 3 each term is ≥ 0.
//! Adding `w` raises Ψ by `w`. A cut to `c` entries that lifts the floor from f to m takes at least c · (m − f) from it
//! (the survivors have estimates ≥ m). What is taken was put in before: Σ c · (m − f) ≤ N, hence **floor ≤ N / c**, with
//! N all bytes of the group and c the smallest number of entries it was ever cut to. For tables that were absorbed the
//! terms add up, so the same holds with the N of all.
//!
//! Discounts are kept in four bytes, rounded down, so slacks are never too small; they may be too large by a
//! four-millionth of the floor.

use super::Count;
use super::hash::{Key, Seed};

/// Slots keep a place in 24 bits and eight bits of the hash, so that a wrong place is seldom looked at.
const PLACE_BITS: u32 = 24;
const PLACE: u32 = (1 << PLACE_BITS) - 1;
/// No table holds more entries.
pub(super) const MOST_ENTRIES: usize = PLACE as usize - 1;
const FEWEST_SLOTS: usize = 64;
/// No entry: what [`Table::guess`] says of a key that is not there.
pub(super) const NOWHERE: u32 = u32::MAX;
/// The group of entries that a cut is about to remove.
const DROPPED: u32 = u32::MAX;
/// What an entry takes in the index, as a rule: slots are between 3/8 and 3/4 full.
const SLOT_SHARE: usize = 7;

#[derive(Clone, Debug)]
pub(super) struct Entry<K> {
    pub(super) bytes: u64,
    pub(super) packets: u64,
    pub(super) key: K,
    pub(super) group: u32,
    pub(super) discount: f32,
}

impl<K> Entry<K> {
    pub(super) const fn count(&self) -> Count {
        Count { bytes: self.bytes, packets: self.packets }
    }

    fn estimate(&self, floor: u64) -> u64 {
        self.bytes.saturating_add(slack(floor, self.discount))
    }
}

/// By how much an entry of this discount may be too small.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "such casts stop at the ends")]
const fn slack(floor: u64, discount: f32) -> u64 {
    floor.saturating_sub(discount as u64)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "this is how"
)]
fn rounded_down(value: u64) -> f32 {
    let near = value as f32;
    if near as u64 > value || near >= 18_446_744_073_709_551_616.0 { near.next_down() } else { near }
}

/// A sum that is not above the sum.
fn sum_down(a: f32, b: f32) -> f32 {
    if a == 0.0 || b == 0.0 {
        return a + b;
    }
    let sum = a + b;
    // What the sum lost by rounding (Knuth's TwoSum, which is exact).
    let of_b = sum - a;
    let lost = (a - (sum - of_b)) + (b - of_b);
    if lost < 0.0 { sum.next_down() } else { sum }
}

/// What is known of a group.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Book {
    pub(super) entries: u32,
    pub(super) floor: u64,
}

/// Entries by group: the places of group `g` are `places[starts[g]..starts[g + 1]]`.
pub(super) struct Grouped {
    places: Vec<u32>,
    starts: Vec<u32>,
}

impl Grouped {
    pub(super) fn of(&self, group: u32) -> &[u32] {
        &self.places[self.range(group)]
    }

    fn range(&self, group: u32) -> std::ops::Range<usize> {
        let group = group as usize;
        self.starts[group] as usize..self.starts[group + 1] as usize
    }
}

#[derive(Debug)]
pub(super) struct Table<K> {
    entries: Vec<Entry<K>>,
    /// A power of two of them: 0, or a place plus one below eight bits of the hash.
    slots: Vec<u32>,
    /// The uppermost bits of a hash say where to look first.
    shift: u32,
    books: Vec<Book>,
    seed: Seed,
}

impl<K: Key> Table<K> {
    pub(super) fn new() -> Self {
        Self::with_room(0)
    }

    /// One that does not grow before it has so many entries.
    pub(super) fn with_room(entries: usize) -> Self {
        let mut table = Self {
            entries: Vec::with_capacity(entries),
            slots: Vec::new(),
            shift: 0,
            books: Vec::new(),
            seed: Seed::of_process(),
        };
        table.index(entries);
        table
    }

    /// The next group.
    pub(super) fn new_group(&mut self) -> u32 {
        self.books.push(Book::default());
        u32::try_from(self.books.len() - 1).unwrap_or(NOWHERE)
    }

    pub(super) fn books(&self) -> &[Book] {
        &self.books
    }

    pub(super) fn entries(&self) -> &[Entry<K>] {
        &self.entries
    }

    pub(super) fn entry(&self, place: u32) -> &Entry<K> {
        &self.entries[place as usize]
    }

    /// What an entry takes.
    pub(super) const fn entry_bytes() -> usize {
        size_of::<Entry<K>>() + SLOT_SHARE
    }

    pub(super) const fn bytes(&self) -> usize {
        self.entries.len() * Self::entry_bytes()
    }

    #[inline]
    pub(super) fn hash(&self, group: u32, key: K) -> u64 {
        key.hash(group, &self.seed)
    }

    /// Where the key of this hash may be: looks at the index only.
    #[inline]
    pub(super) fn guess(&self, hash: u64) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = self.home(hash);
        loop {
            let slot = self.slots[at & mask];
            if slot == 0 {
                return NOWHERE;
            }
            if slot >> PLACE_BITS == tag(hash) {
                return (slot & PLACE) - 1;
            }
            at += 1;
        }
    }

    /// Whether the key is in fact at `place`.
    #[inline]
    pub(super) fn is_at(&self, place: u32, group: u32, key: K) -> bool {
        self.entries.get(place as usize).is_some_and(|entry| entry.group == group && entry.key == key)
    }

    /// Counts where a guess may have found the key.
    #[inline]
    pub(super) fn add_at(&mut self, guess: u32, hash: u64, group: u32, key: K, count: Count) {
        if let Some(entry) = self.entries.get_mut(guess as usize)
            && entry.group == group
            && entry.key == key
        {
            entry.bytes = entry.bytes.saturating_add(count.bytes);
            entry.packets = entry.packets.saturating_add(count.packets);
        } else {
            self.add_hashed(
                hash,
                Entry { bytes: count.bytes, packets: count.packets, key, group, discount: 0.0 },
            );
        }
    }

    /// Counts.
    pub(super) fn add(&mut self, group: u32, key: K, count: Count) {
        let hash = self.hash(group, key);
        self.add_hashed(
            hash,
            Entry { bytes: count.bytes, packets: count.packets, key, group, discount: 0.0 },
        );
    }

    fn add_hashed(&mut self, hash: u64, new: Entry<K>) {
        let mask = self.slots.len() - 1;
        let mut at = self.home(hash) & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                break;
            }
            if slot >> PLACE_BITS == tag(hash) {
                let entry = &mut self.entries[((slot & PLACE) - 1) as usize];
                if entry.group == new.group && entry.key == new.key {
                    entry.bytes = entry.bytes.saturating_add(new.bytes);
                    entry.packets = entry.packets.saturating_add(new.packets);
                    entry.discount = sum_down(entry.discount, new.discount);
                    return;
                }
            }
            at = (at + 1) & mask;
        }
        let Some(book) = self.books.get_mut(new.group as usize) else { return };
        if self.entries.len() >= MOST_ENTRIES {
            // As if it had been inserted and dropped: all that is absent may have so much.
            book.floor = book.floor.saturating_add(new.bytes);
            return;
        }
        book.entries += 1;
        self.entries.push(new);
        self.slots[at] = slot(hash, self.entries.len());
        if self.entries.len() > self.slots.len() / 4 * 3 {
            self.index(self.entries.len() + self.entries.len() / 2);
        }
    }

    /// Takes all of `other` for which `group_of` knows a group here.
    pub(super) fn absorb(&mut self, other: &Self, group_of: &[Option<u32>]) {
        self.add_floors(other, group_of);
        self.take(&other.entries, group_of);
    }

    /// The first half of absorbing.
    pub(super) fn add_floors(&mut self, other: &Self, group_of: &[Option<u32>]) {
        for (book, group) in other.books.iter().zip(group_of) {
            if let Some(ours) = group.and_then(|group| self.books.get_mut(group as usize)) {
                ours.floor = ours.floor.saturating_add(book.floor);
            }
        }
    }

    /// The other half: takes entries, as many of them at a time as the caller likes; of these some at a time: first all their slots are looked up, then all entries that these name, so
    /// that one waits for memory while the next is already asked for.
    pub(super) fn take(&mut self, entries: &[Entry<K>], group_of: &[Option<u32>]) {
        const AT_A_TIME: usize = 16;
        let mut planned = [(0, NOWHERE, NOWHERE); AT_A_TIME];
        for run in entries.chunks(AT_A_TIME) {
            for (plan, entry) in planned.iter_mut().zip(run) {
                let group = group_of.get(entry.group as usize).copied().flatten().unwrap_or(DROPPED);
                let hash = self.hash(group, entry.key);
                *plan = (hash, group, self.guess(hash));
            }
            for (plan, entry) in planned.iter_mut().zip(run) {
                if !self.is_at(plan.2, plan.1, entry.key) {
                    plan.2 = NOWHERE;
                }
            }
            for (&(hash, group, place), entry) in planned.iter().zip(run) {
                if let Some(ours) = self.entries.get_mut(place as usize) {
                    ours.bytes = ours.bytes.saturating_add(entry.bytes);
                    ours.packets = ours.packets.saturating_add(entry.packets);
                    ours.discount = sum_down(ours.discount, entry.discount);
                } else if group != DROPPED {
                    self.add_hashed(hash, Entry { group, ..entry.clone() });
                }
            }
        }
    }

    /// Puts in an entry as it was kept. What is there already is added.
    pub(super) fn put(&mut self, entry: Entry<K>) {
        let hash = self.hash(entry.group, entry.key);
        self.add_hashed(hash, entry);
    }

    pub(super) fn set_floor(&mut self, group: u32, floor: u64) {
        if let Some(book) = self.books.get_mut(group as usize) {
            book.floor = floor;
        }
    }

    /// The entries by group.
    pub(super) fn grouped(&self) -> Grouped {
        let mut starts = Vec::with_capacity(self.books.len() + 1);
        let mut sum = 0_u32;
        starts.push(0);
        for book in &self.books {
            sum += book.entries;
            starts.push(sum);
        }
        let mut next = starts.clone();
        let mut places = vec![0; self.entries.len()];
        for (place, entry) in (0_u32..).zip(&self.entries) {
            let at = &mut next[entry.group as usize];
            places[*at as usize] = place;
            *at += 1;
        }
        Grouped { places, starts }
    }

    /// Cuts each group to the number of entries that `most` says; returns how many entries were dropped.
    pub(super) fn cut(&mut self, most: impl Fn(u32) -> usize) -> usize {
        let too_large = |group: u32, book: &Book| book.entries as usize > most(group);
        if !(0_u32..).zip(&self.books).any(|(group, book)| too_large(group, book)) {
            return 0;
        }
        let before = self.entries.len();
        let mut grouped = self.grouped();
        for group in 0..u32::try_from(self.books.len()).unwrap_or(NOWHERE) {
            let book = self.books[group as usize];
            if !too_large(group, &book) {
                continue;
            }
            let keep = most(group);
            let range = grouped.range(group);
            let places = &mut grouped.places[range];
            let entries = &mut self.entries;
            let estimate = |place: &u32| entries[*place as usize].estimate(book.floor);
            // Position `keep` is the largest of those that go.
            let (_, largest, _) =
                places.select_nth_unstable_by_key(keep, |place| std::cmp::Reverse(estimate(place)));
            let floor = estimate(largest).max(book.floor);
            let rise = rounded_down(floor - book.floor);
            for place in &places[..keep] {
                let entry = &mut entries[*place as usize];
                entry.discount = sum_down(entry.discount, rise);
            }
            for place in &places[keep..] {
                entries[*place as usize].group = DROPPED;
            }
            self.books[group as usize] = Book { entries: u32::try_from(keep).unwrap_or(NOWHERE), floor };
        }
        drop(grouped);
        self.entries.retain(|entry| entry.group != DROPPED);
        self.index(self.entries.len() + self.entries.len() / 2);
        before - self.entries.len()
    }

    fn home(&self, hash: u64) -> usize {
        // At most 25 bits are left.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        let home = (hash >> self.shift) as usize;
        home
    }

    /// Makes the index anew, for so many entries.
    fn index(&mut self, entries: usize) {
        let slots = (entries + entries / 3 + 1).next_power_of_two().max(FEWEST_SLOTS);
        if slots == self.slots.len() {
            self.slots.fill(0);
        } else {
            // The old one goes first.
            self.slots = Vec::new();
            self.slots = vec![0; slots];
        }
        self.shift = u64::BITS - slots.trailing_zeros();
        let mask = slots - 1;
        for place in 0..self.entries.len() {
            let entry = &self.entries[place];
            let hash = self.hash(entry.group, entry.key);
            let mut at = self.home(hash) & mask;
            while self.slots[at] != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot(hash, place + 1);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "eight bits")]
const fn tag(hash: u64) -> u32 {
    hash as u8 as u32
}

#[expect(clippy::cast_possible_truncation, reason = "not more than 24 bits")]
const fn slot(hash: u64, place_plus_one: usize) -> u32 {
    tag(hash) << PLACE_BITS | place_plus_one as u32
}
