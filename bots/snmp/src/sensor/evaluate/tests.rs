use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::poll::Scalar;
use crate::poll::scripted::oid;
use crate::poll::{Column, Index, Row, Stop};
use crate::poll::{PollStats, Uptime};
use crate::sensor::DivisionByZero;
use crate::value::Value;

struct Device {
    polled: Polled,
    now: Instant,
}

const ENTITY: EntityId = EntityId::new(7);

impl Device {
    fn new() -> Self {
        Self::at(Instant::now())
    }

    fn at(now: Instant) -> Self {
        let polled = Polled {
            scalars: HashMap::new(),
            columns: HashMap::new(),
            uptime: None,
            restarted: false,
            stats: PollStats::default(),
            problems: Vec::new(),
            gone: None,
        };
        Self { polled, now }
    }

    fn up(mut self, ticks: u32) -> Self {
        self.polled.uptime = Some(Uptime { ticks, received: self.now });
        self
    }

    fn scalar(mut self, at: &str, value: Value) -> Self {
        self.polled.scalars.insert(oid(at), Scalar { value, received: self.now });
        self
    }

    fn column(mut self, at: &str, rows: impl IntoIterator<Item = (u32, Value)>) -> Self {
        let row = |(index, value)| Row { index: Index::from_slice(&[index]), value, received: self.now };
        let column = Column { oid: oid(at), rows: rows.into_iter().map(row).collect(), partial: None };
        self.polled.columns.insert(oid(at), column);
        self
    }
}

fn texts(of: &[(u32, &str)]) -> Vec<(u32, Value)> {
    of.iter().map(|(index, text)| (*index, Value::Bytes(text.as_bytes().to_vec()))).collect()
}

fn numbers(of: &[(u32, i64)]) -> Vec<(u32, Value)> {
    of.iter().map(|(index, number)| (*index, Value::Integer(*number))).collect()
}

fn sources(of: &[(&str, FetchMethod)]) -> Vec<Source> {
    of.iter().map(|(at, fetch)| Source { oid: oid(at), fetch: *fetch }).collect()
}

use FetchMethod::{Get, Walk};

fn evaluate_once(device: &Device, from: &[(&str, FetchMethod)], formula: &str, path: &str) -> Evaluated {
    evaluate_formula(device, from, &Expression::compile(formula, from.len()).unwrap(), path)
}

fn evaluate_formula(
    device: &Device,
    from: &[(&str, FetchMethod)],
    formula: &Expression,
    path: &str,
) -> Evaluated {
    let path = &OutputPath::compile(path, from.len()).unwrap();
    let plan = SensorPlan { name: "Load", every: 60, sources: &sources(from), formula, path };
    let moments = Moments::new(device.now, 0);
    evaluate(&plan, ENTITY, &device.polled, &moments, &Mutex::new(Baselines::new(100)))
}

fn values(of: &[(&str, f64)]) -> Vec<(Path, f64)> {
    of.iter().map(|(tail, value)| (Path::new(format!("entity.7.snmp.{tail}")).unwrap(), *value)).collect()
}

#[tokio::test]
async fn scalars_give_one_value() {
    let device = Device::new().scalar("1.3.1", Value::Gauge(6)).scalar("1.3.2", Value::Bytes(b"4".to_vec()));
    let done = evaluate_once(&device, &[("1.3.1", Get), ("1.3.2", Get)], "$1 / $2", "load");
    assert_eq!(done.values, values(&[("load", 1.5)]));
}

#[tokio::test]
async fn columns_are_joined_by_index_never_by_position_and_holes_are_skipped() {
    let device = Device::new()
        .column("1.3.1", texts(&[(1, "lo"), (3, "eth0"), (4, "eth1"), (9, "tun0")]))
        .column("1.3.2", numbers(&[(2, 20), (3, 30), (4, 40), (7, 70), (9, 90)]));
    let done = evaluate_once(&device, &[("1.3.1", Walk), ("1.3.2", Walk)], "$2", "if.{$index}.{$1}");
    assert_eq!(done.values, values(&[("if.3.eth0", 30.0), ("if.4.eth1", 40.0), ("if.9.tun0", 90.0)]));
    assert_eq!((done.holes, done.warnings.len()), (1, 0));
}

