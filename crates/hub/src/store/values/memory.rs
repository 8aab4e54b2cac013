//! Values that are in the journal, and not in chunks yet.

use std::collections::HashMap;
use std::sync::Arc;

use super::codec::chunk::Point;
use super::codec::journal::Entry;
use super::types::Range;

/// Values are kept in pieces of so many, so that a table grows without being copied.
const PIECE: usize = 1 << 14;
/// No value before this one.
const NONE: u32 = u32::MAX;
/// Paths whose newest value is remembered; twice as many for a while.
const LASTS: usize = 500_000;

/// Values in the order in which they came, those of a path linked from the newest to the oldest.
#[derive(Debug, Default)]
pub(super) struct Table {
    pieces: Vec<Vec<Linked>>,
    heads: HashMap<i64, u32>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Linked {
    time: i64,
    value: f64,
    previous: u32,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The paths that have values, in order.
    pub(super) fn paths(&self) -> Vec<i64> {
        let mut paths: Vec<i64> = self.heads.keys().copied().collect();
        paths.sort_unstable();
        paths
    }

    fn push(&mut self, entry: Entry) {
        let head = self.heads.entry(entry.path).or_insert(NONE);
        let previous = *head;
        if previous != NONE {
            let at = previous as usize;
            let newest = &mut self.pieces[at / PIECE][at % PIECE];
            // A counter that grows within its minute stays one value.
            if newest.time == entry.time {
                newest.value = entry.value;
                return;
            }
        }
        // So many values do not fit in memory: the engine flushes long before.
        *head = u32::try_from(self.len).unwrap_or(NONE);
        if self.len.is_multiple_of(PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        let linked = Linked { time: entry.time, value: entry.value, previous };
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(linked);
        }
        self.len += 1;
    }

    /// The values of a path, the one that came last first.
    fn latest_first(&self, path: i64) -> impl Iterator<Item = Point> {
        let mut next = self.heads.get(&path).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let at = next as usize;
            let linked = self.pieces.get(at / PIECE)?.get(at % PIECE)?;
            next = linked.previous;
            Some((linked.time, linked.value))
        })
    }

    /// The values of a path by time; of those with the same time the one that came last.
    pub(super) fn points(&self, path: i64) -> Vec<Point> {
        in_order(self.latest_first(path).collect())
    }
}

/// By time, and of the same time the first.
fn in_order(mut points: Vec<Point>) -> Vec<Point> {
    let descending = points.windows(2).all(|pair| pair[0].0 > pair[1].0);
    if descending {
        points.reverse();
    } else {
        points.sort_by_key(|point| point.0);
        points.dedup_by_key(|point| point.0);
    }
    points
}

/// What readers find in memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    active: Table,
    /// What is being moved into chunks.
    frozen: Option<Arc<Table>>,
    lasts: Lasts,
    /// How often something left memory, or what memory says of the file stopped being true.
    epoch: u64,
}

impl Memory {
    pub(super) fn active_len(&self) -> usize {
        self.active.len()
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.active.push(entry);
        self.lasts.raise(entry.path, (entry.time, entry.value));
    }

    /// The same for the first value of a path that was just made.
    pub(super) fn push_first(&mut self, entry: Entry) {
        if self.lasts.get(entry.path).is_none() {
            self.lasts.set(entry.path, (entry.time, entry.value));
        }
        self.push(entry);
    }

    /// What is there becomes what is moved into chunks.
    pub(super) fn freeze(&mut self) -> Arc<Table> {
        let frozen = Arc::new(std::mem::take(&mut self.active));
        self.frozen = Some(Arc::clone(&frozen));
        frozen
    }

