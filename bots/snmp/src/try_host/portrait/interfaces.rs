//! The interfaces as a table, with what goes through them: rates over two polls.

use std::collections::BTreeMap;
use std::time::Duration;

use grafoleancollector::EntityId;
use grafoleancollector::show::{Side, safe, si, table};
use serde::Serialize;

use crate::counter::advice::advise;
use crate::counter::{Baselines, Reading, SeriesKey, Step};
use crate::interfaces::{self, Interface};
use crate::oid::Oid;
use crate::poll::{FetchMethod, Polled, Source};
use crate::sensor::evaluate::Moments;
use crate::sensor::text::number;
use crate::value::Value;

const IF_ENTRY: [u32; 9] = [1, 3, 6, 1, 2, 1, 2, 2, 1];
const IF_X_ENTRY: [u32; 10] = [1, 3, 6, 1, 2, 1, 31, 1, 1, 1];
/// Grafolean's longest usual interval: counters that wrap within it are worth a word.
const USUAL_INTERVAL: Duration = Duration::from_secs(300);
/// The longest name or alias that the table shows whole.
const WIDEST: usize = 32;

fn column(arc: u32) -> Oid {
    Oid::new(IF_ENTRY).child(&[arc])
}

fn x_column(arc: u32) -> Oid {
    Oid::new(IF_X_ENTRY).child(&[arc])
}

fn admin_status() -> Oid {
    column(7)
}

fn oper_status() -> Oid {
    column(8)
}

fn in_errors() -> Oid {
    column(14)
}

fn out_errors() -> Oid {
    column(20)
}

fn in_octets() -> [Oid; 2] {
    [x_column(6), column(10)]
}

fn out_octets() -> [Oid; 2] {
    [x_column(10), column(16)]
}

fn walks(oids: impl IntoIterator<Item = Oid>) -> Vec<Source> {
    oids.into_iter().map(|oid| Source { oid, fetch: FetchMethod::Walk }).collect()
}

/// What the second poll needs again.
pub(super) fn counters() -> Vec<Source> {
    walks(in_octets().into_iter().chain(out_octets()))
}

/// What the first poll needs.
pub(super) fn sources() -> Vec<Source> {
    let rest = walks([admin_status(), oper_status(), in_errors(), out_errors()]);
    [interfaces::sources(), counters(), rest].concat()
}

/// An interface and what goes through it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Line {
    index: u32,
    name: String,
    if_name: Option<String>,
    alias: Option<String>,
    speed_bps: Option<u64>,
    admin: Option<&'static str>,
    oper: Option<&'static str>,
    /// Bits per second; None where there is no rate.
    in_bps: Option<f64>,
    out_bps: Option<f64>,
    in_errors: Option<u64>,
    out_errors: Option<u64>,
    /// The width of its counters; None where it counts no octets.
    counter_bits: Option<u8>,
}

/// All interfaces, and what is to be said of them.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Interfaces {
    pub(super) lines: Vec<Line>,
    /// None where nothing is counted at all.
    pub(super) wide_counters: Option<bool>,
    pub(super) warnings: Vec<String>,
}

impl Interfaces {
    pub(super) fn of(first: &Polled, second: &Polled, moments: &Moments) -> Self {
        let rates =
            [in_octets(), out_octets()].map(|oids| oids.map(|oid| rates(&oid, first, second, moments)));
        let lines: Vec<Line> = interfaces::read(first)
            .into_iter()
            .map(|interface| Line::new(interface, first, &rates))
            .collect();
        let wide = lines.iter().any(|line| line.counter_bits == Some(64));
        let counts = lines.iter().any(|line| line.counter_bits.is_some());
        let mut warnings: Vec<String> = Vec::new();
        warnings.extend(warn_of_wraps(&lines));
        for problem in first.problems.iter().chain(&second.problems).map(ToString::to_string) {
            if !warnings.contains(&problem) {
                warnings.push(problem);
            }
        }
        Self { lines, wide_counters: counts.then_some(wide), warnings }
    }

    pub(super) fn table(&self) -> Vec<String> {
        use Side::{Left, Right};
        const HEAD: [&str; 8] = ["index", "name", "alias", "speed", "status", "in", "out", "errors in/out"];
        let sides = [Right, Left, Left, Right, Left, Right, Right, Right];
        let head = HEAD.map(str::to_owned).to_vec();
        let rows: Vec<Vec<String>> =
            std::iter::once(head).chain(self.lines.iter().map(Line::cells)).collect();
        table(&sides, &rows)
    }
}

/// By index: octets per second, or None where a counter has no rate.
type Rates = BTreeMap<u32, Option<f64>>;

fn rates(oid: &Oid, first: &Polled, second: &Polled, moments: &Moments) -> Rates {
    let key = SeriesKey { entity: EntityId::new(0), every: 0, oid: oid.clone() };
    let mut baselines = Baselines::new(Baselines::DEFAULT_MOST_ROWS);
    let mut steps = |polled: &Polled| -> Rates {
        let Some(column) = polled.columns.get(oid) else { return Rates::new() };
        let readings: Vec<(&[u32], Reading)> = column
            .rows
            .iter()
            .filter_map(|row| Some((&*row.index, moments.reading(&row.value, row.received, polled.uptime)?)))
            .collect();
        let steps = baselines.advance(&key, &readings, column.is_complete(), polled.restarted);
        let rate = |step| if let Step::Rate(rate) = step { Some(rate) } else { None };
        let indexes = readings.iter().map(|(index, _)| index.first().copied().unwrap_or_default());
        indexes.zip(steps.into_iter().map(rate)).collect()
    };
    let there = steps(first);
    let later = steps(second);
    // What went away between the polls has no rate.
    there.into_keys().map(|index| (index, later.get(&index).copied().flatten())).collect()
}