#[tokio::test]
async fn scalars_are_the_same_in_every_row() {
    let device = Device::new()
        .scalar("1.3.1", Value::Gauge(10))
        .column("1.3.2", numbers(&[(1, 1), (2, 2)]))
        .scalar("1.3.3", Value::Bytes(b"rack7".to_vec()));
    let from = [("1.3.1", Get), ("1.3.2", Walk), ("1.3.3", Get)];
    let done = evaluate_once(&device, &from, "$1 * $2", "{$3}.{$index}");
    assert_eq!(done.values, values(&[("rack7.1", 10.0), ("rack7.2", 20.0)]));
}

#[tokio::test]
async fn what_nobody_uses_may_be_missing() {
    let device = Device::new().column("1.3.1", numbers(&[(1, 5)]));
    let from = [("1.3.1", Walk), ("1.3.2", Walk), ("1.3.3", Get)];
    assert_eq!(evaluate_once(&device, &from, "$1", "a.{$index}").values.len(), 1);
    let done = evaluate_once(&device, &from, "$1", "a.{$3}");
    assert_eq!((done.values.len(), done.holes), (0, 1));
}

#[tokio::test]
async fn a_row_with_text_where_a_number_is_needed_is_left_out_alone() {
    let device = Device::new().column("1.3.1", texts(&[(1, "5.5"), (2, "n/a"), (3, "-"), (4, "7")]));
    let done = evaluate_once(&device, &[("1.3.1", Walk)], "$1", "a.{$index}");
    assert_eq!(done.values, values(&[("a.1", 5.5), ("a.4", 7.0)]));
    let warnings: Vec<String> = done.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["sensor \"Load\": left out 2 rows with text where the expression needs a number: \
          $1 is \"n/a\" at index 2"]
    );
}

#[tokio::test]
async fn duplicate_and_empty_paths_are_refused_row_by_row_with_one_warning_each() {
    let names = texts(&[(1, "a"), (2, "b"), (3, "a"), (4, ""), (5, "a"), (6, "..")]);
    let device = Device::new().column("1.3.1", names);
    let done = evaluate_once(&device, &[("1.3.1", Walk)], "1", "x.{$1}");
    assert_eq!(done.values, values(&[("x.a", 1.0), ("x.b", 1.0)]));
    let warnings: Vec<(Refusal, usize)> = done.warnings.iter().map(|w| (w.reason, w.rows)).collect();
    assert_eq!(warnings, [(Refusal::DuplicatePath, 2), (Refusal::BadPath, 2)]);
    assert!(done.warnings[0].to_string().ends_with("entity.7.snmp.x.a at index 3"), "{}", done.warnings[0]);
}

#[tokio::test]
async fn results_that_are_no_numbers_are_no_values() {
    let device = Device::new().column("1.3.1", numbers(&[(1, 1), (2, 0)]));
    let done = evaluate_once(&device, &[("1.3.1", Walk)], "log($1)", "a.{$index}");
    assert_eq!(done.values, values(&[("a.1", 0.0)]));
    assert_eq!((done.warnings.len(), done.warnings[0].reason), (1, Refusal::NoResult));
}

#[tokio::test]
async fn a_division_by_zero_that_is_to_be_skipped_is_nothing_to_warn_of() {
    let device = Device::new().column("1.3.1", numbers(&[(1, 2), (2, 0), (3, 0)]));
    let compile = |text| Expression::compile_with(text, 1, DivisionByZero::NoValue).unwrap();
    for (text, skipped, warnings) in [("6 / $1", 2, 0), ("log($1)", 0, 1)] {
        let done = evaluate_formula(&device, &[("1.3.1", Walk)], &compile(text), "a.{$index}");
        assert_eq!(
            (done.values.len(), done.skipped, done.warnings.len(), done.rows()),
            (1, skipped, warnings, 3)
        );
    }
    let all = Device::new().column("1.3.1", numbers(&[(1, 0)]));
    let done = evaluate_formula(&all, &[("1.3.1", Walk)], &compile("6 / $1"), "a.{$index}");
    assert_eq!((done.skipped, done.warnings), (1, vec![]));
}

