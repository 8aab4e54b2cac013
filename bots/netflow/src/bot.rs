//! The bot: for each account and interval a job that delivers what was received.

use std::collections::HashSet;
use std::fmt;
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
use crate::owners::{self, Names};
use crate::protocol::NetFlow;
use crate::receive::{ListenError, ListenOptions, Listener};
use crate::settings::Options;
use crate::suggest::{self, Suggestions};

/// How often unknown exporters are looked for.
const SUGGEST_EVERY: u64 = 120;

/// Grafolean's NetFlow bot.
pub struct NetFlowBot {
    options: Options,
    /// None until the bot begins; never under `once` and `check`.
    engine: OnceLock<Arc<Engine>>,
    names: Names,
    suggestions: Suggestions,
    /// The addresses that entities have.
    known: Mutex<Arc<HashSet<Ip>>>,
}

/// What is to be done.
#[derive(Debug)]
pub struct NetFlowTask(What);

#[derive(Debug)]
enum What {
    /// Deliver the values of some of an account's entities.
    Deliver { reader: Reader, owners: Arc<Owners> },
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
        state: &State,
        due: Timestamp,
        reader: Reader,
        owners: &Owners,
    ) -> Result<Samples, JobError> {
        let engine = self.engine()?;
        let end = end_of_window(due, reader.level);
        let closed = engine.reports.closed_at(end).await;
        let mut samples = Samples::for_account(reader.account);
        let reports = engine.reports.due(reader);
        // A window that was delivered and then forgotten by a kill would be closed once more, without what came last.
        // Where the state cannot be written, values come all the same.
        let _ = state.written().await;
        for report in reports {
            deliver::deliver(&report, owners, reader.part, self.options.top_n, &mut samples);
        }
        if closed {
            return Ok(samples);
        }
        Ok(samples.but_failed(format_args!(
            "the window until {end} is not closed yet: it follows with the next run"
        )))
    }
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
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
        if let Some(engine) = self.engine.get() {
            engine.direct(Directives::new(sorted.exporters));
        }
        let (mut jobs, mut readers) = (Vec::new(), HashSet::new());
        for (account, owners) in sorted.owners {
            let owners = Arc::new(Owners::new(owners));
            for (level, part) in
                Level::ALL.into_iter().flat_map(|level| owners.parts().map(move |part| (level, part)))
            {
                let reader = Reader { account, level, part };
                if let Ok(every) = Interval::from_secs(level.seconds().unsigned_abs()) {
                    let task = NetFlowTask(What::Deliver { reader, owners: Arc::clone(&owners) });
                    // In one lane: the values of all parts at once would take too much memory.
                    let job =
                        Job::new(id(reader), task).every([every]).lane(format_args!("netflow-{account}"));
                    jobs.push(job.anchor(Anchor::epoch_plus(shift(level))));
                }
                readers.insert(reader);
            }
        }
        if let Some(engine) = self.engine.get() {
            engine.reports.serve(readers);
        }
        if let Some(account) = suggest::account(self.options.suggest, &cx.accounts())
            && let Ok(every) = Interval::from_secs(SUGGEST_EVERY)
        {
            jobs.push(Job::new("netflow-suggest", NetFlowTask(What::Suggest { account })).every([every]));
        }
        Ok(jobs)
    }

    async fn perform(&self, run: &Run<NetFlowTask>) -> Result<Samples, JobError> {
        match &run.task.0 {
            What::Deliver { reader, owners } => {
                self.deliver(run.context().state(), run.due, *reader, owners).await
            }
            What::Suggest { account } => {
                let (lasting, known) = (self.engine()?.sightings.lasting(suggest::LASTING), self.known());
                self.suggestions.suggest(run.context(), *account, lasting, &known).await?;
                Ok(Samples::for_account(*account))
            }
        }
    }

    fn accepted(&self, run: &Run<NetFlowTask>) {
        if let (What::Deliver { reader, .. }, Some(engine)) = (&run.task.0, self.engine.get()) {
            engine.reports.accepted(*reader);
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
