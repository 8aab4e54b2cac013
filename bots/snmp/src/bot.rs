//! The bot: for each entity a job for its sensors and one for its interfaces.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use grafoleancollector::telemetry::{MetricsText, Throttle};
use grafoleancollector::{
    Collector, Context, Entity, Environment, FetchError, Finding, Host, Interval, Job, JobError, Run,
    Samples, SettingProblem, StartError, Table, Variable,
};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::counter::{Baselines, Change};
use crate::device::Devices;
use crate::interfaces::Keeper;
use crate::metrics::Counts;
use crate::protocol::{Snmp, tuning};
use crate::sensor::evaluate::Moments;
use crate::wire::{Credential, Wire};

/// The bot's own variables.
pub const VARIABLES: &[Variable] = &[
    Variable::new("SNMP_STATS", "0", "1 adds snmp.poll.ok, .duration and .requests to each entity"),
    Variable::new("SNMP_INTERFACES", "1", "0 leaves the entities of interfaces alone"),
    Variable::new("SNMP_MAX_COUNTERS", "2000000", "counters that have rates at most: a million take 90 MB"),
];

/// Runs at once. They wait nearly all the time: 10,000 devices with an answer after 20 ms need some hundred, and
/// 1,000 dead ones as many.
pub const CONCURRENCY: usize = 4_096;

/// However seldom a device is polled: a poll that takes longer than this will not end well.
const LONGEST_RUN: Duration = Duration::from_secs(300);
/// How often a device's interfaces are looked at.
const INTERFACES_EVERY: u64 = 300;
/// How long a look at the interfaces may take.
/// Twice what a request takes that nobody answers: so that is noticed, and why.
const SHORTEST_LOOK: Duration = Duration::from_secs(20);
const LONGEST_LOOK: Duration = Duration::from_secs(60);
/// The SDK's deadline for a run without one of its own.
const SHORTEST_RUN: Duration = Duration::from_secs(30);
/// After this long a device that nobody asks, or not any more in this way, has no session.
const SESSION_UNUSED: Duration = Duration::from_secs(3_600);
/// Lines of the log in each minute about devices that answer strangely.
const LINES_PER_MINUTE: u32 = 30;
/// How often a bot with too many counters says so.
const WORD_OF_NO_ROOM_EVERY: Duration = Duration::from_secs(3_600);
/// Where the baselines of counters are kept.
const COUNTERS: &str = "snmp-counters";

/// Grafolean's SNMP bot.
pub struct SnmpBot {
    pub(crate) wire: Wire,
    pub(crate) options: Options,
    pub(crate) devices: Devices,
    pub(crate) counts: Arc<Counts>,
    pub(crate) said: Throttle,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) baselines: Mutex<Baselines>,
    /// That there are too many counters is worth a line now and then, not one for each poll.
    pub(crate) full: Throttle,
    kept: OnceCell<Table>,
    moments: OnceLock<Moments>,
}

/// What the environment says about the bot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Options {
    pub(crate) with_stats: bool,
    pub(crate) with_interfaces: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { with_stats: false, with_interfaces: true }
    }
}

/// What is to be done with a device.
#[derive(Debug)]
pub struct SnmpTask {
    pub(crate) what: What,
    pub(crate) entity: Arc<Entity<Snmp>>,
    pub(crate) host: Host,
    pub(crate) credential: Arc<Credential>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// Measure with the sensors that are due.
    Sensors,
    /// Bring the entities of its interfaces up to date.
    Interfaces,
}

impl SnmpTask {
    /// How long a run may take.
    fn deadline(&self) -> Duration {
        match self.what {
            What::Sensors => {
                self.shortest().map_or(SHORTEST_RUN, |every| every.clamp(SHORTEST_RUN, LONGEST_RUN))
            }
            What::Interfaces => Duration::from_secs(INTERFACES_EVERY),
        }
    }

