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
//!
//! # What an entry takes
//! Thirty-two bytes, half a line of memory: what a flow costs is mostly the lines that it waits for. An IPv4 address and
//! a pair of them have room in there; other keys stand in a list beside, in the order of their entries.

use std::hint::black_box;
use std::ops::Range;

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
/// What an entry takes in the index, as a rule: slots are between a quarter and half full, so that a search seldom
/// leaves the line of memory in which it begins.
const SLOT_SHARE: usize = 11;
const ENTRY_BYTES: usize = size_of::<Held>() + SLOT_SHARE;

/// An entry, as it comes and goes.
#[derive(Clone, Copy, Debug)]
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
}

/// An entry, as it is held. Two of them share a line of memory, and none lies on two.
#[derive(Debug)]
#[repr(align(32))]
struct Held {
    bytes: u64,
    packets: u64,
    /// The key, or where it stands in the list of wide ones.
    word: u64,
    /// Its uppermost bit says that the key is a wide one.
    group_and_width: u32,
    discount: f32,
}

const WIDE: u32 = 1 << 31;

impl Held {
    const fn group(&self) -> u32 {
        self.group_and_width & !WIDE
    }

    const fn is_wide(&self) -> bool {
        self.group_and_width & WIDE != 0
    }

    fn add<K>(&mut self, other: &Entry<K>) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.packets = self.packets.saturating_add(other.packets);
        self.discount = sum_down(self.discount, other.discount);
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
    salt: u64,
}

/// How one group is cut.
#[derive(Default)]
struct Cut {
    keep: usize,
    /// Where its estimates are.
    begin: usize,
    filled: usize,
    /// The largest estimate of those that go.
    largest: u64,
    /// How many stay of those that are as large.
    equal: usize,
    /// By how much the floor rises.
    rise: f32,
}

impl Cut {
    fn decide(&mut self, estimates: &mut [u64], floor: u64) {
        // Position `keep` is the largest of those that go.
        let (larger, &mut largest, _) = estimates.select_nth_unstable_by(self.keep, |a, b| b.cmp(a));
        self.largest = largest;
        self.equal = larger.iter().filter(|estimate| **estimate == largest).count();
        self.rise = rounded_down(largest.saturating_sub(floor));
    }

    /// Whether an entry stays; its discount is raised then.
    fn keeps(&mut self, entry: &mut Held, floor: u64) -> bool {
        let estimate = entry.estimate(floor);
        if estimate < self.largest || estimate == self.largest && self.equal == 0 {
            return false;
        }
        self.equal -= usize::from(estimate == self.largest);
        entry.discount = sum_down(entry.discount, self.rise);
        true
    }
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

    fn range(&self, group: u32) -> Range<usize> {
        let group = group as usize;
        self.starts[group] as usize..self.starts[group + 1] as usize
    }
}

