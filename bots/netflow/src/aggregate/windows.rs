//! Windows in time: from slices to minutes, quarters of an hour, hours and days.
//!
//! # Which window a flow is in
//! That in which it was received. A slice that begins before the open minute, by five minutes at most, counts in the
//! open minute, and one of a minute that is closed counts in the next: one thread may be a little late, or the clock
//! was set back a bit. When the clock jumps further, all
//! windows that the new time does not lie in are closed, under the names they have, and counting goes on at the new
//! time; after a jump into the past, windows of the same names may therefore come twice.
//!
//! # What is kept
//! Every slice, until its minute is closed; every minute, until its quarter is closed; then the hour, the four hours and
//! the day that it went into. Each value carries the number of the last slice in it, so that it does not matter where
//! a kill tears a row of changes, as long as they are written in the order in which they come: what a longer window
//! has already is not taken again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use grafoleancollector::Timestamp;

use super::hash::Folded;
use super::keep::Kept;
use super::lists::{Lengths, report};
use super::store::{Derived, Exporter, Store};
use super::{ExporterKey, Level, Losses, Report, Slice};

mod kept;

const MIB: usize = 1 << 20;
/// How far back a slice may begin and still count in the open minute.
const LATE: Duration = Duration::from_secs(300);
/// How long after the quarter of its last egress record an exporter still counts as one that tells of its egress itself. The same flow may
/// be told of in one minute as it comes in, and as it goes out in another.
const TELLS_OF_EGRESS: Duration = Duration::from_secs(3_600);
/// How many exporters are remembered for sending egress records.
const MOST_SENDERS: usize = 32_768;

/// How much memory [`Windows`] may take, and how long its lists are.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WindowsOptions {
    /// How many items the values have. Lists of interfaces are so long; those of exporters twice, since what
    /// they are merged into may have several exporters.
    pub top_n: usize,
    /// Bytes for the open minute. 64 MiB hold exactly 1.5 million keys of IPv4; of IPv6, 1.1 million
    /// addresses or 0.9 million connections.
    pub minute_bytes: usize,
    /// Bytes for the open quarter of an hour.
    pub quarter_bytes: usize,
    /// Bytes for each of the three longer windows, which are kept as they are written.
    pub long_bytes: usize,
    /// Bytes of a slice as it is kept.
    pub kept_slice_bytes: usize,
    /// Bytes of a minute as it is kept.
    pub kept_minute_bytes: usize,
}

impl Default for WindowsOptions {
    fn default() -> Self {
        Self {
            top_n: 10,
            minute_bytes: 64 * MIB,
            quarter_bytes: 20 * MIB,
            long_bytes: 8 * MIB,
            kept_slice_bytes: MIB,
            kept_minute_bytes: 4 * MIB,
        }
    }
}

impl WindowsOptions {
    /// With lists for so many items.
    #[must_use]
    pub const fn with_top_n(mut self, top_n: usize) -> Self {
        self.top_n = top_n;
        self
    }
}

/// All open windows.
#[derive(Debug)]
pub struct Windows {
    options: WindowsOptions,
    /// In which quarter of an hour an exporter sent its last egress record.
    senders: HashMap<ExporterKey, Timestamp, Folded>,
    minute: Option<Kept>,
    /// The memory of the minute before, for the next one.
    spare: Option<Store>,
    quarter: Option<Kept>,
    /// When the last closed minute ended: what comes late counts in the one after it.
    after: Option<Timestamp>,
    /// The hour, the four hours, the day: touched so seldom that they are held as they are kept.
    long: [Option<Long>; 3],
    /// The number of the last slice.
    last_slice: u64,
    /// Closed because time jumped; handed out by the next [`close`](Self::close).
    closed: VecDeque<Report>,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The numbers under which slices of the open minute, and minutes of the open quarter, are kept.
    kept_slices: Vec<u64>,
    kept_minutes: Vec<u64>,
    losses: Losses,
}

#[derive(Debug)]
struct Long {
    begin: Timestamp,
    written: Vec<u8>,
}

