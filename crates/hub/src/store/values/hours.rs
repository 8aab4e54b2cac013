//! Hours in the file, and the buckets that they make up.

use rusqlite::{Connection, OptionalExtension};

use super::super::error::StoreError;
use super::chunks::{self, overlay};
use super::codec::chunk::Point;
use super::codec::hours::{self as codec, Aggregate, BLOCK, Hours};
use super::types::Range;

/// Hours are counted from here: 2000-01-03T00:00Z, a Monday.
const ORIGIN: i64 = 946_857_600_000_000;
const HOUR: i64 = 3_600_000_000;
const BLOCK_HOURS: i64 = BLOCK as i64;

/// Some hours in a row.
pub(super) type Block = Hours;

pub(super) fn hour_of(time: i64) -> i64 {
    time.saturating_sub(ORIGIN).div_euclid(HOUR)
}

/// When an hour starts.
pub(super) fn start_of(hour: i64) -> i64 {
    hour.saturating_mul(HOUR).saturating_add(ORIGIN)
}

pub(super) fn block_of(hour: i64) -> i64 {
    hour.div_euclid(BLOCK_HOURS)
}

/// The times of the hours from `first` to `last`.
pub(super) fn times(first: i64, last: i64) -> Range {
    Range { from: start_of(first), to: start_of(last.saturating_add(1)) - 1 }
}

/// Where an hour is in its block.
fn place(hour: i64) -> usize {
    usize::try_from(hour.rem_euclid(BLOCK_HOURS)).unwrap_or(0)
}

/// A block of a path with the values of `points` added, which are in order and all of that block; the file has values
/// of the path up to `stop`.
pub(super) fn with(
    db: &Connection,
    path: i64,
    block: i64,
    points: &[Point],
    stop: Option<i64>,
) -> Result<Hours, StoreError> {
    let mut hours = load(db, path, block)?;
    // What is newer than all that is there needs no look at it.
    let known = match (stop, points.first(), points.last()) {
        (Some(stop), Some(first), Some(last)) if first.0 <= stop => {
            chunks::read(db, path, times(hour_of(first.0), hour_of(last.0)), false, usize::MAX)?
        }
        _ => Vec::new(),
    };
    for new in points.chunk_by(|one, next| hour_of(one.0) == hour_of(next.0)) {
        let hour = hour_of(new[0].0);
        let range = times(hour, hour);
        let begin = known.partition_point(|point| point.0 < range.from);
        let end = known.partition_point(|point| point.0 <= range.to);
        let slot = &mut hours[place(hour)];
        *slot = fold(*slot, known.get(begin..end).unwrap_or_default(), new);
    }
    Ok(hours)
}

/// An hour with new values; `known` are those raw values that are still there of it.
fn fold(hour: Option<Aggregate>, known: &[Point], new: &[Point]) -> Option<Aggregate> {
    let sum = |points: &[Point]| points.iter().map(|point| Aggregate::of(point.1)).reduce(Aggregate::and);
    let old = |time: i64| known.binary_search_by_key(&time, |point| point.0).ok().map(|at| known[at].1);
    let Some(hour) = hour else { return sum(&overlay(known, new, false)) };
    if new.iter().all(|point| old(point.0).is_none()) {
        return sum(new).map(|new| hour.and(new));
    }
    if hour.count == known.len() as u64 {
        return sum(&overlay(known, new, false));
    }
    // Some of the hour's raw values are gone: what stands in the place of one that is not can only be moved.
    let with = |hour: Aggregate, point: &Point| match old(point.0) {
        Some(old) => hour.with_changed(old, point.1),
        None => hour.and(Aggregate::of(point.1)),
    };
    Some(new.iter().fold(hour, with))
}

fn load(db: &Connection, path: i64, block: i64) -> Result<Hours, StoreError> {
    let mut find = db.prepare_cached("SELECT body FROM hours WHERE path = ?1 AND block = ?2")?;
    let body: Option<Vec<u8>> = find.query_row((path, block), |row| row.get(0)).optional()?;
    body.map_or(Ok([None; BLOCK]), |body| decoded(path, block, &body))
}

fn decoded(path: i64, block: i64, body: &[u8]) -> Result<Hours, StoreError> {
    let damaged = |damage| StoreError::Damaged(format!("hours {block} of the path with id {path}: {damage}"));
    codec::decode(body).map_err(damaged)
}

