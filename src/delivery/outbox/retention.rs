//! What the outbox file holds no longer: when the clock may be believed that samples are too old, and how space is
//! given back.

use std::time::Duration;

use rusqlite::Connection;
use tokio::time::Instant;

use crate::clock::Timestamp;

/// How far clock and stopwatch may part between two sweeps before the clock is said to have jumped.
const JUMP: Duration = Duration::from_secs(60);
/// Sweeps without a jump before the clock is trusted again with throwing samples away.
const STEADY_SWEEPS: u32 = 10;
/// Free pages (of 4 KiB) above which the file is made smaller, and how many are given back at once.
const FREE_PAGES: u64 = 1_000;

/// A clock that jumped into next year must not empty the outbox, nor one that began there: it has to tell the same
/// story as the stopwatch for a while.
#[derive(Default)]
pub(super) struct Trust {
    last_sweep: Option<(Timestamp, Instant)>,
    /// Sweeps since the start or the last jump: a machine without a battery may start with any time of day.
    steady: u32,
}

impl Trust {
    /// Whether the clock is trusted at this sweep.
    pub(super) fn in_clock(&mut self, now: Timestamp, at: Instant) -> bool {
        if let Some((then, since)) = self.last_sweep.replace((now, at)) {
            let (expected, seen) = (at.duration_since(since), now.since(then));
            self.steady = if seen.abs_diff(expected) > JUMP { 0 } else { self.steady.saturating_add(1) };
        }
        self.steady >= STEADY_SWEEPS
    }
}

/// Gives pages back to the file system that an outage has left.
pub(super) fn shrink(connection: &Connection) -> rusqlite::Result<()> {
    let free: u64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    if free > FREE_PAGES {
        let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({FREE_PAGES})"))?;
        let mut pages = statement.query([])?;
        // Each step gives back one page.
        while pages.next()?.is_some() {}
    }
    Ok(())
}
