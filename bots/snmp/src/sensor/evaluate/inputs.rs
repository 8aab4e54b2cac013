//! What `$1`, `$2`, … are in each row.

use std::sync::{Mutex, PoisonError};

use grafoleancollector::EntityId;
use tokio::time::Instant;

use super::{Discarded, Moments};
use crate::counter::{Baselines, Reading, SeriesKey, Step};
use crate::oid::Oid;
use crate::poll::{FetchMethod, Polled, Row, Source};
use crate::sensor::text::number;
use crate::value::Value;

/// One `$n`, with the numbers of its values already worked out.
pub(super) enum Input<'a> {
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
pub(super) struct Cell<'a> {
    pub(super) value: &'a Value,
    pub(super) number: Number,
}

#[derive(Clone, Copy)]
pub(super) enum Number {
    Known(f64),
    /// A counter without a rate.
    NoRate,
    /// Text, an address.
    None,
}

/// Makes inputs of what was read, and rates of counters.
pub(super) struct Reader<'a, 'b> {
    entity: EntityId,
    every: u32,
    polled: &'a Polled,
    moments: &'b Moments,
    baselines: &'b Mutex<Baselines>,
    discarded: Discarded,
}

impl<'a, 'b> Reader<'a, 'b> {
    pub(super) fn new(
        entity: EntityId,
        every: u32,
        polled: &'a Polled,
        moments: &'b Moments,
        baselines: &'b Mutex<Baselines>,
    ) -> Self {
        Self { entity, every, polled, moments, baselines, discarded: Discarded::default() }
    }

    /// Counters that had no rate so far.
    pub(super) const fn discarded(&self) -> Discarded {
        self.discarded
    }

    /// What is not in the formula needs no number: texts of labels are not tried as such, and counters have no rate.
    pub(super) fn input(&mut self, source: &Source, in_formula: bool) -> Input<'a> {
        match source.fetch {
            FetchMethod::Get => {
                let Some(scalar) = self.polled.scalars.get(&source.oid) else { return Input::Missing };
                if scalar.value == Value::Nothing {
                    return Input::Missing;
                }
                if !in_formula {
                    return Input::Scalar(Cell { value: &scalar.value, number: Number::None });
                }
                let number = match self.reading(&scalar.value, scalar.received) {
                    None => plain(&scalar.value),
                    Some(reading) => {
                        let step = self.steps(&source.oid, &[(&[], reading)], true).pop();
                        step.map_or(Number::NoRate, rate)
                    }
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
                let mut steps = self.steps(&source.oid, &readings, column.is_complete()).into_iter();
                let number = |row: &Row| match row.value {
                    Value::Counter32(_) | Value::Counter64(_) => steps.next().map_or(Number::NoRate, rate),
                    ref value => plain(value),
                };
                Input::Column { rows, numbers: rows.iter().map(number).collect(), next: 0 }
            }
        }
    }

    fn reading(&self, value: &Value, received: Instant) -> Option<Reading> {
        self.moments.reading(value, received, self.polled.uptime)
    }

    fn steps(&mut self, oid: &Oid, readings: &[(&[u32], Reading)], whole: bool) -> Vec<Step> {
        if readings.is_empty() {
            return Vec::new();
        }
        let key = SeriesKey { entity: self.entity, every: self.every, oid: oid.clone() };
        let steps = {
            let mut baselines = self.baselines.lock().unwrap_or_else(PoisonError::into_inner);
            baselines.advance(&key, readings, whole, self.polled.restarted)
        };
        self.count(oid, readings, &steps);
        steps
    }

    fn count(&mut self, oid: &Oid, readings: &[(&[u32], Reading)], steps: &[Step]) {
        let (mut none, mut example) = (Discarded::default(), None);
        for (step, (index, _)) in steps.iter().zip(readings) {
            match step {
                Step::Rate(_) => continue,
                Step::First => none.first += 1,
                Step::TooSoon => none.too_soon += 1,
                Step::NoRoom => none.no_room += 1,
                Step::Reset => none.reset += 1,
                Step::Implausible => none.implausible += 1,
            }
            if matches!(step, Step::Reset | Step::Implausible) {
                example.get_or_insert(index);
            }
        }
        if let Some(index) = example {
            let (entity, Discarded { reset, implausible, .. }) = (self.entity, none);
            let first = Oid::new([oid.arcs(), index].concat());
            tracing::debug!(
                "entity {entity}: {reset} counters were reset, {implausible} jumped; first {first}"
            );
        }
        self.discarded.add(&none);
    }
}

fn rate(step: Step) -> Number {
    if let Step::Rate(rate) = step { Number::Known(rate) } else { Number::NoRate }
}

fn plain(value: &Value) -> Number {
    number(value).map_or(Number::None, Number::Known)
}

impl<'a> Input<'a> {
    /// Its value in the row of this index. Indexes must come in rising order.
    pub(super) fn cell(&mut self, index: Option<&[u32]>) -> Option<Cell<'a>> {
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
