//! What lies in memory, per account: live samples first, then the backlog; and how much waits in all.
//!
//! The memory outbox is this and nothing else. The SQLite outbox keeps its newest parcels here as well, so
//! that live samples are sent without being read back, and those that could not be written to its file.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tokio::sync::Notify;

use super::backlog::Backlog;
use super::parcel::{PARCEL_SAMPLES, Parcel, Seq, memory_bytes};
use crate::clock::Timestamp;
use crate::ids::AccountId;
use crate::sample::Sample;

#[derive(Debug, Default)]
struct Lane {
    live: VecDeque<Parcel>,
    backlog: Backlog,
    live_samples: usize,
    /// Live, backlog, on disk and in the courier's hands.
    waiting: usize,
    /// Wakes the lane's courier.
    bell: Arc<Notify>,
}

impl Lane {
    /// Counts samples that came. The courier is woken for the first, and again when they fill a batch: not for
    /// each, as it may be gathering.
    fn arrived(&mut self, samples: usize) {
        let before = self.live_samples;
        self.waiting += samples;
        self.live_samples += samples;
        if before == 0 || (before < PARCEL_SAMPLES && self.live_samples >= PARCEL_SAMPLES) {
            self.bell.notify_one();
        }
    }

    fn first_only_here(&self) -> Option<Seq> {
        let first = self.backlog.oldest().or_else(|| self.live.iter().find(|p| p.seq.only_in_memory()));
        first.map(|parcel| parcel.seq)
    }
}

/// How much waits for one account.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Level {
    pub(crate) waiting: usize,
    pub(crate) live: usize,
}

/// All lanes, and sums over them.
#[derive(Debug)]
pub(crate) struct Shelf {
    lanes: HashMap<AccountId, Lane>,
    next: Seq,
    /// Samples on this shelf that are nowhere else, and their bytes; without those in a courier's hands.
    only_here: usize,
    only_here_bytes: u64,
    /// Samples on this shelf that are also on disk.
    copies: usize,
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            lanes: HashMap::new(),
            next: Seq::FIRST_IN_MEMORY,
            only_here: 0,
            only_here_bytes: 0,
            copies: 0,
        }
    }
}

impl Shelf {
    fn lane(&mut self, account: AccountId) -> &mut Lane {
        self.lanes.entry(account).or_default()
    }

    /// Rings when there is something to do for an account's courier.
    pub(crate) fn bell(&mut self, account: AccountId) -> Arc<Notify> {
        Arc::clone(&self.lane(account).bell)
    }

    pub(crate) fn level(&self, account: AccountId) -> Level {
        self.lanes
            .get(&account)
            .map_or_else(Level::default, |lane| Level { waiting: lane.waiting, live: lane.live_samples })
    }

