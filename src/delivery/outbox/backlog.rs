//! What could not be delivered at once, in memory: by age, and by whose turn it is to be tried.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::parcel::{Parcel, Seq};

/// Parcels that wait for another try. Those that were tried go behind those that were not, so that one that
/// always fails holds up no other; but what is dropped first is the oldest, whenever it was tried.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    parcels: BTreeMap<Seq, Parcel>,
    /// Also holds turns of parcels that were dropped since.
    turns: VecDeque<Seq>,
}

impl Backlog {
    /// Adds a parcel; its turn is after all others.
    pub(crate) fn add(&mut self, parcel: Parcel) {
        self.turns.push_back(parcel.seq);
        self.parcels.insert(parcel.seq, parcel);
        if self.turns.len() > 2 * self.parcels.len() + 64 {
            self.turns.retain(|seq| self.parcels.contains_key(seq));
        }
    }

    /// Adds a parcel that is older than all others; its turn is before theirs.
    pub(crate) fn add_oldest(&mut self, parcel: Parcel) {
        self.turns.push_front(parcel.seq);
        self.parcels.insert(parcel.seq, parcel);
    }

    /// Hands out parcels in turn: about `max` samples, at least one parcel if there is one that is not in
    /// `skip`.
    pub(crate) fn take(&mut self, max: usize, skip: &HashSet<Seq>) -> Vec<Parcel> {
        let (mut taken, mut skipped) = (Vec::new(), Vec::new());
        let mut samples = 0;
        while let Some(seq) = self.turns.pop_front() {
            let Some(parcel) = self.parcels.get(&seq) else { continue };
            if skip.contains(&seq) {
                skipped.push(seq);
                continue;
            }
            if samples > 0 && samples + parcel.samples.len() > max {
                self.turns.push_front(seq);
                break;
            }
            samples += parcel.samples.len();
            taken.extend(self.parcels.remove(&seq));
        }
        for seq in skipped.into_iter().rev() {
            self.turns.push_front(seq);
        }
        taken
    }

    pub(crate) fn oldest(&self) -> Option<&Parcel> {
        self.parcels.first_key_value().map(|(_, parcel)| parcel)
    }

    pub(crate) fn pop_oldest(&mut self) -> Option<Parcel> {
        self.parcels.pop_first().map(|(_, parcel)| parcel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::sample::{Path, Sample};

    fn parcel(seq: u64) -> Parcel {
        let path = Path::new("a").unwrap();
        Parcel {
            seq: Seq(seq),
            samples: vec![Sample { path, value: 0.0, time: Timestamp::from_secs(0) }; 10],
        }
    }

    fn seqs(parcels: &[Parcel]) -> Vec<u64> {
        parcels.iter().map(|parcel| parcel.seq.0).collect()
    }

    #[test]
    fn what_was_tried_goes_behind_but_is_still_the_oldest_to_drop() {
        let mut backlog = Backlog::default();
        (1..=4).for_each(|seq| backlog.add(parcel(seq)));
        let tried = backlog.take(20, &HashSet::new());
        assert_eq!(seqs(&tried), [1, 2]);
        tried.into_iter().for_each(|parcel| backlog.add(parcel));
        assert_eq!(backlog.pop_oldest().map(|parcel| parcel.seq.0), Some(1));
        assert_eq!(seqs(&backlog.take(1_000, &HashSet::new())), [3, 4, 2]);
    }

    #[test]
    fn what_is_skipped_keeps_its_turn() {
        let mut backlog = Backlog::default();
        (1..=3).for_each(|seq| backlog.add(parcel(seq)));
        assert_eq!(seqs(&backlog.take(10, &HashSet::from([Seq(1)]))), [2]);
        assert_eq!(seqs(&backlog.take(1_000, &HashSet::new())), [1, 3]);
    }

    #[test]
    fn turns_of_dropped_parcels_do_not_pile_up() {
        let mut backlog = Backlog::default();
        for seq in 0..10_000 {
            backlog.add(parcel(seq));
            if seq >= 10 {
                backlog.pop_oldest();
            }
        }
        assert!(backlog.turns.len() < 200);
    }
}
