//! What is told of a device when nothing more is asked: who it is, what its agent is like, its interfaces.

mod capacity;
mod interfaces;
mod system;
mod time;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use grafoleancollector::show::safe;
use grafoleancollector::{Clock, SystemClock};
use serde::{Serialize, Serializer};
use tokio::time::Instant;

use super::arguments::{Options, Version};
use super::contact::{Contact, Other, ask_otherwise, wait_until};
use crate::poll::Polled;
use crate::sensor::evaluate::Moments;
use crate::wire::Wire;
use capacity::{Bulk, RoundTrip};
use interfaces::Interfaces;
use system::{Engine, System};
use time::{Date, UptimePace};

/// What its agent is like.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct Agent {
    /// The versions that were tried, and whether they are answered.
    versions: Vec<Answered>,
    engine: Option<Engine>,
    /// None: the version has no GETBULK.
    getbulk: Option<Bulk>,
    round_trip: RoundTrip,
    uptime_pace: Option<UptimePace>,
    date: Option<Date>,
    /// None where it counts nothing at all.
    counters_64_bit: Option<bool>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Answered {
    #[serde(serialize_with = "as_text")]
    version: Version,
    answers: bool,
}

fn as_text<S: Serializer>(version: &Version, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(version)
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct Portrait<'a> {
    host: &'a str,
    address: SocketAddr,
    #[serde(serialize_with = "as_text")]
    version: Version,
    system: System,
    agent: Agent,
    interfaces: Vec<interfaces::Line>,
    /// Between the two polls.
    seconds: f64,
    warnings: Vec<String>,
}

/// Draws it. True when the device answered all that it was asked.
pub(super) async fn draw(
    out: &mut impl Write,
    options: &Options,
    wire: &Arc<Wire>,
    contact: &mut Contact,
) -> io::Result<bool> {
    let began = Instant::now();
    let moments = Moments::new(began, SystemClock.now().as_micros());
    let others = ask_otherwise(wire, contact.address, &options.asking);
    let identity = [system::sources(), vec![time::source()]].concat();
    let who = contact.poll(&identity).await;
    let (system, engine, date) = (System::of(&who), Engine::of(&who), Date::of(&who));
    if !options.json {
        let whom = options.target.shown(contact.address);
        writeln!(out, "{whom} answers {}\n\nsystem", contact.version)?;
        for (name, value) in system.lines() {
            writeln!(out, "  {name:<12} {value}")?;
        }
        out.flush()?;
    }

    let first = contact.poll(&interfaces::sources()).await;
    let between = Instant::now();
    // What is lost now is to be seen.
    let device = contact.without_retries();
    let round_trip = RoundTrip::measure(&device).await;
    let getbulk = match contact.version {
        Version::V1 => None,
        _ => Some(Bulk::measure(&device, contact.max_repetitions()).await),
    };
    let others = others.await.unwrap_or_default();
    wait_until(between, options.interval).await;
    let second = contact.poll(&interfaces::counters()).await;
    let interfaces = Interfaces::of(&first, &second, &moments);
    let seconds = seconds_between(&first, &second).unwrap_or(options.interval.as_secs_f64());

    let agent = Agent {
        versions: answered(contact.version, &others),
        engine,
        getbulk,
        round_trip,
        uptime_pace: UptimePace::between(first.uptime, second.uptime),
        date,
        counters_64_bit: interfaces.wide_counters,
    };
    let problems = who.problems.iter().map(ToString::to_string);
    let warnings: Vec<String> = problems.chain(interfaces.warnings.iter().cloned()).collect();
    let well = [&who, &first, &second].iter().all(|polled| polled.problems.is_empty());
    if options.json {
        let portrait = Portrait {
            host: &options.host,
            address: contact.address,
            version: contact.version,
            system,
            agent,
            interfaces: interfaces.lines,
            seconds,
            warnings,
        };
        writeln!(out, "{}", serde_json::to_string(&portrait)?)?;
        return Ok(well);
    }
    writeln!(out, "\nagent")?;
    for (name, value) in agent.lines(contact.version) {
        writeln!(out, "  {name:<15} {value}")?;
    }
    if interfaces.lines.is_empty() {
        writeln!(out, "\ninterfaces: none to be seen")?;
    } else {
        writeln!(out, "\ninterfaces, with rates over {seconds:.1} s")?;
        for line in interfaces.table() {
            writeln!(out, "  {line}")?;
        }
    }
    if !warnings.is_empty() {
        writeln!(out)?;
    }
    for warning in warnings {
        writeln!(out, "warning: {}", safe(&warning))?;
    }
    Ok(well)
}

fn answered(version: Version, others: &[Other]) -> Vec<Answered> {
    let own = Answered { version, answers: true };
    let others = others.iter().map(|other| Answered { version: other.version, answers: other.answers });
    let mut all: Vec<Answered> = others.chain([own]).collect();
    all.sort_by_key(|one| one.version as u8);
    all
}

/// Which versions are answered, when the device was asked in one of them.
fn versions(asked: Version, all: &[Answered]) -> String {
    if asked == Version::V3 {
        return "SNMPv3 is answered; others were not asked for".to_owned();
    }
    let with_community = |answers| {
        let those = all.iter().filter(|one| one.version != Version::V3 && one.answers == answers);
        those.map(|one| one.version.to_string()).collect::<Vec<_>>().join(" and ")
    };
    let silent = Some(with_community(false)).filter(|silent| !silent.is_empty());
    let silent = silent.map(|silent| format!(", {silent} is not")).unwrap_or_default();
    let engine = all.iter().any(|one| one.version == Version::V3 && one.answers);
    let engine = if engine { "an SNMPv3 engine is there" } else { "no SNMPv3 engine answers" };
    format!("{} answered with this community{silent}; {engine}", with_community(true))
}

/// From one look at the uptime, which comes with the counters, to the other.
fn seconds_between(first: &Polled, second: &Polled) -> Option<f64> {
    let when = |polled: &Polled| polled.uptime.map(|uptime| uptime.received);
    Some(when(second)?.saturating_duration_since(when(first)?).as_secs_f64())
}

impl Agent {
    fn lines(&self, version: Version) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        lines.push(("versions", versions(version, &self.versions)));
        lines.extend(self.engine.as_ref().map(|engine| ("engine", engine.line())));
        let no_bulk = || format!("{version} has none");
        lines.push(("GETBULK", self.getbulk.as_ref().map_or_else(no_bulk, Bulk::line)));
        lines.push(("round trip", self.round_trip.line()));
        let clocks = [self.uptime_pace.as_ref().map(UptimePace::line), self.date.as_ref().map(Date::line)];
        let clocks: Vec<String> = clocks.into_iter().flatten().collect();
        let clocks =
            if clocks.is_empty() { "the device does not tell".to_owned() } else { clocks.join("; ") };
        lines.push(("clock", clocks));
        let wide = match self.counters_64_bit {
            Some(true) => "there",
            Some(false) if version == Version::V1 => "none: SNMPv1 cannot carry them",
            Some(false) => "none: interfaces have 32-bit counters only",
            None => "no interface counts octets",
        };
        lines.push(("64-bit counters", wide.to_owned()));
        lines
    }
}
