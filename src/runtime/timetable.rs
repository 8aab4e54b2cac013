//! When each job is due, and what is owed to it: no I/O, no clock; "now" is given.
//!
//! A job is idle, waits for its turn, or runs. A tick finds it in one of these:
//! - idle: it begins to wait, and what was owed joins the run;
//! - waiting: the tick joins the run that is to come;
//! - running: the tick is *owed*; it joins the run of the next tick. It is not made up for at once: asking a
//!   slow device again without a pause makes it slower.
//!
//! So no job ever overlaps itself and no tick is lost. Who may start is [`Queue`]'s to say.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use super::dispatch::{Limits, Queue, Slot, Ticket};
use crate::schedule::{Grid, Interval, Ticks, spread};

/// The first run of a job that is new comes within this time at the latest: long enough to spread a fleet, short
/// enough to see soon that a new device works.
pub(crate) const FIRST_RUN_WITHIN_MS: i64 = 30_000;

/// All jobs, each with something of its owner's (`P`).
#[derive(Debug)]
pub(crate) struct Timetable<P> {
    slots: Vec<Option<Entry<P>>>,
    free: Vec<Slot>,
    by_id: HashMap<Arc<str>, Slot>,
    /// Planned moments. A job is planned anew by adding a moment; the old one is known by its `plan` number.
    due: BinaryHeap<Reverse<(i64, Ticket, u32)>>,
    queue: Queue,
    generations: u32,
    owed: u64,
}

#[derive(Debug)]
pub(crate) struct Entry<P> {
    pub(crate) id: Arc<str>,
    pub(crate) payload: P,
    generation: u32,
    grid: Grid,
    /// A first run that is still to come, off the grid.
    first: Option<i64>,
    /// The moment that it is planned for, and that plan's number.
    next: i64,
    plan: u32,
    /// Ticks are counted up to this moment.
    counted: i64,
    state: State,
    /// Not among the jobs any more; it is here only until its run is over.
    retired: bool,
    /// The ticks of the run to come, their number, and the moment of the first of them that got a turn.
    ticks: Ticks,
    tick_count: u64,
    due: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Idle,
    Waiting,
    Running,
}

/// A run that is to start now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Start {
    pub(crate) ticket: Ticket,
    /// When it was due, in milliseconds since the epoch.
    pub(crate) due: i64,
    pub(crate) affecting: Vec<Interval>,
    /// Ticks that it serves beyond the first of each interval.
    pub(crate) missed: u64,
}

