//! The walk engine: columns of tables, side by side, from agents that may misbehave.
//!
//! A walk always ends, within its limits, and keeps what it read: a column that was not read to its end says
//! why.

mod column;
mod cursor;

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::agent::SnmpError;
use crate::oid::Oid;
use crate::poll::conversation::{Answer, Conversation, Failure, means_absent};
use crate::poll::manners::{BulkManners, Portion};
use cursor::Cursor;

pub(crate) use column::{Column, Index, Row, Stop};

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

#[cfg(test)]
mod tests;
