use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::flow::Ip;

const GROUPS: u32 = 3;

#[derive(Clone, Debug)]
enum Step {
    Add(u32, u16, u64),
    Cut(usize),
}

/// Keys by number: those that have room in an entry, and those that have not.
trait Numbered: Key + std::hash::Hash + std::fmt::Debug {
    fn numbered(number: u16) -> Self;
}

impl Numbered for u16 {
    fn numbered(number: u16) -> Self {
        number
    }
}

impl Numbered for (Ip, Ip) {
    fn numbered(number: u16) -> Self {
        let v6 = Ip { high: 0x2001_0db8 << 32, low: number.into() };
        let v4 = Ip::v4(number.into());
        [(v4, v4), (v6, v4), (v4, v6), (v6, v6), (v4, Ip::NONE)][usize::from(number % 5)]
    }
}

/// A table and the truth of it.
struct Modelled<K> {
    table: Table<K>,
    truth: HashMap<(u32, K), u64>,
    /// The smallest number of entries that a group was cut to.
    smallest: usize,
}

impl<K: Numbered> Modelled<K> {
    fn new() -> Self {
        let mut table = Table::new();
        (0..GROUPS).for_each(|group| assert_eq!(table.new_group(group.into()), group));
        Self { table, truth: HashMap::new(), smallest: usize::MAX }
    }

    fn take(&mut self, steps: &[Step]) {
        for step in steps {
            match *step {
                Step::Add(group, number, bytes) => {
                    let key = K::numbered(number);
                    let hash = self.table.hash(group, key);
                    let guess = self.table.guess(hash);
                    self.table.add_at(guess, hash, group, key, Count { bytes, packets: 1 });
                    let truth = self.truth.entry((group, key)).or_default();
                    *truth = truth.saturating_add(bytes);
                }
                Step::Cut(most) => {
                    self.smallest = self.smallest.min(most);
                    self.table.cut(|_| most);
                }
            }
        }
    }

    fn absorb(&mut self, other: &Self) {
        let groups: Vec<Option<u32>> = (0..GROUPS).map(Some).collect();
        self.table.absorb(&other.table, &groups);
        for (key, bytes) in &other.truth {
            let truth = self.truth.entry(*key).or_default();
            *truth = truth.saturating_add(*bytes);
        }
        self.smallest = self.smallest.min(other.smallest);
    }

    fn check(&self) {
        let grouped = self.table.grouped();
        for group in 0..GROUPS {
            let book = self.table.books()[group as usize];
            let listed: HashMap<K, Entry<K>> = grouped
                .of(group)
                .iter()
                .map(|place| (self.table.entry(*place).key, self.table.entry(*place)))
                .collect();
            assert_eq!(listed.len(), book.entries as usize);
            let mut all = 0_u128;
            for ((_, key), truth) in self.truth.iter().filter(|((of, _), _)| *of == group) {
                all += u128::from(*truth);
                if let Some(entry) = listed.get(key) {
                    let estimate = entry.bytes.saturating_add(slack(book.floor, entry.discount));
                    assert!(entry.bytes <= *truth, "never too much");
                    assert!(*truth <= estimate, "{truth} of {key:?} against {estimate}");
                } else {
                    assert!(*truth <= book.floor, "{key:?} is missing: {truth} against {}", book.floor);
                }
            }
            if self.smallest == usize::MAX {
                assert_eq!(book.floor, 0);
            } else if self.smallest > 0 {
                let most = all / self.smallest as u128;
                assert!(u128::from(book.floor) <= most + (most >> 18), "{} against {most}", book.floor);
            }
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = prop_oneof![0..2_000_u64, 0..(1_u64 << 40)];
    let add = (0..GROUPS, 0..60_u16, bytes).prop_map(|(group, key, bytes)| Step::Add(group, key, bytes));
    prop::collection::vec(prop_oneof![12 => add, 1 => (1..30_usize).prop_map(Step::Cut)], 0..300)
}

fn keep_the_bounds<K: Numbered>([first, second, third, fourth]: [&[Step]; 4]) {
    let mut one = Modelled::<K>::new();
    one.take(first);
    one.check();
    let mut other = Modelled::<K>::new();
    other.take(second);
    one.absorb(&other);
    one.check();
    one.take(third);
    let mut last = Modelled::<K>::new();
    last.take(fourth);
    last.absorb(&one);
    last.check();
}

fn cut_and_absorb<K: Numbered>(first: &[Step], second: &[Step], cuts: &[(usize, usize)]) {
    let mut one = Modelled::<K>::new();
    one.take(first);
    let mut other = Modelled::<K>::new();
    other.take(second);
    let groups: Vec<Option<u32>> = (0..GROUPS).map(Some).collect();
    one.table.add_floors(&other.table, &groups);
    let mut cuts = cuts.iter().copied();
    let slots = other.table.slots.len();
    let mut taken = 0;
    while taken < slots {
        let (step, most) = cuts.next().unwrap_or((slots, usize::MAX));
        let end = slots.min(taken + step);
        one.table.take(&other.table, taken..end, &groups);
        one.table.cut(|_| most);
        one.smallest = one.smallest.min(most);
        taken = end;
    }
    other.table = Table::new();
    (0..GROUPS).for_each(|group| {
        other.table.new_group(group.into());
    });
    one.absorb(&other);
    one.check();
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_order_the_bounds_are_kept(
        first in steps(), second in steps(), third in steps(), fourth in steps()
    ) {
        keep_the_bounds::<u16>([&first, &second, &third, &fourth]);
        keep_the_bounds::<(Ip, Ip)>([&first, &second, &third, &fourth]);
    }

    #[test]
    fn a_cut_while_another_table_is_absorbed_does_no_harm(
        first in steps(), second in steps(), cuts in prop::collection::vec((1..80_usize, 1..20_usize), 0..10)
    ) {
        cut_and_absorb::<u16>(&first, &second, &cuts);
        cut_and_absorb::<(Ip, Ip)>(&first, &second, &cuts);
    }

    #[test]
    fn a_discount_is_never_above_what_it_stands_for(a: u64, b: u64) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "such casts stop at the ends")]
        let whole = |discount: f32| discount as u128;
        let (x, y) = (rounded_down(a), rounded_down(b));
        prop_assert!(whole(x) <= u128::from(a) && whole(y) <= u128::from(b));
        prop_assert!(whole(sum_down(x, y)) <= whole(x) + whole(y));
        prop_assert!(slack(a, x) <= (a >> 22) + 1);
    }
}

