//! The bot: for each account and interval a job that delivers what was received.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use grafoleancollector::telemetry::MetricsText;
use grafoleancollector::{
    AccountId, Anchor, Collector, Context, Environment, FetchError, Finding, Interval, Job, JobError, Run,
    Samples, StartError, State, Timestamp,
};

use crate::aggregate::Level;
use crate::deliver::{self, Owners};
use crate::engine::{Directives, Engine, Reader};
use crate::flow::Ip;
use crate::gateway;
use crate::owners::{self, Names};
use crate::protocol::NetFlow;
use crate::receive::{ListenError, ListenOptions, Listener};
use crate::settings::{Options, Suggest};
use crate::suggest::{self, Suggestions};

/// How often unknown exporters are looked for.
const SUGGEST_EVERY: u64 = 120;
/// How often it is looked for windows that were missed, and how long they are left to their own runs.
const CATCH_UP_EVERY: u64 = 60;
const LATE: Duration = Duration::from_secs(90);
/// How long an account that cannot be read is waited for, before what no other has is nobody's.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// Values of one run, more or less: beyond it the next window waits for the next run.
const MOST_VALUES: usize = 50_000;

/// Grafolean's NetFlow bot.
pub struct NetFlowBot {
    options: Options,
    /// None until the bot begins; never under `once` and `check`.
    engine: OnceLock<Arc<Engine>>,
    names: Names,
    suggestions: Suggestions,
    /// The addresses that entities have.
    known: Mutex<Arc<HashSet<Ip>>>,
    first_look: OnceLock<Timestamp>,
    /// What is worth one line.
    bridge_said: AtomicBool,
    no_account_said: AtomicBool,
}

/// What is to be done.
#[derive(Debug)]
pub struct NetFlowTask(What);

#[derive(Debug)]
enum What {
    /// Deliver the values of some of an account's entities.
    Deliver { reader: Reader, owners: Arc<Owners> },
    /// Deliver what its own run has missed: a bot that was away when a day ended must not keep it for another day.
    CatchUp { account: AccountId, owners: Arc<Owners> },
    /// Make devices of unknown exporters.
    Suggest { account: AccountId },
}

impl fmt::Debug for NetFlowBot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetFlowBot").field("options", &self.options).finish_non_exhaustive()
    }
}

