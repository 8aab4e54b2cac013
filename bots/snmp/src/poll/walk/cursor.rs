//! How far one column was read, and what the object after its last one means to it.

use std::collections::HashSet;

use tokio::time::Instant;

use super::{Index, Row, Stop, WalkLimits};
use crate::oid::Oid;
use crate::value::Value;

/// How far a column was read.
pub(super) struct Cursor {
    pub(super) column: Oid,
    pub(super) last: Oid,
    pub(super) rows: Vec<Row>,
    pub(super) steps: usize,
    pub(super) end: Option<Option<Stop>>,
    /// It is asked for alone: in company, something failed.
    pub(super) alone: bool,
    /// The most rows that it is asked for at once. 0: only by GETNEXT.
    pub(super) cap: u32,
    pub(super) timeouts: u32,
    seen: Option<HashSet<Index>>,
}

impl Cursor {
    pub(super) fn new(column: &Oid, any_order: bool) -> Self {
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
    pub(super) fn accept(&mut self, oid: Oid, value: Value, received: Instant, limits: &WalkLimits) -> usize {
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
