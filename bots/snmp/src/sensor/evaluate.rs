//! From what a poll read to a sensor's values: expression and path for each row.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use grafoleancollector::{EntityId, Path};
use tokio::time::Instant;

use crate::counter::{Baselines, DeviceTime, Reading, SeriesKey, Step, Width, micros};
use crate::oid::Oid;
use crate::poll::Row;
use crate::poll::{FetchMethod, Polled, Source, Uptime};
use crate::sensor::text::{number, text};
use crate::sensor::{Expression, OutputPath};
use crate::value::Value;

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

/// Turns moments of this process into times that baselines of the next process can be compared with. It does not
/// jump when somebody sets the time of day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    origin: Instant,
    /// Microseconds since 1970 at the origin.
    at_origin: i64,
}

impl Moments {
    /// `now` by both clocks: once for the whole life of the process.
    pub(crate) const fn new(origin: Instant, at_origin: i64) -> Self {
        Self { origin, at_origin }
    }

    /// Microseconds since 1970 at that moment.
    pub(crate) fn at(&self, moment: Instant) -> i64 {
        let after = micros(moment.saturating_duration_since(self.origin));
        let before = micros(self.origin.saturating_duration_since(moment));
        self.at_origin.saturating_add(after).saturating_sub(before)
    }

    /// A counter's value as a reading, with the device's time where that is known. None where it is no counter.
    pub(crate) fn reading(
        &self,
        value: &Value,
        received: Instant,
        uptime: Option<Uptime>,
    ) -> Option<Reading> {
        let (width, value) = match value {
            Value::Counter32(value) => (Width::Bits32, (*value).into()),
            Value::Counter64(value) => (Width::Bits64, *value),
            _ => return None,
        };
        let at = self.at(received);
        let device = uptime.map(|uptime| {
            let lag = (at - self.at(uptime.received)) / 1_000;
            DeviceTime { ticks: uptime.ticks, lag: lag.try_into().unwrap_or(0) }
        });
        Some(Reading { width, value, at, device })
    }
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
    /// What somebody should look at: at most one of each kind.
    pub(crate) warnings: Vec<SensorWarning>,
}

