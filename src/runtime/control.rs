//! The loop: it alone owns the timetable, and does nothing that could keep it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::dispatch::Ticket;
use super::ledger::{Change, Outcome};
use super::perform::{Performer, Progress};
use super::problems::Reporter;
use super::reconcile::{Assignment, reconcile};
use super::refresh::Refresher;
use super::shutdown::Stop;
use super::timetable::{Start, Timetable};
use super::vitals::{JobsQuery, JobsView, Vitals};
use super::workers::Workers;
use crate::clock::Timestamp;
use crate::collector::Collector;
use crate::error::JobError;
use crate::schedule::Interval;
use crate::telemetry::{Throttle, Warnings};

/// The loop turns at least this often: for its heartbeat, for runs that hang, and to see the clock jump.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The clock and the time that passed differ by more than this: somebody set the clock.
const JUMP: Duration = Duration::from_secs(1);
/// A run that is still there this long after its deadline keeps its thread: a deadline only works at an await.
const BLOCKED_AFTER: Duration = Duration::from_secs(5);
/// A run may not take longer, whatever it says: a year is for ever.
const LONGEST_DEADLINE: Duration = Duration::from_secs(366 * 86_400);
/// Without one of its own, a job's deadline is its shortest interval, but no less than this.
const SHORTEST_DEADLINE: Duration = Duration::from_secs(30);

/// A run that is under way.
struct UnderWay {
    progress: Arc<Progress>,
    limit: Duration,
    deadline: Instant,
    started: Timestamp,
    missed: u64,
    task: AbortHandle,
    blocked: bool,
}

/// Those who do the work that the loop hands out.
pub(crate) struct Crew<C: Collector> {
    pub(crate) performer: Arc<Performer<C>>,
    pub(crate) refresher: Refresher<C>,
    pub(crate) reporter: Reporter,
    pub(crate) workers: Arc<Workers>,
}

pub(crate) struct Control<C: Collector> {
    table: Timetable<Assignment<C::Task>>,
    performer: Arc<Performer<C>>,
    refresher: Refresher<C>,
    reporter: Reporter,
    workers: Arc<Workers>,
    vitals: Arc<Vitals>,
    cancel: watch::Sender<bool>,
    queries: mpsc::Receiver<JobsQuery>,
    under_way: HashMap<Ticket, UnderWay>,
    report: mpsc::UnboundedSender<(Ticket, Outcome)>,
    finished: mpsc::UnboundedReceiver<(Ticket, Outcome)>,
    last_look: (Timestamp, Instant),
    next_check: Instant,
    problems: Warnings,
    said: Throttle,
    /// That there is nothing to do was said.
    nothing_said: bool,
}

impl<C: Collector> Control<C> {
    pub(crate) fn new(
        table: Timetable<Assignment<C::Task>>,
        crew: Crew<C>,
        vitals: Arc<Vitals>,
        cancel: watch::Sender<bool>,
        queries: mpsc::Receiver<JobsQuery>,
    ) -> Self {
        let Crew { performer, refresher, reporter, workers } = crew;
        let last_look = (performer.clock.now(), Instant::now());
        // No more messages than runs under way, which are limited.
        let (report, finished) = mpsc::unbounded_channel();
        Self {
            table,
            performer,
            refresher,
            reporter,
            workers,
            vitals,
            cancel,
            queries,
            under_way: HashMap::new(),
            report,
            finished,
            last_look,
            next_check: last_look.1,
            problems: Warnings::default(),
            said: Throttle::new(20, Duration::from_secs(10)),
            nothing_said: false,
        }
    }

