//! What is learnt of a device, and kept from poll to poll: how much it can be asked for at once, and how.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::oid::Oid;

/// Rows asked for in one GETBULK. Above some 50, agents are known that silently leave out rows.
pub(crate) const DEFAULT_MAX_REPETITIONS: u32 = 25;
/// Objects in one GET. More make some agents answer tooBig, and crash others.
pub(crate) const DEFAULT_GET_BATCH: u32 = 10;
/// Columns of this many rows each are walked side by side: some 50 values fit into one unfragmented datagram.
const FULL_COLUMNS: u32 = 2;
/// Short columns share a request, but not more of them than objects may share a GET.
const MOST_COLUMNS: u32 = 10;
/// GETBULKs that went unanswered while GETNEXT was answered, before it is believed that there is no GETBULK.
const STRIKES: u32 = 3;
/// When an agent without GETBULK is tried again; each time in vain doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(3_600);
const LAST_RETRY: Duration = Duration::from_secs(24 * 3_600);
/// What such a try asks for.
const RETRY_ROOM: u32 = 10;
/// Polls without a timeout after which a device gets two requests at a time again.
const CAREFUL_POLLS: u32 = 100;
/// Tables, objects and columns that are remembered for a device. More are simply not remembered.
const MOST_REMEMBERED: usize = 256;

/// What is learnt of one device.
#[derive(Clone, Debug)]
pub(crate) struct Manners {
    pub(crate) bulk: BulkManners,
    pub(crate) gets: GetManners,
    careful: u32,
    plain: HashSet<Oid>,
}

impl Manners {
    /// Of a device that nothing is known of yet.
    pub(crate) fn new(max_repetitions: u32, get_batch: u32) -> Self {
        Self {
            bulk: BulkManners::new(max_repetitions),
            gets: GetManners { batch: Adaptive::new(get_batch.max(1)), apart: Vec::new() },
            careful: 0,
            plain: HashSet::new(),
        }
    }

    /// Whether the device may get a GET and a walk at the same time.
    pub(crate) const fn two_at_once(&self) -> bool {
        self.careful == 0
    }

    /// To be told after each poll: a device that lost requests gets one at a time for a while.
    pub(crate) const fn polled(&mut self, with_timeouts: bool) {
        self.careful = if with_timeouts { CAREFUL_POLLS } else { self.careful.saturating_sub(1) };
    }

    /// Whether `oid` may hold counters: until it was seen to hold none.
    pub(crate) fn may_count(&self, oid: &Oid) -> bool {
        !self.plain.contains(oid)
    }

    pub(crate) fn learn_counters(&mut self, oid: &Oid, has_counters: bool) {
        if has_counters {
            self.plain.remove(oid);
        } else if self.plain.len() < MOST_REMEMBERED && !self.plain.contains(oid) {
            self.plain.insert(oid.clone());
        }
    }
}

impl Default for Manners {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_REPETITIONS, DEFAULT_GET_BATCH)
    }
}

/// A size that is halved when it proves to be too much, and cautiously raised again.
#[derive(Clone, Debug)]
pub(crate) struct Adaptive {
    now: u32,
    most: u32,
    /// The largest that was seen to work since the last failure.
    proven: u32,
    /// How often nearly all of it worked, and how often it must before it is raised.
    good: u32,
    wanted: u32,
}

impl Adaptive {
    const FIRST_WANTED: u32 = 16;
    const LAST_WANTED: u32 = 4_096;

    const fn new(most: u32) -> Self {
        Self { now: most, most, proven: 0, good: 0, wanted: Self::FIRST_WANTED }
    }

    pub(crate) const fn now(&self) -> u32 {
        self.now
    }

    /// `asked` was answered.
    pub(crate) fn fits(&mut self, asked: u32) {
        self.proven = self.proven.max(asked);
        if self.now >= self.most || asked < self.now.div_ceil(2) {
            return;
        }
        self.good += 1;
        if self.good >= self.wanted {
            self.now = (self.now + self.now.div_ceil(2)).min(self.most);
            self.good = 0;
        }
    }

    /// `asked` was too much.
    pub(crate) fn fails(&mut self, asked: u32) {
        let half = asked / 2;
        let back = if self.proven < asked { self.proven.max(half) } else { half };
        self.now = back.clamp(1, self.most);
        self.proven = self.proven.min(self.now);
        self.good = 0;
        // Each failure makes the next attempt rarer, so that a raise that fails costs next to nothing.
        self.wanted = (self.wanted * 2).min(Self::LAST_WANTED);
    }
}

/// How a device is walked.
#[derive(Clone, Debug)]
pub(crate) struct BulkManners {
    max_repetitions: u32,
    /// Values asked for in one request, all columns together.
    room: Adaptive,
    answered: bool,
    strikes: u32,
    without: Option<Without>,
    /// The rows of tables when last walked: a table of 4 rows is not asked for 25.
    tables: HashMap<Box<[u32]>, u32>,
}

