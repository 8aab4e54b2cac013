//! A job: what to do again and again. A run: doing it once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Timestamp;
use crate::context::Context;
use crate::ids::{AccountId, EntityId};
use crate::protocol::{Entity, Protocol};
use crate::schedule::{Anchor, Interval};

/// Something to be done at one or more intervals. Jobs are data: [`Collector::perform`] does the work.
///
/// A job *is* its id: when the next refresh brings the same id, the task is replaced and the timetable stays.
/// New intervals are planned anew; an id that is gone stops.
///
/// ```
/// use grafoleancollector::{Interval, Job};
/// let job = Job::new("router-7", "10.0.0.7")
///     .every([Interval::from_secs(60)?, Interval::from_secs(300)?])
///     .lane("10.0.0.7");
/// assert_eq!(job.id(), "router-7");
/// # Ok::<(), grafoleancollector::IntervalError>(())
/// ```
///
/// [`Collector::perform`]: crate::Collector::perform
#[derive(Debug)]
pub struct Job<T> {
    pub(crate) id: Arc<str>,
    pub(crate) task: Arc<T>,
    pub(crate) intervals: Vec<Interval>,
    pub(crate) anchor: Option<Anchor>,
    pub(crate) lane: Option<Box<str>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) about: Vec<About>,
}

/// An entity that a job measures, and by which protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct About {
    pub(crate) account: AccountId,
    pub(crate) entity: EntityId,
    pub(crate) protocol: &'static str,
}

impl About {
    pub(crate) const fn of<P: Protocol>(entity: &Entity<P>) -> Self {
        Self { account: entity.account, entity: entity.id, protocol: P::SLUG }
    }
}

impl<T> Job<T> {
    /// A job with a permanent id, unique in its bot.
    #[must_use]
    pub fn new(id: impl fmt::Display, task: T) -> Self {
        Self::shared(id, Arc::new(task))
    }

    /// A job whose task is shared with somebody else.
    #[must_use]
    pub fn shared(id: impl fmt::Display, task: Arc<T>) -> Self {
        let id = id.to_string().into();
        Self { id, task, intervals: Vec::new(), anchor: None, lane: None, timeout: None, about: Vec::new() }
    }

    /// The intervals at which it is due. They may repeat and come in any order.
    #[must_use]
    pub fn every(mut self, intervals: impl IntoIterator<Item = Interval>) -> Self {
        self.intervals.extend(intervals);
        self.intervals.sort_unstable();
        self.intervals.dedup();
        self
    }

    /// Fixes when its intervals tick, instead of spreading jobs evenly.
    #[must_use]
    pub const fn anchor(mut self, anchor: Anchor) -> Self {
        self.anchor = Some(anchor);
        self
    }

    /// Puts it into a lane: of all jobs of one lane, one runs at a time. Name lanes by device address, and no
    /// device is ever asked by two jobs at once.
    #[must_use]
    pub fn lane(mut self, lane: impl fmt::Display) -> Self {
        self.lane = Some(lane.to_string().into());
        self
    }

    /// How long a run may take. Without it: its shortest interval, or 30 s if that is longer.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Says which entity it measures, or one of those: while its runs fail, the backend is told so of this entity,
    /// where it wants to know.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use grafoleancollector::{Entity, Job, Protocol};
    ///
    /// fn job<P: Protocol>(entity: &Arc<Entity<P>>) -> Job<Entity<P>> {
    ///     Job::shared(entity.id, entity.clone()).every(entity.intervals()).about(entity)
    /// }
    /// ```
    #[must_use]
    pub fn about<P: Protocol>(mut self, entity: &Entity<P>) -> Self {
        self.about.push(About::of(entity));
        self
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is to be done.
    #[must_use]
    pub fn task(&self) -> &T {
        &self.task
    }

    /// The intervals at which it is due, sorted.
    #[must_use]
    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }
}

/// One run of a job: what [`Collector::perform`](crate::Collector::perform) gets.
///
/// ```
/// use grafoleancollector::Run;
///
/// fn title<T>(run: &Run<T>) -> String {
///     format!("job {}, due {}, {} ticks missed", run.id, run.due, run.missed)
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Run<T> {
    /// The job's id.
    pub id: Arc<str>,
    /// What is to be done.
    pub task: Arc<T>,
    /// When it was due.
    pub due: Timestamp,
    /// When it started; its samples carry this time.
    pub started: Timestamp,
    /// How many ticks passed since the last run without a run of their own. Their intervals are among
    /// [`affecting`](Self::affecting).
    pub missed: u64,
    pub(crate) affecting: Vec<Interval>,
    pub(crate) cancel: Cancel,
    pub(crate) context: Context,
}

impl<T> Run<T> {
    /// The intervals that are served by this run: those that are due now, and those owed from ticks that
    /// passed while an earlier run was still under way.
    #[must_use]
    pub fn affecting(&self) -> &[Interval] {
        &self.affecting
    }

    /// Whether `interval` is among [`affecting`](Self::affecting).
    #[must_use]
    pub fn is_due(&self, interval: Interval) -> bool {
        self.affecting.contains(&interval)
    }

    /// What the collector works with: the same as while it lists its jobs.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Resolves when the bot is told to stop: what is measured by then is worth returning.
    pub async fn cancelled(&self) {
        self.cancel.clone().requested().await;
    }
}

/// Tells runs that the bot is stopping.
#[derive(Clone, Debug)]
pub(crate) struct Cancel(watch::Receiver<bool>);

impl Cancel {
    pub(crate) const fn new(receiver: watch::Receiver<bool>) -> Self {
        Self(receiver)
    }

    /// A signal that never comes.
    pub(crate) fn never() -> Self {
        Self(watch::channel(false).1)
    }

    async fn requested(&mut self) {
        // The sender is gone only when the runner is, and nobody is left to cancel.
        if self.0.wait_for(|requested| *requested).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
