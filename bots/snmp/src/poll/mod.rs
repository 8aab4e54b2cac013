//! One poll of a device: everything that its due sensors need, each object asked for once.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

mod conversation;
mod get;
mod manners;
#[cfg(test)]
pub(crate) mod scripted;
mod walk;

pub(crate) use conversation::Ending;
pub(crate) use get::Scalar;
pub(crate) use manners::{DEFAULT_GET_BATCH, DEFAULT_MAX_REPETITIONS, Manners};
#[cfg(test)]
pub(crate) use walk::Stop;
pub(crate) use walk::{Column, Index, Row, WalkLimits};

use crate::agent::{Agent, SnmpError};
use crate::oid::Oid;
use crate::value::Value;
use conversation::Conversation;
use get::{Gets, get};
use walk::walk;

/// How long the device has been up, in hundredths of a second.
const SYS_UP_TIME: [u32; 9] = [1, 3, 6, 1, 2, 1, 1, 3, 0];
/// A poll that lasts longer than this looks at the uptime again at its end: a device that restarts meanwhile is
/// away for longer.
const LONG_POLL: Duration = Duration::from_secs(2);

/// How a sensor wants an object read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum FetchMethod {
    /// This very object.
    Get,
    /// All objects below this one.
    Walk,
}

/// One `$n` of a sensor.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Source {
    pub(crate) oid: Oid,
    pub(crate) fetch: FetchMethod,
}

/// What the due sensors need together.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Wanted {
    scalars: Vec<Oid>,
    columns: Vec<Oid>,
}

impl Wanted {
    /// The distinct objects and columns of all these sensors' sources.
    pub(crate) fn of<'a>(sources: impl IntoIterator<Item = &'a Source>) -> Self {
        let mut wanted = Self::default();
        let mut seen = HashSet::new();
        for source in sources {
            if seen.insert((&source.oid, source.fetch == FetchMethod::Walk)) {
                match source.fetch {
                    FetchMethod::Get => wanted.scalars.push(source.oid.clone()),
                    FetchMethod::Walk => wanted.columns.push(source.oid.clone()),
                }
            }
        }
        wanted
    }

    /// The objects to GET: with the uptime, in front, where counters may occur.
    fn gets(&self, manners: &Manners) -> Vec<Oid> {
        let up_time = Oid::new(SYS_UP_TIME);
        let counts = self.scalars.iter().chain(&self.columns).any(|oid| manners.may_count(oid));
        let first = (counts && !self.scalars.contains(&up_time)).then_some(up_time);
        first.into_iter().chain(self.scalars.iter().cloned()).collect()
    }
}

/// How a device is polled. The clock of a single request is the agent's.
#[derive(Debug)]
pub(crate) struct PollOptions {
    /// When all must be over.
    pub(crate) until: Instant,
    /// The bot's: it may have to stop.
    pub(crate) ending: Ending,
    pub(crate) walk: WalkLimits,
}

impl PollOptions {
    pub(crate) fn until(until: Instant) -> Self {
        Self { until, ending: Ending::default(), walk: WalkLimits::default() }
    }

    /// Whether the rows of a table may come in any order.
    pub(crate) const fn any_order(mut self, any_order: bool) -> Self {
        self.walk.any_order = any_order;
        self
    }
}

/// The device's uptime, and when that was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Uptime {
    /// Hundredths of a second; 0 again after 497 days.
    pub(crate) ticks: u32,
    pub(crate) received: Instant,
}

/// All that one poll brought.
#[derive(Debug)]
pub(crate) struct Polled {
    pub(crate) scalars: HashMap<Oid, Scalar>,
    pub(crate) columns: HashMap<Oid, Column>,
    pub(crate) uptime: Option<Uptime>,
    /// The device restarted during the poll: some counters are from before, some from after.
    pub(crate) restarted: bool,
    pub(crate) stats: PollStats,
    /// What failed, in the order of asking. Everything else is as it should be.
    pub(crate) problems: Vec<Problem>,
    /// Why nothing more was asked of the device, if so.
    pub(crate) gone: Option<SnmpError>,
}

/// What a poll cost.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct PollStats {
    pub(crate) requests: u64,
    pub(crate) timeouts: u64,
    /// Scalars and rows that came with a value.
    pub(crate) values: usize,
    pub(crate) duration: Duration,
    /// Whether the device said anything at all.
    pub(crate) answered: bool,
}

