//! One run of an entity's sensors: what is due is read in one poll, and becomes values.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use grafoleancollector::{EntityId, Host, JobError, Run, Samples, Sensor as Configured};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use crate::agent::SnmpError;
use crate::bot::{SnmpBot, SnmpTask};
use crate::device::Device;
use crate::harvest::Harvest;
use crate::notices::Subject;
use crate::patience::Rest;
use crate::poll::{FetchMethod, PollOptions, Polled, Source, Wanted, poll};
use crate::protocol::Snmp;
use crate::sensor::evaluate::{Evaluated, Moments, SensorPlan, evaluate};
use crate::wire::Credential;

/// A stop leaves runs 10 s to finish: most do. A poll that does not is ended shortly before.
const LAST_WORD: Duration = Duration::from_secs(8);
/// How many rows are evaluated before other runs on this thread, and this one's deadline, have a say.
const ROWS_AT_A_TIME: usize = 10_000;
/// A poll that is ended ends at once.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Resolves when the bot is about to stop and a run would soon be dropped.
async fn no_time_left(run: &Run<SnmpTask>) {
    run.cancelled().await;
    sleep(LAST_WORD).await;
}

/// Why there is nothing at all of a device.
pub(crate) enum Unanswered {
    /// It did not answer, now or the last times.
    Silent(JobError),
    /// The bot is being stopped.
    Stopped(JobError),
}

impl From<Unanswered> for JobError {
    fn from((Unanswered::Silent(error) | Unanswered::Stopped(error)): Unanswered) -> Self {
        error
    }
}

impl SnmpBot {
    /// What is remembered of a run's device.
    pub(crate) fn device(&self, run: &Run<SnmpTask>) -> Arc<Device> {
        let SnmpTask { entity, host, credential, .. } = &*run.task;
        let (device, replaces) = self.devices.of(entity.id, host, credential);
        if replaces {
            // What another device counted, or this one for others, is no baseline for what comes now.
            self.baselines().forget_entity(entity.id);
        }
        device
    }

    /// Polls the device for what is wanted, unless it is left alone for now. An error is one line on why there is
    /// nothing at all.
    pub(crate) async fn ask(
        &self,
        run: &Run<SnmpTask>,
        device: &Device,
        wanted: &Wanted,
    ) -> Result<Polled, Unanswered> {
        let SnmpTask { host, credential, .. } = &*run.task;
        let time = run.task.poll_time();
        let began = Instant::now();
        let resting = device.patience().rest(began);
        if let Some(Rest { polls, left, why }) = resting {
            self.counts.rested.inc();
            let left = left.as_secs().max(1);
            return Err(Unanswered::Silent(JobError::failed(format_args!(
                "asked again in {left} s, after {polls} polls in vain: {why}"
            ))));
        }
        let options = PollOptions::until(began + time).any_order(credential.any_order());
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
            Ok(polled) => match &polled.gone {
                Some(SnmpError::Timeout { after, hint }) => {
                    silence(host, credential, *after, hint.as_deref())
                }
                _ => format!("{host}: {}", reason(&polled)),
            },
            Err(why) => why,
        };
        if options.ending.is_over() {
            return Err(Unanswered::Stopped(JobError::failed(
                "the bot stopped before the device had answered",
            )));
        }
        device.patience().silent(began, run.task.shortest().unwrap_or(time), why.clone());
        Err(Unanswered::Silent(JobError::failed(why)))
    }

    /// The values of all sensors that are due.
    pub(crate) async fn measure(&self, run: &Run<SnmpTask>) -> Result<Samples, JobError> {
        let SnmpTask { entity, .. } = &*run.task;
        // Before the poll, which may take long: `run.started` is now.
        let moments = self.moments(run);
        let due: Vec<&Configured<Snmp>> = entity.due(run).collect();
        let sources = || due.iter().flat_map(|sensor| sensor.details.sources());
        let device = self.device(run);
        let asked = self.ask(run, &device, &Wanted::of(sources())).await;
        let mut harvest = Harvest::new(entity.account, entity.id, self.options.with_stats);
        let polled = match asked {
            Ok(polled) => polled,
            Err(Unanswered::Silent(error)) => {
                return harvest.without_answer().map(|figures| figures.but_failed(&error)).ok_or(error);
            }
            // That says nothing about the device.
            Err(Unanswered::Stopped(error)) => return Err(error),
        };
        let mut rows = 0;
        for sensor in &due {
            let evaluated = self.evaluate(sensor, entity.id, &polled, moments);
            rows += evaluated.rows();
            self.count(&evaluated);
            harvest.take(sensor.id, &sensor.name, evaluated);
            if rows > ROWS_AT_A_TIME {
                rows = 0;
                yield_now().await;
            }
        }
        self.keep_baselines();
        let found = unread(&polled).into_iter().chain(harvest.found()).collect();
        let (sensors, sources): (HashSet<_>, HashSet<_>) =
            (due.iter().map(|sensor| sensor.id).collect(), sources().collect());
        self.notice(run, &device, found, |subject| match subject {
            // What was wrong before the device went away may still be.
            _ if polled.gone.is_some() => false,
            Subject::Refused(sensor, _) | Subject::Repeated(sensor) => sensors.contains(sensor),
            Subject::TooMany => true,
            Subject::Unread(source) => sources.contains(source),
        });
        let samples = harvest.after(&polled);
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
        evaluate(&plan, entity, polled, moments, &self.baselines)
    }

    fn count(&self, evaluated: &Evaluated) {
        self.counts.evaluated(evaluated);
        if evaluated.discarded.no_room > 0
            && let Some(more) = self.full.say()
        {
            let most = self.baselines().most();
            tracing::warn!(
                "there are more than {most} counters: those beyond have no rates; raise SNMP_MAX_COUNTERS \
                 (a million take 90 MB) or read fewer{more}"
            );
        }
    }

    /// Logs what is new of what was found.
    pub(crate) fn notice(
        &self,
        run: &Run<SnmpTask>,
        device: &Device,
        found: Vec<(Subject, String)>,
        covered: impl Fn(&Subject) -> bool,
    ) {
        let entity = &run.task.entity;
        let say = |text: &str| {
            let more = self.said.say();
            if let Some(more) = more {
                self.counts.warnings.inc();
                tracing::warn!("entity {} ({}): {text}{more}", entity.id, entity.name);
            }
            more.is_some()
        };
        device.notices().look(found, covered, say);
    }
}