impl NetFlowBot {
    /// A bot with these options. It receives as soon as it [begins](Collector::begin).
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            engine: OnceLock::new(),
            names: Names::default(),
            suggestions: Suggestions::default(),
            known: Mutex::default(),
            first_look: OnceLock::new(),
            bridge_said: AtomicBool::new(false),
            no_account_said: AtomicBool::new(false),
        }
    }

    /// A bot as the environment wants it.
    ///
    /// # Errors
    /// When a variable is wrong.
    pub fn from_environment(environment: &Environment) -> Result<Self, StartError> {
        Options::from_environment(environment).map(Self::new)
    }

    fn engine(&self) -> Result<&Arc<Engine>, JobError> {
        let missing = "flows are received only under `run`; `try` shows what arrives, without any backend";
        self.engine.get().ok_or_else(|| JobError::failed(missing))
    }

    fn known(&self) -> Arc<HashSet<Ip>> {
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn deliver(
        &self,
        run: &Run<NetFlowTask>,
        reader: Reader,
        owners: &Owners,
    ) -> Result<Samples, JobError> {
        let engine = self.engine()?;
        engine.reports.begin(reader);
        let end = end_of_window(run.due, reader.level);
        let closed = engine.reports.closed_at(end).await;
        let mut samples = Samples::for_account(reader.account);
        self.add_windows(run.context().state(), reader, owners, &mut samples).await?;
        if closed {
            return Ok(samples);
        }
        let waits = format_args!("the window until {end} is not closed yet: it follows within two minutes");
        Ok(samples.but_failed(waits))
    }

    async fn catch_up(
        &self,
        run: &Run<NetFlowTask>,
        account: AccountId,
        owners: &Owners,
    ) -> Result<Samples, JobError> {
        let reports = &self.engine()?.reports;
        let mut samples = Samples::for_account(account);
        for reader in readers(account, owners) {
            reports.begin(reader);
            if reports.lacks(reader, run.due.minus(shift(reader.level) + LATE)) {
                self.add_windows(run.context().state(), reader, owners, &mut samples).await?;
            }
        }
        Ok(samples)
    }

    /// Adds the windows that a reader lacks, as long as there is room.
    async fn add_windows(
        &self,
        state: &State,
        reader: Reader,
        owners: &Owners,
        samples: &mut Samples,
    ) -> Result<(), JobError> {
        let reports = &self.engine()?.reports;
        let due = reports.due(reader);
        if !due.is_empty() {
            // A window that was delivered and then forgotten by a kill would be closed once more, without what came
            // last. Where the state cannot be written, values come all the same.
            let _ = state.written().await;
        }
        for (number, report) in due {
            if samples.len() > MOST_VALUES {
                break;
            }
            deliver::deliver(&report, owners, reader.part, self.options.top_n, samples);
            reports.took(reader, number);
            // The values of a window are some work, and others wait for the thread.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Says once that a container's bridge hides the exporters.
    fn look_at_gateway(&self, engine: &Engine) {
        if let Some(gateway) = gateway::of_container().filter(|gateway| engine.sightings.has(*gateway))
            && !self.bridge_said.swap(true, Relaxed)
        {
            tracing::warn!(
                "flows come from {gateway}, the gateway of this container: its bridge hides which exporter sends them; \
                 run the container with --network host"
            );
        }
    }

    /// The job that suggests exporters, where there is an account for that.
    fn suggesting(&self, cx: &Context) -> Option<Job<NetFlowTask>> {
        let accounts = cx.accounts();
        let account = suggest::account(self.options.suggest, &accounts);
        if let (None, Suggest::Account(wanted)) = (account, self.options.suggest)
            && !self.no_account_said.swap(true, Relaxed)
        {
            tracing::warn!(
                "NETFLOW_SUGGEST_ACCOUNT: this bot cannot see account {wanted}: no exporter is suggested"
            );
        }
        let every = Interval::from_secs(SUGGEST_EVERY).ok()?;
        Some(Job::new("netflow-suggest", NetFlowTask(What::Suggest { account: account? })).every([every]))
    }
}

/// Who has windows of an account.
fn readers(account: AccountId, owners: &Owners) -> impl Iterator<Item = Reader> {
    let parts = owners.parts();
    let of_level = move |level| parts.clone().map(move |part| Reader { account, level, part });
    Level::ALL.into_iter().flat_map(of_level)
}

/// The id of a job: most accounts have one part.
fn id(Reader { account, level, part }: Reader) -> String {
    let level = level.name();
    if part == 0 {
        format!("netflow-{account}-{level}")
    } else {
        format!("netflow-{account}-{level}-part{part}")
    }
}

/// The end of the window that a run delivers: the next one has begun then.
fn end_of_window(due: Timestamp, level: Level) -> Timestamp {
    level.begin(due)
}

/// How long after the end of a window it is delivered: so that not everything happens on the hour (G25).
const fn shift(level: Level) -> Duration {
    Duration::from_secs(match level {
        Level::Minute => 0,
        Level::QuarterHour => 15,
        Level::Hour => 255,
        Level::FourHours => 1_755,
        Level::Day => 5_355,
    })
}

impl Collector for NetFlowBot {
    type Task = NetFlowTask;

    async fn begin(&self, cx: &Context) -> Result<(), StartError> {
        let engine = Engine::start(&self.options, cx).await?;
        // A bot begins once.
        let _ = self.engine.set(Arc::new(engine));
        Ok(())
    }

    async fn jobs(&self, cx: &Context) -> Result<Vec<Job<NetFlowTask>>, FetchError> {
        let entities = self.fetch_job_configs::<NetFlow>(cx).await?;
        let sorted = owners::sort_out(cx, &self.names, &entities).await;
        let known = Arc::new(sorted.exporters.iter().map(|(exporter, _)| exporter.address).collect());
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&known);
        // The entities of an account that was never read may own what looks like nobody's.
        let first = *self.first_look.get_or_init(|| cx.clock().now());
        let all_known = cx.knows_all_accounts() || cx.clock().now().since(first) > PATIENCE;
        if let Some(engine) = self.engine.get() {
            self.look_at_gateway(engine);
            let directives = Directives::new(sorted.exporters);
            engine.direct(if all_known { directives } else { directives.incomplete() });
        }
        let by_id: HashMap<_, _> = entities.iter().map(|entity| (entity.id, entity)).collect();
        let (mut jobs, mut all_readers) = (Vec::new(), HashSet::new());
        for (account, owners) in sorted.owners {
            let owners = Arc::new(Owners::new(owners));
            // In one lane: the values of all parts at once would take too much memory.
            let in_lane = |job: Job<NetFlowTask>| job.lane(format_args!("netflow-{account}"));
            let about = |job: Job<NetFlowTask>, part: u32| {
                let served = owners.of_part(part).iter().filter_map(|owner| by_id.get(&owner.entity));
                served.fold(job, |job, entity| job.about(entity))
            };
            for reader in readers(account, &owners) {
                all_readers.insert(reader);
                let task = NetFlowTask(What::Deliver { reader, owners: Arc::clone(&owners) });
                let Ok(every) = Interval::from_secs(reader.level.seconds().unsigned_abs()) else { continue };
                let job = about(in_lane(Job::new(id(reader), task)).every([every]), reader.part);
                jobs.push(job.anchor(Anchor::epoch_plus(shift(reader.level))));
            }
            if let Ok(every) = Interval::from_secs(CATCH_UP_EVERY) {
                let task = NetFlowTask(What::CatchUp { account, owners: Arc::clone(&owners) });
                let job = in_lane(Job::new(format_args!("netflow-{account}-late"), task)).every([every]);
                jobs.push(owners.parts().fold(job, about));
            }
        }
        if all_known {
            if let Some(engine) = self.engine.get() {
                engine.reports.serve(all_readers, known);
            }
            jobs.extend(self.suggesting(cx));
        }
        Ok(jobs)
    }

    async fn perform(&self, run: &Run<NetFlowTask>) -> Result<Samples, JobError> {
        match &run.task.0 {
            What::Deliver { reader, owners } => self.deliver(run, *reader, owners).await,
            What::CatchUp { account, owners } => self.catch_up(run, *account, owners).await,
            What::Suggest { account } => {
                let (lasting, known) = (self.engine()?.sightings.lasting(suggest::LASTING), self.known());
                self.suggestions.suggest(run.context(), *account, lasting, &known).await?;
                Ok(Samples::for_account(*account))
            }
        }
    }

    fn accepted(&self, run: &Run<NetFlowTask>) {
        let Some(engine) = self.engine.get() else { return };
        match &run.task.0 {
            What::Deliver { reader, .. } => engine.reports.accepted(*reader),
            What::CatchUp { account, owners } => {
                readers(*account, owners).for_each(|reader| engine.reports.accepted(reader));
            }
            What::Suggest { .. } => {}
        }
    }

    async fn finish(&self) {
        let Some(engine) = self.engine.get().cloned() else { return };
        let stopped = tokio::task::spawn_blocking(move || engine.stop()).await;
        if stopped.is_err() {
            tracing::error!(
                "what was received last may be lost: the threads could not be stopped, which is a bug"
            );
        }
    }

    fn write_metrics(&self, out: &mut MetricsText) {
        if let Some(engine) = self.engine.get() {
            engine.write_metrics(out);
        }
    }

    async fn check(&self) -> Vec<Finding> {
        let options = ListenOptions::default().with_receive_buffer(self.options.receive_buffer);
        let bind = |address: &_| Listener::bind_several(*address, self.options.threads, &options);
        // All of them at once, as the bot needs them.
        let all: Vec<_> = self.options.listen.iter().map(bind).collect();
        all.iter().map(finding).collect()
    }
}

/// What `check` says of an address.
fn finding(listeners: &Result<Vec<Listener>, ListenError>) -> Finding {
    match listeners {
        Ok(listeners) => listeners[0].finding(),
        Err(error @ ListenError::Taken(_)) => {
            Finding::doubtful("netflow", format_args!("{error} (by this bot's service?)"))
        }
        Err(error) => Finding::bad("netflow", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_delivers_the_window_that_ended_last_before_it_was_due() {
        let day = 1_700_006_400;
        for level in Level::ALL {
            let due = Timestamp::from_secs(day).plus(shift(level));
            assert_eq!(end_of_window(due, level), Timestamp::from_secs(day), "{level:?}");
        }
        assert_eq!(
            end_of_window(Timestamp::from_secs(day + 915), Level::QuarterHour),
            Timestamp::from_secs(day + 900)
        );
    }
}