/// GETBULK is not answered.
#[derive(Clone, Copy, Debug)]
struct Without {
    again: Instant,
    pause: Duration,
}

/// What one request of a walk asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Portion {
    pub(crate) columns: u32,
    /// None: GETNEXT.
    pub(crate) rows: Option<u32>,
}

impl Portion {
    /// How many values that are.
    pub(crate) fn size(self) -> u32 {
        self.columns * self.rows.unwrap_or(1)
    }
}

impl BulkManners {
    fn new(max_repetitions: u32) -> Self {
        let max_repetitions = max_repetitions.max(1);
        Self {
            max_repetitions,
            room: Adaptive::new(max_repetitions.saturating_mul(FULL_COLUMNS)),
            answered: false,
            strikes: 0,
            without: None,
            tables: HashMap::new(),
        }
    }

    /// What to ask for when `left` rows of a column are expected (if anything is), and not more than `cap` rows
    /// of any.
    pub(crate) fn portion(&self, left: Option<u32>, cap: u32, now: Instant) -> Portion {
        let room = match self.without {
            Some(Without { again, .. }) if now < again => {
                return Portion { columns: self.room.now().min(MOST_COLUMNS), rows: None };
            }
            Some(_) => self.room.now().min(RETRY_ROOM),
            None => self.room.now(),
        };
        let rows = left.unwrap_or(u32::MAX).min(self.max_repetitions).min(cap).min(room).max(1);
        Portion { columns: (room / rows).clamp(1, MOST_COLUMNS), rows: Some(rows) }
    }

    /// What to ask for by GETNEXT.
    pub(crate) fn single_rows(&self) -> Portion {
        Portion { columns: self.room.now().min(MOST_COLUMNS), rows: None }
    }

    /// A request was answered.
    pub(crate) fn answered(&mut self, portion: Portion) {
        if portion.rows.is_some() {
            self.answered = true;
            self.strikes = 0;
            self.without = None;
            self.room.fits(portion.size());
        }
    }

    /// The answer did not fit into a message.
    pub(crate) fn too_big(&mut self, portion: Portion) {
        self.room.fails(portion.size());
    }

    /// A GETBULK was not answered, though the device then answered GETNEXT.
    pub(crate) fn bulk_unanswered(&mut self, portion: Portion, now: Instant) {
        if let Some(Without { pause, .. }) = self.without {
            let pause = (pause * 2).min(LAST_RETRY);
            self.without = Some(Without { again: now + pause, pause });
            return;
        }
        self.strikes += 1;
        let hopeless = if self.answered { portion.size() <= 1 } else { self.strikes >= STRIKES };
        if hopeless && self.strikes >= STRIKES {
            self.without = Some(Without { again: now + FIRST_RETRY, pause: FIRST_RETRY });
            // What was too much was the request itself, not its size.
            self.room = Adaptive::new(self.max_repetitions.saturating_mul(FULL_COLUMNS));
            (self.answered, self.strikes) = (false, 0);
        } else {
            // An agent that never answered one needs quicker steps down: each costs all tries of a request.
            let quickly = !self.answered && self.strikes > 1;
            let asked = if quickly { portion.size() / 2 } else { portion.size() };
            self.room.fails(asked.max(1));
        }
    }

    /// The agent is believed to have no GETBULK, although its version has.
    #[cfg(test)]
    pub(crate) const fn without_bulk(&self) -> bool {
        self.without.is_some()
    }

    /// Values asked for in one request at present.
    #[cfg(test)]
    pub(crate) const fn room(&self) -> u32 {
        self.room.now()
    }

    /// How many rows the table of `column` had.
    pub(crate) fn rows_of(&self, column: &Oid) -> Option<u32> {
        self.tables.get(table_of(column)).copied()
    }

    pub(crate) fn learn_rows(&mut self, column: &Oid, rows: usize) {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let table = table_of(column);
        if let Some(known) = self.tables.get_mut(table) {
            *known = rows;
        } else if self.tables.len() < MOST_REMEMBERED {
            self.tables.insert(table.into(), rows);
        }
    }
}

/// A column's table: all columns of a table have the same rows, nearly always.
fn table_of(column: &Oid) -> &[u32] {
    column.arcs().split_last().map_or(&[], |(_, table)| table)
}

/// How a device is asked for scalars.
#[derive(Clone, Debug)]
pub(crate) struct GetManners {
    pub(crate) batch: Adaptive,
    /// Objects that make the agent fall silent: each is asked for alone, after all others.
    apart: Vec<Oid>,
}

impl GetManners {
    const MOST_APART: usize = 32;

    pub(crate) fn is_apart(&self, oid: &Oid) -> bool {
        self.apart.contains(oid)
    }

    pub(crate) fn set_apart(&mut self, oid: &Oid) {
        if !self.is_apart(oid) && self.apart.len() < Self::MOST_APART {
            self.apart.push(oid.clone());
        }
    }

    pub(crate) fn forgive(&mut self, oid: &Oid) {
        self.apart.retain(|other| other != oid);
    }
}
