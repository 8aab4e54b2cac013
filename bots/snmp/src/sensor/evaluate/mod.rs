//! From what a poll read to a sensor's values: expression and path for each row.

mod inputs;
mod moments;
mod rows;

use std::fmt;
use std::sync::Mutex;

use grafoleancollector::{EntityId, Path};

pub(crate) use moments::Moments;

use crate::counter::Baselines;
use crate::poll::{FetchMethod, Polled, Source};
use crate::sensor::{Expression, OutputPath};
use inputs::{Input, Reader};
use rows::Rows;

/// A sensor, ready to be evaluated.
pub(crate) struct SensorPlan<'a> {
    /// As people see it; for warnings.
    pub(crate) name: &'a str,
    /// Its interval in seconds: counters are averaged over it.
    pub(crate) every: u32,
    pub(crate) sources: &'a [Source],
    pub(crate) formula: &'a Expression,
    pub(crate) path: &'a OutputPath,
}

/// What a sensor's rows came to.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Evaluated {
    /// Full paths with their values.
    pub(crate) values: Vec<(Path, f64)>,
    /// Rows that lack one of the sensor's objects: normal in sparse tables.
    pub(crate) holes: usize,
    /// Rows whose counters have no rate yet, or none after a reset.
    pub(crate) without_rate: usize,
    /// Rows that the sensor wants left out: they divide by zero.
    pub(crate) skipped: usize,
    /// Counters without a rate, by the reason. The sum is not that of `without_rate`: a row may need several counters.
    pub(crate) discarded: Discarded,
    /// What somebody should look at: at most one of each kind.
    pub(crate) warnings: Vec<SensorWarning>,
}

impl Evaluated {
    /// How many rows there were, whatever became of them.
    pub(crate) fn rows(&self) -> usize {
        let refused: usize = self.refused().map(|(_, rows)| rows).sum();
        self.values.len() + self.holes + self.without_rate + self.skipped + refused
    }

    /// Rows that were left out for what is wrong with them.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (Refusal, usize)> {
        // The rows of a sensor without any value are holes, and counted as such.
        let refused = self.warnings.iter().filter(|warning| warning.reason != Refusal::Absent);
        refused.map(|warning| (warning.reason, warning.rows))
    }
}

/// Readings of counters that gave no rate.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Discarded {
    pub(crate) first: usize,
    pub(crate) reset: usize,
    pub(crate) implausible: usize,
    pub(crate) too_soon: usize,
    pub(crate) no_room: usize,
}

impl Discarded {
    fn add(&mut self, more: &Self) {
        let Self { first, reset, implausible, too_soon, no_room } = more;
        self.first += first;
        self.reset += reset;
        self.implausible += implausible;
        self.too_soon += too_soon;
        self.no_room += no_room;
    }
}

/// Rows that were refused for one reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SensorWarning {
    pub(crate) sensor: String,
    pub(crate) reason: Refusal,
    pub(crate) rows: usize,
    /// The first such row.
    pub(crate) example: String,
}

/// Why a row gives no value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Refusal {
    DuplicatePath,
    BadPath,
    NotANumber,
    NoResult,
    /// There is no value at all, because the device does not have an object that each row needs.
    Absent,
}

impl fmt::Display for SensorWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.reason {
            Refusal::Absent => {
                let (sensor, example) = (&self.sensor, &self.example);
                return write!(f, "sensor {sensor:?} has no values: the device has nothing at {example}");
            }
            Refusal::DuplicatePath => "with a path that another row has",
            Refusal::BadPath => "with a path that is not valid",
            Refusal::NotANumber => "with text where the expression needs a number",
            Refusal::NoResult => "for which the expression has no result",
        };
        let rows = if self.rows == 1 { "row" } else { "rows" };
        write!(f, "sensor {:?}: left out {} {rows} {what}: {}", self.sensor, self.rows, self.example)
    }
}

/// Evaluates a sensor over what a poll of its entity read. All its counters are remembered, whatever becomes of
/// the rows. The baselines are locked for the comparison alone.
pub(crate) fn evaluate(
    sensor: &SensorPlan<'_>,
    entity: EntityId,
    polled: &Polled,
    moments: &Moments,
    baselines: &Mutex<Baselines>,
) -> Evaluated {
    let mut reader = Reader::new(entity, sensor.every, polled, moments, baselines);
    let inputs = (1..).zip(sensor.sources);
    let inputs = inputs.map(|(n, source)| reader.input(source, sensor.formula.used().contains(&n)));
    let mut inputs: Vec<Input<'_>> = inputs.collect();
    let first_walk = sensor.sources.iter().position(|source| source.fetch == FetchMethod::Walk);
    let mut rows = Rows::new(sensor, entity, reader.discarded());
    match first_walk {
        None => rows.evaluate(&mut inputs, None),
        Some(at) => {
            // The other columns are joined to this one by index: both are sorted.
            if let Input::Column { rows: leading, .. } = inputs[at] {
                leading.iter().for_each(|row| rows.evaluate(&mut inputs, Some(&row.index)));
            }
        }
    }
    rows.done(polled)
}

#[cfg(test)]
mod tests;
