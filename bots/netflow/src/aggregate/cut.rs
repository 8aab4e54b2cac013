//! Who gives way when a budget of bytes is exceeded: those who have the most.

use std::collections::HashMap;

use super::hash::Folded;
use super::store::Store;
use super::table::Book;

/// What entries take, each kind: in memory, or written down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) ip: usize,
    pub(super) connection: usize,
    pub(super) port: usize,
    pub(super) protocol: usize,
}

/// The largest level such that, with everything above it cut off, what is left is at most `room`. Each item is how
/// many it has, and what each of them takes.
fn level(items: &[(usize, usize)], room: usize) -> usize {
    let left = |level: usize| {
        items
            .iter()
            .fold(0_usize, |sum, &(has, size)| sum.saturating_add(has.min(level).saturating_mul(size)))
    };
    let (mut fits, mut too_much) = (0, items.iter().map(|&(has, _)| has).max().unwrap_or(0) + 1);
    while too_much - fits > 1 {
        let middle = fits + (too_much - fits) / 2;
        if left(middle) <= room {
            fits = middle;
        } else {
            too_much = middle;
        }
    }
    fits
}

/// How many entries each group of an exporter may keep, for the exporters that give way, so that all entries
/// together take at most `room`. First exporters share the room, so that one with ten thousand interfaces has no more
/// of it than its neighbour; then the groups of one share its part.
pub(super) fn most_by_exporter(store: &Store, sizes: Sizes, room: usize) -> HashMap<u32, usize, Folded> {
    let mut groups: Vec<(u32, usize, usize)> = Vec::new();
    let mut note = |exporter: u32, book: Option<&Book>, size: usize| {
        if let Some(book) = book.filter(|book| book.entries > 0) {
            groups.push((exporter, book.entries as usize, size));
        }
    };
    for (group, lane) in store.lanes().iter().enumerate() {
        note(lane.exporter, store.ips.books().get(group), sizes.ip);
        note(lane.exporter, store.protocols.books().get(group), sizes.protocol);
    }
    for (group, wire) in store.wires().iter().enumerate() {
        note(wire.exporter, store.connections.books().get(group), sizes.connection);
        note(wire.exporter, store.ports.books().get(group), sizes.port);
    }
    groups.sort_unstable_by_key(|&(exporter, ..)| exporter);
    let of_exporters: Vec<&[(u32, usize, usize)]> = groups.chunk_by(|a, b| a.0 == b.0).collect();
    let bytes = |groups: &[(u32, usize, usize)]| groups.iter().map(|&(_, has, size)| has * size).sum();
    let sums: Vec<(usize, usize)> = of_exporters.iter().map(|groups| (bytes(groups), 1)).collect();
    let share = level(&sums, room);
    let mut most = HashMap::default();
    for groups in of_exporters {
        if let Some(&(exporter, ..)) = groups.first()
            && bytes(groups) > share
        {
            let items: Vec<(usize, usize)> = groups.iter().map(|&(_, has, size)| (has, size)).collect();
            most.insert(exporter, level(&items, share));
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_the_most_gives_way() {
        assert_eq!(level(&[(10, 1), (1_000, 1), (5, 1)], 115), 100);
        assert_eq!(level(&[(10, 1), (1_000, 1), (500, 1)], 210), 100);
        assert_eq!(level(&[(10, 1), (20, 1)], 1_000), 20);
        assert_eq!(level(&[(10, 40), (10, 60)], 500), 5);
        assert_eq!(level(&[], 0), 0);
        assert_eq!(level(&[(7, 1)], 0), 0);
    }
}
