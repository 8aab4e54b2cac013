//! Windows that were closed and wait for the accounts' runs; what each account has had.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use grafoleancollector::telemetry::{Counter, Throttle};
use grafoleancollector::{AccountId, State, Table, Timestamp};
use tokio::sync::watch;

use crate::aggregate::{Level, Report};
use crate::flow::Ip;

/// What may wait, as it is encoded: hours of a busy exporter's minutes. It is needed while the backend has not yet said
/// what there is to serve; what is delivered waits in the outbox. The last window of each length is kept in any case.
const MOST_BYTES: usize = 64 << 20;
/// Exporters whose windows are kept as one value of the state, which has a limit for each.
const EXPORTERS_KEPT_TOGETHER: usize = 32;
/// Lines of the log about windows that are given up.
const WORD_OF_DROPPED_EVERY: Duration = Duration::from_secs(600);
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
    dropped_said: Throttle,
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
    served: Option<Served>,
    tables: Option<Tables>,
    errors: HashMap<Level, f64>,
    /// Windows of the last life. After a kill at the wrong moment one of them may still be open as well: it would come
    /// again, without what came last.
    restored: HashSet<(Level, Timestamp)>,
}

#[derive(Debug)]
struct Waiting {
    report: Arc<Report>,
    bytes: usize,
    /// Under how many keys it is kept.
    pieces: u32,
}

/// Who wants windows, and of whom.
#[derive(Debug)]
struct Served {
    readers: HashSet<Reader>,
    exporters: Arc<HashSet<Ip>>,
}

#[derive(Debug)]
struct Tables {
    reports: Table,
    marks: Table,
}