impl Windows {
    /// With none open.
    #[must_use]
    pub fn new(options: WindowsOptions) -> Self {
        Self {
            options,
            senders: HashMap::default(),
            minute: None,
            spare: None,
            quarter: None,
            after: None,
            long: [None, None, None],
            last_slice: 0,
            closed: VecDeque::new(),
            changes: BTreeMap::new(),
            kept_slices: Vec::new(),
            kept_minutes: Vec::new(),
            losses: Losses::default(),
        }
    }

    /// Counts a slice, in the minute in which it begins. Hands it back empty: what it took in memory is there for the
    /// next one, see [`Slice::begin_anew`].
    pub fn merge(&mut self, mut slice: Slice) -> Slice {
        if slice.is_empty() {
            return slice;
        }
        let lost = slice.losses();
        let begin = self.open_minute_for(slice.begin);
        self.last_slice += 1;
        let number = self.last_slice;
        let minute = self.open_minute_at(begin);
        minute.covers = number;
        let dropped = minute.store.dropped;
        let refused = minute.store.absorb(&slice.store, Derived::Stays);
        let lost = Losses {
            refused_flows: lost.refused_flows.saturating_add(refused),
            dropped_keys: minute.store.dropped - dropped,
            ..lost
        };
        self.lose(lost);
        let mut kept = Kept { begin, covers: number, store: slice.store };
        let written = kept.encode(self.options.kept_slice_bytes);
        self.keep_slice(number, written);
        slice.store = kept.store;
        slice.begin_anew(slice.begin);
        slice
    }

    /// The minute that is open; one that begins then if there is none.
    fn open_minute_at(&mut self, begin: Timestamp) -> &mut Kept {
        self.minute.get_or_insert_with(|| {
            let store = self.spare.take().unwrap_or_else(|| Store::new(self.options.minute_bytes));
            Kept { begin, covers: 0, store }
        })
    }

    fn lose(&mut self, lost: Losses) {
        let all = &mut self.losses;
        all.refused_flows = all.refused_flows.saturating_add(lost.refused_flows);
        all.other_interfaces = all.other_interfaces.saturating_add(lost.other_interfaces);
        all.dropped_keys = all.dropped_keys.saturating_add(lost.dropped_keys);
    }

    /// What was not counted as it should be, ever since the start.
    #[must_use]
    pub const fn losses(&self) -> Losses {
        self.losses
    }

    /// When the minute begins in which something counts that was received at `moment`. Closes what time has left.
    fn open_minute_for(&mut self, moment: Timestamp) -> Timestamp {
        let begin = Level::Minute.begin(moment);
        match self.minute.as_ref().map(|minute| minute.begin).or(self.after) {
            Some(open) if open == begin || (begin < open && open.since(begin) <= LATE) => open,
            _ => {
                for level in Level::ALL {
                    if self.open_at(level).is_some_and(|open| open != level.begin(begin)) {
                        self.close_window(level);
                    }
                }
                begin
            }
        }
    }

    /// Closes every window that ends at or before `until`, and returns those with traffic, the oldest first.
    pub fn close(&mut self, until: Timestamp) -> Vec<Report> {
        std::iter::from_fn(|| self.close_next(until)).collect()
    }

    /// The same, one window at a time: reports of many exporters are large.
    pub fn close_next(&mut self, until: Timestamp) -> Option<Report> {
        loop {
            if let Some(report) = self.closed.pop_front() {
                return Some(report);
            }
            let ended = Level::ALL
                .into_iter()
                .filter_map(|level| Some((level.end(self.open_at(level)?), level)))
                .filter(|(end, _)| *end <= until)
                .min()?;
            self.close_window(ended.1);
        }
    }

    /// What the open minute has so far; `None` where there is none.
    #[must_use]
    pub fn open_minute(&self) -> Option<Report> {
        let minute = self.minute.as_ref()?;
        Some(self.report(Level::Minute, minute.begin, &minute.store))
    }