/// Adds values, in order, to the hours in the file; to be called before they are merged into chunks.
pub(super) fn add(db: &Connection, path: i64, points: &[Point], stop: Option<i64>) -> Result<(), StoreError> {
    for points in points.chunk_by(|one, next| block_of(hour_of(one.0)) == block_of(hour_of(next.0))) {
        let block = block_of(hour_of(points[0].0));
        let hours = match with(db, path, block, points, stop) {
            Err(StoreError::Damaged(what)) => {
                set_aside(db, path, block, &what)?;
                let range = times(block * BLOCK_HOURS, (block + 1) * BLOCK_HOURS - 1);
                // A damaged chunk is set aside when it is merged.
                let known = chunks::read(db, path, range, false, usize::MAX).unwrap_or_default();
                with(db, path, block, &overlay(&known, points, false), None)?
            }
            hours => hours?,
        };
        db.prepare_cached("INSERT OR REPLACE INTO hours (path, block, body) VALUES (?1, ?2, ?3)")?
            .execute((path, block, codec::encode(&hours)))?;
    }
    Ok(())
}

/// Takes a damaged block out of the file, for who may repair it.
fn set_aside(db: &Connection, path: i64, block: i64, what: &str) -> Result<(), StoreError> {
    tracing::error!("damaged hours are set aside and made anew of the values that are there: {what}");
    let start = start_of(block * BLOCK_HOURS);
    db.execute(
        "INSERT INTO damaged (path, start, body) SELECT path, ?3, body FROM hours WHERE path = ?1 AND block = ?2",
        (path, block, start),
    )?;
    db.execute("DELETE FROM hours WHERE path = ?1 AND block = ?2", (path, block))?;
    Ok(())
}

/// Hands the blocks of a path that have hours from `first` to `last` to `each`, in the order asked for, until that has
/// enough.
pub(super) fn each_block(
    db: &Connection,
    path: i64,
    (first, last): (i64, i64),
    newest_first: bool,
    mut each: impl FnMut(i64, Hours) -> bool,
) -> Result<(), StoreError> {
    let mut find = db.prepare_cached(if newest_first {
        "SELECT block, body FROM hours WHERE path = ?1 AND block BETWEEN ?2 AND ?3 ORDER BY block DESC"
    } else {
        "SELECT block, body FROM hours WHERE path = ?1 AND block BETWEEN ?2 AND ?3 ORDER BY block"
    })?;
    let mut rows = find.query((path, block_of(first), block_of(last)))?;
    while let Some(row) = rows.next()? {
        let block = row.get(0)?;
        let body = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        if !each(block, decoded(path, block, body)?) {
            break;
        }
    }
    Ok(())
}

/// The hours of a block with their numbers, in the order asked for.
pub(super) fn numbered(block: i64, hours: &Hours, newest_first: bool) -> Vec<(i64, Aggregate)> {
    let first = block * BLOCK_HOURS;
    let mut numbered: Vec<_> = (first..).zip(hours).filter_map(|(n, hour)| Some((n, (*hour)?))).collect();
    if newest_first {
        numbered.reverse();
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(points: &[Point]) -> Option<Aggregate> {
        fold(None, &[], points)
    }

    #[test]
    fn an_hour_is_that_of_its_values_whatever_is_put_twice() {
        let known = [(1, 1.0), (2, 9.0), (3, 2.0)];
        let hour = values(&known);
        assert_eq!(fold(hour, &known, &[(4, 4.0)]), values(&[(1, 1.0), (2, 9.0), (3, 2.0), (4, 4.0)]));
        assert_eq!(fold(hour, &known, &known), hour);
        assert_eq!(
            fold(hour, &known, &[(2, 3.0), (5, 0.0)]),
            values(&[(1, 1.0), (2, 3.0), (3, 2.0), (5, 0.0)])
        );
    }

    #[test]
    fn an_hour_whose_values_are_gone_in_part_keeps_what_it_knew() {
        let hour = values(&[(1, 1.0), (2, 9.0), (3, 2.0)]);
        assert_eq!(fold(hour, &[(3, 2.0)], &[(3, 2.0)]), hour);
        let moved = fold(hour, &[(3, 2.0)], &[(3, 4.0)]).unwrap();
        assert_eq!((moved.count, moved.sum, moved.maximum), (3, 14.0, 9.0));
    }

    #[test]
    fn hours_are_counted_from_a_monday() {
        assert_eq!(hour_of(ORIGIN), 0);
        assert_eq!(hour_of(ORIGIN - 1), -1);
        assert_eq!(hour_of(ORIGIN + HOUR - 1), 0);
        assert_eq!(start_of(1), ORIGIN + HOUR);
        assert_eq!(hour_of(0), -263_016);
        assert_eq!(times(-1, 0), Range { from: ORIGIN - HOUR, to: ORIGIN + HOUR - 1 });
    }
}
