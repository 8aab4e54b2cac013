//! The thread that keeps the windows: it takes the shards' slices, closes what is over, and has all of it remembered.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use grafoleancollector::telemetry::Gauge;
use grafoleancollector::{Table, Timestamp};

use super::reports::Reports;
use super::sightings::Sightings;
use super::spare::SpareSlices;
use crate::aggregate::{ExporterKey, Level, Losses, Slice, Windows};

/// Slices of the next minute that are held back for shards that are behind. Beyond it, these are not waited for.
const MOST_HELD: usize = 64;

/// What is to be remembered of something: None removes it.
pub(super) type Change = (Vec<u8>, Option<Vec<u8>>);

/// What a shard received since it was heard of last.
pub(super) struct Received {
    pub(super) shard: usize,
    pub(super) slice: Slice,
    /// Everything that was received before is in this slice or in one before.
    pub(super) until: Timestamp,
    /// What is new about the streams.
    pub(super) streams: Vec<Change>,
    /// Exporters that were seen and that no entity has.
    pub(super) strangers: Vec<ExporterKey>,
}

/// What the shards send.
pub(super) enum Message {
    Received(Box<Received>),
    /// It has stopped: nobody waits for it any more.
    Gone {
        shard: usize,
    },
}

/// What could not be counted as it should be, since the start.
#[derive(Default, Debug)]
pub(crate) struct LossCounts {
    /// Flows of exporters for which there was no room.
    pub(crate) refused_flows: Gauge,
    /// Flows of interfaces for which there was no room: they count for their exporter only.
    pub(crate) other_interfaces: Gauge,
    /// Entries of lists that gave way.
    pub(crate) dropped_keys: Gauge,
}

impl LossCounts {
    fn set(&self, Losses { refused_flows, other_interfaces, dropped_keys, .. }: Losses) {
        let gauge = |gauge: &Gauge, n: u64| gauge.set(i64::try_from(n).unwrap_or(i64::MAX));
        gauge(&self.refused_flows, refused_flows);
        gauge(&self.other_interfaces, other_interfaces);
        gauge(&self.dropped_keys, dropped_keys);
    }
}

pub(super) struct Keeper {
    pub(super) windows: Windows,
    pub(super) reports: Arc<Reports>,
    pub(super) sightings: Arc<Sightings>,
    pub(super) losses: Arc<LossCounts>,
    /// How far each shard is. Windows are closed when all are past their end.
    pub(super) shards: HashMap<usize, Timestamp>,
    /// Up to when windows were closed.
    pub(super) closed: Timestamp,
    pub(super) held: Vec<Slice>,
    /// Where slices go that were added up.
    pub(super) spare: Arc<SpareSlices>,
    pub(super) streams: Table,
    pub(super) kept: Table,
}

impl Keeper {
    /// Works until all shards are gone.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(message) = messages.recv() {
            if catch_unwind(AssertUnwindSafe(|| self.hear(message))).is_err() {
                tracing::error!("a slice of flows could not be added up, which is a bug: it is left out");
            }
            if self.shards.is_empty() {
                return;
            }
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Received(received) => self.take(*received),
            Message::Gone { shard } => {
                self.shards.remove(&shard);
            }
        }
        self.settle();
    }

    fn take(&mut self, received: Received) {
        let Received { shard, slice, until, streams, strangers } = received;
        put(&self.streams, streams);
        self.sightings.seen(strangers.into_iter(), until);
        self.held.push(slice);
        if let Some(of_shard) = self.shards.get_mut(&shard) {
            *of_shard = until;
        }
    }

    /// Closes what every shard is past, and has the state follow.
    fn settle(&mut self) {
        self.merge(self.closed);
        if let Some(&all) = self.shards.values().min() {
            self.close(all);
            self.merge(all);
        } else {
            // Nobody will come any more for whom a slice had to wait.
            self.held.sort_by_key(Slice::begin);
            self.held.drain(..).for_each(|slice| drop(self.windows.merge(slice)));
            self.close(self.closed);
        }
        self.losses.set(self.windows.losses());
        put(&self.kept, self.windows.changes());
        self.reports.closed_until(self.closed);
    }

    fn close(&mut self, until: Timestamp) {
        self.closed = until;
        while let Some(report) = self.windows.close_next(until) {
            self.reports.push(report);
        }
    }

    /// Adds up what belongs to the minute of this moment, or to one before. A slice of the next minute waits until all
    /// shards are there: the minute before is still open.
    fn merge(&mut self, moment: Timestamp) {
        let open = Level::Minute.begin(moment);
        let too_many = self.held.len() > MOST_HELD;
        for slice in self.held.extract_if(.., |slice| too_many || Level::Minute.begin(slice.begin()) <= open)
        {
            self.spare.put(self.windows.merge(slice));
        }
    }
}

