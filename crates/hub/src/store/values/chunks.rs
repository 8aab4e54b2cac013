//! Chunks in the file: reading values, and merging new ones in.

use rusqlite::{Connection, OptionalExtension, Row};

use super::super::error::StoreError;
use super::codec::Damage;
use super::codec::chunk::{self, Point};
use super::types::Range;

/// How large chunks are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Bytes at most: four chunks and what belongs to them fill a page, and none needs another one.
    pub(super) bytes: usize,
    /// Values at most, of those that take little room.
    pub(super) points: usize,
}

impl Size {
    pub(super) const DEFAULT: Self = Self { bytes: 1_960, points: 4_096 };

    fn has_room(&self, chunk: &Chunk) -> bool {
        chunk.body.len() < self.bytes / 10 * 9
    }
}

struct Chunk {
    start: i64,
    stop: i64,
    body: Vec<u8>,
}

impl Chunk {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { start: row.get(0)?, stop: row.get(1)?, body: row.get(2)? })
    }
}

/// Appends the values of a path in a range to `points`, in the order asked for; stops after `limit`.
pub(super) fn read(
    db: &Connection,
    path: i64,
    range: Range,
    newest_first: bool,
    limit: usize,
) -> Result<Vec<Point>, StoreError> {
    let mut find = db.prepare_cached(if newest_first {
        "SELECT body FROM chunks WHERE path = ?1 AND start <= ?3 AND stop >= ?2 AND start >= coalesce(
            (SELECT start FROM chunks WHERE path = ?1 AND start <= ?2 ORDER BY start DESC LIMIT 1), ?2)
         ORDER BY start DESC"
    } else {
        "SELECT body FROM chunks WHERE path = ?1 AND start <= ?3 AND stop >= ?2 AND start >= coalesce(
            (SELECT start FROM chunks WHERE path = ?1 AND start <= ?2 ORDER BY start DESC LIMIT 1), ?2)
         ORDER BY start"
    })?;
    let mut rows = find.query((path, range.from, range.to))?;
    let (mut points, mut chunk) = (Vec::new(), Vec::new());
    while points.len() < limit
        && let Some(row) = rows.next()?
    {
        chunk.clear();
        let body = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        chunk::decode(body, &mut chunk).map_err(|damage| damaged(path, damage))?;
        let begin = chunk.partition_point(|point| point.0 < range.from);
        let end = chunk.partition_point(|point| point.0 <= range.to);
        let wanted = chunk.get(begin..end).unwrap_or_default();
        if newest_first {
            points.extend(wanted.iter().rev());
        } else {
            points.extend(wanted);
        }
    }
    points.truncate(limit);
    Ok(points)
}

fn damaged(path: i64, damage: Damage) -> StoreError {
    StoreError::Damaged(format!("values of the path with id {path}: {damage}"))
}