impl Line {
    fn new(interface: Interface, polled: &Polled, [input, output]: &[[Rates; 2]; 2]) -> Self {
        let Interface { index, name, speed_bps, if_name, alias } = interface;
        let cell = |oid: Oid| polled.columns.get(&oid)?.row(&[index]).map(|row| &row.value);
        let status = |oid| cell(oid).and_then(status);
        let rate = |[wide, narrow]: &[Rates; 2]| {
            let rate = wide.get(&index).or_else(|| narrow.get(&index)).copied().flatten();
            rate.map(|octets| octets * 8.0)
        };
        let wide = [input, output].iter().any(|[wide, _]| wide.contains_key(&index));
        let narrow = [input, output].iter().any(|[_, narrow]| narrow.contains_key(&index));
        Self {
            admin: status(admin_status()),
            oper: status(oper_status()),
            in_bps: rate(input),
            out_bps: rate(output),
            in_errors: cell(in_errors()).and_then(count),
            out_errors: cell(out_errors()).and_then(count),
            counter_bits: if wide { Some(64) } else { narrow.then_some(32) },
            index,
            name,
            if_name,
            alias,
            speed_bps,
        }
    }

    fn cells(&self) -> Vec<String> {
        let unknown = || "-".to_owned();
        let per_second = |bps: Option<f64>| {
            bps.map(si).map_or_else(unknown, |(number, prefix)| format!("{number} {prefix}b/s"))
        };
        #[expect(clippy::cast_precision_loss, reason = "it is shown with three digits")]
        let speed = self.speed_bps.filter(|bps| *bps > 0).map(|bps| bps as f64);
        let errors = |count: Option<u64>| count.map_or_else(unknown, |count| count.to_string());
        vec![
            self.index.to_string(),
            shortened(&self.name),
            shortened(self.alias.as_deref().unwrap_or_default()),
            per_second(speed),
            format!("{}/{}", self.admin.unwrap_or("?"), self.oper.unwrap_or("?")),
            per_second(self.in_bps),
            per_second(self.out_bps),
            format!("{}/{}", errors(self.in_errors), errors(self.out_errors)),
        ]
    }
}

fn shortened(text: &str) -> String {
    let safe = safe(text);
    if safe.chars().count() <= WIDEST {
        return safe;
    }
    safe.chars().take(WIDEST - 1).chain(['…']).collect()
}

/// ifAdminStatus and ifOperStatus.
fn status(value: &Value) -> Option<&'static str> {
    let Value::Integer(number) = value else { return None };
    Some(match number {
        1 => "up",
        2 => "down",
        3 => "testing",
        4 => "unknown",
        5 => "dormant",
        6 => "notPresent",
        7 => "lowerLayerDown",
        _ => return None,
    })
}

fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Counter32(count) => Some((*count).into()),
        Value::Counter64(count) => Some(*count),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        other => number(other).map(|count| count as u64),
    }
}

/// Interfaces that only have counters of 32 bits, and are fast enough to wrap them unseen.
fn warn_of_wraps(lines: &[Line]) -> Option<String> {
    let fast: Vec<(u32, Duration)> = lines
        .iter()
        .filter(|line| line.counter_bits == Some(32))
        .filter_map(|line| {
            let [_, octets] = in_octets();
            let advice = advise(&octets.child(&[line.index]), line.speed_bps?, USUAL_INTERVAL)?;
            Some((line.index, advice.wraps_in))
        })
        .collect();
    let soonest = fast.iter().map(|(_, wraps_in)| *wraps_in).min()?;
    let which = match &*fast {
        [(index, _)] => format!("interface {index} has"),
        [(first, _), rest @ ..] => format!("{} interfaces (the first is {first}) have", rest.len() + 1),
        [] => return None,
    };
    Some(format!(
        "{which} 32-bit counters only, which wrap every {} s at full speed: a sensor that reads them less often \
         gives wrong rates",
        soonest.as_secs().max(1)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(index: u32, speed_bps: Option<u64>, counter_bits: Option<u8>) -> Line {
        Line {
            index,
            name: "Gi0/1\u{1b}[31m".to_owned(),
            if_name: None,
            alias: Some("x".repeat(40)),
            speed_bps,
            admin: Some("up"),
            oper: None,
            in_bps: Some(1_234_567.0),
            out_bps: None,
            in_errors: Some(7),
            out_errors: None,
            counter_bits,
        }
    }

    #[test]
    fn what_is_not_known_is_shown_as_such() {
        let cells = line(7, Some(1_000_000_000), Some(64)).cells();
        let alias = format!("{}…", "x".repeat(31));
        let expected = ["7", "Gi0/1\\u{1b}[31m", &*alias, "1 Gb/s", "up/?", "1.23 Mb/s", "-", "7/-"];
        assert_eq!(cells, expected);
        assert_eq!(line(7, Some(0), None).cells()[3], "-");
    }

    #[test]
    fn narrow_counters_of_fast_interfaces_are_warned_of() {
        let fast = Some(10_000_000_000);
        let lines = [line(1, fast, Some(64)), line(2, Some(1_000_000), Some(32)), line(3, None, Some(32))];
        assert_eq!(warn_of_wraps(&lines), None);
        let one = warn_of_wraps(&[line(4, Some(1_000_000_000), Some(32))]).unwrap();
        assert!(
            one.starts_with("interface 4 has 32-bit counters only, which wrap every 34 s at full speed"),
            "{one}"
        );
        let two = warn_of_wraps(&[line(4, Some(1_000_000_000), Some(32)), line(5, fast, Some(32))]).unwrap();
        assert!(
            two.starts_with("2 interfaces (the first is 4) have 32-bit counters only, which wrap every 3 s")
        );
    }
}