fn put(table: &Table, changes: Vec<Change>) {
    for (key, value) in changes {
        match value {
            Some(value) => table.put(&key, value),
            None => table.remove(&key),
        }
    }
}

#[cfg(test)]
mod tests {
    use grafoleancollector::State;

    use super::*;
    use crate::aggregate::{Rules, WindowsOptions};
    use crate::flow::{Flow, Ip};

    const BEGIN: i64 = 1_700_000_040;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(BEGIN + seconds)
    }

    fn keeper(state: &State, shards: usize) -> Keeper {
        Keeper {
            windows: Windows::new(WindowsOptions::default()),
            reports: Arc::default(),
            sightings: Arc::default(),
            losses: Arc::default(),
            spare: Arc::new(SpareSlices::new(1)),
            shards: (0..shards).map(|shard| (shard, at(0))).collect(),
            closed: at(0),
            held: Vec::new(),
            streams: state.table("streams"),
            kept: state.table("kept"),
        }
    }

    /// What a shard received from `begin` on, until `until`.
    fn received(shard: usize, begin: i64, until: i64, bytes: u64) -> Received {
        let mut slice = Slice::new(at(begin), 1 << 20);
        let flow = Flow { bytes, packets: 1, ..Flow::default() };
        slice.add(&ExporterKey::from(Ip::v4(1)), &Rules::default(), &[flow]);
        Received { shard, slice, until: at(until), streams: Vec::new(), strangers: Vec::new() }
    }

    fn hear(keeper: &mut Keeper, received: Received) {
        keeper.hear(Message::Received(Box::new(received)));
    }

    /// The minutes that were closed, with their bytes.
    fn minutes(keeper: &Keeper) -> Vec<(i64, u64)> {
        let reader = super::super::Reader {
            account: grafoleancollector::AccountId::new(1),
            level: Level::Minute,
            part: 0,
        };
        let due = keeper.reports.due(reader).into_iter();
        let bytes = |report: &crate::aggregate::Report| report.exporters[0].ingress.totals.bytes;
        due.map(|(_, report)| (report.end.as_micros() / 1_000_000 - BEGIN, bytes(&report))).collect()
    }

    #[test]
    fn a_window_is_closed_when_every_shard_is_past_its_end() {
        let mut keeper = keeper(&State::memory(), 2);
        hear(&mut keeper, received(0, 55, 60, 100));
        hear(&mut keeper, received(0, 60, 65, 7));
        assert!(minutes(&keeper).is_empty());
        hear(&mut keeper, received(1, 50, 55, 20));
        assert!(minutes(&keeper).is_empty());
        hear(&mut keeper, received(1, 55, 60, 3));
        assert_eq!(minutes(&keeper), [(60, 123)]);
        hear(&mut keeper, received(1, 60, 120, 1));
        hear(&mut keeper, received(0, 115, 120, 1));
        assert_eq!(minutes(&keeper), [(60, 123), (120, 9)]);
    }

    #[test]
    fn a_shard_that_is_far_behind_is_not_waited_for_for_ever() {
        let mut keeper = keeper(&State::memory(), 2);
        for slice in 0..200 {
            hear(&mut keeper, received(0, 60 + 5 * slice, 65 + 5 * slice, 1));
        }
        assert!(keeper.held.len() <= MOST_HELD + 1, "{}", keeper.held.len());
    }

    #[test]
    fn a_shard_that_is_gone_is_not_waited_for() {
        let mut keeper = keeper(&State::memory(), 2);
        hear(&mut keeper, received(0, 55, 60, 100));
        keeper.hear(Message::Gone { shard: 1 });
        hear(&mut keeper, received(0, 60, 65, 7));
        assert_eq!(minutes(&keeper), [(60, 100)]);
    }

    /// One shard had seen the next minute begin when the bot was stopped, the other had not: what the first had of it
    /// was lost.
    #[test]
    fn what_waits_for_another_shard_is_added_up_when_all_have_stopped() {
        let mut keeper = keeper(&State::memory(), 2);
        hear(&mut keeper, received(0, 55, 60, 100));
        hear(&mut keeper, received(0, 60, 60, 7));
        hear(&mut keeper, received(1, 50, 55, 20));
        assert_eq!(keeper.held.len(), 1);
        (0..2).for_each(|shard| keeper.hear(Message::Gone { shard }));
        assert_eq!(minutes(&keeper), [(60, 120)]);
        let open = keeper.windows.open_minute().unwrap();
        assert_eq!(open.exporters[0].ingress.totals.bytes, 7);
    }
}