#[test]
fn counters_stop_at_the_largest_number() {
    let mut modelled = Modelled::<u16>::new();
    modelled.take(&[Step::Add(0, 1, u64::MAX), Step::Add(0, 1, u64::MAX), Step::Add(0, 2, u64::MAX - 1)]);
    modelled.take(&[Step::Cut(1), Step::Add(0, 3, 5), Step::Add(0, 2, 7), Step::Cut(1)]);
    assert_eq!(modelled.table.entries().count(), 1);
    assert!(modelled.table.books()[0].floor >= u64::MAX - 1);
}

#[test]
fn a_cut_to_nothing_leaves_the_floor() {
    let mut modelled = Modelled::<u16>::new();
    modelled.take(&[Step::Add(0, 1, 10), Step::Add(0, 2, 30), Step::Add(1, 1, 7), Step::Cut(0)]);
    assert_eq!(modelled.table.entries().count(), 0);
    assert_eq!([0, 1].map(|group: usize| modelled.table.books()[group].floor), [30, 7]);
    modelled.take(&[Step::Add(0, 1, 1)]);
    modelled.check();
}

#[test]
fn groups_have_the_same_keys_and_their_own_counts() {
    let mut table: Table<Ip> = Table::new();
    let groups: Vec<u32> = (0..1_000).map(|_| table.new_group(7)).collect();
    for round in 0..3 {
        for group in &groups {
            table.add(*group, Ip::v4(7), Count { bytes: u64::from(*group) + round, packets: 1 });
        }
    }
    let grouped = table.grouped();
    for group in groups {
        let entry = table.entry(grouped.of(group)[0]);
        assert_eq!((entry.bytes, entry.packets), (u64::from(group) * 3 + 3, 3));
    }
}

#[test]
fn wide_keys_go_with_their_entries_and_their_room_is_used_again() {
    let mut modelled = Modelled::<(Ip, Ip)>::new();
    for round in 0..50 {
        let steps: Vec<Step> = (0..40).map(|n| Step::Add(0, round * 40 + n, 1 + u64::from(n))).collect();
        modelled.take(&steps);
        modelled.take(&[Step::Cut(10)]);
        modelled.check();
        let wide = modelled.table.entries().filter(|entry| entry.key.word().is_none()).count();
        assert_eq!(modelled.table.wide.len(), wide);
    }
    modelled.table.clear();
    assert!(modelled.table.wide.is_empty() && modelled.table.wide.capacity() < 1_000);
}