    /// All that was frozen is in chunks.
    pub(super) fn drop_frozen(&mut self) {
        self.frozen = None;
        self.epoch += 1;
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What the file has of a path is no more what it was.
    pub(super) fn file_changed(&mut self, path: i64) {
        self.lasts.remove(path);
        self.epoch += 1;
    }

    fn latest_first(&self, path: i64) -> impl Iterator<Item = Point> {
        let frozen = self.frozen.iter().flat_map(move |frozen| frozen.latest_first(path));
        self.active.latest_first(path).chain(frozen)
    }

    /// The values of a path in a range, by time.
    pub(super) fn points(&self, path: i64, range: Range) -> Vec<Point> {
        in_order(self.latest_first(path).filter(|point| range.contains(point.0)).collect())
    }

    /// The newest value of a path up to a time.
    pub(super) fn newest(&self, path: i64, until: i64) -> Option<Point> {
        let points = self.latest_first(path).filter(|point| point.0 <= until);
        points.reduce(|newest, point| if point.0 > newest.0 { point } else { newest })
    }

    /// The value of a path at a time.
    pub(super) fn at(&self, path: i64, time: i64) -> Option<f64> {
        self.latest_first(path).find(|point| point.0 == time).map(|point| point.1)
    }

    /// The newest value of a path, in memory or in the file, where it is remembered.
    pub(super) fn last(&self, path: i64) -> Option<Point> {
        self.lasts.get(path)
    }

    /// Remembers the newest value that the file has of a path; memory may have a newer one.
    pub(super) fn remember_last(&mut self, path: i64, in_file: Option<Point>) {
        if self.lasts.get(path).is_some() {
            return;
        }
        let in_memory = self.newest(path, i64::MAX);
        if let Some(last) = later(in_memory, in_file) {
            self.lasts.set(path, last);
        }
    }
}

/// The later of two values of a path; of the same time the first.
pub(super) fn later(one: Option<Point>, other: Option<Point>) -> Option<Point> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.0 > one.0 { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// The newest value of each path, of those that were used last: when there are too many, those that were not used since
/// the last time that there were too many are forgotten.
#[derive(Debug, Default)]
struct Lasts {
    young: HashMap<i64, Point>,
    old: HashMap<i64, Point>,
}

impl Lasts {
    fn get(&self, path: i64) -> Option<Point> {
        self.young.get(&path).or_else(|| self.old.get(&path)).copied()
    }

    fn set(&mut self, path: i64, last: Point) {
        if self.young.len() >= LASTS {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(path, last);
    }

    fn raise(&mut self, path: i64, point: Point) {
        if let Some(last) = self.young.get_mut(&path) {
            if point.0 >= last.0 {
                *last = point;
            }
        } else if let Some(last) = self.old.get(&path).copied() {
            self.set(path, if point.0 >= last.0 { point } else { last });
        }
    }

    fn remove(&mut self, path: i64) {
        self.young.remove(&path);
        self.old.remove(&path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: i64, time: i64, value: f64) -> Entry {
        Entry { path, time, value }
    }

    #[test]
    fn what_came_last_wins_across_both_tables() {
        let mut memory = Memory::default();
        for (time, value) in [(5, 1.0), (3, 1.0), (5, 2.0), (9, 1.0)] {
            memory.push(entry(1, time, value));
        }
        memory.freeze();
        memory.push(entry(1, 9, 3.0));
        memory.push(entry(1, 4, 3.0));
        memory.push(entry(2, 7, 7.0));
        assert_eq!(memory.points(1, Range::ALL), [(3, 1.0), (4, 3.0), (5, 2.0), (9, 3.0)]);
        assert_eq!(memory.points(1, Range { from: 4, to: 5 }), [(4, 3.0), (5, 2.0)]);
        assert_eq!(memory.newest(1, 8), Some((5, 2.0)));
        assert_eq!(memory.newest(1, i64::MAX), Some((9, 3.0)));
        assert_eq!(memory.at(1, 5), Some(2.0));
        assert_eq!(memory.at(1, 6), None);
        memory.drop_frozen();
        assert_eq!(memory.points(1, Range::ALL), [(4, 3.0), (9, 3.0)]);
    }

    #[test]
    fn a_counter_stays_one_value() {
        let mut table = Table::default();
        for n in 0..100 {
            table.push(entry(1, 60, f64::from(n)));
        }
        assert_eq!(table.len(), 1);
        assert_eq!(table.points(1), [(60, 99.0)]);
    }

    #[test]
    fn a_table_of_many_pieces_keeps_its_links() {
        let mut table = Table::default();
        let many = 3 * PIECE as i64;
        (0..many).for_each(|n| table.push(entry(n % 7, n, 0.5)));
        assert_eq!(table.paths(), [0, 1, 2, 3, 4, 5, 6]);
        let of_three: Vec<Point> = (0..many).filter(|n| n % 7 == 3).map(|n| (n, 0.5)).collect();
        assert_eq!(table.points(3), of_three);
    }

    #[test]
    fn the_last_value_is_only_remembered_where_the_file_was_asked() {
        let mut memory = Memory::default();
        memory.push(entry(1, 5, 1.0));
        assert_eq!(memory.last(1), None);
        memory.remember_last(1, Some((8, 2.0)));
        assert_eq!(memory.last(1), Some((8, 2.0)));
        memory.push(entry(1, 7, 3.0));
        assert_eq!(memory.last(1), Some((8, 2.0)));
        memory.push(entry(1, 8, 4.0));
        assert_eq!(memory.last(1), Some((8, 4.0)));
        memory.push_first(entry(2, 5, 1.0));
        memory.push_first(entry(2, 3, 2.0));
        assert_eq!(memory.last(2), Some((5, 1.0)));
    }
}
