//! Questions about values. Each is asked on a connection that is in no transaction, and begins its own when it has
//! looked into memory.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::super::error::StoreError;
use super::codec::chunk::Point;
use super::codec::hours::Aggregate;
use super::memory::later;
use super::path::PathFilter;
use super::shared::Shared;
use super::types::{Bucket, Range, Rollups, Series, Top};
use super::{chunks, hours};

/// Buckets of the highest level are 3^6 hours long.
const MAX_LEVEL: u8 = 6;
/// Paths that are looked up in memory before the writer may go on.
const AT_ONCE: usize = 2_048;

pub(super) fn read(
    db: &Connection,
    shared: &Shared,
    path: i64,
    range: Range,
    newest_first: bool,
    limit: usize,
) -> Result<Series, StoreError> {
    let mut in_memory = shared.memory().points(path, range);
    if newest_first {
        in_memory.reverse();
    }
    let in_file = chunks::read(db, path, range, newest_first, limit.saturating_add(1))?;
    let mut points =
        if in_memory.is_empty() { in_file } else { chunks::overlay(&in_file, &in_memory, newest_first) };
    let next = points.get(limit).map(|point| point.0);
    points.truncate(limit);
    Ok(Series { points, next })
}

/// A bucket that grows hour by hour.
struct Growing {
    newest_first: bool,
    level_hours: i64,
    /// Buckets are wanted up to so many.
    limit: usize,
    done: Vec<Bucket>,
    current: Option<(i64, Aggregate)>,
}

impl Growing {
    /// Takes the next hour in order; whether more are wanted.
    fn take(&mut self, hour: i64, aggregate: Aggregate) -> bool {
        let number = hour.div_euclid(self.level_hours);
        match &mut self.current {
            Some((current, sum)) if *current == number => {
                // The same sum in either direction, as far as that is possible.
                *sum = if self.newest_first { aggregate.and(*sum) } else { sum.and(aggregate) };
            }
            _ => {
                self.close();
                self.current = Some((number, aggregate));
            }
        }
        self.done.len() < self.limit
    }

    fn close(&mut self) {
        if let Some((number, sum)) = self.current.take() {
            self.done.push(Bucket {
                start: hours::start_of(number * self.level_hours),
                average: sum.average(),
                minimum: sum.minimum,
                maximum: sum.maximum,
            });
        }
    }
}

pub(super) fn rollup(
    db: &Connection,
    shared: &Shared,
    path: i64,
    level: u8,
    range: Range,
    newest_first: bool,
    limit: usize,
) -> Result<Rollups, StoreError> {
    let level_hours = 3_i64.pow(u32::from(level.min(MAX_LEVEL)));
    // The hours of those buckets that start in the range.
    let first =
        hours::hour_of(range.from.saturating_sub(1)).div_euclid(level_hours).saturating_add(1) * level_hours;
    let last = hours::hour_of(range.to).div_euclid(level_hours) * level_hours + level_hours - 1;
    if first > last {
        return Ok(Rollups::default());
    }
    let in_memory = shared.memory().points(path, hours::times(first, last));
    let snapshot = db.unchecked_transaction()?;
    let mut fresh = with_memory(&snapshot, path, &in_memory)?;
    let mut growing = Growing {
        newest_first,
        level_hours,
        limit: limit.saturating_add(1),
        done: Vec::new(),
        current: None,
    };
    hours::each_block(&snapshot, path, (first, last), newest_first, |block, in_file| {
        // Blocks that are only in memory come before their turn is over.
        let before = |fresh: &mut BTreeMap<i64, hours::Block>| {
            let entry = if newest_first { fresh.last_entry() } else { fresh.first_entry() };
            let is_before = |entry: &i64| if newest_first { *entry > block } else { *entry < block };
            entry.filter(|entry| is_before(entry.key())).map(|entry| entry.remove_entry())
        };
        let mut more = true;
        while more && let Some((block, of_memory)) = before(&mut fresh) {
            more = grow(&mut growing, block, &of_memory, (first, last));
        }
        let current = fresh.remove(&block).unwrap_or(in_file);
        more && grow(&mut growing, block, &current, (first, last))
    })?;
    while let Some((block, of_memory)) = if newest_first { fresh.pop_last() } else { fresh.pop_first() } {
        if !grow(&mut growing, block, &of_memory, (first, last)) {
            break;
        }
    }
    growing.close();
    let Growing { done: mut buckets, .. } = growing;
    let next = buckets.get(limit).map(|bucket| bucket.start);
    buckets.truncate(limit);
    Ok(Rollups { buckets, next })
}

