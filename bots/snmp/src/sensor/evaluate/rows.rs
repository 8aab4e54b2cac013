//! The rows of a sensor: a path and a value for each, or why not.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};

use grafoleancollector::{EntityId, Path};

use super::inputs::{Cell, Input, Number};
use super::{Discarded, Evaluated, Refusal, SensorPlan, SensorWarning};
use crate::oid::Oid;
use crate::poll::{FetchMethod, Polled, Source};
use crate::sensor::expression::Outcome;
use crate::sensor::text::text;
use crate::value::Value;

/// The rows of a sensor, one after the other.
pub(super) struct Rows<'a> {
    sensor: &'a SensorPlan<'a>,
    /// For each source whether the expression and the path use it.
    used: Vec<Used>,
    /// Of the row in hand; kept for their memory.
    cells: Vec<Option<Cell<'a>>>,
    numbers: Vec<f64>,
    path: String,
    /// How much of the path all rows share.
    prefix: usize,
    paths: Paths,
    done: Evaluated,
}

#[derive(Clone, Copy)]
struct Used {
    in_formula: bool,
    in_path: bool,
}

/// Which paths there are already, without a copy of them: hashes, and where in the values the path stands.
#[derive(Default)]
struct Paths {
    hasher: RandomState,
    places: HashMap<u64, usize>,
}

impl Paths {
    /// Whether none of the values has this path yet, after all of which it will be put then.
    fn is_new(&mut self, path: &Path, values: &[(Path, f64)]) -> bool {
        match self.places.entry(self.hasher.hash_one(path)) {
            Entry::Vacant(place) => {
                place.insert(values.len());
                true
            }
            Entry::Occupied(place) if values.get(*place.get()).is_some_and(|(other, _)| other == path) => {
                false
            }
            // Two paths with one hash: hardly ever.
            Entry::Occupied(_) => values.iter().all(|(other, _)| other != path),
        }
    }
}

impl<'a> Rows<'a> {
    pub(super) fn new(sensor: &'a SensorPlan<'a>, entity: EntityId, discarded: Discarded) -> Self {
        let SensorPlan { sources, formula, path, .. } = sensor;
        let used = |n| Used { in_formula: formula.used().contains(&n), in_path: path.used().contains(&n) };
        let prefix = format!("entity.{entity}.snmp.");
        Self {
            sensor,
            used: (1..=sources.len()).map(used).collect(),
            cells: Vec::new(),
            numbers: Vec::new(),
            prefix: prefix.len(),
            path: prefix,
            paths: Paths::default(),
            done: Evaluated { discarded, ..Evaluated::default() },
        }
    }

    pub(super) fn evaluate(&mut self, inputs: &mut [Input<'a>], index: Option<&[u32]>) {
        let SensorPlan { formula, path, sources, .. } = self.sensor;
        self.numbers.clear();
        self.cells.clear();
        let (mut hole, mut without_rate, mut not_a_number) = (false, false, None);
        for (n, (input, Used { in_formula, in_path })) in inputs.iter_mut().zip(&self.used).enumerate() {
            // Every column follows along, whether or not this row needs it.
            let cell = input.cell(index);
            hole |= cell.is_none() && (*in_formula || *in_path);
            let number = match cell.map(|cell| cell.number) {
                Some(Number::Known(number)) => number,
                Some(Number::NoRate) => {
                    without_rate |= in_formula;
                    f64::NAN
                }
                Some(Number::None) if *in_formula => {
                    not_a_number = not_a_number.or(Some(n));
                    f64::NAN
                }
                Some(Number::None) | None => f64::NAN,
            };
            self.numbers.push(number);
            self.cells.push(cell);
        }
        if hole {
            self.done.holes += 1;
            return;
        }
        if without_rate {
            self.done.without_rate += 1;
            return;
        }
        let cells = &self.cells;
        let shown = |n: usize| Some(text(cells.get(n)?.as_ref()?.value, &sources.get(n)?.oid));
        if let Some(n) = not_a_number {
            let example = format!("${} is {:.60?}", n + 1, shown(n).unwrap_or_default());
            self.refuse(Refusal::NotANumber, index, &example);
            return;
        }
        let value = match formula.outcome(&self.numbers) {
            Outcome::Value(value) => value,
            Outcome::Skipped => {
                self.done.skipped += 1;
                return;
            }
            Outcome::None => {
                self.refuse(Refusal::NoResult, index, "a logarithm of 0, say");
                return;
            }
        };
        self.path.truncate(self.prefix);
        if let Err(why) = path.render_onto(&mut self.path, index, |n| shown(n - 1)) {
            self.refuse(Refusal::BadPath, index, &why.to_string());
            return;
        }
        match Path::new(self.path.as_str()) {
            Err(error) => {
                let example = format!("{:?}: {error}", self.path);
                self.refuse(Refusal::BadPath, index, &example);
            }
            Ok(new) if path.tells_rows_apart() || self.paths.is_new(&new, &self.done.values) => {
                self.done.values.push((new, value));
            }
            Ok(path) => self.refuse(Refusal::DuplicatePath, index, path.as_str()),
        }
    }

    /// What all of them came to.
    pub(super) fn done(mut self, polled: &Polled) -> Evaluated {
        self.warn_of_absence(polled);
        self.done
    }

    /// Holes are normal, but a sensor that has nothing else deserves a word. Where an object could not be read,
    /// the poll has said so.
    fn warn_of_absence(&mut self, polled: &Polled) {
        let Evaluated { values, without_rate: 0, skipped: 0, warnings, holes, .. } = &self.done else {
            return;
        };
        if !values.is_empty() || !warnings.is_empty() {
            return;
        }
        let SensorPlan { name, sources, .. } = self.sensor;
        let leading = sources.iter().position(|source| source.fetch == FetchMethod::Walk);
        let absent = sources.iter().zip(&self.used).enumerate().find(|(at, (source, used))| {
            (used.in_formula || used.in_path || leading == Some(*at))
                && match source.fetch {
                    FetchMethod::Get => {
                        polled.scalars.get(&source.oid).is_some_and(|scalar| scalar.value == Value::Nothing)
                    }
                    FetchMethod::Walk => polled
                        .columns
                        .get(&source.oid)
                        .is_some_and(|column| column.is_complete() && column.rows.is_empty()),
                }
        });
        if let Some((_, (Source { oid, .. }, _))) = absent {
            let (sensor, reason, rows) = ((*name).to_owned(), Refusal::Absent, *holes);
            self.done.warnings.push(SensorWarning { sensor, reason, rows, example: oid.to_string() });
        }
    }

    fn refuse(&mut self, reason: Refusal, index: Option<&[u32]>, example: &str) {
        if let Some(known) = self.done.warnings.iter_mut().find(|warning| warning.reason == reason) {
            known.rows += 1;
            return;
        }
        let at = index.map(|index| format!(" at index {}", Oid::new(index))).unwrap_or_default();
        let (sensor, example) = (self.sensor.name.to_owned(), format!("{example}{at}"));
        self.done.warnings.push(SensorWarning { sensor, reason, rows: 1, example });
    }
}
