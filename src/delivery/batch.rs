//! What is sent together.

use std::collections::HashSet;
use std::ops::Range;

use super::outbox::parcel::{Parcel, Seq};
use super::outbox::{Rest, Settled};
use crate::backend::DeliveryMode;
use crate::sample::Sample;

/// Samples in one request. The backend was seen to need 5 s for 20,000 values of known paths and 14 s of new
/// ones: 0.25 to 0.7 s for a thousand, so that a request ends well within its time and a failed one costs
/// little.
pub(crate) const BATCH_SAMPLES: usize = 1_000;

/// How one sample fares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// Not sent yet.
    Waiting,
    /// Stored.
    Stored,
    /// Refused on its own.
    Refused,
    /// Refused for good.
    SetAside,
    /// Sent with others, without success, and for no reason that is its own.
    Failed,
}

/// Parcels that are in delivery, as one list of samples.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) samples: Vec<Sample>,
    pub(crate) fates: Vec<Fate>,
    /// The words for refused samples, by their place in the list.
    pub(crate) refused: Vec<(usize, String)>,
    /// Which parcel each sample is of.
    owners: Vec<u32>,
    /// The parcels and how many samples each had.
    parcels: Vec<(Seq, usize)>,
}

impl Load {
    /// Unpacks parcels. A sample at the (path, time) of an earlier one would make the backend refuse all of
    /// them: it is taken out and handed back.
    pub(crate) fn new(parcels: Vec<Parcel>) -> (Self, Vec<Sample>) {
        let total = parcels.iter().map(|parcel| parcel.samples.len()).sum();
        let mut samples = Vec::with_capacity(total);
        let mut owners = Vec::with_capacity(total);
        let mut held = Vec::with_capacity(parcels.len());
        for (owner, parcel) in (0..).zip(parcels) {
            held.push((parcel.seq, parcel.samples.len()));
            owners.resize(owners.len() + parcel.samples.len(), owner);
            samples.extend(parcel.samples);
        }
        let duplicates = take_duplicates(&mut samples, &mut owners);
        let fates = vec![Fate::Waiting; samples.len()];
        (Self { samples, fates, refused: Vec::new(), owners, parcels: held }, duplicates)
    }

    pub(crate) fn set(&mut self, range: Range<usize>, fate: Fate) {
        self.fates[range].fill(fate);
    }

    /// The parcels of the samples in a range.
    pub(crate) fn seqs(&self, range: Range<usize>) -> impl Iterator<Item = Seq> {
        let mut owners = self.owners[range].to_vec();
        owners.dedup();
        owners.into_iter().map(|owner| self.parcels[owner as usize].0)
    }

    /// How many samples of a parcel are not done with.
    pub(crate) fn left(&self, seq: Seq) -> usize {
        let done = |fate: Fate| matches!(fate, Fate::Stored | Fate::SetAside);
        let samples = self.owners.iter().zip(&self.fates);
        samples.filter(|(owner, fate)| self.parcels[**owner as usize].0 == seq && !done(**fate)).count()
    }

    /// What became of each parcel. What failed goes behind what was not tried, so that it does not block it.
    pub(crate) fn settle(self) -> Vec<Settled> {
        let mut rests: Vec<[Vec<Sample>; 2]> = self.parcels.iter().map(|_| Default::default()).collect();
        for ((sample, fate), owner) in self.samples.into_iter().zip(self.fates).zip(self.owners) {
            match fate {
                Fate::Stored | Fate::SetAside => {}
                Fate::Waiting => rests[owner as usize][0].push(sample),
                Fate::Refused | Fate::Failed => rests[owner as usize][1].push(sample),
            }
        }
        let settle = |((seq, had), [mut untried, mut tried]): ((Seq, usize), [Vec<Sample>; 2])| {
            let mixed = !untried.is_empty() && !tried.is_empty();
            untried.append(&mut tried);
            let rest = match untried.len() {
                0 => Rest::Nothing,
                left if left == had && !mixed => Rest::Unchanged(untried),
                _ => Rest::Changed(untried),
            };
            Settled { seq, had, rest }
        };
        self.parcels.into_iter().zip(rests).map(settle).collect()
    }
}

fn take_duplicates(samples: &mut Vec<Sample>, owners: &mut Vec<u32>) -> Vec<Sample> {
    let mut known = HashSet::with_capacity(samples.len());
    let fresh: Vec<bool> =
        samples.iter().map(|sample| known.insert((sample.path.as_str(), sample.time))).collect();
    drop(known);
    if fresh.iter().all(|fresh| *fresh) {
        return Vec::new();
    }
    let mut keep = fresh.iter();
    owners.retain(|_| keep.next() == Some(&true));
    let mut keep = fresh.iter();
    samples.extract_if(.., |_| keep.next() == Some(&false)).collect()
}

/// How many of the first samples may go into one request of at most `limit`.
pub(crate) fn cut(samples: &[Sample], limit: usize, mode: DeliveryMode) -> usize {
    let most = limit.clamp(1, BATCH_SAMPLES).min(samples.len());
    match mode {
        DeliveryMode::Put => most,
        // The backend gives all of a list one time: a path may stand in it once only.
        DeliveryMode::Post => {
            let mut known = HashSet::with_capacity(most);
            samples[..most].iter().take_while(|sample| known.insert(sample.path.as_str())).count()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::sample::Path;

    fn sample(path: &str, value: f64, seconds: i64) -> Sample {
        Sample { path: Path::new(path).unwrap(), value, time: Timestamp::from_secs(seconds) }
    }

    #[test]
    fn of_duplicates_the_first_is_sent_and_the_others_are_named() {
        let first = Parcel { seq: Seq(1), samples: vec![sample("a", 1.0, 5), sample("b", 1.0, 5)] };
        let second = Parcel { seq: Seq(2), samples: vec![sample("a", 2.0, 5), sample("a", 3.0, 6)] };
        let (mut load, duplicates) = Load::new(vec![first, second]);
        assert_eq!(duplicates, [sample("a", 2.0, 5)]);
        assert_eq!(load.samples.len(), 3);
        load.set(0..3, Fate::Stored);
        let settled = load.settle();
        assert!(settled.iter().all(|s| s.had == 2 && matches!(s.rest, Rest::Nothing)), "{settled:?}");
    }

    #[test]
    fn what_failed_goes_behind_what_was_not_tried() {
        let samples = vec![sample("a", 1.0, 5), sample("b", 1.0, 5), sample("c", 1.0, 5)];
        let (mut load, _) = Load::new(vec![Parcel { seq: Seq(1), samples }]);
        load.set(0..1, Fate::Failed);
        let Rest::Changed(rest) = load.settle().remove(0).rest else { panic!("the order changed") };
        let paths: Vec<_> = rest.iter().map(|sample| sample.path.as_str()).collect();
        assert_eq!(paths, ["b", "c", "a"]);
    }

    #[test]
    fn a_posted_batch_ends_before_a_path_repeats() {
        let samples = [sample("a", 1.0, 5), sample("b", 1.0, 5), sample("a", 1.0, 6), sample("c", 1.0, 6)];
        assert_eq!(cut(&samples, 1_000, DeliveryMode::Put), 4);
        assert_eq!(cut(&samples, 1_000, DeliveryMode::Post), 2);
        assert_eq!(cut(&samples[2..], 1_000, DeliveryMode::Post), 2);
        assert_eq!(cut(&samples, 1, DeliveryMode::Post), 1);
    }
}
