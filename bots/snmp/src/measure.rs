//! One run of an entity's sensors: what is due is read in one poll, and becomes values.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::pin::pin;
use std::time::Duration;

use grafoleancollector::{EntityId, JobError, Path, Run, Samples, Sensor as Configured};
use tokio::time::{Instant, sleep, timeout};

use crate::bot::{SnmpBot, SnmpTask};
use crate::notices::Subject;
use crate::patience::Rest;
use crate::poll::{FetchMethod, PollOptions, PollStats, Polled, Source, Wanted, poll};
use crate::protocol::Snmp;
use crate::sensor::evaluate::{Evaluated, Moments, SensorPlan, evaluate};

/// A stop leaves runs 10 s to finish: most do. A poll that does not is ended shortly before.
const LAST_WORD: Duration = Duration::from_secs(8);
/// A poll that is ended ends at once.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Resolves when the bot is about to stop and a run would soon be dropped.
async fn no_time_left(run: &Run<SnmpTask>) {
    run.cancelled().await;
    sleep(LAST_WORD).await;
}

impl SnmpBot {
    /// Polls the device for what is wanted, unless it is left alone for now. An error is one line on why there is
    /// nothing at all.
    pub(crate) async fn ask(
        &self,
        run: &Run<SnmpTask>,
        wanted: &Wanted,
        time: Duration,
    ) -> Result<Polled, JobError> {
        let SnmpTask { entity, host, credential, .. } = &*run.task;
        let device = self.devices.of(entity.id, host, credential);
        let began = Instant::now();
        let resting = device.patience().rest(began);
        if let Some(Rest { polls, left, why }) = resting {
            self.counts.rested.inc();
            let left = left.as_secs().max(1);
            return Err(JobError::failed(format_args!(
                "{why}; after {polls} polls in vain it is asked again in {left} s"
            )));
        }
        let options = PollOptions { time, until: Some(began + time), ..PollOptions::default() };
        let mut asked = pin!(async {
            let address = host.resolve().await.map_err(|error| format!("cannot resolve {host}: {error}"))?;
            let agent = self.wire.agent(address.socket_addr(credential.port()), credential);
            let mut manners = device.manners.lock().await;
            Ok(poll(&agent, wanted, &mut manners, &options).await)
        });
        let asked: Result<Polled, String> = tokio::select! {
            asked = &mut asked => asked,
            () = no_time_left(run) => {
                options.ending.now();
                let too_late = |_| Err("the bot stopped before the name server had answered".to_owned());
                timeout(LAST_MOMENT, asked).await.unwrap_or_else(too_late)
            }
        };
        self.counts.asked(asked.as_ref().ok().map(|polled| &polled.stats));
        let why = match asked {
            Ok(polled) if polled.stats.answered => {
                device.patience().answered();
                return Ok(polled);
            }
            Ok(polled) => format!("{host}: {}", reason(&polled)),
            Err(why) => why,
        };
        let every =
            run.affecting().iter().min().map_or(time, |every| Duration::from_secs(every.as_secs().into()));
        device.patience().silent(began, every, why.clone());
        Err(JobError::failed(why))
    }

    /// The values of all sensors that are due.
    pub(crate) async fn measure(&self, run: &Run<SnmpTask>) -> Result<Samples, JobError> {
        let SnmpTask { entity, .. } = &*run.task;
        // Before the poll, which may take long: `run.started` is now.
        let moments = self.moments(run);
        let due: Vec<&Configured<Snmp>> = entity.due(run).collect();
        let sources = || due.iter().flat_map(|sensor| sensor.details.sources());
        let asked = self.ask(run, &Wanted::of(sources()), run.task.poll_time()).await;
        let mut samples = Samples::for_account(entity.account);
        let polled = match asked {
            Ok(polled) => polled,
            Err(error) if self.options.with_stats => {
                push_stats(&mut samples, entity.id, None);
                return Ok(samples.but_failed(error));
            }
            Err(error) => return Err(error),
        };

        let mut found: Vec<(Subject, String)> = unread(&polled);
        let mut paths = Paths::default();
        let figures = self.options.with_stats.then(|| figures_of(entity.id));
        for sensor in &due {
            let evaluated = self.evaluate(sensor, entity.id, &polled, moments);
            for warning in evaluated.warnings {
                found.push((Subject::Refused(sensor.id, warning.reason), warning.to_string()));
            }
            for (path, value) in evaluated.values {
                let holder = if figures.as_deref().is_some_and(|figures| is_figure(&path, figures)) {
                    Some("SNMP_STATS".to_owned())
                } else {
                    paths.taken_by_other(&path, sensor).map(|other| format!("sensor {other:?}"))
                };
                match holder {
                    None => samples.push(path, value, None),
                    Some(holder) => found.push((
                        Subject::Repeated(sensor.id),
                        format!("sensor {:?}: left out {path}: {holder} has it", sensor.name),
                    )),
                }
            }
        }
        self.keep_baselines();
        self.notice(run, found, &due, &sources().collect());
        if self.options.with_stats {
            push_stats(&mut samples, entity.id, Some(&polled.stats));
        }
        match &polled.gone {
            None => Ok(samples),
            Some(error) => {
                Ok(samples.but_failed(format_args!("{} stopped answering: {error}", run.task.host)))
            }
        }
    }