    /// When the window of this level begins that is open.
    fn open_at(&self, level: Level) -> Option<Timestamp> {
        match level {
            Level::Minute => self.minute.as_ref().map(|window| window.begin),
            Level::QuarterHour => self.quarter.as_ref().map(|window| window.begin),
            long => self.long[place(long)].as_ref().map(|window| window.begin),
        }
    }

    fn take(&mut self, level: Level) -> Option<Kept> {
        match level {
            Level::Minute => self.minute.take(),
            Level::QuarterHour => self.quarter.take(),
            // Our own bytes, which were read or written by this program.
            long => Kept::decode(&self.long[place(long)].take()?.written, usize::MAX),
        }
    }

    /// Reports a window and adds it to the next longer one.
    fn close_window(&mut self, level: Level) {
        let Some(mut window) = self.take(level) else { return };
        if level == Level::Minute {
            self.after = Some(level.end(window.begin));
            self.remember_senders(&window.store, window.begin);
            window.store.decide(|exporter| !self.sends_egress(exporter, window.begin));
        }
        let report = self.report(level, window.begin, &window.store);
        if !report.exporters.is_empty() {
            self.closed.push_back(report);
        }
        if let Some(longer) = level.longer() {
            self.fold(longer, level, &window);
        }
        self.keep_closed(level, window);
    }

    fn report(&self, level: Level, begin: Timestamp, store: &Store) -> Report {
        let lengths =
            Lengths { of_interface: self.options.top_n, of_exporter: self.options.top_n.saturating_mul(2) };
        // In longer windows that is decided: what counts for both sides counts.
        let derives = |exporter: &Exporter| level != Level::Minute || !self.sends_egress(exporter, begin);
        report(store, level, begin, lengths, derives)
    }

    /// Whether an exporter tells of its egress itself, so that none is derived.
    fn sends_egress(&self, exporter: &Exporter, at: Timestamp) -> bool {
        let lately = |last: &Timestamp| at.since(*last) < TELLS_OF_EGRESS;
        exporter.sends_egress || self.senders.get(&exporter.key).is_some_and(lately)
    }

    fn remember_senders(&mut self, store: &Store, at: Timestamp) {
        let before = self.senders.len();
        self.senders.retain(|_, last| at.since(*last) < TELLS_OF_EGRESS);
        let mut is_new = self.senders.len() != before;
        // By the quarter, so that it is kept now and then only, and is the same after a restart.
        let quarter = Level::QuarterHour.begin(at);
        for exporter in store.exporters().iter().filter(|exporter| exporter.sends_egress) {
            if let Some(last) = self.senders.get_mut(&exporter.key) {
                is_new |= *last != quarter;
                *last = quarter;
            } else if self.senders.len() < MOST_SENDERS {
                self.senders.insert(exporter.key, quarter);
                is_new = true;
            }
        }
        if is_new {
            self.keep_senders();
        }
    }

    /// Adds a window to that of the longer level in which it lies.
    fn fold(&mut self, longer: Level, level: Level, window: &Kept) {
        let begin = longer.begin(window.begin);
        if self.open_at(longer).is_some_and(|open| open != begin) {
            self.close_window(longer);
        }
        let budget = if longer == Level::QuarterHour { self.options.quarter_bytes } else { usize::MAX };
        let mut into =
            self.take(longer).unwrap_or_else(|| Kept { begin, covers: 0, store: Store::new(budget) });
        let derived = if level == Level::Minute { Derived::Ends } else { Derived::Stays };
        let refused = into.store.absorb(&window.store, derived);
        self.losses.refused_flows = self.losses.refused_flows.saturating_add(refused);
        into.covers = window.covers;
        if longer == Level::QuarterHour {
            self.quarter = Some(into);
        } else {
            let written = into.encode(self.options.long_bytes);
            self.long[place(longer)] = Some(Long { begin, written });
        }
    }
}

/// Where a long window is held.
const fn place(level: Level) -> usize {
    match level {
        Level::Minute | Level::QuarterHour | Level::Hour => 0,
        Level::FourHours => 1,
        Level::Day => 2,
    }
}