#[tokio::test]
async fn an_index_without_a_walk_is_refused() {
    let device = Device::new().scalar("1.3.1", Value::Gauge(1));
    let done = evaluate_once(&device, &[("1.3.1", Get)], "$1", "a.{$index}");
    assert_eq!(done.warnings[0].reason, Refusal::BadPath);
    assert_eq!(done.values, []);
}

#[tokio::test]
async fn a_sensor_without_any_value_says_which_object_the_device_lacks() {
    let device = Device::new()
        .scalar("1.3.1", Value::Gauge(1))
        .scalar("1.3.2", Value::Nothing)
        .column("1.3.3", [])
        .column("1.3.4", numbers(&[(1, 1)]));
    for (from, lacks) in [
        ([("1.3.1", Get), ("1.3.2", Get)], Some("1.3.2")),
        ([("1.3.3", Walk), ("1.3.1", Get)], Some("1.3.3")),
        ([("1.3.4", Walk), ("1.3.3", Walk)], Some("1.3.3")),
        ([("1.3.4", Walk), ("1.3.9", Walk)], None),
        ([("1.3.2", Get), ("1.3.1", Get)], None),
    ] {
        let warnings = evaluate_once(&device, &from, "$2", "a").warnings;
        let said: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        let expected =
            lacks.map(|oid| format!("sensor \"Load\" has no values: the device has nothing at {oid}"));
        assert_eq!(said, Vec::from_iter(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn counters_become_rates_from_the_second_poll_on() {
    let start = Instant::now();
    let moments = Moments::new(start, 1_700_000_000_000_000);
    let baselines = Mutex::new(Baselines::new(100));
    let from = sources(&[("1.3.1", Walk), ("1.3.2", Walk), ("1.3.3", Get)]);
    let (sum, path) = (Expression::compile("$2 + $3", 3).unwrap(), OutputPath::compile("{$1}", 3).unwrap());
    let sensor = |name| SensorPlan { name, every: 60, sources: &from, formula: &sum, path: &path };
    let poll = |minute: u32, a: u32, b: u64, c: u32, ticks: u32| {
        let device = Device::at(start + Duration::from_secs(60) * minute)
            .up(ticks)
            .column("1.3.1", texts(&[(1, "a"), (2, "b")]))
            .column("1.3.2", [(1, Value::Counter32(a)), (2, Value::Counter64(b))])
            .scalar("1.3.3", Value::Counter32(c));
        let first = evaluate(&sensor("one"), ENTITY, &device.polled, &moments, &baselines);
        let second = evaluate(&sensor("two"), ENTITY, &device.polled, &moments, &baselines);
        assert_eq!(first, second, "two sensors may use the same counters");
        first
    };
    let first = poll(0, 0, 100, 0, 10_000);
    assert_eq!((first.values.len(), first.without_rate, first.discarded.first), (0, 2, 3));
    assert_eq!(poll(1, 600, 700, 60, 16_000).values, values(&[("a", 11.0), ("b", 11.0)]));
    let cleared = poll(2, 1_200, 0, 120, 22_000);
    assert_eq!((cleared.values, cleared.without_rate), (values(&[("a", 11.0)]), 1));
    assert_eq!(cleared.discarded, Discarded { reset: 1, ..Discarded::default() });
    assert_eq!(poll(3, 1_800, 600, 180, 3_000).without_rate, 2, "a restart");
    assert_eq!(poll(4, 2_400, 1_200, 240, 9_000).values, values(&[("a", 11.0), ("b", 11.0)]));
}

#[tokio::test]
async fn what_a_partial_walk_read_is_evaluated() {
    let mut device = Device::new().column("1.3.1", numbers(&[(1, 5)]));
    device.polled.columns.get_mut(&oid("1.3.1")).unwrap().partial = Some(Stop::TimeUp);
    assert_eq!(evaluate_once(&device, &[("1.3.1", Walk)], "$1", "a.{$index}").values.len(), 1);
}
