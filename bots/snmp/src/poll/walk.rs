//! The walk engine: columns of tables, side by side, from agents that may misbehave.
//!
//! A walk always ends, within its limits, and keeps what it read: a column that was not read to its end says
//! why.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::Instant;

use crate::agent::SnmpError;
use crate::oid::Oid;
use crate::poll::conversation::{Answer, Conversation, Failure, means_absent};
use crate::poll::manners::{BulkManners, Portion};
use crate::value::Value;

/// What comes after the column's OID: one number for most tables, an IPv4 address for some, more for few.
pub(crate) type Index = SmallVec<[u32; 4]>;

/// One cell of a column.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Row {
    pub(crate) index: Index,
    pub(crate) value: Value,
    pub(crate) received: Instant,
}

/// A column as it was read.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Column {
    pub(crate) oid: Oid,
    /// Sorted by index, each index once.
    pub(crate) rows: Vec<Row>,
    /// Why there may be more rows than these. None: these are all.
    pub(crate) partial: Option<Stop>,
}

impl Column {
    pub(crate) const fn is_complete(&self) -> bool {
        self.partial.is_none()
    }

    pub(crate) fn row(&self, index: &[u32]) -> Option<&Row> {
        let at = self.rows.binary_search_by(|row| (*row.index).cmp(index)).ok()?;
        self.rows.get(at)
    }
}

/// Why a column was not read to its end.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Stop {
    #[error("the agent gave {0} again, as the one after itself")]
    Again(Oid),
    #[error("the agent gave {after} as the one after {before}: its objects are out of order")]
    Disorder { before: Oid, after: Oid },
    #[error("the agent goes round in circles: it gave {0} twice")]
    Circle(Oid),
    #[error("the column has more than {0} rows")]
    TooManyRows(usize),
    #[error("the walk has more than {0} bytes")]
    TooManyBytes(usize),
    #[error("the walk took longer than {0:?}")]
    TooLong(Duration),
    #[error("the time for this poll was up")]
    TimeUp,
    #[error("the agent gave an answer without any object")]
    Empty,
    #[error(transparent)]
    Failed(#[from] SnmpError),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TimeUp => Self::TimeUp,
            Failure::Snmp(error) => Self::Failed(error),
        }
    }
}

/// What a walk may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WalkLimits {
    /// Rows of one column, holes included.
    pub(crate) rows: usize,
    /// Memory for the rows of all columns together.
    pub(crate) bytes: usize,
    /// How long it may take.
    pub(crate) time: Duration,
    /// Whether objects may come in any order, as long as none comes twice.
    pub(crate) any_order: bool,
}

impl Default for WalkLimits {
    /// A core router's tables are far smaller; an agent that makes rows up is stopped before it hurts.
    fn default() -> Self {
        Self { rows: 100_000, bytes: 16 << 20, time: Duration::from_secs(300), any_order: false }
    }
}

/// What every agent has.
const SYSTEM: [u32; 7] = [1, 3, 6, 1, 2, 1, 1];
/// Requests for one column alone that it may leave unanswered.
const MOST_TIMEOUTS_ALONE: u32 = 2;

/// Walks all `columns`, each once. The result has them in the order given.
pub(crate) async fn walk(
    talk: &Conversation<'_>,
    columns: &[Oid],
    manners: &mut BulkManners,
    limits: &WalkLimits,
) -> Vec<Column> {
    let began = Instant::now();
    let mut walk = Walk::new(columns, *limits);
    while !walk.active.is_empty() {
        if began.elapsed() >= limits.time {
            walk.stop_all(&Stop::TooLong(limits.time));
            break;
        }
        let (round, portion) = walk.next_round(manners, talk.has_bulk());
        let from: Vec<Oid> = round.iter().map(|&at| walk.cursors[at].last.clone()).collect();
        let answer = match portion.rows {
            Some(rows) => talk.get_bulk(&from, rows).await,
            None => talk.get_next(&from).await,
        };
        match answer {
            Ok(answer) => walk.take(&round, portion, answer, manners),
            Err(failure) => {
                walk.cope(talk, &round, portion, failure, manners);
                if !talk.heard() {
                    // Is anybody there at all? Whatever comes of it, the talk learns it.
                    let _ = talk.get_next(&[Oid::new(SYSTEM)]).await;
                }
            }
        }
        walk.requeue(round, manners);
    }
    walk.finish()
}

struct Walk {
    cursors: Vec<Cursor>,
    /// The columns that are not at their end, in the order in which they are asked for.
    active: VecDeque<usize>,
    limits: WalkLimits,
    bytes: usize,
    /// The GETBULK that was not answered: the next request is a GETNEXT, to learn whether that was the reason.
    doubted: Option<Portion>,
}