    /// Keeps jobs scheduled until told to stop.
    pub(crate) async fn run(&mut self, stop: &Stop) {
        let draining = stop.draining();
        tokio::pin!(draining);
        let heard = self.refresher.heard();
        let mut finished = Vec::new();
        loop {
            let now = self.look_at_clock();
            self.refresher.start_if_due(&self.workers);
            // All ticks up to now are counted before the first run starts: a long row of starts cannot make
            // a tick go unnoticed.
            self.table.advance(now.as_millis());
            while let Some(start) = self.table.start_next() {
                self.start(start);
            }
            self.check_now_and_then();
            self.publish();
            let pause = self.pause();
            tokio::select! {
                () = &mut draining => return,
                // Many at a time: one turn of the loop serves them all.
                _ = self.finished.recv_many(&mut finished, 1_024) => {
                    finished.drain(..).for_each(|(ticket, outcome)| self.finish(ticket, outcome));
                }
                Some(query) = self.queries.recv() => self.answer(query),
                listed = self.refresher.done() => {
                    if let Some(jobs) = listed {
                        self.take_over(jobs);
                    }
                }
                // What was heard makes the pause another.
                () = heard.woken() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Lets the runs under way finish, but no longer than `grace`; the rest is aborted.
    pub(crate) async fn drain(&mut self, grace: Duration, stop: &Stop) {
        self.table.stop_starting();
        // Nobody listens where no run is under way.
        let _ = self.cancel.send(true);
        let over = tokio::time::sleep(grace);
        tokio::pin!(over);
        while self.under_way.values().any(|run| !run.blocked) {
            tokio::select! {
                Some((ticket, outcome)) = self.finished.recv() => self.finish(ticket, outcome),
                Some(query) = self.queries.recv() => self.answer(query),
                () = stop.aborting() => break,
                () = &mut over => break,
            }
        }
        let left: Vec<_> = self.under_way.iter().map(|(ticket, run)| (*ticket, run.task.clone())).collect();
        if !left.is_empty() {
            tracing::warn!("{} runs were not done within {grace:?} and are dropped", left.len());
        }
        for (ticket, task) in left {
            task.abort();
            self.finish_without_word(ticket, JobError::Aborted);
        }
        self.publish();
    }

    fn look_at_clock(&mut self) -> Timestamp {
        let (before, then) = self.last_look;
        let (now, at) = (self.performer.clock.now(), Instant::now());
        self.last_look = (now, at);
        let expected = before.plus(at.duration_since(then));
        if now.since(expected) > JUMP || expected.since(now) > JUMP {
            let by = now.as_secs_f64() - expected.as_secs_f64();
            tracing::warn!("the clock jumped by {by:+.1} s: all jobs are planned anew on the new time");
            self.table.clock_jumped(expected.as_millis(), now.as_millis());
        }
        now
    }

    /// Until something is due, but no longer than a heartbeat.
    fn pause(&mut self) -> Duration {
        let now = self.performer.clock.now();
        let due =
            self.table.next_wake().map(|due| Timestamp::from_micros(due.saturating_mul(1_000)).since(now));
        due.unwrap_or(HEARTBEAT).min(self.refresher.pause(HEARTBEAT))
    }

    fn start(&mut self, start: Start) {
        let Some(entry) = self.table.current(start.ticket) else { return };
        let Assignment { task, timeout, .. } = &entry.payload;
        let shortest =
            entry.intervals().first().map_or(Duration::ZERO, |shortest| Interval::as_duration(*shortest));
        let limit = timeout.unwrap_or(shortest.max(SHORTEST_DEADLINE)).min(LONGEST_DEADLINE);
        let (ticket, missed) = (start.ticket, start.missed);
        let progress = Arc::<Progress>::default();
        let run = {
            let (performer, finished, progress) =
                (self.performer.clone(), self.report.clone(), progress.clone());
            let (id, task) = (entry.id.clone(), task.clone());
            async move {
                let outcome = performer.perform(start, id, task, limit, &progress).await;
                // The loop is gone only when the bot has stopped.
                let _ = finished.send((ticket, outcome));
            }
        };
        let task = self.workers.spawn(run).abort_handle();
        let (started, deadline) = (self.last_look.0, Instant::now() + limit);
        let run = UnderWay { progress, limit, deadline, started, missed, task, blocked: false };
        self.under_way.insert(ticket, run);
    }

    fn finish(&mut self, ticket: Ticket, outcome: Outcome) {
        let known = self.under_way.remove(&ticket);
        if known.is_some_and(|run| !run.blocked) {
            self.record(ticket, &outcome);
        }
        self.table.finished(ticket);
    }

    fn finish_without_word(&mut self, ticket: Ticket, error: JobError) {
        if let Some(run) = self.under_way.remove(&ticket) {
            let took = self.performer.clock.now().since(run.started);
            let outcome = Outcome::failed(run.started, took, run.missed, error);
            self.record(ticket, &outcome);
            self.table.finished(ticket);
        }
    }

    /// What need not be looked at in every turn.
    fn check_now_and_then(&mut self) {
        let now = Instant::now();
        if now >= self.next_check {
            self.next_check = now + HEARTBEAT;
            self.check_deadlines(now);
            self.refresher.give_up_if_blocked();
            self.reporter.report_if_due(&self.table);
            if let Some(more) = self.said.rest() {
                tracing::warn!("{more} more jobs began to fail or were well again; /jobs names them");
            }
        }
    }

    /// A run that blocks its thread gives no word of itself: it is written down as failed, and lets others run
    /// in its place. Its own job has to wait for it.
    fn check_deadlines(&mut self, now: Instant) {
        let hangs = |run: &UnderWay| {
            !run.blocked && run.progress.is_performing() && now.duration_since(run.deadline) > BLOCKED_AFTER
        };
        let hanging: Vec<_> = self.under_way.iter().filter(|(_, run)| hangs(run)).map(|(t, _)| *t).collect();
        for ticket in hanging {
            let Some(run) = self.under_way.get_mut(&ticket) else { continue };
            run.blocked = true;
            let error = JobError::Blocked { limit: run.limit };
            let took = now.duration_since(run.deadline) + run.limit;
            let outcome = Outcome::failed(run.started, took, run.missed, error);
            self.record(ticket, &outcome);
            self.table.abandon(ticket);
        }
    }

    fn record(&mut self, ticket: Ticket, outcome: &Outcome) {
        self.performer.metrics.record(outcome);
        if self.table.current(ticket).is_none() {
            return;
        }
        let Some(entry) = self.table.entry_mut(ticket.slot) else { return };
        let Some(change) = entry.payload.ledger.record(outcome) else { return };
        match change {
            Change::StartedFailing(_) | Change::WellAgain(_) => self.reporter.changed(),
            Change::Reworded => return self.reporter.reworded(),
            Change::Unfit(_) => {}
        }
        let id = &entry.id;
        let Some(more) = self.said.say() else { return };
        match change {
            Change::StartedFailing(error) => tracing::warn!("job {id} fails: {error}{more}"),
            Change::Unfit(what) => {
                tracing::warn!("job {id} measures what cannot be delivered: {what}{more}");
            }
            Change::WellAgain(failing) => {
                let runs = failing.runs;
                tracing::info!(
                    "job {id} is well again, after {runs} failed runs since {}{more}",
                    failing.since
                );
            }
            Change::Reworded => {}
        }
    }

    fn take_over(&mut self, jobs: Vec<crate::job::Job<C::Task>>) {
        let now = self.look_at_clock().as_millis();
        // Ticks up to this moment belong to the old intervals.
        self.table.advance(now);
        let changes = reconcile(&mut self.table, now, jobs);
        if changes.removed > 0 {
            self.reporter.changed();
        }
        self.reporter.look_found(self.performer.context.unserved(), self.last_look.0);
        let counts =
            [(changes.added, "new"), (changes.replanned, "with new intervals"), (changes.removed, "gone")];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let changed: Vec<_> = counts.map(|(count, what)| format!("{count} {what}")).collect();
        let total = self.table.len();
        if !changed.is_empty() {
            tracing::info!("jobs: {total} ({})", changed.join(", "));
        } else if total == 0 && !self.nothing_said {
            tracing::info!(
                "jobs: none; nothing is configured for this bot, and its `check` command says what it sees"
            );
        }
        self.nothing_said = total == 0;
        self.problems.look(changes.problems);
    }

    fn publish(&self) {
        self.vitals.beat(&self.workers);
        let (table, queue) = (&self.table, self.table.queue());
        self.vitals.set_jobs(table.len(), queue.running(), queue.waiting(), table.owed());
    }

    fn answer(&self, query: JobsQuery) {
        let view = JobsView::of(&self.table, &query);
        // Whoever asked may have gone.
        let _ = query.reply.send(view);
    }
}