    fn evaluate(
        &self,
        sensor: &Configured<Snmp>,
        entity: EntityId,
        polled: &Polled,
        moments: &Moments,
    ) -> Evaluated {
        let plan = SensorPlan {
            name: &sensor.name,
            every: sensor.interval.map_or(0, |interval| interval.as_secs()),
            sources: sensor.details.sources(),
            formula: sensor.details.expression(),
            path: sensor.details.output_path(),
        };
        // For each sensor anew: an entity with thousands of them must not keep all others waiting.
        evaluate(&plan, entity, polled, moments, &mut self.baselines())
    }

    /// Logs what is new of what was found.
    fn notice(
        &self,
        run: &Run<SnmpTask>,
        found: Vec<(Subject, String)>,
        due: &[&Configured<Snmp>],
        sources: &HashSet<&Source>,
    ) {
        let SnmpTask { entity, host, credential, .. } = &*run.task;
        let device = self.devices.of(entity.id, host, credential);
        let due: HashSet<_> = due.iter().map(|sensor| sensor.id).collect();
        let covered = |subject: &Subject| match subject {
            Subject::Refused(sensor, _) | Subject::Repeated(sensor) => due.contains(sensor),
            Subject::Unread(source) => sources.contains(source),
        };
        let new = device.notices().look(found, covered);
        for text in new {
            self.say(run, &text);
        }
    }

    /// Logs something about the run's entity.
    pub(crate) fn say(&self, run: &Run<SnmpTask>, text: &str) {
        self.counts.warnings.inc();
        if let Some(more) = self.said.say() {
            let entity = &run.task.entity;
            tracing::warn!("entity {} ({}): {text}{more}", entity.id, entity.name);
        }
    }
}

/// Why a poll brought nothing.
fn reason(polled: &Polled) -> String {
    let gone = polled.gone.as_ref().map(ToString::to_string);
    gone.or_else(|| polled.problems.first().map(ToString::to_string))
        .unwrap_or_else(|| "the time for this poll was up".to_owned())
}

fn unread(polled: &Polled) -> Vec<(Subject, String)> {
    // A device that went away in between is one piece of news, not one for each of its objects.
    if polled.gone.is_some() {
        return Vec::new();
    }
    let subject = |oid: &crate::Oid, fetch: FetchMethod| Subject::Unread(Source { oid: oid.clone(), fetch });
    let problems = polled.problems.iter();
    problems.map(|problem| (subject(&problem.oid, problem.fetch), problem.to_string())).collect()
}

const OK: &str = "ok";
const DURATION: &str = "duration";
const REQUESTS: &str = "requests";

/// Where the figures of `SNMP_STATS` go, each with its own tail.
fn figures_of(entity: EntityId) -> String {
    format!("entity.{entity}.snmp.poll.")
}

fn is_figure(path: &Path, figures: &str) -> bool {
    path.as_str().strip_prefix(figures).is_some_and(|tail| [OK, DURATION, REQUESTS].contains(&tail))
}

/// `entity.<id>.snmp.poll.…`: how the poll itself went. None: there was no answer.
#[expect(clippy::cast_precision_loss, reason = "a poll has far fewer than 2^52 requests")]
fn push_stats(samples: &mut Samples, entity: EntityId, stats: Option<&PollStats>) {
    let at = |tail: &str| figures_of(entity) + tail;
    samples.push(at(OK), if stats.is_some() { 1.0 } else { 0.0 }, None);
    if let Some(stats) = stats {
        samples.push(at(DURATION), stats.duration.as_secs_f64(), None);
        samples.push(at(REQUESTS), stats.requests as f64, None);
    }
}

/// Which sensor has which path in this run, by the paths' hashes: two that collide would cost a value once in the
/// life of the universe.
#[derive(Default)]
struct Paths<'a> {
    hasher: RandomState,
    taken: HashMap<u64, &'a Configured<Snmp>>,
}

impl<'a> Paths<'a> {
    /// The name of the sensor that has this path, if it is another one.
    fn taken_by_other(&mut self, path: &Path, sensor: &'a Configured<Snmp>) -> Option<&'a str> {
        let first = *self.taken.entry(self.hasher.hash_one(path)).or_insert(sensor);
        (first.id != sensor.id).then_some(&*first.name)
    }
}