/// How far a column was read.
struct Cursor {
    column: Oid,
    last: Oid,
    rows: Vec<Row>,
    steps: usize,
    end: Option<Option<Stop>>,
    /// It is asked for alone: in company, something failed.
    alone: bool,
    /// The most rows that it is asked for at once. 0: only by GETNEXT.
    cap: u32,
    timeouts: u32,
    seen: Option<HashSet<Index>>,
}

impl Walk {
    fn new(columns: &[Oid], limits: WalkLimits) -> Self {
        let cursors: Vec<_> = columns.iter().map(|oid| Cursor::new(oid, limits.any_order)).collect();
        // Columns of one table stand together then, and are as long as each other.
        let mut order: Vec<usize> = (0..cursors.len()).collect();
        order.sort_by(|&a, &b| columns[a].cmp(&columns[b]));
        Self { cursors, active: order.into(), limits, bytes: 0, doubted: None }
    }

    /// The columns to ask for now, taken from the queue, and how.
    fn next_round(&mut self, manners: &BulkManners, has_bulk: bool) -> (Vec<usize>, Portion) {
        let first = &self.cursors[self.active[0]];
        let portion = if has_bulk && self.doubted.is_none() && first.cap > 0 {
            // One row more than there are shows that there are no more.
            let left = manners
                .rows_of(&first.column)
                .and_then(|rows| rows.saturating_add(1).checked_sub(u32::try_from(first.steps).ok()?))
                .filter(|left| *left > 0);
            manners.portion(left, first.cap, Instant::now())
        } else {
            manners.single_rows()
        };
        let mut round = Vec::with_capacity(portion.columns as usize);
        while let Some(&at) = self.active.front() {
            let alone = self.cursors[at].alone;
            if round.len() >= portion.columns as usize || alone && !round.is_empty() {
                break;
            }
            round.push(at);
            self.active.pop_front();
            if alone {
                break;
            }
        }
        let columns = u32::try_from(round.len()).unwrap_or(u32::MAX);
        (round, Portion { columns, ..portion })
    }

    /// Puts back into the queue, in front, what is not at its end yet.
    fn requeue(&mut self, round: Vec<usize>, manners: &mut BulkManners) {
        for at in round.into_iter().rev() {
            let cursor = &self.cursors[at];
            match &cursor.end {
                None => self.active.push_front(at),
                Some(None) => manners.learn_rows(&cursor.column, cursor.steps),
                Some(Some(_)) => {}
            }
        }
        if self.bytes > self.limits.bytes {
            self.stop_all(&Stop::TooManyBytes(self.limits.bytes));
        }
    }

    fn stop_all(&mut self, stop: &Stop) {
        for at in self.active.drain(..) {
            self.cursors[at].end.get_or_insert_with(|| Some(stop.clone()));
        }
    }

    fn take(&mut self, round: &[usize], portion: Portion, answer: Answer, manners: &mut BulkManners) {
        if let Some(doubted) = self.doubted.take() {
            manners.bulk_unanswered(doubted, answer.received);
        }
        if answer.bindings.is_empty() {
            self.single_out(round, portion, None, &Stop::Empty);
            return;
        }
        manners.answered(portion);
        let rows = answer.bindings.len().div_ceil(round.len());
        round.iter().for_each(|&at| self.cursors[at].rows.reserve(rows));
        // More than was asked for is not believed: it does not say which column it belongs to.
        for (n, (oid, value)) in answer.bindings.into_iter().take(portion.size() as usize).enumerate() {
            let cursor = &mut self.cursors[round[n % round.len()]];
            self.bytes += cursor.accept(oid, value, answer.received, &self.limits);
            if self.bytes > self.limits.bytes {
                break;
            }
        }
        for &at in round {
            self.cursors[at].timeouts = 0;
            if self.bytes > self.limits.bytes {
                self.cursors[at].end.get_or_insert(Some(Stop::TooManyBytes(self.limits.bytes)));
            }
        }
    }

    fn cope(
        &mut self,
        talk: &Conversation<'_>,
        round: &[usize],
        portion: Portion,
        failure: Failure,
        manners: &mut BulkManners,
    ) {
        let error = match failure {
            Failure::Snmp(error) if talk.given_up().is_none() => error,
            final_failure => {
                let stop = final_failure.into();
                self.end(round, &stop);
                self.stop_all(&stop);
                return;
            }
        };
        match &error {
            SnmpError::Timeout { .. } => self.cope_with_silence(round, portion, error),
            SnmpError::TooBig => {
                if portion.size() > 1 {
                    manners.too_big(portion);
                } else {
                    self.end(round, &Stop::Failed(error));
                }
            }
            SnmpError::Agent { status, index } => {
                let culprit = index.and_then(|index| round.get(index.checked_sub(1)?)).copied();
                let culprit = culprit.or_else(|| (round.len() == 1).then(|| round[0]));
                match culprit {
                    // SNMPv1: nothing comes after this.
                    Some(at) if means_absent(status) => self.cursors[at].end = Some(None),
                    _ => self.single_out(round, portion, culprit, &Stop::Failed(error)),
                }
            }
            _ => self.single_out(round, portion, None, &Stop::Failed(error)),
        }
    }

