//! What a walk gives: columns, their rows, and why there may be more.

use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::Instant;

use crate::agent::SnmpError;
use crate::oid::Oid;
use crate::poll::conversation::Failure;
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