/// An object that was not read, or not fully.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    pub(crate) oid: Oid,
    pub(crate) fetch: FetchMethod,
    /// How many rows were read in spite of it.
    pub(crate) rows: usize,
    pub(crate) why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { oid, fetch, rows, why } = self;
        match fetch {
            FetchMethod::Get => write!(f, "cannot get {oid}: {why}"),
            FetchMethod::Walk if *rows == 0 => write!(f, "cannot walk {oid}: {why}"),
            FetchMethod::Walk => write!(f, "walked only {rows} rows of {oid}: {why}"),
        }
    }
}

/// Polls a device for what is wanted. What fails is named, and spoils nothing else.
pub(crate) async fn poll(
    agent: &dyn Agent,
    wanted: &Wanted,
    manners: &mut Manners,
    options: &PollOptions,
) -> Polled {
    let began = Instant::now();
    let talk = Conversation::new(agent, options.until, &options.ending);
    let oids = wanted.gets(manners);
    let (gets, columns) = if manners.two_at_once() {
        tokio::join!(
            get(&talk, &oids, &mut manners.gets),
            walk(&talk, &wanted.columns, &mut manners.bulk, &options.walk)
        )
    } else {
        let gets = get(&talk, &oids, &mut manners.gets).await;
        (gets, walk(&talk, &wanted.columns, &mut manners.bulk, &options.walk).await)
    };

    let mut polled = Polled::of(gets, columns);
    if let Some(uptime) = polled.uptime
        && uptime.received.elapsed() > LONG_POLL
        && let Some(later) = up_time(&talk).await
    {
        polled.restarted = later.ticks < uptime.ticks;
        polled.uptime = Some(if polled.restarted { later } else { uptime });
    }
    polled.stats.requests = talk.requests();
    polled.stats.timeouts = talk.timeouts();
    polled.stats.duration = began.elapsed();
    polled.stats.answered = talk.heard();
    polled.gone = talk.given_up().cloned();
    polled.teach(manners);
    polled
}

async fn up_time(talk: &Conversation<'_>) -> Option<Uptime> {
    let answer = talk.get(&[Oid::new(SYS_UP_TIME)]).await.ok()?;
    match answer.bindings.first()? {
        (_, Value::TimeTicks(ticks)) => Some(Uptime { ticks: *ticks, received: answer.received }),
        _ => None,
    }
}

impl Polled {
    fn of(gets: Gets, columns: Vec<Column>) -> Self {
        let get_problem =
            |(oid, why)| Problem { oid, fetch: FetchMethod::Get, rows: 0, why: ToString::to_string(&why) };
        let mut problems: Vec<Problem> = gets.failed.into_iter().map(get_problem).collect();
        for column in &columns {
            if let Some(stop) = &column.partial {
                let (oid, rows) = (column.oid.clone(), column.rows.len());
                problems.push(Problem { oid, fetch: FetchMethod::Walk, rows, why: stop.to_string() });
            }
        }
        let scalars = gets.values;
        let uptime = scalars.get(&Oid::new(SYS_UP_TIME)).and_then(|scalar| match scalar.value {
            Value::TimeTicks(ticks) => Some(Uptime { ticks, received: scalar.received }),
            _ => None,
        });
        let present = scalars.values().filter(|scalar| scalar.value != Value::Nothing).count();
        let values = present + columns.iter().map(|column| column.rows.len()).sum::<usize>();
        let columns = columns.into_iter().map(|column| (column.oid.clone(), column)).collect();
        let stats = PollStats { values, ..PollStats::default() };
        Self { scalars, columns, uptime, restarted: false, stats, problems, gone: None }
    }

    fn teach(&self, manners: &mut Manners) {
        // What is dead did not lose requests.
        if self.stats.answered {
            manners.polled(self.stats.timeouts > 0);
        }
        for (oid, scalar) in &self.scalars {
            manners.learn_counters(oid, is_counter(&scalar.value));
        }
        for (oid, column) in &self.columns {
            if !column.rows.is_empty() {
                manners.learn_counters(oid, column.rows.iter().any(|row| is_counter(&row.value)));
            }
        }
    }
}

/// Whether a value is one that only grows, until it wraps or is reset.
pub(crate) const fn is_counter(value: &Value) -> bool {
    matches!(value, Value::Counter32(_) | Value::Counter64(_))
}

#[cfg(test)]
mod tests;
