//! `--get` and `--walk`: objects and their values, a line each, as net-snmp shows them.

use std::io::{self, Write};

use grafoleancollector::show::safe;
use serde_json::{Value as Json, json};

use super::arguments::Options;
use super::contact::Contact;
use super::names;
use super::print::{type_of, typed};
use crate::oid::Oid;
use crate::poll::{FetchMethod, Polled, Source};
use crate::sensor::text::text;
use crate::value::Value;

/// Reads and shows all that was wished for. True when all of it was read to its end.
pub(super) async fn show(
    out: &mut impl Write,
    options: &Options,
    contact: &mut Contact,
) -> io::Result<(bool, Vec<String>)> {
    let polled = contact.poll(&options.sources).await;
    let problems = problems(&options.sources, &polled);
    if options.json {
        let objects: Vec<Json> = options
            .sources
            .iter()
            .flat_map(|source| found(source, &polled))
            .map(|(oid, value)| {
                json!({
                    "oid": oid.to_string(), "name": names::name_of(&oid), "type": type_of(value), "value": plain(value, &oid),
                })
            })
            .collect();
        let all = json!({
            "host": options.host, "address": contact.address, "version": contact.version.to_string(),
            "objects": objects, "problems": problems,
        });
        writeln!(out, "{all}")?;
        return Ok((problems.is_empty(), Vec::new()));
    }
    for source in &options.sources {
        let mut none = true;
        for (oid, value) in found(source, &polled) {
            none = false;
            writeln!(out, "{} = {}", shown(&oid, options.numeric), typed(value, &oid))?;
        }
        let oid = &source.oid;
        let complete = polled.columns.get(oid).is_some_and(|column| column.is_complete());
        if none && complete {
            writeln!(out, "{} = nothing: the device has no objects below it", shown(oid, options.numeric))?;
        }
    }
    Ok((problems.is_empty(), problems))
}

/// What of the wished could not be read, or not to its end.
pub(super) fn problems(sources: &[Source], polled: &Polled) -> Vec<String> {
    let wished = |oid: &Oid| sources.iter().any(|source| source.oid == *oid);
    let problems = polled.problems.iter().filter(|problem| wished(&problem.oid));
    problems.map(ToString::to_string).collect()
}

/// The objects that a source has brought.
fn found<'a>(source: &Source, polled: &'a Polled) -> Vec<(Oid, &'a Value)> {
    let oid = &source.oid;
    match source.fetch {
        FetchMethod::Get => {
            polled.scalars.get(oid).map(|scalar| (oid.clone(), &scalar.value)).into_iter().collect()
        }
        FetchMethod::Walk => {
            let rows = polled.columns.get(oid).map_or(&[][..], |column| &column.rows);
            rows.iter().map(|row| (oid.child(&row.index), &row.value)).collect()
        }
    }
}

pub(super) fn shown(oid: &Oid, numeric: bool) -> String {
    let name = if numeric { None } else { names::name_of(oid) };
    name.unwrap_or_else(|| oid.to_string())
}

/// A value for programs.
fn plain(value: &Value, oid: &Oid) -> Json {
    match value {
        Value::Integer(number) => json!(number),
        Value::Gauge(number) | Value::Counter32(number) | Value::TimeTicks(number) => json!(number),
        Value::Counter64(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Nothing => Json::Null,
        Value::Bytes(_) | Value::Oid(_) | Value::Address(_) => json!(text(value, oid)),
    }
}

/// What is said on standard error.
pub(super) fn complaint(problem: &str) -> String {
    format!("warning: {}", safe(problem))
}
