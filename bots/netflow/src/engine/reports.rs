//! Windows that were closed and wait for the accounts' runs; what each account has had.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use grafoleancollector::telemetry::Counter;
use grafoleancollector::{AccountId, State, Table, Timestamp};
use tokio::sync::watch;

use crate::aggregate::{Level, Report};

/// What may wait, as it is encoded: some hours of a busy exporter's minutes. It is needed while the backend has not
/// yet said what there is to serve; what is delivered waits in the outbox.
const MOST_BYTES: usize = 32 << 20;
/// Windows that one run delivers; the others follow with the next.
const MOST_AT_ONCE: usize = 60;
/// How long a run waits for its window to be closed: slices come every five seconds.
const CLOSED_WITHIN: Duration = Duration::from_secs(10);

const REPORTS: &str = "netflow-reports";
const MARKS: &str = "netflow-marks";

/// Who has windows of one length: a part of an account's entities.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Reader {
    pub(crate) account: AccountId,
    pub(crate) level: Level,
    pub(crate) part: u32,
}

/// Windows that were closed, until every account has had them.
#[derive(Debug)]
pub(crate) struct Reports {
    shelf: Mutex<Shelf>,
    closed: watch::Sender<Timestamp>,
    /// Windows that nobody has had, and that were given up for want of room.
    pub(crate) dropped: Counter,
}

#[derive(Debug, Default)]
struct Shelf {
    /// By number; the numbers only grow, whatever the clock does.
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    bytes: usize,
    /// The number of the last window that an account has had.
    marks: HashMap<Reader, u64>,
    /// The last window of the run that is under way.
    under_way: HashMap<Reader, u64>,
    /// None until the backend has said it.
    readers: Option<HashSet<Reader>>,
    tables: Option<Tables>,
    errors: HashMap<Level, f64>,
}

#[derive(Debug)]
struct Waiting {
    report: Arc<Report>,
    bytes: usize,
}

#[derive(Debug)]
struct Tables {
    reports: Table,
    marks: Table,
}

impl Default for Reports {
    fn default() -> Self {
        let shelf = Mutex::new(Shelf { next: 1, ..Shelf::default() });
        Self { shelf, closed: watch::Sender::new(Timestamp::from_secs(0)), dropped: Counter::default() }
    }
}

impl Reports {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up what waited in the last life.
    pub(crate) async fn restore(&self, state: &State) {
        let tables = Tables { reports: state.table(REPORTS), marks: state.table(MARKS) };
        let (reports, marks) = (tables.reports.load().await, tables.marks.load().await);
        let mut unreadable = 0;
        let mut shelf = self.shelf();
        for (key, value) in &reports {
            match (number(key), Report::decode(value)) {
                (Some(number), Some(report)) => shelf.add(number, Arc::new(report), value.len()),
                _ => {
                    unreadable += 1;
                    tables.reports.remove(key);
                }
            }
        }
        for (key, value) in &marks {
            if let (Some(reader), Some(number)) = (reader(key), number(value)) {
                shelf.next = shelf.next.max(number.saturating_add(1));
                shelf.marks.insert(reader, number);
            } else {
                unreadable += 1;
                tables.marks.remove(key);
            }
        }
        shelf.tables = Some(tables);
        if unreadable > 0 {
            tracing::warn!(
                "{unreadable} closed windows or marks could not be read from the state: they are left out"
            );
        }
    }

    /// A window was closed: they come oldest first.
    pub(crate) fn push(&self, report: Report) {
        let (error, bytes) = (worst_error(&report), report.encode());
        let mut shelf = self.shelf();
        shelf.errors.insert(report.level, error);
        if shelf.readers.as_ref().is_some_and(HashSet::is_empty) {
            return;
        }
        let (number, length) = (shelf.next, bytes.len());
        if let Some(tables) = &shelf.tables {
            tables.reports.put(&number.to_be_bytes(), bytes);
        }
        shelf.add(number, Arc::new(report), length);
        while shelf.bytes > MOST_BYTES
            && let Some((&oldest, _)) = shelf.waiting.iter().next()
        {
            shelf.remove(oldest);
            self.dropped.inc();
        }
    }

    /// All windows that end at or before `until` are closed. It goes back when somebody sets the clock back.
    pub(crate) fn closed_until(&self, until: Timestamp) {
        self.closed.send_replace(until);
    }

    /// Waits until the windows that end at `end` are closed, but not for ever.
    pub(crate) async fn closed_at(&self, end: Timestamp) -> bool {
        let mut closed = self.closed.subscribe();
        tokio::time::timeout(CLOSED_WITHIN, closed.wait_for(|until| *until >= end)).await.is_ok()
    }