    /// How long its poll may take: what it has read by then is worth delivering.
    pub(crate) fn poll_time(&self) -> Duration {
        match self.what {
            What::Sensors => self.deadline() / 10 * 9,
            // The sensors wait meanwhile, in the same lane, and must not miss a tick.
            What::Interfaces => {
                self.shortest().map_or(LONGEST_LOOK, |every| (every / 2).clamp(SHORTEST_LOOK, LONGEST_LOOK))
            }
        }
    }

    /// The shortest interval of its sensors.
    pub(crate) fn shortest(&self) -> Option<Duration> {
        self.entity.intervals().first().map(|interval| interval.as_duration())
    }
}

impl fmt::Debug for SnmpBot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnmpBot")
            .field("wire", &self.wire)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl SnmpBot {
    /// A bot that asks over `wire`.
    #[must_use]
    pub fn new(wire: Wire) -> Self {
        Self {
            wire,
            options: Options::default(),
            devices: Devices::default(),
            counts: Arc::default(),
            said: Throttle::new(LINES_PER_MINUTE, Duration::from_secs(60)),
            keeper: Arc::default(),
            baselines: Mutex::new(Baselines::new(Baselines::DEFAULT_MOST_ROWS)),
            full: Throttle::new(1, WORD_OF_NO_ROOM_EVERY),
            kept: OnceCell::new(),
            moments: OnceLock::new(),
        }
    }

    /// Adds the figures of `SNMP_STATS`.
    #[must_use]
    pub const fn with_stats(mut self, with_stats: bool) -> Self {
        self.options.with_stats = with_stats;
        self
    }

    /// Whether interfaces become entities, as `SNMP_INTERFACES` says.
    #[must_use]
    pub const fn with_interfaces(mut self, with_interfaces: bool) -> Self {
        self.options.with_interfaces = with_interfaces;
        self
    }

    /// How many counters have rates at most, as `SNMP_MAX_COUNTERS` says: their last values take memory.
    #[must_use]
    pub fn with_max_counters(mut self, most: usize) -> Self {
        self.baselines = Mutex::new(Baselines::new(most));
        self
    }

    /// A bot as the environment wants it, with its sockets open.
    ///
    /// # Errors
    /// When a variable is wrong, or when no socket can be opened.
    pub fn from_environment(environment: &Environment) -> Result<Self, StartError> {
        let mut problems = Vec::new();
        let mut switch = |name, default| match environment.get(name).as_deref() {
            None => default,
            Some("0" | "false" | "no") => false,
            Some("1" | "true" | "yes") => true,
            Some(other) => {
                problems.push(SettingProblem::new(name, format_args!("expected 0 or 1, got {other:?}")));
                default
            }
        };
        let (with_stats, with_interfaces) = (switch("SNMP_STATS", false), switch("SNMP_INTERFACES", true));
        let max_counters = match environment.get("SNMP_MAX_COUNTERS") {
            None => Baselines::DEFAULT_MOST_ROWS,
            Some(text) => text.trim().parse().unwrap_or_else(|_| {
                let expected = format_args!("expected a whole number, got {text:?}");
                problems.push(SettingProblem::new("SNMP_MAX_COUNTERS", expected));
                Baselines::DEFAULT_MOST_ROWS
            }),
        };
        if !problems.is_empty() {
            return Err(StartError::Settings(problems));
        }
        let wire = Wire::open().map_err(StartError::collector)?;
        let bot = Self::new(wire).with_stats(with_stats).with_interfaces(with_interfaces);
        Ok(bot.with_max_counters(max_counters))
    }

    pub(crate) fn baselines(&self) -> MutexGuard<'_, Baselines> {
        self.baselines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How moments of this process become times that outlive it.
    pub(crate) fn moments(&self, run: &Run<SnmpTask>) -> &Moments {
        self.moments.get_or_init(|| Moments::new(Instant::now(), run.started.as_micros()))
    }

    /// Takes up the baselines of the last life, at the first look at the jobs.
    async fn remember(&self, cx: &Context) {
        let restore = async || {
            let table = cx.state().table(COUNTERS);
            let stored = table.load().await;
            let mut baselines = self.baselines();
            let unreadable = baselines.restore(stored.iter().map(|(key, value)| (&**key, &**value)));
            if !unreadable.is_empty() {
                let columns = unreadable.len();
                tracing::warn!(
                    "{columns} columns of counters could not be read from the state: they start anew"
                );
                unreadable.iter().for_each(|key| table.remove(key));
            }
            table
        };
        self.kept.get_or_init(restore).await;
    }

    /// Hands what has changed to the state, which writes it in its own time.
    pub(crate) fn keep_baselines(&self) {
        let Some(table) = self.kept.get() else { return };
        // One by one: each is some work, and others wait for the lock meanwhile.
        let next = || self.baselines().take_change();
        for Change { key, value } in std::iter::from_fn(next) {
            match value {
                Some(value) => table.put(&key, value),
                None => table.remove(&key),
            }
        }
    }

    /// The jobs of an entity, or what is wrong with its details.
    fn jobs_of(&self, entity: &Arc<Entity<Snmp>>) -> Result<Vec<Job<SnmpTask>>, String> {
        let missing = "details.ipv4: missing: expected an IPv4 or IPv6 address or a host name";
        let address = entity.details.text("ipv4").ok_or(missing)?;
        let host: Host = address.parse().map_err(|error| format!("details.ipv4: {error}"))?;
        let credential = match tuning(&entity.details).map_err(|error| format!("details.{error}"))? {
            None => Arc::clone(&entity.credential),
            Some(tuning) => {
                let tuned = (*entity.credential).clone().tuned(&tuning);
                Arc::new(tuned.map_err(|error| format!("details.{error}"))?)
            }
        };
        let lane = format!("{host}:{}", credential.port());
        let task = |what| SnmpTask {
            what,
            entity: Arc::clone(entity),
            host: host.clone(),
            credential: Arc::clone(&credential),
        };
        let job = |id: String, task: SnmpTask, every: Vec<Interval>| {
            let deadline = task.deadline();
            Job::new(id, task).every(every).lane(&lane).timeout(deadline).about(entity)
        };
        let mut jobs = vec![job(entity.id.to_string(), task(What::Sensors), entity.intervals())];
        if self.options.with_interfaces
            && let Ok(every) = Interval::from_secs(INTERFACES_EVERY)
        {
            jobs.push(job(format!("{}-interfaces", entity.id), task(What::Interfaces), vec![every]));
        }
        Ok(jobs)
    }
}