/// The newest value of a path.
pub(super) fn last(db: &Connection, path: i64) -> Result<Option<Point>, StoreError> {
    let mut find =
        db.prepare_cached("SELECT stop, last FROM chunks WHERE path = ?1 ORDER BY start DESC LIMIT 1")?;
    Ok(find.query_row([path], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// The newest value of a path up to a time.
pub(super) fn newest(db: &Connection, path: i64, until: i64) -> Result<Option<Point>, StoreError> {
    let mut find = db.prepare_cached(
        "SELECT stop, last FROM chunks WHERE path = ?1 AND start <= ?2 ORDER BY start DESC LIMIT 1",
    )?;
    let found: Option<Point> =
        find.query_row((path, until), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    match found {
        Some((stop, _)) if stop > until => {
            let range = Range { from: i64::MIN, to: until };
            Ok(read(db, path, range, true, 1)?.first().copied())
        }
        found => Ok(found),
    }
}

/// Puts values, in order of their times, among those that the path has up to `stop`; new ones take the place of old
/// ones.
pub(super) fn merge(
    db: &Connection,
    path: i64,
    mut points: &[Point],
    stop: Option<i64>,
    size: Size,
) -> Result<(), StoreError> {
    while let Some(&(time, _)) = points.first() {
        let left = covering(db, path, time)?;
        let right = if stop.is_some_and(|stop| time <= stop) { following(db, path, time)? } else { None };
        let until =
            right.as_ref().map_or(points.len(), |right| points.partition_point(|p| p.0 < right.start));
        let (batch, rest) = points.split_at(until);
        points = rest;
        match (left, right) {
            (Some(left), _) if time <= left.stop || size.has_room(&left) => {
                let old = values_of(db, path, &left)?;
                write(db, path, &overlay(&old, batch, false), size)?;
            }
            (_, Some(right)) if size.has_room(&right) => {
                let old = values_of(db, path, &right)?;
                remove(db, path, &right)?;
                write(db, path, &overlay(&old, batch, false), size)?;
            }
            _ => write(db, path, batch, size)?,
        }
    }
    Ok(())
}

fn covering(db: &Connection, path: i64, time: i64) -> Result<Option<Chunk>, StoreError> {
    let mut find = db.prepare_cached(
        "SELECT start, stop, body FROM chunks WHERE path = ?1 AND start <= ?2 ORDER BY start DESC LIMIT 1",
    )?;
    Ok(find.query_row((path, time), Chunk::from_row).optional()?)
}

fn following(db: &Connection, path: i64, time: i64) -> Result<Option<Chunk>, StoreError> {
    let mut find = db.prepare_cached(
        "SELECT start, stop, body FROM chunks WHERE path = ?1 AND start > ?2 ORDER BY start LIMIT 1",
    )?;
    Ok(find.query_row((path, time), Chunk::from_row).optional()?)
}

/// The values of a chunk. One that is damaged is set aside for who may repair it, and the path goes on without it.
fn values_of(db: &Connection, path: i64, chunk: &Chunk) -> Result<Vec<Point>, StoreError> {
    let mut points = Vec::new();
    if let Err(damage) = chunk::decode(&chunk.body, &mut points) {
        tracing::error!(path, start = chunk.start, "a chunk of values is damaged and set aside: {damage}");
        db.prepare_cached("INSERT INTO damaged (path, start, body) VALUES (?1, ?2, ?3)")?.execute((
            path,
            chunk.start,
            &chunk.body,
        ))?;
        remove(db, path, chunk)?;
        points.clear();
    }
    Ok(points)
}

fn remove(db: &Connection, path: i64, chunk: &Chunk) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM chunks WHERE path = ?1 AND start = ?2")?.execute((path, chunk.start))?;
    Ok(())
}

/// Writes values that no chunk overlaps, but for one that starts where they start and gives way; as one chunk or more,
/// all but the last one full.
fn write(db: &Connection, path: i64, points: &[Point], size: Size) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(()) };
    if points.len() <= size.points {
        let body = chunk::encode(points);
        if body.len() <= size.bytes || points.len() == 1 {
            db.prepare_cached(
                "INSERT OR REPLACE INTO chunks (path, start, stop, last, body) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((path, first.0, last.0, last.1, body))?;
            return Ok(());
        }
        // As many as take nearly all the room, if they are like the others.
        let full = points.len() * size.bytes / body.len() * 19 / 20;
        return write_pieces(db, path, points, full.clamp(1, points.len() - 1), size);
    }
    write_pieces(db, path, points, size.points, size)
}

fn write_pieces(
    db: &Connection,
    path: i64,
    points: &[Point],
    full: usize,
    size: Size,
) -> Result<(), StoreError> {
    points.chunks(full).try_for_each(|piece| write(db, path, piece, size))
}

/// Two lists of values in the same order as one; of the same time the one that lies above.
pub(super) fn overlay(below: &[Point], above: &[Point], newest_first: bool) -> Vec<Point> {
    let before = |one: i64, other: i64| if newest_first { one > other } else { one < other };
    let mut all = Vec::with_capacity(below.len() + above.len());
    let (mut below, mut above) = (below.iter().peekable(), above.iter().peekable());
    loop {
        all.push(match (below.peek(), above.peek()) {
            (None, None) => return all,
            (Some(low), Some(high)) if low.0 == high.0 => {
                below.next();
                continue;
            }
            (Some(low), Some(high)) if before(low.0, high.0) => {
                let low = **low;
                below.next();
                low
            }
            (Some(low), None) => {
                let low = **low;
                below.next();
                low
            }
            (_, Some(high)) => {
                let high = **high;
                above.next();
                high
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALL: Size = Size { bytes: 100, points: 20 };

    fn file() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(super::super::TABLES).unwrap();
        db
    }

    fn sizes(db: &Connection) -> Vec<(i64, i64, usize)> {
        let mut rows = db.prepare("SELECT start, stop, length(body) FROM chunks ORDER BY start").unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn put(db: &Connection, points: &[Point]) {
        let stop = last(db, 1).unwrap().map(|last| last.0);
        merge(db, 1, points, stop, SMALL).unwrap();
    }

    fn all(db: &Connection) -> Vec<Point> {
        read(db, 1, Range::ALL, false, usize::MAX).unwrap()
    }

    #[test]
    fn values_that_come_one_by_one_fill_chunks() {
        let db = file();
        let points: Vec<Point> =
            (0_i32..500).map(|n| (i64::from(n) * 7, (f64::from(n) * 0.37).sin())).collect();
        points.iter().for_each(|point| put(&db, &[*point]));
        assert_eq!(all(&db), points);
        let sizes = sizes(&db);
        assert!(sizes.iter().all(|chunk| chunk.2 <= SMALL.bytes), "{sizes:?}");
        assert!(sizes.len() < 65, "{} chunks", sizes.len());
    }

    #[test]
    fn values_that_come_backwards_fill_chunks_too() {
        let db = file();
        let points: Vec<Point> =
            (0_i32..500).map(|n| (i64::from(n) * 7, (f64::from(n) * 0.37).sin())).collect();
        points.iter().rev().for_each(|point| put(&db, &[*point]));
        assert_eq!(all(&db), points);
        assert!(sizes(&db).len() < 130, "{} chunks", sizes(&db).len());
    }

    #[test]
    fn a_damaged_chunk_is_set_aside_and_the_path_goes_on() {
        let db = file();
        put(&db, &[(1, 1.0), (2, 2.0)]);
        db.execute("UPDATE chunks SET body = x'00112233445566'", []).unwrap();
        let error = read(&db, 1, Range::ALL, false, 10).unwrap_err();
        assert!(matches!(error, StoreError::Damaged(_)), "{error}");
        put(&db, &[(3, 3.0)]);
        assert_eq!(all(&db), [(3, 3.0)]);
        let aside: i64 = db.query_row("SELECT count(*) FROM damaged", [], |row| row.get(0)).unwrap();
        assert_eq!(aside, 1);
    }

    proptest! {
        #[test]
        fn merged_values_are_those_of_a_map(
            batches in prop::collection::vec(
                prop::collection::btree_map(0_i64..400, (-50_i32..50).prop_map(|n| f64::from(n) / 3.0), 0..40),
                1..15,
            ),
            from in 0_i64..400,
            to in 0_i64..400,
            limit in 0_usize..60,
        ) {
            let db = file();
            let mut model = std::collections::BTreeMap::new();
            for batch in batches {
                let points: Vec<Point> = batch.iter().map(|(time, value)| (*time, *value)).collect();
                put(&db, &points);
                model.extend(batch);
            }
            prop_assert_eq!(all(&db), model.clone().into_iter().collect::<Vec<_>>());
            let chunks = sizes(&db);
            prop_assert!(chunks.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", chunks);
            let mut wanted: Vec<Point> = model.into_iter().collect();
            prop_assert_eq!(last(&db, 1).unwrap(), wanted.last().copied());
            let newest_wanted = wanted.iter().rev().find(|point| point.0 <= to).copied();
            prop_assert_eq!(newest(&db, 1, to).unwrap(), newest_wanted);
            let range = Range { from, to };
            wanted.retain(|point| range.contains(point.0));
            let forward: Vec<_> = wanted.iter().take(limit).copied().collect();
            prop_assert_eq!(read(&db, 1, range, false, limit).unwrap(), forward);
            let backward: Vec<_> = wanted.iter().rev().take(limit).copied().collect();
            prop_assert_eq!(read(&db, 1, range, true, limit).unwrap(), backward);
        }
    }
}