    /// The windows that a reader has not had yet, oldest first.
    pub(crate) fn due(&self, reader: Reader) -> Vec<Arc<Report>> {
        let mut shelf = self.shelf();
        let after = shelf.marks.get(&reader).map_or(0, |mark| mark + 1);
        let due = shelf.waiting.range(after..).filter(|(_, waiting)| waiting.report.level == reader.level);
        let due: Vec<_> =
            due.take(MOST_AT_ONCE).map(|(number, of)| (*number, Arc::clone(&of.report))).collect();
        if let Some((last, _)) = due.last() {
            shelf.under_way.insert(reader, *last);
        }
        due.into_iter().map(|(_, report)| report).collect()
    }

    /// The outbox has what was [`due`](Self::due) last.
    pub(crate) fn accepted(&self, reader: Reader) {
        let mut shelf = self.shelf();
        let Some(last) = shelf.under_way.remove(&reader) else { return };
        shelf.marks.insert(reader, last);
        if let Some(tables) = &shelf.tables {
            tables.marks.put(&key(reader), last.to_be_bytes().to_vec());
        }
        shelf.forget_read();
    }

    /// These want windows, and no others.
    pub(crate) fn serve(&self, readers: HashSet<Reader>) {
        let mut shelf = self.shelf();
        let gone: Vec<_> = shelf.marks.keys().filter(|reader| !readers.contains(reader)).copied().collect();
        for reader in gone {
            shelf.marks.remove(&reader);
            if let Some(tables) = &shelf.tables {
                tables.marks.remove(&key(reader));
            }
        }
        shelf.readers = Some(readers);
        shelf.forget_read();
    }

    /// Of the last window of each interval: by how much of its exporter's traffic a listed value may be too small.
    pub(crate) fn errors(&self) -> Vec<(Level, f64)> {
        let shelf = self.shelf();
        Level::ALL.into_iter().filter_map(|level| Some((level, *shelf.errors.get(&level)?))).collect()
    }

    /// How many windows wait, and their bytes.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let shelf = self.shelf();
        (shelf.waiting.len(), shelf.bytes)
    }
}

impl Shelf {
    fn add(&mut self, number: u64, report: Arc<Report>, bytes: usize) {
        self.next = self.next.max(number.saturating_add(1));
        self.bytes += bytes;
        if let Some(before) = self.waiting.insert(number, Waiting { report, bytes }) {
            self.bytes -= before.bytes;
        }
    }

    fn remove(&mut self, number: u64) {
        if let Some(waiting) = self.waiting.remove(&number) {
            self.bytes -= waiting.bytes;
            if let Some(tables) = &self.tables {
                tables.reports.remove(&number.to_be_bytes());
            }
        }
    }