#[derive(Debug)]
pub(super) struct Table<K> {
    entries: Vec<Held>,
    /// The keys that have no room in their entries, in the order of these.
    wide: Vec<K>,
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
            wide: Vec::new(),
            slots: Vec::new(),
            shift: 0,
            books: Vec::new(),
            seed: Seed::of_process(),
        };
        table.index(entries);
        table
    }

    /// The next group.
    pub(super) fn new_group(&mut self, salt: u64) -> u32 {
        self.books.push(Book { salt, ..Book::default() });
        u32::try_from(self.books.len() - 1).unwrap_or(NOWHERE)
    }

    pub(super) fn books(&self) -> &[Book] {
        &self.books
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<K>> {
        self.entries.iter().map(|held| self.shown(held))
    }

    pub(super) fn entry(&self, place: u32) -> Entry<K> {
        self.shown(&self.entries[place as usize])
    }

    fn shown(&self, held: &Held) -> Entry<K> {
        let &Held { bytes, packets, word, discount, .. } = held;
        #[expect(clippy::cast_possible_truncation, reason = "a place in a list in memory")]
        let key = if held.is_wide() { self.wide[word as usize] } else { K::from_word(word) };
        Entry { bytes, packets, key, group: held.group(), discount }
    }

    /// Whether it is that key's.
    #[inline]
    fn is_of(&self, held: &Held, group: u32, key: K) -> bool {
        match key.word() {
            Some(word) => held.word == word && held.group_and_width == group,
            None => self.is_of_wide(held, group, key),
        }
    }

    #[cold]
    #[expect(clippy::cast_possible_truncation, reason = "a place in a list in memory")]
    fn is_of_wide(&self, held: &Held, group: u32, key: K) -> bool {
        held.group_and_width == group | WIDE && self.wide[held.word as usize] == key
    }

    /// What entries take.
    pub(super) const fn bytes(&self) -> usize {
        self.entries.len() * ENTRY_BYTES + self.wide.len() * size_of::<K>()
    }

    /// What one of them takes, as a rule.
    pub(super) const fn bytes_of_entry(&self) -> usize {
        if self.entries.is_empty() { ENTRY_BYTES } else { self.bytes().div_ceil(self.entries.len()) }
    }

    #[inline]
    pub(super) fn hash(&self, group: u32, key: K) -> u64 {
        let salt = self.books.get(group as usize).map_or(0, |book| book.salt);
        key.hash(salt, &self.seed)
    }

    /// Reads where a search of this hash begins, so that it is at hand when it is searched for. What is read decides
    /// nothing here: where it did, a processor that guesses wrong would wait for each piece of memory in turn.
    #[inline]
    pub(super) fn touch_index(&self, hash: u64) -> u32 {
        self.slots[self.home(hash) & (self.slots.len() - 1)]
    }

    /// The same for the entry that a guess names.
    #[inline]
    pub(super) fn touch_entry(&self, guess: u32) -> u32 {
        self.entries.get(guess as usize).map_or(0, |held| held.group_and_width)
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
        self.entries.get(place as usize).is_some_and(|held| self.is_of(held, group, key))
    }

    /// Counts where a guess may have found the key.
    #[inline]
    pub(super) fn add_at(&mut self, guess: u32, hash: u64, group: u32, key: K, count: Count) {
        if self.is_at(guess, group, key) {
            let held = &mut self.entries[guess as usize];
            held.bytes = held.bytes.saturating_add(count.bytes);
            held.packets = held.packets.saturating_add(count.packets);
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
                let place = (slot & PLACE) - 1;
                if self.is_at(place, new.group, new.key) {
                    self.entries[place as usize].add(&new);
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
        self.push(new);
        self.slots[at] = slot(hash, self.entries.len());
        if self.entries.len() > self.slots.len() / 2 {
            self.index(self.entries.len() + self.entries.len() / 2);
        }
    }

    fn push(&mut self, new: Entry<K>) {
        let Entry { bytes, packets, key, group, discount } = new;
        let (word, width) = key.word().map_or((self.wide.len() as u64, WIDE), |word| (word, 0));
        if width == WIDE {
            self.wide.push(key);
        }
        self.entries.push(Held { bytes, packets, word, group_and_width: group | width, discount });
    }

    /// Takes all of `other` for which `group_of` knows a group here.
    pub(super) fn absorb(&mut self, other: &Self, group_of: &[Option<u32>]) {
        self.add_floors(other, group_of);
        for part in other.parts() {
            self.take(other, part, group_of);
        }
    }

    /// The first half of absorbing.
    pub(super) fn add_floors(&mut self, other: &Self, group_of: &[Option<u32>]) {
        for (book, group) in other.books.iter().zip(group_of) {
            if let Some(ours) = group.and_then(|group| self.books.get_mut(group as usize)) {
                ours.floor = ours.floor.saturating_add(book.floor);
            }
        }
    }

    /// The parts in which a table is taken.
    pub(super) fn parts(&self) -> impl Iterator<Item = Range<usize>> + use<K> {
        const PART: usize = 8_192;
        let slots = self.slots.len();
        (0..slots).step_by(PART).map(move |start| start..(start + PART).min(slots))
    }

    /// The other half: takes a part of the other table, in the order of its index. A key has the same hash here, so
    /// that our own index, and what was put in by earlier passes, is walked from one end to the other: the memory that
    /// is needed next is near. Of the other's entries, which may be anywhere, some are read at a time.
    pub(super) fn take(&mut self, other: &Self, part: Range<usize>, group_of: &[Option<u32>]) {
        const AT_A_TIME: usize = 32;
        // What comes fills our index from one end: with room for less than all of it, even when little is left to come,
        // it would pile up there. Looked at for each part, as a cut in between makes the index smaller.
        self.reserve(other.entries.len());
        let (mut places, mut planned) = (Vec::with_capacity(AT_A_TIME), Vec::with_capacity(AT_A_TIME));
        for slots in other.slots[part].chunks(AT_A_TIME) {
            places.clear();
            places.extend(slots.iter().filter(|slot| **slot != 0).map(|slot| (slot & PLACE) - 1));
            black_box(places.iter().fold(0, |read, place| read ^ other.touch_entry(*place)));
            let mut read = 0;
            for place in &places {
                let entry = other.entry(*place);
                if let Some(group) = group_of.get(entry.group as usize).copied().flatten() {
                    let hash = self.hash(group, entry.key);
                    read ^= self.touch_index(hash);
                    planned.push((hash, NOWHERE, Entry { group, ..entry }));
                }
            }
            black_box(read);
            planned.iter_mut().for_each(|(hash, guess, _)| *guess = self.guess(*hash));
            black_box(planned.iter().fold(0, |read, (_, guess, _)| read ^ self.touch_entry(*guess)));
            for (hash, guess, entry) in planned.drain(..) {
                if self.is_at(guess, entry.group, entry.key) {
                    self.entries[guess as usize].add(&entry);
                } else {
                    self.add_hashed(hash, entry);
                }
            }
        }
    }

    /// Makes room for so many more entries in the index.
    pub(super) fn reserve(&mut self, more: usize) {
        let entries = (self.entries.len() + more).min(MOST_ENTRIES);
        if entries > self.slots.len() / 2 {
            self.index(entries);
        }
    }

    /// Forgets all entries and groups, but keeps the memory for others, unless it is far too much for what was there.
    pub(super) fn clear(&mut self) {
        let had = self.entries.len();
        self.books.clear();
        self.entries.clear();
        let wide = self.wide.len();
        self.wide.clear();
        if wide < self.wide.capacity() / 16 {
            self.wide.shrink_to(wide * 4);
        }
        if had < self.entries.capacity() / 16 {
            self.entries.shrink_to(had * 4);
        }
        if had < self.slots.len() / 32 {
            self.index(had * 4);
        } else {
            self.slots.fill(0);
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
            let at = &mut next[entry.group() as usize];
            places[*at as usize] = place;
            *at += 1;
        }
        Grouped { places, starts }
    }

    /// Cuts each group to the number of entries that `most` says; returns how many entries were dropped.
    pub(super) fn cut(&mut self, most: impl Fn(u32) -> usize) -> usize {
        let mut cuts: Vec<Option<Cut>> = Vec::with_capacity(self.books.len());
        let mut giving = 0;
        for (group, book) in (0_u32..).zip(&self.books) {
            let (has, keep) = (book.entries as usize, most(group));
            cuts.push((has > keep).then(|| Cut { keep, begin: giving, filled: giving, ..Cut::default() }));
            giving += if has > keep { has } else { 0 };
        }
        if giving == 0 {
            return 0;
        }
        // The estimates of each group side by side: to find the one in the middle, they are looked at again and again.
        let mut estimates = vec![0; giving];
        for entry in &self.entries {
            if let Some(cut) = &mut cuts[entry.group() as usize] {
                estimates[cut.filled] = entry.estimate(self.books[entry.group() as usize].floor);
                cut.filled += 1;
            }
        }
        for (cut, book) in cuts.iter_mut().zip(&self.books) {
            if let Some(cut) = cut {
                cut.decide(&mut estimates[cut.begin..cut.filled], book.floor);
            }
        }
        drop(estimates);
        let before = self.entries.len();
        let books = &self.books;
        self.entries.retain_mut(|entry| match &mut cuts[entry.group() as usize] {
            Some(cut) => cut.keeps(entry, books[entry.group() as usize].floor),
            None => true,
        });
        self.drop_wide();
        for (cut, book) in cuts.iter().zip(&mut self.books) {
            if let Some(cut) = cut {
                book.entries = u32::try_from(cut.keep).unwrap_or(NOWHERE);
                book.floor = book.floor.max(cut.largest);
            }
        }
        self.index(self.entries.len() + self.entries.len() / 2);
        before - self.entries.len()
    }

    /// Drops the wide keys whose entries are gone.
    fn drop_wide(&mut self) {
        let mut left = 0;
        for held in self.entries.iter_mut().filter(|held| held.is_wide()) {
            #[expect(clippy::cast_possible_truncation, reason = "a place in a list in memory")]
            let was = held.word as usize;
            // It was at the same place or behind: they stand in the order of their entries.
            self.wide[left] = self.wide[was];
            held.word = left as u64;
            left += 1;
        }
        self.wide.truncate(left);
    }

    fn home(&self, hash: u64) -> usize {
        // At most 26 bits are left.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        let home = (hash >> self.shift) as usize;
        home
    }

    /// Makes the index anew, for so many entries.
    fn index(&mut self, entries: usize) {
        let slots = (entries * 2).next_power_of_two().max(FEWEST_SLOTS);
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
            let entry = self.shown(&self.entries[place]);
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

#[cfg(test)]
mod tests;
