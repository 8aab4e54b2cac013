//! `--expression` and `--output-path`: what a sensor would deliver, worked out as the bot does it.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Mutex;
use std::time::Duration;

use grafoleancollector::{Clock, EntityId, SystemClock};
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::arguments::{Options, Sensor};
use super::contact::{Contact, wait_until};
use super::objects::{problems, shown};
use super::print::type_of;
use crate::counter::Baselines;
use crate::counter::advice::advise;
use crate::interfaces;
use crate::poll::{FetchMethod, Polled, Source, is_counter};
use crate::sensor::evaluate::{Evaluated, Moments, SensorPlan, evaluate};
use crate::value::Value;

/// Any entity will do: what is shown comes behind it.
const ENTITY: EntityId = EntityId::new(1);
const PREFIX: &str = "entity.1.snmp.";
/// How often Grafolean's own sensors read counters.
const USUAL_INTERVAL: Duration = Duration::from_secs(60);
/// Faster than any interface.
const FASTEST: u64 = 1 << 60;

/// Shows what the sensor would deliver. True when all that it needs was read, and gave values without a warning.
pub(super) async fn show(
    out: &mut impl Write,
    options: &Options,
    sensor: &Sensor,
    contact: &mut Contact,
) -> io::Result<(bool, Vec<String>)> {
    let moments = Moments::new(Instant::now(), SystemClock.now().as_micros());
    let baselines = Mutex::new(Baselines::new(Baselines::DEFAULT_MOST_ROWS));
    let sources = &options.sources;
    let plan = SensorPlan {
        name: "try",
        every: u32::try_from(options.interval.as_secs()).unwrap_or(u32::MAX),
        sources,
        formula: &sensor.expression,
        path: &sensor.path,
    };
    // Whether a counter wraps too soon depends on the speed of the interface.
    let narrow = sources.iter().any(|source| advise(&source.oid, FASTEST, USUAL_INTERVAL).is_some());
    let speeds = if narrow { interfaces::sources() } else { Vec::new() };
    let mut polled = contact.poll(sources.iter().chain(&speeds)).await;
    let began = Instant::now();
    let advice = advice(sources, &polled);
    let mut done = evaluate(&plan, ENTITY, &polled, &moments, &baselines);
    let counts = sources.iter().any(|source| counts(source, &polled));
    if counts {
        wait_until(began, options.interval).await;
        polled = contact.poll(sources).await;
        done = evaluate(&plan, ENTITY, &polled, &moments, &baselines);
    }

    let problems = problems(sources, &polled);
    let well = problems.is_empty() && done.warnings.is_empty();
    let warnings = done.warnings.iter().map(ToString::to_string);
    let warnings: Vec<String> = problems.into_iter().chain(warnings).chain(advice).collect();
    if options.json {
        let values: Vec<Json> = done
            .values
            .iter()
            .map(|(path, value)| json!({"path": tail(path.as_str()), "value": value}))
            .collect();
        let all = json!({
            "host": options.host, "address": contact.address, "version": contact.version.to_string(),
            "values": values, "holes": done.holes, "without_rate": done.without_rate,
            "skipped": done.skipped, "warnings": warnings,
        });
        writeln!(out, "{all}")?;
        return Ok((well, Vec::new()));
    }
    for (n, source) in (1..).zip(sources) {
        writeln!(out, "${n} = {}", described(source, &polled))?;
    }
    let twice = if counts {
        format!(", from two polls {:.1} s apart", began.elapsed().as_secs_f64())
    } else {
        String::new()
    };
    writeln!(out, "{} -> {}{twice}\n", sensor.expression_text, sensor.path)?;
    for (path, value) in &done.values {
        writeln!(out, "{} = {value}", tail(path.as_str()))?;
    }
    if !done.values.is_empty() {
        writeln!(out)?;
    }
    writeln!(out, "{}", summary(&done))?;
    Ok((well, warnings))
}

/// The path as the sensor's template makes it.
fn tail(path: &str) -> &str {
    path.strip_prefix(PREFIX).unwrap_or(path)
}

fn counts(source: &Source, polled: &Polled) -> bool {
    match source.fetch {
        FetchMethod::Get => polled.scalars.get(&source.oid).is_some_and(|scalar| is_counter(&scalar.value)),
        FetchMethod::Walk => {
            let rows = polled.columns.get(&source.oid).map_or(&[][..], |column| &column.rows);
            rows.iter().any(|row| is_counter(&row.value))
        }
    }
}

/// Counters of 32 bits that wrap too soon: for the interface itself, or for the fastest of a column.
fn advice(sources: &[Source], polled: &Polled) -> Vec<String> {
    let interfaces = interfaces::read(polled);
    let advice = |source: &Source| {
        let speed = interfaces
            .iter()
            .filter(|interface| {
                source.fetch == FetchMethod::Walk || source.oid.arcs().last() == Some(&interface.index)
            })
            .filter_map(|interface| interface.speed_bps)
            .max()?;
        advise(&source.oid, speed, USUAL_INTERVAL).map(|advice| advice.to_string())
    };
    sources.iter().filter_map(advice).collect()
}

/// A source, and what came of it.
fn described(source: &Source, polled: &Polled) -> String {
    let oid = &source.oid;
    let name = shown(oid, false);
    let name = if name == oid.to_string() { name } else { format!("{name} ({oid})") };
    let (how, came) = match source.fetch {
        FetchMethod::Get => {
            let came = match polled.scalars.get(oid).map(|scalar| &scalar.value) {
                None => "not read".to_owned(),
                Some(Value::Nothing) => "nothing there".to_owned(),
                Some(value) => type_of(value).to_owned(),
            };
            ("get", came)
        }
        FetchMethod::Walk => {
            let rows = polled.columns.get(oid).map_or(&[][..], |column| &column.rows);
            let types: BTreeSet<&str> = rows.iter().map(|row| type_of(&row.value)).collect();
            let types: Vec<&str> = types.into_iter().collect();
            let count = counted(rows.len(), "row");
            ("walk", if types.is_empty() { count } else { format!("{count} of {}", types.join(", ")) })
        }
    };
    format!("{how} {name}: {came}")
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn summary(done: &Evaluated) -> String {
    let mut parts = vec![counted(done.values.len(), "value")];
    if done.holes > 0 {
        parts.push(format!("{} without one of the objects", counted(done.holes, "row")));
    }
    if done.without_rate > 0 {
        parts.push(format!("{} whose counter has no rate", counted(done.without_rate, "row")));
    }
    if done.skipped > 0 {
        parts.push(format!("{} with a division by zero", counted(done.skipped, "row")));
    }
    let refused: usize = done.refused().map(|(_, rows)| rows).sum();
    if refused > 0 {
        parts.push(format!("{} left out", counted(refused, "row")));
    }
    parts.join("; ")
}