/// What is said of a device that does not answer: with a wrong community it is as silent as one that is switched off.
fn silence(host: &Host, credential: &Credential, after: Duration, hint: Option<&str>) -> String {
    let whom = match host {
        Host::Address(address) => address.socket_addr(credential.port()).to_string(),
        Host::Name(name) => format!("{name}:{}", credential.port()),
    };
    let tries = match credential.retries() {
        0 => "1 try".to_owned(),
        retries => format!("{} tries", retries + 1),
    };
    let why = hint.unwrap_or(if credential.is_v3() {
        "is the device up, and does it speak SNMPv3?"
    } else {
        "is the device up, and is the community right?"
    });
    format!("no answer within {:.1} s from {whom} ({tries}): {why}", after.as_secs_f64())
}

/// Why a poll brought nothing.
fn reason(polled: &Polled) -> String {
    let gone = polled.gone.as_ref().map(ToString::to_string);
    gone.or_else(|| polled.problems.first().map(ToString::to_string))
        .unwrap_or_else(|| "the time for this poll was up".to_owned())
}

pub(crate) fn unread(polled: &Polled) -> Vec<(Subject, String)> {
    // A device that went away in between is one piece of news, not one for each of its objects.
    if polled.gone.is_some() {
        return Vec::new();
    }
    let subject = |oid: &crate::Oid, fetch: FetchMethod| Subject::Unread(Source { oid: oid.clone(), fetch });
    let problems = polled.problems.iter();
    problems.map(|problem| (subject(&problem.oid, problem.fetch), problem.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_silent_makes_people_think_of_its_community() {
        let silent = |host: &str, credential: &Credential, hint| {
            silence(&host.parse().unwrap(), credential, Duration::from_millis(8_004), hint)
        };
        let community = Credential::v2c("hunter2").unwrap();
        assert_eq!(
            silent("10.0.0.1", &community, None),
            "no answer within 8.0 s from 10.0.0.1:161 (4 tries): is the device up, and is the community right?"
        );
        assert_eq!(
            silent("fe80::7", &community, Some("an answer has another community")),
            "no answer within 8.0 s from [fe80::7]:161 (4 tries): an answer has another community"
        );
        assert!(silent("switch7", &community, None).contains("from switch7:161 (4 tries)"));
    }
}