impl Default for Reports {
    fn default() -> Self {
        let shelf = Mutex::new(Shelf { next: 1, ..Shelf::default() });
        let closed = watch::Sender::new(Timestamp::from_secs(0));
        let dropped_said = Throttle::new(1, WORD_OF_DROPPED_EVERY);
        Self { shelf, closed, dropped: Counter::default(), dropped_said }
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
            if let (Some(number), Some(report)) = (piece_of(key), Report::decode(value)) {
                shelf.restored.insert((report.level, report.end));
                shelf.add_piece(number, report, value.len());
            } else {
                unreadable += 1;
                tables.reports.remove(key);
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

    /// A window was closed: they come oldest first. Of the exporters those are kept that somebody wants.
    pub(crate) fn push(&self, mut report: Report) {
        let wanted = self.shelf().served.as_ref().map(|served| Arc::clone(&served.exporters));
        if let Some(wanted) = wanted {
            report.exporters.retain(|of| wanted.contains(&of.exporter.address));
        }
        let (level, error) = (report.level, worst_error(&report));
        let pieces: Vec<_> = pieces(&report).collect();
        let mut shelf = self.shelf();
        shelf.errors.insert(level, error);
        if report.exporters.is_empty() || shelf.restored.remove(&(level, report.end)) {
            return;
        }
        let (number, bytes) = (shelf.next, pieces.iter().map(Vec::len).sum());
        let mut count = 0;
        for piece in pieces {
            if let Some(tables) = &shelf.tables {
                tables.reports.put(&piece_key(number, count), piece);
            }
            count += 1;
        }
        shelf.add(number, Waiting { report: Arc::new(report), bytes, pieces: count });
        let dropped = shelf.make_room();
        drop(shelf);
        self.dropped.add(dropped);
        if dropped > 0
            && let Some(more) = self.dropped_said.say()
        {
            tracing::warn!(
                "{dropped} closed windows that wait for the backend were given up, the oldest first: they took more \
                 than {} MiB{more}",
                MOST_BYTES >> 20
            );
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

    /// The windows that a reader has not had yet, oldest first, each with its number.
    pub(crate) fn due(&self, reader: Reader) -> Vec<(u64, Arc<Report>)> {
        self.shelf().due(reader).map(|(number, waiting)| (number, Arc::clone(&waiting.report))).collect()
    }

    /// Whether a reader still lacks a window that ended before `end`.
    pub(crate) fn lacks(&self, reader: Reader, end: Timestamp) -> bool {
        self.shelf().due(reader).any(|(_, waiting)| waiting.report.end < end)
    }

    /// A run of this reader begins. What one before took, and nobody accepted, is due again.
    pub(crate) fn begin(&self, reader: Reader) {
        self.shelf().under_way.remove(&reader);
    }

    /// A run of this reader delivers the windows up to this number.
    pub(crate) fn took(&self, reader: Reader, number: u64) {
        self.shelf().under_way.insert(reader, number);
    }

    /// The outbox has what a run of this reader [took](Self::took) last.
    pub(crate) fn accepted(&self, reader: Reader) {
        let mut shelf = self.shelf();
        let Some(last) = shelf.under_way.remove(&reader) else { return };
        shelf.mark(reader, Some(last));
        shelf.forget_read();
    }

    /// These want windows, of these exporters, and no others.
    pub(crate) fn serve(&self, readers: HashSet<Reader>, exporters: Arc<HashSet<Ip>>) {
        let mut shelf = self.shelf();
        shelf.keep_marks_of(&readers);
        shelf.served = Some(Served { readers, exporters });
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
    fn due(&self, reader: Reader) -> impl Iterator<Item = (u64, &Waiting)> {
        let after = self.marks.get(&reader).map_or(0, |mark| mark + 1);
        let due = self.waiting.range(after..).map(|(number, waiting)| (*number, waiting));
        due.filter(move |(_, waiting)| waiting.report.level == reader.level)
    }

    fn add(&mut self, number: u64, waiting: Waiting) {
        self.next = self.next.max(number.saturating_add(1));
        self.bytes += waiting.bytes;
        self.waiting.insert(number, waiting);
    }

    /// Adds what was kept of a window: some of its exporters.
    fn add_piece(&mut self, number: u64, piece: Report, bytes: usize) {
        match self.waiting.get_mut(&number) {
            None => self.add(number, Waiting { report: Arc::new(piece), bytes, pieces: 1 }),
            Some(waiting) => {
                Arc::make_mut(&mut waiting.report).exporters.extend(piece.exporters);
                waiting.pieces += 1;
                waiting.bytes += bytes;
                self.bytes += bytes;
            }
        }
    }

    fn remove(&mut self, number: u64) {
        let Some(waiting) = self.waiting.remove(&number) else { return };
        self.bytes -= waiting.bytes;
        if let Some(tables) = &self.tables {
            (0..waiting.pieces).for_each(|piece| tables.reports.remove(&piece_key(number, piece)));
        }
    }

    /// Gives up windows until there is room, the oldest first, but of no length the last one: who wants it may be on the
    /// way. Returns how many.
    fn make_room(&mut self) -> u64 {
        let mut dropped = 0;
        let mut last: HashMap<Level, u64> = HashMap::new();
        for (number, waiting) in &self.waiting {
            last.insert(waiting.report.level, *number);
        }
        let others: Vec<_> = self.waiting.iter().map(|(number, of)| (*number, of.report.level)).collect();
        for (number, level) in others {
            if self.bytes <= MOST_BYTES {
                break;
            }
            if last.get(&level) != Some(&number) {
                self.remove(number);
                dropped += 1;
            }
        }
        dropped
    }

    /// Forgets the marks of readers that are gone. Where an account has more parts now, or fewer, its entities are in other
    /// parts than before: all of these begin where the last of the old ones was, and what some had twice is stored once.
    fn keep_marks_of(&mut self, readers: &HashSet<Reader>) {
        let mut before: HashMap<(AccountId, Level), Vec<Reader>> = HashMap::new();
        for reader in self.marks.keys() {
            before.entry((reader.account, reader.level)).or_default().push(*reader);
        }
        for ((account, level), old) in before {
            let now: Vec<_> = readers
                .iter()
                .filter(|reader| (reader.account, reader.level) == (account, level))
                .copied()
                .collect();
            let same = old.len() == now.len() && old.iter().all(|reader| readers.contains(reader));
            if same {
                continue;
            }
            let least = old.iter().filter_map(|reader| self.marks.get(reader)).min().copied();
            for reader in old {
                self.mark(reader, None);
            }
            now.into_iter().for_each(|reader| self.mark(reader, least));
        }
    }

    fn mark(&mut self, reader: Reader, last: Option<u64>) {
        match last {
            Some(last) => self.marks.insert(reader, last),
            None => self.marks.remove(&reader),
        };
        let Some(tables) = &self.tables else { return };
        match last {
            Some(last) => tables.marks.put(&key(reader), last.to_be_bytes().to_vec()),
            None => tables.marks.remove(&key(reader)),
        }
    }

    /// Removes what every reader has had.
    fn forget_read(&mut self) {
        let Some(Served { readers, .. }) = &self.served else { return };
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

/// A window as values of the state, some exporters in each.
fn pieces(report: &Report) -> impl Iterator<Item = Vec<u8>> + '_ {
    report.exporters.chunks(EXPORTERS_KEPT_TOGETHER).map(|exporters| {
        let Report { level, end, .. } = *report;
        Report { level, end, exporters: exporters.to_vec() }.encode()
    })
}

fn piece_key(number: u64, piece: u32) -> Vec<u8> {
    [&number.to_be_bytes()[..], &piece.to_be_bytes()].concat()
}

/// The number of the window that a piece belongs to.
fn piece_of(key: &[u8]) -> Option<u64> {
    let (number, piece) = key.split_first_chunk()?;
    (piece.len() == 4).then(|| u64::from_be_bytes(*number))
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
    use crate::aggregate::{Count, ExporterKey, ExporterReport, Side};

    const ONE: Reader = Reader { account: AccountId::new(1), level: Level::Minute, part: 0 };
    const TWO: Reader = Reader { account: AccountId::new(2), ..ONE };
    const QUARTERS: Reader = Reader { level: Level::QuarterHour, ..ONE };

    fn exporter(n: u32) -> ExporterReport {
        let exporter = ExporterKey::from(Ip::v4(n));
        ExporterReport { exporter, sampling: 1, ingress: Side::default(), egress: Side::default() }
    }

    fn report(level: Level, end: i64) -> Report {
        Report { level, end: Timestamp::from_secs(end), exporters: vec![exporter(1)] }
    }

    fn serve(reports: &Reports, readers: &[Reader]) {
        reports.serve(readers.iter().copied().collect(), Arc::new(HashSet::from([Ip::v4(1)])));
    }

    /// The ends of the windows that a run delivers.
    fn had(reports: &Reports, reader: Reader) -> Vec<i64> {
        let due = reports.due(reader);
        if let Some((last, _)) = due.last() {
            reports.took(reader, *last);
        }
        due.iter().map(|(_, report)| report.end.as_micros() / 1_000_000).collect()
    }

    async fn next_life(state: &State) -> Reports {
        let reports = Reports::default();
        reports.restore(state).await;
        reports
    }

    #[tokio::test]
    async fn a_window_is_had_once_by_each_account_and_then_forgotten() {
        let reports = Reports::default();
        serve(&reports, &[ONE, TWO, QUARTERS]);
        reports.push(report(Level::Minute, 60));
        reports.push(report(Level::QuarterHour, 900));
        assert_eq!(had(&reports, ONE), [60]);
        reports.accepted(ONE);
        assert!(reports.due(ONE).is_empty());
        assert_eq!(reports.waiting().0, 2);
        assert_eq!(had(&reports, TWO), [60]);
        reports.accepted(TWO);
        assert_eq!(reports.waiting().0, 1);
    }

    /// The bot before moved its mark before it sent (G25): what failed then was lost.
    #[tokio::test]
    async fn what_was_not_accepted_is_due_again_with_what_came_since() {
        let reports = Reports::default();
        serve(&reports, &[ONE]);
        reports.push(report(Level::Minute, 60));
        assert_eq!(had(&reports, ONE), [60]);
        reports.push(report(Level::Minute, 120));
        assert_eq!(had(&reports, ONE), [60, 120]);
        reports.push(report(Level::Minute, 180));
        reports.accepted(ONE);
        assert_eq!(had(&reports, ONE), [180]);
    }

    /// A run that delivers for many readers said of all of them that they had had what an earlier run had lost.
    #[tokio::test]
    async fn what_a_run_took_in_vain_is_not_accepted_with_another_run() {
        let reports = Reports::default();
        serve(&reports, &[ONE]);
        reports.push(report(Level::Minute, 60));
        assert_eq!(had(&reports, ONE), [60]);
        reports.begin(ONE);
        reports.accepted(ONE);
        assert_eq!(had(&reports, ONE), [60]);
    }

    #[tokio::test]
    async fn the_next_life_neither_repeats_nor_skips_a_window() {
        let state = State::memory();
        let reports = next_life(&state).await;
        serve(&reports, &[ONE, TWO]);
        reports.push(report(Level::Minute, 60));
        reports.push(report(Level::Minute, 120));
        had(&reports, ONE);
        reports.accepted(ONE);
        let reports = next_life(&state).await;
        reports.push(report(Level::Minute, 180));
        assert_eq!(had(&reports, ONE), [180]);
        assert_eq!(had(&reports, TWO), [60, 120, 180]);
    }

    #[tokio::test]
    async fn a_window_that_a_kill_left_open_though_it_was_closed_is_not_closed_again() {
        let state = State::memory();
        let reports = next_life(&state).await;
        reports.push(report(Level::Minute, 60));
        let reports = next_life(&state).await;
        reports.push(report(Level::Minute, 60));
        reports.push(report(Level::Minute, 120));
        assert_eq!(had(&reports, ONE), [60, 120]);
    }

    #[tokio::test]
    async fn numbers_go_on_where_all_was_delivered_before() {
        let state = State::memory();
        for life in 1..=3 {
            let reports = next_life(&state).await;
            serve(&reports, &[ONE]);
            reports.push(report(Level::Minute, 60 * life));
            assert_eq!(had(&reports, ONE), [60 * life]);
            reports.accepted(ONE);
            assert_eq!(reports.waiting().0, 0);
        }
    }

    #[tokio::test]
    async fn windows_wait_until_the_backend_has_said_what_there_is_to_serve_and_no_longer() {
        let reports = Reports::default();
        reports.push(report(Level::Minute, 60));
        assert_eq!(reports.waiting().0, 1);
        serve(&reports, &[]);
        assert_eq!(reports.waiting(), (0, 0));
        reports.push(Report { exporters: vec![exporter(7)], ..report(Level::Minute, 120) });
        assert_eq!(reports.waiting(), (0, 0), "nobody wants this exporter");
    }

    #[tokio::test]
    async fn a_clock_that_was_set_back_skips_no_window() {
        let reports = Reports::default();
        serve(&reports, &[ONE]);
        for end in [7_200, 3_660] {
            reports.push(report(Level::Minute, end));
            assert_eq!(had(&reports, ONE), [end]);
            reports.accepted(ONE);
        }
    }

    /// What was just closed was dropped once, because a day was larger than the room.
    #[tokio::test]
    async fn when_there_is_no_room_the_oldest_windows_go_but_never_the_last_of_their_length() {
        let reports = Reports::default();
        let large = |level, end| {
            let connections = (0..800_000).map(|n| ((Ip::v4(n), Ip::v4(n + 1)), Count::default())).collect();
            let ingress = Side { connections, ..Side::default() };
            Report { exporters: vec![ExporterReport { ingress, ..exporter(1) }], ..report(level, end) }
        };
        let each = large(Level::Minute, 60).encode().len();
        assert!((MOST_BYTES / 8..MOST_BYTES).contains(&each), "{each}");
        reports.push(large(Level::Day, 60));
        (1..=10).for_each(|minute| reports.push(large(Level::Minute, 60 * minute)));
        assert_eq!(had(&reports, Reader { level: Level::Day, ..ONE }), [60]);
        assert_eq!(had(&reports, ONE).last(), Some(&600));
        assert!(reports.dropped.get() >= 2 && reports.waiting().1 <= MOST_BYTES);
    }

    #[tokio::test]
    async fn a_window_of_many_exporters_is_kept_in_pieces() {
        let state = State::memory();
        let reports = next_life(&state).await;
        let many = Report { exporters: (0..100).map(exporter).collect(), ..report(Level::Minute, 60) };
        reports.push(many.clone());
        assert_eq!(state.table(REPORTS).load().await.len(), 4);
        let reports = next_life(&state).await;
        let [(_, restored)] = &reports.due(ONE)[..] else { panic!("one window") };
        assert_eq!(restored.exporters.len(), 100);
        had(&reports, ONE);
        serve(&reports, &[ONE]);
        reports.accepted(ONE);
        assert!(state.table(REPORTS).load().await.is_empty());
    }

    #[tokio::test]
    async fn damaged_windows_and_marks_are_left_out() {
        let state = State::memory();
        state.table(REPORTS).put(b"short", vec![1]);
        state.table(REPORTS).put(&piece_key(7, 0), vec![0xff; 9]);
        state.table(MARKS).put(b"1/2min/0", 5_u64.to_be_bytes().to_vec());
        let reports = next_life(&state).await;
        assert_eq!(reports.waiting(), (0, 0));
        assert!(state.table(REPORTS).load().await.is_empty() && state.table(MARKS).load().await.is_empty());
    }

    #[tokio::test]
    async fn entities_that_come_into_another_part_lose_no_window() {
        let reports = Reports::default();
        let (first, second) = (ONE, Reader { part: 1, ..ONE });
        serve(&reports, &[first, second]);
        reports.push(report(Level::Minute, 60));
        reports.push(report(Level::Minute, 120));
        had(&reports, first);
        reports.accepted(first);
        let (number, _) = reports.due(second)[0];
        reports.took(second, number);
        reports.accepted(second);
        serve(&reports, &[first]);
        assert_eq!(had(&reports, first), [120], "the second part had not had it");
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
