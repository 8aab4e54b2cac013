//! Moving values from memory into chunks and hours, a slice at a time.

use std::sync::Arc;

use rusqlite::Connection;

use super::super::error::StoreError;
use super::codec::chunk::Point;
use super::engine::Limits;
use super::memory::Table;
use super::{chunks, hours};

/// A table on its way into chunks.
#[derive(Debug)]
pub(super) struct Flush {
    table: Arc<Table>,
    /// The last row of the journal that the table has.
    pub(super) newest_row: i64,
    paths: Vec<i64>,
    done: Place,
    /// Where it is after the slice that is being written.
    next: Place,
    /// The values of a path that has too many for one slice.
    long: Option<(i64, Vec<Point>)>,
}

/// How far it is: the paths before, and so many values of the next one.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    path: usize,
    points: usize,
}

impl Flush {
    pub(super) fn new(table: Arc<Table>, newest_row: i64) -> Self {
        let paths = table.paths();
        Self { table, newest_row, paths, done: Place::default(), next: Place::default(), long: None }
    }

    pub(super) fn is_done(&self) -> bool {
        self.next.path >= self.paths.len()
    }

    /// Writes the next slice; gives the newest value that the file has of each of its paths. What it says is only true
    /// when it is committed: else the same slice comes once more, which changes nothing.
    pub(super) fn slice(
        &mut self,
        db: &Connection,
        limits: &Limits,
    ) -> Result<Vec<(i64, Point)>, StoreError> {
        let mut lasts = Vec::new();
        let mut room = limits.slice_points;
        self.next = self.done;
        while room > 0
            && lasts.len() < limits.slice_paths
            && let Some(&path) = self.paths.get(self.next.path)
        {
            let long = self.long.take_if(|(of, _)| *of == path).map(|(_, points)| points);
            let points = long.unwrap_or_else(|| self.table.points(path));
            let rest = points.get(self.next.points..).unwrap_or_default();
            let batch = &rest[..rest.len().min(room)];
            if let Some(last) = write(db, path, batch, limits)? {
                lasts.push((path, last));
            }
            room -= batch.len().max(1);
            if batch.len() < rest.len() {
                self.next.points += batch.len();
                self.long = Some((path, points));
            } else {
                self.next = Place { path: self.next.path + 1, points: 0 };
            }
        }
        Ok(lasts)
    }

    /// The last slice is committed.
    pub(super) fn committed(&mut self) {
        self.done = self.next;
    }
}

/// Puts values of a path, in order, into hours and chunks; gives the newest one that it has then. A path that was
/// deleted gets none.
fn write(db: &Connection, path: i64, points: &[Point], limits: &Limits) -> Result<Option<Point>, StoreError> {
    if !db.prepare_cached("SELECT 1 FROM paths WHERE id = ?1")?.exists([path])? {
        return Ok(None);
    }
    let last = chunks::last(db, path)?;
    let stop = last.map(|last| last.0);
    hours::add(db, path, points, stop)?;
    chunks::merge(db, path, points, stop, limits.chunk)?;
    Ok(super::memory::later(points.last().copied(), last))
}