impl Collector for SnmpBot {
    type Task = SnmpTask;

    async fn jobs(&self, cx: &Context) -> Result<Vec<Job<SnmpTask>>, FetchError> {
        self.remember(cx).await;
        let entities = self.fetch_job_configs::<Snmp>(cx).await?;
        let mut jobs = Vec::with_capacity(entities.len() * 2);
        for entity in &entities {
            match self.jobs_of(entity) {
                Ok(of_entity) => jobs.extend(of_entity),
                Err(why) => cx.skip(&**entity, why),
            }
        }
        let served: HashSet<_> = entities.iter().map(|entity| entity.id).collect();
        self.devices.keep(&served);
        self.wire.forget_unused(SESSION_UNUSED);
        if let Some(moments) = self.moments.get() {
            self.baselines().forget_old(moments.at(Instant::now()));
            self.keep_baselines();
        }
        Ok(jobs)
    }

    async fn perform(&self, run: &Run<SnmpTask>) -> Result<Samples, JobError> {
        match run.task.what {
            What::Sensors => self.measure(run).await,
            What::Interfaces => self.keep_interfaces(run).await,
        }
    }

    fn write_metrics(&self, out: &mut MetricsText) {
        let (remembered, dropped) = {
            let baselines = self.baselines();
            (baselines.len(), baselines.dropped())
        };
        self.counts.write(out, &self.wire, self.devices.resting(), remembered, dropped);
    }

    async fn check(&self) -> Vec<Finding> {
        self.wire.findings()
    }
}