impl<P> Timetable<P> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::new(),
            due: BinaryHeap::new(),
            queue: Queue::new(limits),
            generations: 0,
            owed: 0,
        }
    }

    /// Plans a new job. It also runs once soon with all its intervals, at some moment `first_within` so many
    /// milliseconds. A job of that id that is only here until its run is over is taken up again.
    pub(crate) fn insert(
        &mut self,
        now: i64,
        id: &Arc<str>,
        grid: Grid,
        lane: Option<&str>,
        first_within: Option<i64>,
        payload: P,
    ) -> Slot {
        let first = first_within.map(|within| now + spread(id, within.min(grid.shortest())));
        let slot = match self.by_id.get(id) {
            Some(&slot) => slot,
            None => self.free.pop().unwrap_or_else(|| {
                self.slots.push(None);
                Slot(u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX))
            }),
        };
        self.generations = self.generations.wrapping_add(1);
        let generation = self.generations;
        let place = &mut self.slots[slot.0 as usize];
        if let Some(entry) = place {
            entry.payload = payload;
            entry.grid = grid;
            entry.first = first;
            entry.retired = false;
            entry.counted = now;
        } else {
            self.by_id.insert(id.clone(), slot);
            *place = Some(Entry {
                id: id.clone(),
                payload,
                generation,
                grid,
                first,
                next: 0,
                plan: 0,
                counted: now,
                state: State::Idle,
                retired: false,
                ticks: Ticks::NONE,
                tick_count: 0,
                due: 0,
            });
        }
        self.queue.put_in_lane(slot, lane);
        self.plan(slot, now);
        slot
    }

    /// Gives a job other intervals. What is owed of those that it still has stays owed.
    pub(crate) fn replan(&mut self, slot: Slot, now: i64, grid: Grid) {
        if let Some(entry) = self.entry_mut(slot) {
            let before = entry.ticks;
            entry.ticks = entry.grid.translate(before, &grid);
            if entry.ticks.count() < before.count() {
                // How many of the ticks were of the intervals that are gone is not known: one each is left.
                entry.tick_count = entry.ticks.count();
            }
            if entry.ticks.is_empty() && entry.state == State::Waiting {
                // It waits for a run that nobody wants any more; the next tick of the new grid comes.
                entry.state = State::Idle;
            }
            entry.grid = grid;
            entry.counted = now;
            self.plan(slot, now);
        }
    }

    pub(crate) fn put_in_lane(&mut self, slot: Slot, lane: Option<&str>) {
        self.queue.put_in_lane(slot, lane);
    }

    /// Takes a job out. If it runs, it stays until its run is over, so that the same id cannot overlap itself.
    pub(crate) fn remove(&mut self, slot: Slot) {
        let Some(entry) = self.entry_mut(slot) else { return };
        entry.retired = true;
        entry.plan = entry.plan.wrapping_add(1);
        entry.ticks = Ticks::NONE;
        entry.tick_count = 0;
        if entry.state != State::Running {
            self.forget(slot);
        }
    }

    /// Counts all ticks up to `now`, and queues the jobs that are due.
    pub(crate) fn advance(&mut self, now: i64) {
        while let Some(&Reverse((moment, ticket, plan))) = self.due.peek() {
            if moment > now {
                break;
            }
            self.due.pop();
            if self.current(ticket).is_some_and(|entry| entry.plan == plan) {
                self.tick(ticket, now);
            }
        }
    }

    fn tick(&mut self, ticket: Ticket, now: i64) {
        let Some(entry) = self.entry_mut(ticket.slot) else { return };
        let (mut ticks, mut count) = entry.grid.ticks_between(entry.counted, now);
        if entry.first.take().is_some() {
            // The first run has all intervals, whether its own moment or a tick of the grid came first.
            ticks = entry.grid.all();
            count = count.max(1);
        }
        entry.counted = now;
        entry.ticks = entry.ticks.with(ticks);
        entry.tick_count += count;
        let mut owed = 0;
        match entry.state {
            State::Idle => {
                entry.state = State::Waiting;
                entry.due = entry.next;
                self.queue.push(ticket);
            }
            State::Waiting => {}
            State::Running => owed = count,
        }
        self.owed += owed;
        self.plan(ticket.slot, now);
    }

    /// The next run that may start, if any. Its job runs from now on, until [`finished`](Self::finished).
    pub(crate) fn start_next(&mut self) -> Option<Start> {
        let slots = &self.slots;
        let waits = |ticket: Ticket| {
            slots[ticket.slot.0 as usize]
                .as_ref()
                .is_some_and(|e| e.generation == ticket.generation && e.state == State::Waiting)
        };
        let ticket = self.queue.pop(waits)?;
        let entry = self.slots[ticket.slot.0 as usize].as_mut()?;
        let intervals = entry.grid.intervals().iter().enumerate();
        let affecting: Vec<_> = intervals
            .filter(|(index, _)| entry.ticks.contains(*index))
            .map(|(_, interval)| *interval)
            .collect();
        let missed = entry.tick_count.saturating_sub(affecting.len() as u64);
        entry.state = State::Running;
        entry.ticks = Ticks::NONE;
        entry.tick_count = 0;
        Some(Start { ticket, due: entry.due, affecting, missed })
    }

    /// The run of this job is over.
    pub(crate) fn finished(&mut self, ticket: Ticket) {
        self.queue.release(ticket);
        let Some(entry) = self.slots[ticket.slot.0 as usize].as_mut() else { return };
        if entry.generation == ticket.generation && entry.state == State::Running {
            entry.state = State::Idle;
            if entry.retired {
                self.forget(ticket.slot);
            }
        }
    }

    /// Lets others run although this run is not over: it hangs, and nothing can be done about it. Its job
    /// still counts as running.
    pub(crate) fn abandon(&mut self, ticket: Ticket) {
        self.queue.release(ticket);
    }

    /// Somebody set the clock: what was planned on the old time is planned anew on the new. No tick is counted
    /// for the time between, which never passed.
    pub(crate) fn clock_jumped(&mut self, before: i64, now: i64) {
        self.due.clear();
        for index in 0..self.slots.len() {
            let slot = Slot(u32::try_from(index).unwrap_or(u32::MAX));
            if let Some(entry) = self.entry_mut(slot) {
                entry.counted = now;
                entry.first = entry.first.map(|first| now + (first - before).max(0));
                if !entry.retired {
                    self.plan(slot, now);
                }
            }
        }
    }

    /// The moment at which a job is due next, if any.
    pub(crate) fn next_wake(&mut self) -> Option<i64> {
        while let Some(&Reverse((moment, ticket, plan))) = self.due.peek() {
            if self.current(ticket).is_some_and(|entry| entry.plan == plan) {
                return Some(moment);
            }
            self.due.pop();
        }
        None
    }

    pub(crate) fn slot(&self, id: &str) -> Option<Slot> {
        let slot = *self.by_id.get(id)?;
        self.entry(slot).filter(|entry| !entry.retired).map(|_| slot)
    }

    pub(crate) fn entry(&self, slot: Slot) -> Option<&Entry<P>> {
        self.slots.get(slot.0 as usize)?.as_ref()
    }

    pub(crate) fn entry_mut(&mut self, slot: Slot) -> Option<&mut Entry<P>> {
        self.slots.get_mut(slot.0 as usize)?.as_mut()
    }

    /// The job that this ticket was for, if it still has its slot.
    pub(crate) fn current(&self, ticket: Ticket) -> Option<&Entry<P>> {
        self.entry(ticket.slot).filter(|entry| entry.generation == ticket.generation)
    }

    /// All jobs, without those that are only here until their run is over.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &Entry<P>)> {
        let slots = (0..).map(Slot).zip(&self.slots);
        slots.filter_map(|(slot, place)| Some((slot, place.as_ref().filter(|entry| !entry.retired)?)))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Ticks that came while their job ran, since the start.
    pub(crate) const fn owed(&self) -> u64 {
        self.owed
    }

    /// No further run starts; those under way go on.
    pub(crate) fn stop_starting(&mut self) {
        self.queue.set_limit(0);
    }

    fn plan(&mut self, slot: Slot, now: i64) {
        let Some(entry) = self.entry_mut(slot) else { return };
        let on_grid = entry.grid.next_after(now);
        entry.next = entry.first.map_or(on_grid, |first| first.max(now + 1).min(on_grid));
        entry.plan = entry.plan.wrapping_add(1);
        let planned = (entry.next, Ticket { slot, generation: entry.generation }, entry.plan);
        self.due.push(Reverse(planned));
        if self.due.len() > 2 * self.slots.len() + 64 {
            self.drop_old_plans();
        }
    }

    /// Plans that were replaced lie there until their moment, which may never come.
    fn drop_old_plans(&mut self) {
        let mut due = std::mem::take(&mut self.due).into_vec();
        due.retain(|Reverse((_, ticket, plan))| {
            self.current(*ticket).is_some_and(|entry| entry.plan == *plan)
        });
        self.due = due.into();
    }

    fn forget(&mut self, slot: Slot) {
        if let Some(entry) = self.slots[slot.0 as usize].take() {
            self.by_id.remove(&entry.id);
            self.queue.put_in_lane(slot, None);
            self.free.push(slot);
        }
    }
}

