//! Parcels that fail or are refused on their own, so that they hold up no others.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

use super::batch::{BATCH_SAMPLES, Load};
use super::outbox::parcel::Seq;

/// The longest wait between two attempts at a parcel that alone keeps failing.
const SICK_CAP: Duration = Duration::from_secs(600);
/// Samples in a row that may fail alone before it is the backend's trouble.
const LOCAL_FAILURES: u32 = 10;
/// How many parcels are remembered, of each kind.
const PARCELS: usize = 10_000;
/// A refused parcel is tried again after this, though nothing was accepted since.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// How long what is known of a parcel is remembered after its last failure. One that still waits is tried more
/// often than that, and one that is forgotten too soon is only judged anew.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// What a courier knows of parcels that did not go through. "Successes" are its stored requests so far.
#[derive(Default)]
pub(crate) struct Ward {
    sick: HashMap<Seq, Sick>,
    suspects: HashMap<Seq, Suspect>,
    failed_in_a_row: u32,
}

/// A parcel whose requests fail for no known reason.
#[derive(Clone, Copy, Debug)]
struct Sick {
    failures: u32,
    /// Its samples that failed alone since the last round: when all did, they are left in peace for a while.
    tried: usize,
    rounds: u32,
    not_before: Option<Instant>,
    /// When it failed last, and stored requests then.
    failed: Instant,
    successes: u64,
}

/// A parcel with samples that were refused while nothing was accepted. It is tried again when the backend has
/// shown that it accepts something, or after a while.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    refused: Instant,
    /// Stored requests when it was refused.
    successes: u64,
}

impl Sick {
    /// How many of its samples are sent together: half as many after each failure, until those are found that
    /// fail alone.
    fn limit(&self) -> usize {
        (BATCH_SAMPLES >> self.failures.min(10)).max(1)
    }
}

impl Ward {
    /// Parcels that are not to be tried now.
    pub(crate) fn skip(&mut self, successes: u64) -> HashSet<Seq> {
        let now = Instant::now();
        // Parcels may have been dropped: nobody says so here.
        self.sick.retain(|_, sick| now < sick.failed + REMEMBERED);
        self.suspects.retain(|_, suspect| now < suspect.refused + REMEMBERED);
        let sick = self.sick.iter().filter(|(_, sick)| sick.not_before.is_some_and(|due| due > now));
        let rests = |suspect: &Suspect| suspect.successes == successes && now < suspect.refused + TRY_AGAIN;
        let suspects = self.suspects.iter().filter(|(_, suspect)| rests(suspect));
        sick.map(|(seq, _)| *seq).chain(suspects.map(|(seq, _)| *seq)).collect()
    }

    /// When the first of the failing parcels may be tried again.
    pub(crate) fn next_due(&self, now: Instant) -> Option<Instant> {
        self.sick.values().filter_map(|sick| sick.not_before).filter(|due| *due > now).min()
    }

    /// How many samples of these parcels may be sent together.
    pub(crate) fn limit(&self, seqs: impl Iterator<Item = Seq>) -> usize {
        let limits = seqs.filter_map(|seq| self.sick.get(&seq)).map(Sick::limit);
        limits.min().unwrap_or(BATCH_SAMPLES)
    }

    /// Failing parcels may be tried at once.
    pub(crate) fn try_all(&mut self) {
        for sick in self.sick.values_mut() {
            sick.not_before = None;
        }
    }

    /// A parcel is done with.
    pub(crate) fn forget(&mut self, seq: Seq) {
        self.sick.remove(&seq);
        self.suspects.remove(&seq);
    }

    /// All parcels are done with.
    pub(crate) fn forget_all(&mut self) {
        self.sick.clear();
        self.suspects.clear();
    }

    /// A request was stored.
    pub(crate) fn succeed(&mut self) {
        self.failed_in_a_row = 0;
    }

    /// Whether one of these parcels was refused before something was stored.
    pub(crate) fn was_refused_before(&self, seqs: &[Seq], successes: u64) -> bool {
        seqs.iter().filter_map(|seq| self.suspects.get(seq)).any(|suspect| suspect.successes < successes)
    }

    /// These parcels hold a sample that was refused, and nothing else was accepted.
    pub(crate) fn suspect(&mut self, seqs: &[Seq], successes: u64) {
        if self.suspects.len() >= PARCELS {
            self.suspects.clear();
        }
        let suspect = Suspect { refused: Instant::now(), successes };
        self.suspects.extend(seqs.iter().map(|seq| (*seq, suspect)));
    }

    /// Takes note of the parcels that may have caused a failure. Returns whether it is theirs alone: others
    /// pass.
    pub(crate) fn blame(&mut self, load: &Load, range: Range<usize>, successes: u64) -> bool {
        let now = Instant::now();
        let alone = range.len() == 1;
        self.failed_in_a_row += 1;
        let mut local = true;
        if self.sick.len() >= PARCELS {
            self.sick.clear();
        }
        for seq in load.seqs(range) {
            let known = self.sick.get(&seq).copied();
            let others_pass = known.is_some_and(|sick| sick.successes < successes);
            local &= others_pass || (known.is_some() && alone && self.failed_in_a_row <= LOCAL_FAILURES);
            let fresh = Sick { failures: 0, tried: 0, rounds: 0, not_before: None, failed: now, successes };
            let mut sick = Sick { failed: now, successes, ..known.unwrap_or(fresh) };
            sick.failures += 1;
            if alone {
                sick.tried += 1;
                if sick.tried >= load.left(seq) {
                    sick.tried = 0;
                    sick.rounds += 1;
                    let wait = Duration::from_secs(1 << sick.rounds.min(10)).min(SICK_CAP);
                    sick.not_before = Some(now + wait);
                }
            }
            self.sick.insert(seq, sick);
        }
        local
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::delivery::outbox::parcel::Parcel;
    use crate::sample::{Path, Sample};

    fn load(seq: u64) -> Load {
        let path = Path::new("a").unwrap();
        let samples = vec![Sample { path, value: 1.0, time: Timestamp::from_secs(1) }];
        Load::new(vec![Parcel { seq: Seq(seq), samples }]).0
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_known_of_dropped_parcels_was_kept_for_ever() {
        let mut ward = Ward::default();
        ward.blame(&load(1), 0..1, 0);
        ward.suspect(&[Seq(2)], 0);
        assert_eq!(ward.skip(0), HashSet::from([Seq(1), Seq(2)]));
        tokio::time::advance(REMEMBERED).await;
        assert!(ward.skip(0).is_empty());
        assert!(ward.sick.is_empty() && ward.suspects.is_empty());
        for seq in 0..3 * PARCELS as u64 {
            ward.suspect(&[Seq(seq)], 0);
        }
        assert!(ward.suspects.len() <= PARCELS);
    }
}