impl Evaluated {
    /// How many rows there were, whatever became of them.
    pub(crate) fn rows(&self) -> usize {
        let refused: usize = self.warnings.iter().map(|warning| warning.rows).sum();
        self.values.len() + self.holes + self.without_rate + refused
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

/// One `$n`, with the numbers of its values already worked out.
enum Input<'a> {
    Scalar(Cell<'a>),
    /// `next` is the first row whose index is not below the one that is evaluated.
    Column {
        rows: &'a [Row],
        numbers: Vec<Number>,
        next: usize,
    },
    /// It was not read at all.
    Missing,
}

#[derive(Clone, Copy)]
struct Cell<'a> {
    value: &'a Value,
    number: Number,
}

#[derive(Clone, Copy)]
enum Number {
    Known(f64),
    /// A counter without a rate.
    NoRate,
    /// Text, an address.
    None,
}

/// Evaluates a sensor over what a poll of its entity read. All its counters are remembered, whatever becomes of
/// the rows.
pub(crate) fn evaluate(
    sensor: &SensorPlan<'_>,
    entity: EntityId,
    polled: &Polled,
    moments: &Moments,
    baselines: &mut Baselines,
) -> Evaluated {
    let mut counters = Counters { entity, every: sensor.every, polled, moments, baselines };
    let inputs = (1..).zip(sensor.sources);
    let inputs = inputs.map(|(n, source)| counters.input(source, sensor.formula.used().contains(&n)));
    let mut inputs: Vec<Input<'_>> = inputs.collect();
    let first_walk = sensor.sources.iter().position(|source| source.fetch == FetchMethod::Walk);
    let mut rows = Rows::new(sensor, entity);
    match first_walk {
        None => rows.evaluate(&mut inputs, None),
        Some(at) => {
            // The other columns are joined to this one by index: both are sorted.
            if let Input::Column { rows: leading, .. } = inputs[at] {
                leading.iter().for_each(|row| rows.evaluate(&mut inputs, Some(&row.index)));
            }
        }
    }
    rows.warn_of_absence(polled);
    rows.done
}

/// What turns counters into rates.
struct Counters<'a, 'b> {
    entity: EntityId,
    every: u32,
    polled: &'a Polled,
    moments: &'a Moments,
    baselines: &'b mut Baselines,
}

impl<'a> Counters<'a, '_> {
    /// What is not in the formula needs no number: texts of labels are not tried as such, and counters have no rate.
    fn input(&mut self, source: &Source, in_formula: bool) -> Input<'a> {
        match source.fetch {
            FetchMethod::Get => {
                let Some(scalar) = self.polled.scalars.get(&source.oid) else { return Input::Missing };
                if scalar.value == Value::Nothing {
                    return Input::Missing;
                }
                if !in_formula {
                    return Input::Scalar(Cell { value: &scalar.value, number: Number::None });
                }
                let readings = self.reading(&scalar.value, scalar.received);
                let rate = readings.map(|reading| self.rates(&source.oid, &[(&[], reading)], true));
                let number = match rate.as_deref() {
                    None => plain(&scalar.value),
                    Some([number]) => *number,
                    Some(_) => Number::NoRate,
                };
                Input::Scalar(Cell { value: &scalar.value, number })
            }
            FetchMethod::Walk => {
                let Some(column) = self.polled.columns.get(&source.oid) else { return Input::Missing };
                let rows = &*column.rows;
                if !in_formula {
                    return Input::Column { rows, numbers: Vec::new(), next: 0 };
                }
                let readings: Vec<(&[u32], Reading)> = rows
                    .iter()
                    .filter_map(|row| Some((&*row.index, self.reading(&row.value, row.received)?)))
                    .collect();
                let mut rates = self.rates(&source.oid, &readings, column.is_complete()).into_iter();
                let number = |row: &Row| match row.value {
                    Value::Counter32(_) | Value::Counter64(_) => rates.next().unwrap_or(Number::NoRate),
                    ref value => plain(value),
                };
                Input::Column { rows, numbers: rows.iter().map(number).collect(), next: 0 }
            }
        }
    }

    fn reading(&self, value: &Value, received: Instant) -> Option<Reading> {
        self.moments.reading(value, received, self.polled.uptime)
    }

    fn rates(&mut self, oid: &Oid, readings: &[(&[u32], Reading)], whole: bool) -> Vec<Number> {
        if readings.is_empty() {
            return Vec::new();
        }
        let key = SeriesKey { entity: self.entity, every: self.every, oid: oid.clone() };
        let steps = self.baselines.advance(&key, readings, whole, self.polled.restarted);
        let number = |step| if let Step::Rate(rate) = step { Number::Known(rate) } else { Number::NoRate };
        steps.into_iter().map(number).collect()
    }
}

fn plain(value: &Value) -> Number {
    number(value).map_or(Number::None, Number::Known)
}

impl<'a> Input<'a> {
    /// Its value in the row of this index. Indexes must come in rising order.
    fn cell(&mut self, index: Option<&[u32]>) -> Option<Cell<'a>> {
        match self {
            Self::Scalar(cell) => Some(*cell),
            Self::Missing => None,
            Self::Column { rows, numbers, next } => {
                let index = index?;
                while rows.get(*next).is_some_and(|row| *row.index < *index) {
                    *next += 1;
                }
                let row = rows.get(*next).filter(|row| *row.index == *index)?;
                let number = numbers.get(*next).copied().unwrap_or(Number::None);
                Some(Cell { value: &row.value, number })
            }
        }
    }
}

/// The rows of a sensor, one after the other.
struct Rows<'a> {
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
    fn new(sensor: &'a SensorPlan<'a>, entity: EntityId) -> Self {
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
            done: Evaluated::default(),
        }
    }

    fn evaluate(&mut self, inputs: &mut [Input<'a>], index: Option<&[u32]>) {
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
        let Some(value) = formula.eval(&self.numbers) else {
            self.refuse(Refusal::NoResult, index, "a logarithm of 0, say");
            return;
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

    /// Holes are normal, but a sensor that has nothing else deserves a word. Where an object could not be read,
    /// the poll has said so.
    fn warn_of_absence(&mut self, polled: &Polled) {
        let Evaluated { values, without_rate: 0, warnings, holes } = &self.done else { return };
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

#[cfg(test)]
mod tests;