impl<P> Entry<P> {
    pub(crate) fn intervals(&self) -> &[Interval] {
        self.grid.intervals()
    }

    pub(crate) fn next(&self) -> i64 {
        self.next
    }

    pub(crate) fn state(&self) -> &'static str {
        match self.state {
            State::Idle => "idle",
            State::Waiting => "waiting",
            State::Running => "running",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::schedule::Anchor;
    use proptest::prelude::*;

    fn intervals(secs: &[u64]) -> Box<[Interval]> {
        let mut intervals: Vec<_> = secs.iter().map(|s| Interval::from_secs(*s).unwrap()).collect();
        intervals.sort();
        intervals.dedup();
        intervals.into()
    }

    fn on_epoch(id: &str, secs: &[u64]) -> Grid {
        Grid::new(id, intervals(secs), Some(Anchor::at(Timestamp::from_secs(0))))
    }

    fn timetable(runs: usize) -> Timetable<()> {
        Timetable::new(Limits { runs })
    }

    fn add(table: &mut Timetable<()>, now: i64, id: &str, secs: &[u64], lane: Option<&str>) -> Slot {
        table.insert(now, &id.into(), on_epoch(id, secs), lane, None, ())
    }

    fn secs(start: &Start) -> Vec<u32> {
        start.affecting.iter().map(|interval| interval.as_secs()).collect()
    }

    #[test]
    fn a_tick_that_comes_while_the_job_runs_is_owed_to_its_next_run() {
        let mut table = timetable(10);
        add(&mut table, 0, "slow", &[30, 60], None);
        table.advance(30_000);
        let first = table.start_next().unwrap();
        assert_eq!(secs(&first), [30]);
        table.advance(60_000);
        table.advance(90_000);
        assert_eq!(table.start_next(), None, "it still runs");
        table.finished(first.ticket);
        assert_eq!(table.start_next(), None, "what is owed is not run late");
        table.advance(120_000 - 1);
        assert_eq!(table.start_next(), None);
        table.advance(120_000);
        let second = table.start_next().unwrap();
        assert_eq!((secs(&second), second.due, second.missed), (vec![30, 60], 120_000, 3));
        assert_eq!(table.owed(), 3);
    }

    #[test]
    fn a_tick_that_comes_while_the_job_waits_joins_its_run() {
        let mut table = timetable(1);
        add(&mut table, 0, "a", &[30], None);
        add(&mut table, 0, "b", &[30, 60], None);
        table.advance(30_000);
        let a = table.start_next().unwrap();
        table.advance(60_000);
        table.finished(a.ticket);
        let b = table.start_next().unwrap();
        assert_eq!((secs(&b), b.due, b.missed), (vec![30, 60], 30_000, 1));
    }

    #[test]
    fn one_lane_runs_one_job_at_a_time_and_in_order() {
        let mut table = timetable(10);
        for id in ["a", "b", "c"] {
            add(&mut table, 0, id, &[60], Some("10.0.0.1"));
        }
        add(&mut table, 0, "other", &[60], Some("10.0.0.2"));
        table.advance(60_000);
        let mut order = Vec::new();
        let mut running = table.start_next().unwrap();
        let other = table.start_next().unwrap();
        assert_eq!(table.start_next(), None);
        loop {
            order.push(table.current(running.ticket).unwrap().id.to_string());
            table.finished(running.ticket);
            match table.start_next() {
                Some(next) => running = next,
                None => break,
            }
        }
        assert_eq!(table.current(other.ticket).unwrap().id.as_ref(), "other");
        order.sort();
        assert_eq!(order, ["a", "b", "c"]);
    }

    #[test]
    fn a_job_that_vanishes_from_a_lane_does_not_hold_up_those_behind_it() {
        let mut table = timetable(10);
        let slots: Vec<_> =
            ["a", "b", "c"].iter().map(|id| add(&mut table, 0, id, &[60], Some("lane"))).collect();
        table.advance(60_000);
        let first = table.start_next().unwrap();
        assert_eq!(table.start_next(), None);
        let waiting: Vec<_> = slots.iter().filter(|slot| **slot != first.ticket.slot).collect();
        table.remove(*waiting[0]);
        table.finished(first.ticket);
        assert_eq!(table.start_next().map(|start| start.ticket.slot), Some(*waiting[1]));
    }

    #[test]
    fn a_job_that_vanishes_while_it_runs_and_comes_back_does_not_overlap_itself() {
        let mut table = timetable(10);
        let slot = add(&mut table, 0, "a", &[10], None);
        table.advance(10_000);
        let run = table.start_next().unwrap();
        table.remove(slot);
        assert_eq!(table.slot("a"), None);
        add(&mut table, 11_000, "a", &[10], None);
        table.advance(20_000);
        assert_eq!(table.start_next(), None, "its old run is still under way");
        table.finished(run.ticket);
        table.advance(30_000);
        assert_eq!(table.start_next().unwrap().missed, 1);
    }

    #[test]
    fn a_new_job_runs_once_soon_with_all_its_intervals_and_then_on_its_grid() {
        let mut table = timetable(10);
        let grid = Grid::new("a", intervals(&[300, 3_600]), None);
        let on_grid = grid.next_after(1_000_000);
        table.insert(1_000_000, &"a".into(), grid, None, Some(FIRST_RUN_WITHIN_MS), ());
        let wake = table.next_wake().unwrap();
        assert!(wake <= 1_000_000 + FIRST_RUN_WITHIN_MS);
        table.advance(wake);
        let first = table.start_next().unwrap();
        assert_eq!((secs(&first), first.missed), (vec![300, 3_600], 0));
        table.finished(first.ticket);
        if wake < on_grid {
            assert_eq!(table.next_wake(), Some(on_grid));
        }
    }

    #[test]
    fn new_intervals_keep_what_is_owed_of_the_old_ones() {
        let mut table = timetable(10);
        let slot = add(&mut table, 0, "a", &[30, 60], None);
        table.advance(30_000);
        let run = table.start_next().unwrap();
        table.advance(60_000);
        table.replan(slot, 61_000, on_epoch("a", &[60, 120]));
        table.finished(run.ticket);
        table.advance(120_000);
        assert_eq!(secs(&table.start_next().unwrap()), [60, 120]);
    }

    #[test]
    fn a_clock_that_jumps_an_hour_delays_no_job_beyond_its_interval() {
        for jump in [-3_600_000_i64, 3_600_000] {
            let mut table = timetable(10);
            add(&mut table, 0, "a", &[60], None);
            let (before, now) = (7_200_000, 7_200_000 + jump);
            table.advance(before);
            let run = table.start_next().unwrap();
            table.finished(run.ticket);
            table.clock_jumped(before, now);
            assert!(table.next_wake().unwrap() <= now + 60_000);
            table.advance(now + 60_000);
            assert_eq!(table.start_next().unwrap().missed, 0, "time that never passed has no ticks");
        }
    }

    #[test]
    fn replanning_for_ever_keeps_the_memory_bounded() {
        let mut table = timetable(1);
        let slot = add(&mut table, 0, "a", &[1_000_000_000], None);
        for n in 1..10_000 {
            table.replan(slot, 0, on_epoch("a", &[1_000_000_000 + n % 2]));
        }
        assert!(table.due.len() < 100);
    }

    #[derive(Clone, Debug)]
    struct JobSpec {
        secs: Vec<u64>,
        lane: Option<u8>,
        durations_ms: Vec<i64>,
    }

    fn job_spec() -> impl Strategy<Value = JobSpec> {
        let durations = prop::collection::vec(prop_oneof![0_i64..2_000, 0_i64..90_000], 1..6);
        (prop::collection::vec(1_u64..40, 1..4), prop::option::of(0_u8..3), durations)
            .prop_map(|(secs, lane, durations_ms)| JobSpec { secs, lane, durations_ms })
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8, u64, Option<u8>),
        Remove(u8),
        Finish(usize),
        Abandon(usize),
        Pass(i64),
        Jump(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0_u8..5, 1_u64..20, prop::option::of(0_u8..2)).prop_map(|(job, secs, lane)| Step::Put(job, secs, lane)),
            1 => (0_u8..5).prop_map(Step::Remove),
            4 => any::<usize>().prop_map(Step::Finish),
            1 => any::<usize>().prop_map(Step::Abandon),
            6 => (0_i64..30_000).prop_map(Step::Pass),
            1 => (-3_600_000_i64..3_600_000).prop_map(Step::Jump),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        /// Random jobs, intervals, durations, lanes and limits, with a loop that wakes late at random.
        #[test]
        fn no_job_overlaps_itself_no_lane_is_shared_and_no_tick_is_lost(
            specs in prop::collection::vec(job_spec(), 1..12),
            limit in 1_usize..6,
            lateness in prop::collection::vec(0_i64..1_500, 1..20),
        ) {
            let end = 300_000;
            let mut table = timetable(limit);
            let grids: Vec<_> = specs.iter().enumerate()
                .map(|(n, spec)| Grid::new(&n.to_string(), intervals(&spec.secs), None)).collect();
            for (n, spec) in specs.iter().enumerate() {
                let lane = spec.lane.map(|lane| lane.to_string());
                table.insert(0, &n.to_string().into(), grids[n].clone(), lane.as_deref(), None, ());
            }
            let mut lateness = lateness.into_iter().cycle();
            let mut served_until = vec![0_i64; specs.len()];
            let mut runs_of: Vec<usize> = vec![0; specs.len()];
            let mut under_way: Vec<(i64, usize, Ticket)> = Vec::new();
            let mut now = 0;
            while now < end {
                let over = under_way.iter().map(|(until, ..)| *until).min().unwrap_or(i64::MAX);
                let due = table.next_wake().unwrap_or(i64::MAX) + lateness.next().unwrap_or(0);
                now = over.min(due).max(now).min(end);
                under_way.retain(|(until, _, ticket)| {
                    if *until <= now { table.finished(*ticket); }
                    *until > now
                });
                table.advance(now);
                while let Some(start) = table.start_next() {
                    let n: usize = table.current(start.ticket).unwrap().id.parse().unwrap();
                    prop_assert!(under_way.iter().all(|(_, other, _)| *other != n), "overlaps itself");
                    prop_assert!(
                        specs[n].lane.is_none()
                            || under_way.iter().all(|(_, other, _)| specs[*other].lane != specs[n].lane),
                        "two runs in one lane"
                    );
                    prop_assert!(under_way.len() < limit);
                    let counted = table.current(start.ticket).unwrap().counted;
                    let (ticks, count) = grids[n].ticks_between(served_until[n], counted);
                    let owed = grids[n].intervals().iter().enumerate().filter(|(i, _)| ticks.contains(*i));
                    let owed: Vec<_> = owed.map(|(_, interval)| *interval).collect();
                    prop_assert_eq!(&start.affecting, &owed, "every interval that ticked since the last run");
                    prop_assert_eq!(start.missed, count - owed.len() as u64);
                    served_until[n] = counted;
                    let lasts = specs[n].durations_ms[runs_of[n] % specs[n].durations_ms.len()];
                    runs_of[n] += 1;
                    under_way.push((now + lasts, n, start.ticket));
                }
            }
            // What was not served is still owed, or waits for its turn.
            for (n, grid) in grids.iter().enumerate() {
                let slot = table.slot(&n.to_string()).unwrap();
                let entry = table.entry(slot).unwrap();
                let (ticks, count) = grid.ticks_between(served_until[n], entry.counted);
                prop_assert_eq!((entry.ticks, entry.tick_count), (ticks, count), "job {} of {:?}", n, specs[n]);
                prop_assert!(entry.counted + grid.shortest() >= now - 1_500, "ticks are counted as they come");
            }
        }

        /// Jobs come, go, change and hang while the clock jumps.
        #[test]
        fn whatever_happens_to_the_jobs_none_overlaps_itself_and_none_is_forgotten(
            steps in prop::collection::vec(step(), 1..200),
            limit in 1_usize..4,
        ) {
            let mut table = timetable(limit);
            let mut now = 0_i64;
            // Job, lane that it holds, ticket, whether it was abandoned.
            let mut under_way: Vec<(String, Option<String>, Ticket, bool)> = Vec::new();
            for step in steps {
                match step {
                    Step::Put(job, secs, lane) => {
                        let (id, lane) = (job.to_string(), lane.map(|lane| lane.to_string()));
                        let grid = Grid::new(&id, intervals(&[secs, 4 * secs]), None);
                        match table.slot(&id) {
                            Some(slot) => {
                                table.replan(slot, now, grid);
                                table.put_in_lane(slot, lane.as_deref());
                            }
                            None => {
                                let first = (secs % 2 == 0).then_some(FIRST_RUN_WITHIN_MS);
                                table.insert(now, &id.as_str().into(), grid, lane.as_deref(), first, ());
                            }
                        }
                    }
                    Step::Remove(job) => {
                        table.slot(&job.to_string()).into_iter().for_each(|slot| table.remove(slot));
                    }
                    Step::Finish(which) if !under_way.is_empty() => {
                        let (.., ticket, _) = under_way.swap_remove(which % under_way.len());
                        table.finished(ticket);
                    }
                    Step::Abandon(which) if !under_way.is_empty() => {
                        let at = which % under_way.len();
                        under_way[at].3 = true;
                        table.abandon(under_way[at].2);
                    }
                    Step::Finish(_) | Step::Abandon(_) => {}
                    Step::Pass(millis) => now += millis,
                    Step::Jump(millis) => {
                        table.clock_jumped(now, now + millis);
                        now += millis;
                    }
                }
                table.advance(now);
                while let Some(start) = table.start_next() {
                    let entry = table.current(start.ticket).unwrap();
                    prop_assert!(!start.affecting.is_empty());
                    let id = entry.id.to_string();
                    prop_assert!(under_way.iter().all(|(other, ..)| *other != id), "{} overlaps itself", id);
                    let lane = table.queue().lane_held_by(start.ticket).map(str::to_owned);
                    let holds = |(_, held, _, abandoned): &&(String, Option<String>, Ticket, bool)| {
                        !abandoned && held.is_some() && *held == lane
                    };
                    prop_assert!(under_way.iter().find(holds).is_none(), "two runs in lane {:?}", lane);
                    under_way.push((id, lane, start.ticket, false));
                    prop_assert!(under_way.iter().filter(|run| !run.3).count() <= limit);
                }
            }
            // Let all come to rest: then each job that is left runs within its longest interval.
            for (.., ticket, _) in under_way {
                table.finished(ticket);
            }
            let mut waits: std::collections::HashSet<_> = table.iter().map(|(_, job)| job.id.clone()).collect();
            let end = now + 2 * 4 * 20_000 + FIRST_RUN_WITHIN_MS;
            while now < end && !waits.is_empty() {
                table.advance(now);
                while let Some(start) = table.start_next() {
                    waits.remove(&table.current(start.ticket).unwrap().id);
                    table.finished(start.ticket);
                }
                now = table.next_wake().unwrap_or(end).max(now + 1);
            }
            prop_assert!(waits.is_empty(), "forgotten: {:?}", waits);
        }
    }
}
