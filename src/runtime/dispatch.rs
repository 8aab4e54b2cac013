//! Who of those that are due may start: first come, first served, within the limits.

use std::collections::{HashMap, VecDeque};

/// A job's place in the timetable. Places are used again; a [`Ticket`] is not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Slot(pub(crate) u32);

/// One stay of a job in its slot: tells a job from the one that had the slot before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Ticket {
    pub(crate) slot: Slot,
    pub(crate) generation: u32,
}

/// How much may happen at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// Runs at once, over all lanes.
    pub(crate) runs: usize,
}

/// Due jobs that wait for their turn: at most `limits.runs` run at once, and of every lane one.
#[derive(Debug)]
pub(crate) struct Queue {
    limits: Limits,
    /// Those to look at next, each with the lane that woke it.
    ready: VecDeque<(Ticket, Option<usize>)>,
    lanes: Vec<Lane>,
    free_lanes: Vec<usize>,
    lane_by_name: HashMap<Box<str>, usize>,
    lane_of: HashMap<Slot, usize>,
    /// The runs under way, each with the lane that it holds: its job may have another lane by now.
    running: HashMap<Ticket, Option<usize>>,
    waiting_in_lanes: usize,
}

#[derive(Debug, Default)]
struct Lane {
    name: Box<str>,
    busy: bool,
    /// Jobs and runs that use it: at none it is gone.
    users: usize,
    waiting: VecDeque<Ticket>,
}

impl Queue {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            ready: VecDeque::new(),
            lanes: Vec::new(),
            free_lanes: Vec::new(),
            lane_by_name: HashMap::new(),
            lane_of: HashMap::new(),
            running: HashMap::new(),
            waiting_in_lanes: 0,
        }
    }

    pub(crate) fn set_limit(&mut self, runs: usize) {
        self.limits.runs = runs;
    }

    /// How many run now.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// How many are due and wait for their turn.
    pub(crate) fn waiting(&self) -> usize {
        self.ready.len() + self.waiting_in_lanes
    }

    #[cfg(test)]
    pub(crate) fn lane_held_by(&self, ticket: Ticket) -> Option<&str> {
        self.running.get(&ticket).copied().flatten().map(|index| &*self.lanes[index].name)
    }

    /// A due job waits from now on.
    pub(crate) fn push(&mut self, ticket: Ticket) {
        self.ready.push_back((ticket, None));
    }

    /// The next job that may run; it holds its lane and its share of the limit until it is released. Tickets
    /// for which `waits` is false are dropped: their job is gone, or does not wait any more.
    pub(crate) fn pop(&mut self, waits: impl Fn(Ticket) -> bool) -> Option<Ticket> {
        while self.running.len() < self.limits.runs {
            let (ticket, woken_by) = self.ready.pop_front()?;
            let starts = waits(ticket) && self.take_lane(ticket);
            if let Some(lane) = woken_by {
                // It was that lane's turn, but it may be gone, or have moved: then the next in line has it.
                self.wake_lane(lane);
            }
            if starts {
                return Some(ticket);
            }
        }
        None
    }

    /// Whether the ticket's lane is free, and is its own now; if not, it waits there.
    fn take_lane(&mut self, ticket: Ticket) -> bool {
        let lane = self.lane_of.get(&ticket.slot).copied();
        if let Some(index) = lane {
            let lane = &mut self.lanes[index];
            if lane.busy {
                lane.waiting.push_back(ticket);
                self.waiting_in_lanes += 1;
                return false;
            }
            lane.busy = true;
            lane.users += 1;
        }
        self.running.insert(ticket, lane);
        true
    }

    /// A run gives back its lane and its share of the limit. Once is enough; again does nothing.
    pub(crate) fn release(&mut self, ticket: Ticket) {
        let Some(lane) = self.running.remove(&ticket) else { return };
        if let Some(index) = lane {
            self.lanes[index].busy = false;
            self.wake_lane(index);
            self.leave(index);
        }
    }

    /// Puts a job into a lane, or into none.
    pub(crate) fn put_in_lane(&mut self, slot: Slot, name: Option<&str>) {
        let new = name.map(|name| self.lane(name));
        let old = match new {
            Some(index) => {
                self.lanes[index].users += 1;
                self.lane_of.insert(slot, index)
            }
            None => self.lane_of.remove(&slot),
        };
        if let Some(old) = old {
            if Some(old) != new {
                // Whoever waits there may belong elsewhere now: let it be looked at again.
                self.wake_lane(old);
            }
            self.leave(old);
        }
    }

    /// If the lane is free, the front of its line comes before those that became due later.
    fn wake_lane(&mut self, index: usize) {
        let lane = &mut self.lanes[index];
        if lane.busy {
            return;
        }
        if let Some(next) = lane.waiting.pop_front() {
            self.waiting_in_lanes -= 1;
            self.ready.push_front((next, Some(index)));
        }
    }

    fn lane(&mut self, name: &str) -> usize {
        if let Some(&index) = self.lane_by_name.get(name) {
            return index;
        }
        let index = self.free_lanes.pop().unwrap_or_else(|| {
            self.lanes.push(Lane::default());
            self.lanes.len() - 1
        });
        self.lanes[index].name = name.into();
        self.lane_by_name.insert(name.into(), index);
        index
    }

    fn leave(&mut self, index: usize) {
        let lane = &mut self.lanes[index];
        lane.users -= 1;
        if lane.users == 0 {
            let gone = std::mem::take(lane);
            self.lane_by_name.remove(&gone.name);
            self.free_lanes.push(index);
            self.waiting_in_lanes -= gone.waiting.len();
            self.ready.extend(gone.waiting.into_iter().map(|ticket| (ticket, None)));
        }
    }
}
