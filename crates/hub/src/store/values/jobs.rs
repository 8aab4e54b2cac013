//! What the writer does for values: putting, counting, and what happens to paths.

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::error::StoreError;
use super::super::writer::Job;
use super::chunks;
use super::codec::journal::Entry;
use super::engine::Engine;
use super::shared::path_id;
use super::types::{NewPoint, PutDone, Range, Renamed};

/// Times that can be stored: from 1970 to the year 2286.
const TIMES: Range = Range { from: 0, to: 10_000_000_000_000_000 };

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A path that a change met.
struct Met {
    id: i64,
    is_new: bool,
    /// Whether it has to be remembered.
    note: bool,
}

/// The id of a path, which is made if there is none.
fn meet(db: &Connection, engine: &Engine, account: i64, path: &str) -> Result<Met, StoreError> {
    {
        let names = engine.shared.names();
        if let Some(id) = names.get(account, path).filter(|id| !engine.group.moved.contains(id)) {
            return Ok(Met { id, is_new: false, note: !names.is_young(account, path) });
        }
    }
    if let Some(id) = path_id(db, account, path)? {
        return Ok(Met { id, is_new: false, note: true });
    }
    let mut make = db.prepare_cached("INSERT INTO paths (account, path) VALUES (?1, ?2)")?;
    Ok(Met { id: make.insert((account, path))?, is_new: true, note: true })
}

fn checked(path: &str, time: i64, value: f64) -> Result<(), StoreError> {
    if !value.is_finite() {
        return Err(StoreError::Invalid(format!("the value of {path} is not a finite number")));
    }
    if !TIMES.contains(time) {
        return Err(StoreError::Invalid(format!(
            "the time of {path} is not between the years 1970 and 2286"
        )));
    }
    Ok(())
}

/// Takes values that are committed into memory.
fn remember<'a>(
    engine: &mut Engine,
    account: i64,
    values: impl Iterator<Item = (&'a Met, &'a str, i64, f64)>,
) {
    engine.committed();
    let mut names = None;
    let mut memory = engine.shared.memory_mut();
    for (met, path, time, value) in values {
        let entry = Entry { path: met.id, time, value };
        if met.is_new {
            memory.push_first(entry);
        } else {
            memory.push(entry);
        }
        if met.note {
            names.get_or_insert_with(|| engine.shared.names_mut()).insert(account, path, met.id);
        }
    }
}

pub(super) struct Put {
    account: i64,
    points: Vec<NewPoint>,
    met: Vec<Met>,
    reply: Reply<PutDone>,
}

impl Put {
    pub(super) fn new(account: i64, points: Vec<NewPoint>, reply: Reply<PutDone>) -> Self {
        Self { account, met: Vec::with_capacity(points.len()), points, reply }
    }
}

impl Job for Put {
    fn weight(&self) -> usize {
        self.points.len()
    }

    fn run(&mut self, db: &Connection, engine: &mut Engine) -> Result<(), StoreError> {
        if !engine.has_room() {
            return Err(StoreError::Busy);
        }
        for NewPoint { path, time, value } in &self.points {
            checked(path, *time, *value)?;
            let met = meet(db, engine, self.account, path)?;
            engine.record(Entry { path: met.id, time: *time, value: *value });
            self.met.push(met);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>, engine: &mut Engine) {
        let Self { account, points, met, reply } = *self;
        let done = outcome.map(|()| {
            let values =
                met.iter().zip(&points).map(|(met, point)| (met, &*point.path, point.time, point.value));
            remember(engine, account, values);
            let new = met.iter().zip(points).filter(|(met, _)| met.is_new);
            PutDone { new_paths: new.map(|(met, point)| (met.id, point.path)).collect() }
        });
        let _ = reply.send(done);
    }
}

/// Adds to a value. Nobody waits for it.
pub(super) struct Add {
    account: i64,
    path: Box<str>,
    time: i64,
    value: f64,
    met: Option<Met>,
}

impl Add {
    pub(super) fn new(account: i64, path: &str, time: i64, value: f64) -> Self {
        Self { account, path: path.into(), time, value, met: None }
    }

    fn current(&self, db: &Connection, engine: &Engine, path: i64) -> Result<f64, StoreError> {
        if let Some(value) = engine.group.counters.get(&(path, self.time)) {
            return Ok(*value);
        }
        if let Some(value) = engine.shared.memory().at(path, self.time) {
            return Ok(value);
        }
        if engine.shared.memory().last(path).is_some_and(|last| last.0 < self.time) {
            return Ok(0.0);
        }
        let range = Range { from: self.time, to: self.time };
        Ok(chunks::read(db, path, range, false, 1)?.first().map_or(0.0, |point| point.1))
    }
}

impl Job for Add {
    fn run(&mut self, db: &Connection, engine: &mut Engine) -> Result<(), StoreError> {
        if !engine.has_room() {
            return Err(StoreError::Busy);
        }
        let met = meet(db, engine, self.account, &self.path)?;
        self.value += self.current(db, engine, met.id)?;
        checked(&self.path, self.time, self.value)?;
        engine.record(Entry { path: met.id, time: self.time, value: self.value });
        engine.group.counters.insert((met.id, self.time), self.value);
        self.met = Some(met);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>, engine: &mut Engine) {
        match outcome {
            Ok(()) => {
                let values = self.met.iter().map(|met| (met, &*self.path, self.time, self.value));
                remember(engine, self.account, values);
            }
            Err(error) => tracing::debug!(path = &*self.path, "a counter was not counted: {error}"),
        }
    }
}

/// What happens to a path.
pub(super) enum Fate {
    Rename(Box<str>),
    Delete,
}

/// Renames or deletes a path.
pub(super) struct Move {
    pub(super) account: i64,
    pub(super) id: i64,
    pub(super) fate: Fate,
    /// The name that it had.
    pub(super) name: Option<String>,
    pub(super) reply: Reply<Renamed>,
}

impl Job for Move {
    fn run(&mut self, db: &Connection, engine: &mut Engine) -> Result<(), StoreError> {
        self.name = name_of(db, self.account, self.id)?;
        let Some(name) = &self.name else { return Ok(()) };
        // Whoever comes later in this commit asks the file.
        engine.group.moved.insert(self.id);
        engine.shared.names_mut().remove(self.account, name);
        match &self.fate {
            Fate::Rename(to) => {
                db.prepare_cached("UPDATE paths SET path = ?2 WHERE id = ?1")?.execute((self.id, to))?;
            }
            Fate::Delete => {
                db.prepare_cached("DELETE FROM paths WHERE id = ?1")?.execute([self.id])?;
                db.prepare_cached("INSERT INTO doomed_paths (path) VALUES (?1)")?.execute([self.id])?;
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>, engine: &mut Engine) {
        if let Some(name) = &self.name {
            // A reader may have read it from the file until now.
            engine.shared.names_mut().remove(self.account, name);
        }
        let done = match outcome {
            Ok(()) if self.name.is_none() => Ok(Renamed::NoSuchPath),
            Ok(()) => Ok(Renamed::Done),
            Err(error) if error.is_duplicate() => Ok(Renamed::Taken),
            Err(error) => Err(error),
        };
        let _ = self.reply.send(done);
    }
}

/// The name of a path.
pub(super) fn name_of(db: &Connection, account: i64, id: i64) -> Result<Option<String>, StoreError> {
    let mut find = db.prepare_cached("SELECT path FROM paths WHERE id = ?1 AND account = ?2")?;
    let mut rows = find.query((id, account))?;
    Ok(match rows.next()? {
        Some(row) => Some(row.get(0)?),
        None => None,
    })
}