fn grow(growing: &mut Growing, block: i64, hours: &hours::Block, (first, last): (i64, i64)) -> bool {
    let mut more = growing.done.len() < growing.limit;
    for (hour, aggregate) in hours::numbered(block, hours, growing.newest_first) {
        if more && first <= hour && hour <= last {
            more = growing.take(hour, aggregate);
        }
    }
    more
}

/// The blocks of the file that memory has values for, with those.
fn with_memory(
    db: &Connection,
    path: i64,
    points: &[Point],
) -> Result<BTreeMap<i64, hours::Block>, StoreError> {
    if points.is_empty() {
        return Ok(BTreeMap::new());
    }
    let stop = chunks::last(db, path)?.map(|last| last.0);
    let block_of = |point: &Point| hours::block_of(hours::hour_of(point.0));
    let blocks = points.chunk_by(|one, next| block_of(one) == block_of(next));
    blocks
        .map(|points| Ok((block_of(&points[0]), hours::with(db, path, block_of(&points[0]), points, stop)?)))
        .collect()
}

/// The newest value of a path, from memory where it is remembered; it is from then on.
pub(super) fn last(db: &Connection, shared: &Shared, path: i64) -> Result<Option<Point>, StoreError> {
    let (in_memory, epoch) = {
        let memory = shared.memory();
        if let Some(last) = memory.last(path) {
            return Ok(Some(last));
        }
        (memory.newest(path, i64::MAX), memory.epoch())
    };
    let in_file = chunks::last(db, path)?;
    let mut memory = shared.memory_mut();
    // What left memory meanwhile may be newer than what the file said.
    if memory.epoch() == epoch {
        memory.remember_last(path, in_file);
    }
    Ok(later(in_memory, in_file))
}

/// Ids and names of matching paths, in order.
pub(super) fn matching(
    db: &Connection,
    account: i64,
    filter: &PathFilter,
    limit: usize,
) -> Result<Vec<(i64, String)>, StoreError> {
    if filter.is_literal() {
        let id = super::shared::path_id(db, account, filter.as_str())?;
        return Ok(id.into_iter().map(|id| (id, filter.as_str().to_owned())).take(limit).collect());
    }
    let from = filter.prefix();
    // A prefix ends in a dot, and a slash comes after it; no path has letters beyond ASCII.
    let to = from.strip_suffix('.').map_or_else(|| "\u{7f}".to_owned(), |segments| format!("{segments}/"));
    let mut find = db.prepare_cached(
        "SELECT id, path FROM paths WHERE account = ?1 AND path >= ?2 AND path < ?3 ORDER BY path",
    )?;
    let mut rows = find.query((account, from, to))?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        let path = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        if filter.matches(path) {
            found.push((row.get(0)?, path.to_owned()));
        }
    }
    Ok(found)
}

pub(super) fn top(
    db: &Connection,
    shared: &Shared,
    account: i64,
    filter: &PathFilter,
    n: usize,
    until: i64,
) -> Result<Option<Top>, StoreError> {
    let paths = matching(db, account, filter, usize::MAX)?;
    let mut newest = Vec::with_capacity(paths.len());
    for paths in paths.chunks(AT_ONCE) {
        let memory = shared.memory();
        newest.extend(paths.iter().map(|(id, _)| memory.last(*id)));
    }
    let mut time = None;
    for ((id, _), newest) in paths.iter().zip(&mut newest) {
        if newest.is_none() {
            *newest = last(db, shared, *id)?;
        }
        if newest.is_some_and(|newest| newest.0 > until) {
            let in_memory = shared.memory().newest(*id, until);
            *newest = later(in_memory, chunks::newest(db, *id, until)?);
        }
        time = time.max(newest.map(|newest| newest.0));
    }
    let Some(time) = time else { return Ok(None) };
    let at_that_time = paths.into_iter().zip(newest).filter_map(|((_, path), newest)| {
        let (at, value) = newest?;
        (at == time).then_some((path, value))
    });
    let mut list: Vec<(String, f64)> = at_that_time.collect();
    let total = list.iter().map(|(_, value)| value).sum::<f64>().clamp(f64::MIN, f64::MAX);
    list.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    list.truncate(n);
    Ok(Some(Top { time, total, list }))
}
