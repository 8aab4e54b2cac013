//! The trait that a bot implements.

use std::future::Future;
use std::sync::Arc;

use crate::context::Context;
use crate::error::{FetchError, JobError, StartError};
use crate::finding::Finding;
use crate::job::{Job, Run};
use crate::protocol::{Entity, Protocol};
use crate::runtime::{Runner, Stop};
use crate::sample::Samples;
use crate::settings::Settings;
use crate::telemetry::MetricsText;

/// A bot: it says which jobs there are, and does them.
///
/// ```no_run
/// # use grafoleancollector::{prelude::*, FetchError, JobError, StartError};
/// # struct MyProtocol;
/// # impl Protocol for MyProtocol {
/// #     const SLUG: &'static str = "myprotocol";
/// #     type Credential = ();
/// #     type Sensor = ();
/// # }
/// struct MyBot;
///
/// impl Collector for MyBot {
///     type Task = Entity<MyProtocol>;
///
///     async fn jobs(&self, cx: &Context) -> Result<Vec<Job<Self::Task>>, FetchError> {
///         let entities = self.fetch_job_configs::<MyProtocol>(cx).await?;
///         Ok(entities.into_iter().map(|e| Job::shared(e.id, e.clone()).every(e.intervals()).about(&e)).collect())
///     }
///
///     async fn perform(&self, run: &Run<Self::Task>) -> Result<Samples, JobError> {
///         let entity = &run.task;
///         Ok(Samples::for_account(entity.account).with(format!("entity.{}.answer", entity.id), 42.0))
///     }
/// }
///
/// # async fn run() -> Result<(), StartError> {
/// MyBot.execute(Settings::from_env()?).await
/// # }
/// ```
pub trait Collector: Sized + Send + Sync + 'static {
    /// What a job has to know to be done.
    type Task: Send + Sync + 'static;

    /// Which jobs there are, now. Called at the start and at every refresh; what is returned replaces what
    /// was returned before. On an error all jobs stay as they were.
    fn jobs(&self, cx: &Context) -> impl Future<Output = Result<Vec<Job<Self::Task>>, FetchError>> + Send;

    /// Does a job once. It must not block its thread: use `tokio::task::spawn_blocking` for what cannot
    /// await. Past its deadline it is dropped.
    fn perform(&self, run: &Run<Self::Task>) -> impl Future<Output = Result<Samples, JobError>> + Send;

    /// Called once under `run`, before the first word with the backend: opens what receives data by itself, and takes
    /// up what was [remembered](Context::state). What only answers to [`perform`](Self::perform) needs none of this.
    ///
    /// # Errors
    /// When the bot cannot do its work: it ends then, with this as the reason.
    fn begin(&self, cx: &Context) -> impl Future<Output = Result<(), StartError>> + Send {
        let _ = cx;
        async { Ok(()) }
    }

    /// Called when the outbox has what a run measured: committed, where it is a file. A mark of how far something is
    /// delivered is moved here, so that a kill between the two repeats rather than skips; repeated samples with
    /// the same time are stored once.
    fn accepted(&self, run: &Run<Self::Task>) {
        let _ = run;
    }

    /// Called once at the end, after the last run and before the state is closed: closes what [`begin`](Self::begin)
    /// opened.
    fn finish(&self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Reads the entities that have protocol `P` and are this bot's to serve, from all accounts.
    ///
    /// It costs `1 + 3 × accounts` requests. What is broken (an entity, a credential, a sensor) is skipped and
    /// named in the log once; an account that cannot be read keeps the entities that it had.
    ///
    /// # Errors
    /// When not even the accounts can be read.
    fn fetch_job_configs<P: Protocol>(
        &self,
        cx: &Context,
    ) -> impl Future<Output = Result<Vec<Arc<Entity<P>>>, FetchError>> + Send {
        cx.fetch()
    }

    /// Writes metrics of the collector's own, for `/metrics`.
    fn write_metrics(&self, out: &mut MetricsText) {
        let _ = out;
    }

    /// What the collector finds when it looks at its surroundings (sockets, permissions), for `check`.
    fn check(&self) -> impl Future<Output = Vec<Finding>> + Send {
        async { Vec::new() }
    }

    /// Runs the bot until SIGINT or SIGTERM: the first lets runs finish and delivers what was measured, the
    /// second ends at once. [`Runner`] has the options.
    ///
    /// # Errors
    /// When the bot cannot start; see [`StartError`].
    fn execute(self, settings: Settings) -> impl Future<Output = Result<(), StartError>> + Send {
        async { Runner::new(self, settings).run_until(Stop::on_signals()).await }
    }
}