    /// No answer: the request may be too much, of a kind that the agent does not know, for a column that it
    /// cannot read, or the device may be gone: that the talk finds out.
    fn cope_with_silence(&mut self, round: &[usize], portion: Portion, error: SnmpError) {
        if portion.rows.is_some() {
            self.doubted = Some(portion);
        }
        match round {
            [at] => {
                let cursor = &mut self.cursors[*at];
                cursor.timeouts += 1;
                if cursor.timeouts >= MOST_TIMEOUTS_ALONE {
                    cursor.end = Some(Some(Stop::Failed(error)));
                    self.doubted = None;
                }
            }
            // Asked for together by GETBULK they are asked for together by GETNEXT first.
            _ if portion.rows.is_some() => {}
            several => several.iter().for_each(|at| self.cursors[*at].alone = true),
        }
    }

    /// Something is wrong with one of the columns: it is asked for alone, for fewer and fewer rows, and given
    /// up where even the next row alone fails.
    fn single_out(&mut self, round: &[usize], portion: Portion, culprit: Option<usize>, stop: &Stop) {
        let suspects = culprit.as_ref().map_or(round, std::slice::from_ref);
        for &at in suspects {
            let cursor = &mut self.cursors[at];
            cursor.alone = true;
            if round.len() > 1 {
                continue;
            }
            match portion.rows {
                Some(rows) => cursor.cap = rows / 2,
                None => cursor.end = Some(Some(stop.clone())),
            }
        }
    }

    fn end(&mut self, round: &[usize], stop: &Stop) {
        for &at in round {
            self.cursors[at].end = Some(Some(stop.clone()));
        }
    }

    fn finish(self) -> Vec<Column> {
        let any_order = self.limits.any_order;
        let column = |cursor: Cursor| {
            let Cursor { column: oid, mut rows, end, .. } = cursor;
            if any_order {
                rows.sort_by(|a, b| a.index.cmp(&b.index));
            }
            Column { oid, rows, partial: end.unwrap_or(Some(Stop::TimeUp)) }
        };
        self.cursors.into_iter().map(column).collect()
    }
}

impl Cursor {
    fn new(column: &Oid, any_order: bool) -> Self {
        Self {
            column: column.clone(),
            last: column.clone(),
            rows: Vec::new(),
            steps: 0,
            end: None,
            alone: false,
            cap: u32::MAX,
            timeouts: 0,
            seen: any_order.then(HashSet::new),
        }
    }

    /// Takes the object that comes after the last one. Returns how much memory it needs.
    fn accept(&mut self, oid: Oid, value: Value, received: Instant, limits: &WalkLimits) -> usize {
        if self.end.is_some() {
            return 0;
        }
        let nothing = value == Value::Nothing;
        let index = match self.judge(&oid, nothing, limits) {
            Verdict::Row(index) => index,
            Verdict::End(stop) => {
                self.end = Some(stop);
                return 0;
            }
        };
        self.steps += 1;
        let content = if let Value::Bytes(bytes) = &value { bytes.len() } else { 0 };
        let size = size_of::<Row>() + size_of_val(index) + content;
        // A hole: the agent knows of the row but has no value for it.
        if !nothing {
            self.rows.push(Row { index: Index::from_slice(index), value, received });
        }
        self.last = oid;
        size
    }

    fn judge<'a>(&mut self, oid: &'a Oid, nothing: bool, limits: &WalkLimits) -> Verdict<'a> {
        let order = oid.cmp(&self.last);
        let index = match oid.index_below(&self.column) {
            // endOfMibView carries the name that was asked for.
            Some(_) if nothing && order.is_le() => None,
            index => index,
        };
        // What comes after the column's end comes after its last row: an agent that goes back out of the column may
        // have left rows out.
        let out_of_turn = match (&mut self.seen, index) {
            (None, None) if nothing => None,
            (None, _) if order.is_eq() => Some(Stop::Again(oid.clone())),
            (None, _) if order.is_lt() => {
                Some(Stop::Disorder { before: self.last.clone(), after: oid.clone() })
            }
            (Some(seen), Some(index)) => {
                (!seen.insert(Index::from_slice(index))).then(|| Stop::Circle(oid.clone()))
            }
            _ => None,
        };
        match (index, out_of_turn) {
            (Some(_), None) if self.steps >= limits.rows => {
                Verdict::End(Some(Stop::TooManyRows(limits.rows)))
            }
            (Some(index), None) => Verdict::Row(index),
            (_, out_of_turn) => Verdict::End(out_of_turn),
        }
    }
}

/// What an object means to a column.
enum Verdict<'a> {
    /// A row with this index.
    Row(&'a [u32]),
    /// The end, and why it may not be the end of the table.
    End(Option<Stop>),
}

#[cfg(test)]
mod tests;