    /// Removes what every reader has had.
    fn forget_read(&mut self) {
        let Some(readers) = &self.readers else { return };
        // Up to which number all windows of a length have been had.
        let mut had: HashMap<Level, u64> = Level::ALL.into_iter().map(|level| (level, u64::MAX)).collect();
        for reader in readers {
            let mark = self.marks.get(reader).copied().unwrap_or_default();
            had.entry(reader.level).and_modify(|had| *had = mark.min(*had));
        }
        let is_read = |(number, waiting): (&u64, &Waiting)| {
            had.get(&waiting.report.level).is_some_and(|had| number <= had).then_some(*number)
        };
        let read: Vec<_> = self.waiting.iter().filter_map(is_read).collect();
        read.into_iter().for_each(|number| self.remove(number));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share, for people")]
fn worst_error(report: &Report) -> f64 {
    let sides = report.exporters.iter().flat_map(|of| [&of.ingress, &of.egress]);
    let inexact = sides.filter(|side| side.error > 0);
    inexact.map(|side| side.error as f64 / side.totals.bytes.max(1) as f64).fold(0.0, f64::max)
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

fn key(Reader { account, level, part }: Reader) -> Vec<u8> {
    format!("{account}/{}/{part}", level.name()).into_bytes()
}

fn reader(key: &[u8]) -> Option<Reader> {
    let mut fields = std::str::from_utf8(key).ok()?.splitn(3, '/');
    let account = AccountId::new(fields.next()?.parse().ok()?);
    let name = fields.next()?;
    let level = Level::ALL.into_iter().find(|level| level.name() == name)?;
    Some(Reader { account, level, part: fields.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Reader = Reader { account: AccountId::new(1), level: Level::Minute, part: 0 };
    const TWO: Reader = Reader { account: AccountId::new(2), ..ONE };
    const QUARTERS: Reader = Reader { level: Level::QuarterHour, ..ONE };

    fn report(level: Level, end: i64) -> Report {
        Report { level, end: Timestamp::from_secs(end), exporters: Vec::new() }
    }

    fn ends(due: &[Arc<Report>]) -> Vec<i64> {
        due.iter().map(|report| report.end.as_micros() / 1_000_000).collect()
    }

    async fn next_life(state: &State) -> Reports {
        let reports = Reports::default();
        reports.restore(state).await;
        reports
    }

    #[tokio::test]
    async fn a_window_is_had_once_by_each_account_and_then_forgotten() {
        let reports = Reports::default();
        reports.serve(HashSet::from([ONE, TWO, QUARTERS]));
        reports.push(report(Level::Minute, 60));
        reports.push(report(Level::QuarterHour, 900));
        assert_eq!(ends(&reports.due(ONE)), [60]);
        reports.accepted(ONE);
        assert!(reports.due(ONE).is_empty());
        assert_eq!(reports.waiting().0, 2);
        assert_eq!(ends(&reports.due(TWO)), [60]);
        reports.accepted(TWO);
        assert_eq!(reports.waiting().0, 1);
    }

    /// The bot before moved its mark before it sent (G25): what failed then was lost.
    #[tokio::test]
    async fn what_was_not_accepted_is_due_again_with_what_came_since() {
        let reports = Reports::default();
        reports.serve(HashSet::from([ONE]));
        reports.push(report(Level::Minute, 60));
        assert_eq!(ends(&reports.due(ONE)), [60]);
        reports.push(report(Level::Minute, 120));
        assert_eq!(ends(&reports.due(ONE)), [60, 120]);
        reports.push(report(Level::Minute, 180));
        reports.accepted(ONE);
        assert_eq!(ends(&reports.due(ONE)), [180]);
    }

    #[tokio::test]
    async fn the_next_life_neither_repeats_nor_skips_a_window() {
        let state = State::memory();
        let reports = next_life(&state).await;
        reports.serve(HashSet::from([ONE, TWO]));
        reports.push(report(Level::Minute, 60));
        reports.push(report(Level::Minute, 120));
        reports.due(ONE);
        reports.accepted(ONE);
        let reports = next_life(&state).await;
        reports.push(report(Level::Minute, 180));
        assert_eq!(ends(&reports.due(ONE)), [180]);
        assert_eq!(ends(&reports.due(TWO)), [60, 120, 180]);
    }

    #[tokio::test]
    async fn numbers_go_on_where_all_was_delivered_before() {
        let state = State::memory();
        for life in 1..=3 {
            let reports = next_life(&state).await;
            reports.serve(HashSet::from([ONE]));
            reports.push(report(Level::Minute, 60 * life));
            assert_eq!(ends(&reports.due(ONE)), [60 * life]);
            reports.accepted(ONE);
            assert_eq!(reports.waiting().0, 0);
        }
    }

    #[tokio::test]
    async fn windows_wait_until_the_backend_has_said_what_there_is_to_serve_and_no_longer() {
        let reports = Reports::default();
        reports.push(report(Level::Minute, 60));
        assert_eq!(reports.waiting().0, 1);
        reports.serve(HashSet::new());
        reports.push(report(Level::Minute, 120));
        assert_eq!(reports.waiting(), (0, 0));
    }

    #[tokio::test]
    async fn a_clock_that_was_set_back_skips_no_window() {
        let reports = Reports::default();
        reports.serve(HashSet::from([ONE]));
        for end in [7_200, 3_660] {
            reports.push(report(Level::Minute, end));
            assert_eq!(ends(&reports.due(ONE)), [end]);
            reports.accepted(ONE);
        }
    }

    #[tokio::test]
    async fn when_there_is_no_room_the_oldest_window_goes_and_is_counted() {
        let reports = Reports::default();
        let one = report(Level::Minute, 0).encode().len();
        let most = i64::try_from(MOST_BYTES / one).unwrap();
        (1..=most + 5).for_each(|minute| reports.push(report(Level::Minute, minute * 60)));
        assert_eq!((reports.dropped.get(), ends(&reports.due(ONE))[0]), (5, 360));
    }

    #[tokio::test]
    async fn damaged_windows_and_marks_are_left_out() {
        let state = State::memory();
        state.table(REPORTS).put(b"short", vec![1]);
        state.table(REPORTS).put(&7_u64.to_be_bytes(), vec![0xff; 9]);
        state.table(MARKS).put(b"1/2min/0", 5_u64.to_be_bytes().to_vec());
        let reports = next_life(&state).await;
        assert_eq!(reports.waiting(), (0, 0));
        assert!(state.table(REPORTS).load().await.is_empty() && state.table(MARKS).load().await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_waits_for_its_window_but_not_for_ever() {
        let reports = Arc::new(Reports::default());
        assert!(!reports.closed_at(Timestamp::from_secs(60)).await);
        let waiting = tokio::spawn({
            let reports = Arc::clone(&reports);
            async move { reports.closed_at(Timestamp::from_secs(60)).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        reports.closed_until(Timestamp::from_secs(60));
        assert!(waiting.await.unwrap());
        assert!(reports.closed_at(Timestamp::from_secs(30)).await);
        reports.closed_until(Timestamp::from_secs(30));
        assert!(!reports.closed_at(Timestamp::from_secs(60)).await, "the clock was set back");
    }
}