    /// Accounts for which samples wait, and how many.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (AccountId, usize)> {
        self.lanes.iter().map(|(account, lane)| (*account, lane.waiting)).filter(|(_, waiting)| *waiting > 0)
    }

    /// Whether samples of an account on this shelf are nowhere else.
    pub(crate) fn is_only_here(&self, account: AccountId) -> bool {
        self.lanes.get(&account).is_some_and(|lane| lane.first_only_here().is_some())
    }

    pub(crate) fn only_here(&self) -> usize {
        self.only_here
    }

    pub(crate) fn only_here_bytes(&self) -> u64 {
        self.only_here_bytes
    }

    /// When the first sample was measured of those that are nowhere else.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        let fronts = self.lanes.values().flat_map(|lane| [lane.backlog.oldest(), lane.live.front()]);
        fronts.flatten().filter_map(|parcel| parcel.samples.first()).map(|sample| sample.time).min()
    }

    /// Counts samples that wait on disk since an earlier start.
    pub(crate) fn waiting_on_disk(&mut self, account: AccountId, samples: usize) {
        self.lane(account).waiting += samples;
    }

    /// Takes live samples that are nowhere else. Small runs are put together, up to a parcel.
    pub(crate) fn add(&mut self, account: AccountId, mut samples: Vec<Sample>) {
        self.only_here += samples.len();
        self.only_here_bytes += memory_bytes(&samples);
        let mut seq = self.next;
        let lane = self.lane(account);
        lane.arrived(samples.len());
        match lane.live.back_mut() {
            Some(last)
                if last.seq.only_in_memory() && last.samples.len() + samples.len() <= PARCEL_SAMPLES =>
            {
                last.samples.append(&mut samples);
                return;
            }
            _ => {}
        }
        while !samples.is_empty() {
            let rest = samples.split_off(samples.len().min(PARCEL_SAMPLES));
            lane.live.push_back(Parcel { seq, samples });
            seq.0 += 1;
            samples = rest;
        }
        self.next = seq;
    }

    /// Takes the copy of a live parcel that is on disk now. Above `limit` copies, the oldest are left to the
    /// disk: then they are backlog.
    pub(crate) fn add_copy(&mut self, account: AccountId, parcel: Parcel, limit: usize) {
        self.copies += parcel.samples.len();
        let lane = self.lane(account);
        lane.arrived(parcel.samples.len());
        lane.live.push_back(parcel);
        while self.copies > limit {
            let oldest = self
                .lanes
                .values_mut()
                .filter(|lane| lane.live.front().is_some_and(|parcel| !parcel.seq.only_in_memory()))
                .min_by_key(|lane| lane.live.front().map(|parcel| parcel.seq));
            let Some(lane) = oldest else { break };
            let Some(parcel) = lane.live.pop_front() else { break };
            lane.live_samples -= parcel.samples.len();
            self.copies -= parcel.samples.len();
        }
    }

    /// Hands out live parcels, oldest first: about `max` samples, at least one parcel if there is one.
    pub(crate) fn take_live(&mut self, account: AccountId, max: usize) -> Vec<Parcel> {
        let Some(lane) = self.lanes.get_mut(&account) else { return Vec::new() };
        let mut taken = Vec::new();
        let mut samples = 0;
        while let Some(next) = lane.live.front() {
            if samples > 0 && samples + next.samples.len() > max {
                break;
            }
            let Some(parcel) = lane.live.pop_front() else { break };
            samples += parcel.samples.len();
            lane.live_samples -= parcel.samples.len();
            if parcel.seq.only_in_memory() {
                self.only_here -= parcel.samples.len();
                self.only_here_bytes -= memory_bytes(&parcel.samples);
            } else {
                self.copies -= parcel.samples.len();
            }
            taken.push(parcel);
        }
        taken
    }

    /// Hands out parcels of the backlog that is in memory, as [`take_live`](Self::take_live) does.
    pub(crate) fn take_backlog(
        &mut self,
        account: AccountId,
        max: usize,
        skip: &HashSet<Seq>,
    ) -> Vec<Parcel> {
        let Some(lane) = self.lanes.get_mut(&account) else { return Vec::new() };
        let taken = lane.backlog.take(max, skip);
        for parcel in &taken {
            self.only_here -= parcel.samples.len();
            self.only_here_bytes -= memory_bytes(&parcel.samples);
        }
        taken
    }

    /// A number for a parcel that is nowhere else.
    pub(crate) fn fresh(&mut self) -> Seq {
        let seq = self.next;
        self.next.0 += 1;
        seq
    }

    /// Takes back what could not be delivered, to the end of the backlog: the others come first then.
    pub(crate) fn put_back(&mut self, account: AccountId, parcel: Parcel) {
        self.only_here += parcel.samples.len();
        self.only_here_bytes += memory_bytes(&parcel.samples);
        self.lane(account).backlog.add(parcel);
    }

    /// `samples` less wait: they were delivered, set aside or dropped.
    pub(crate) fn settled(&mut self, account: AccountId, samples: usize) {
        let lane = self.lane(account);
        lane.waiting = lane.waiting.saturating_sub(samples);
    }

    /// What waits now is backlog; what comes from now on is live.
    pub(crate) fn demote(&mut self, account: AccountId) {
        let Some(lane) = self.lanes.get_mut(&account) else { return };
        lane.live_samples = 0;
        for parcel in lane.live.drain(..) {
            if parcel.seq.only_in_memory() {
                lane.backlog.add(parcel);
            } else {
                self.copies -= parcel.samples.len();
            }
        }
    }

    /// The oldest live parcel of which there is a copy on disk: older ones there are backlog.
    pub(crate) fn first_copy(&self, account: AccountId) -> Option<Seq> {
        let live = &self.lanes.get(&account)?.live;
        live.iter().map(|parcel| parcel.seq).find(|seq| !seq.only_in_memory())
    }

    /// Forgets the copy of a parcel that is no more on disk.
    pub(crate) fn forget_copy(&mut self, account: AccountId, seq: Seq) {
        let Some(lane) = self.lanes.get_mut(&account) else { return };
        if let Some(at) = lane.live.iter().position(|parcel| parcel.seq == seq)
            && let Some(parcel) = lane.live.remove(at)
        {
            lane.live_samples -= parcel.samples.len();
            self.copies -= parcel.samples.len();
        }
    }

    /// Drops the oldest samples that are nowhere else until there are at most `limit`. Returns how many.
    pub(crate) fn trim(&mut self, limit: usize) -> usize {
        let mut dropped = 0;
        while let Some(excess) = self.only_here.checked_sub(limit).filter(|excess| *excess > 0) {
            let Some((account, mut parcel)) = self.pop_oldest() else { break };
            if parcel.samples.len() > excess {
                parcel.samples.drain(..excess);
                let left = parcel.samples.len();
                self.only_here += left;
                self.only_here_bytes += memory_bytes(&parcel.samples);
                // Whatever it was before: the oldest of all is not live any more.
                let lane = self.lane(account);
                lane.waiting = lane.waiting.saturating_sub(excess);
                lane.backlog.add_oldest(parcel);
                dropped += excess;
            } else {
                self.settled(account, parcel.samples.len());
                dropped += parcel.samples.len();
            }
        }
        dropped
    }

    /// Takes the oldest parcel off the shelf that is nowhere else. It still counts as waiting.
    pub(crate) fn pop_oldest(&mut self) -> Option<(AccountId, Parcel)> {
        let (account, lane) = self
            .lanes
            .iter_mut()
            .filter_map(|(account, lane)| lane.first_only_here().map(|seq| (seq, *account, lane)))
            .min_by_key(|(seq, ..)| *seq)
            .map(|(_, account, lane)| (account, lane))?;
        let parcel = match lane.backlog.pop_oldest() {
            Some(parcel) => parcel,
            None => {
                let at = lane.live.iter().position(|parcel| parcel.seq.only_in_memory())?;
                let parcel = lane.live.remove(at)?;
                lane.live_samples -= parcel.samples.len();
                parcel
            }
        };
        self.only_here -= parcel.samples.len();
        self.only_here_bytes -= memory_bytes(&parcel.samples);
        Some((account, parcel))
    }
}
