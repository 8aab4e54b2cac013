//! Tells the backend which jobs fail now, and which entities cannot be served at all, so that people see it where they
//! look at their devices.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::ledger::Failing;
use super::offered::Offered;
use super::reconcile::Assignment;
use super::timetable::Timetable;
use crate::backend::problem::MOST_PROBLEMS;
use crate::backend::{Api, ApiError, Problem};
use crate::clock::Timestamp;
use crate::error::Chain;
use crate::job::About;

/// Between two reports, however much changes.
const SHORTEST_GAP: Duration = Duration::from_secs(5);
/// A job that still fails, in other words, is no news: some errors count.
const OTHER_WORDS_WITHIN: Duration = Duration::from_secs(30);
/// The backend forgets what it has not heard for ten minutes.
const REPEATED_AFTER: Duration = Duration::from_secs(120);
/// By then most jobs of a bot that has just started have run.
const FIRST_AFTER: Duration = Duration::from_secs(30);

/// Reports what fails, not too often.
pub(crate) struct Reporter {
    api: Arc<dyn Api>,
    offered: Arc<Offered>,
    /// When there is to be a report.
    due: Instant,
    last: Option<Instant>,
    under_way: Option<JoinHandle<Result<(), ApiError>>>,
    /// Entities that are not served, or not in full, since when, and why.
    unserved: HashMap<About, (Timestamp, Box<str>)>,
    /// The backend has been told that nothing fails: that need not be repeated.
    all_is_well: bool,
    failure_said: bool,
}

impl Reporter {
    pub(crate) fn new(api: Arc<dyn Api>, offered: Arc<Offered>) -> Self {
        Self {
            api,
            offered,
            due: Instant::now() + FIRST_AFTER,
            last: None,
            under_way: None,
            unserved: HashMap::new(),
            all_is_well: false,
            failure_said: false,
        }
    }

    /// A job began to fail, is well again, or is gone.
    pub(crate) fn changed(&mut self) {
        self.due_within(Duration::ZERO);
    }

    /// A job still fails, for another reason.
    pub(crate) fn reworded(&mut self) {
        self.due_within(OTHER_WORDS_WITHIN);
    }

    /// A look at the jobs found these entities that cannot be served, or not in full, and nothing else.
    pub(crate) fn look_found(&mut self, unserved: HashMap<About, Box<str>>, now: Timestamp) {
        let mut before = std::mem::take(&mut self.unserved);
        let mut is_news = false;
        for (about, why) in unserved {
            let known = before.remove(&about);
            is_news |= known.as_ref().is_none_or(|(_, known)| *known != why);
            self.unserved.insert(about, (known.map_or(now, |(since, _)| since), why));
        }
        if is_news || !before.is_empty() {
            self.changed();
        }
    }

    fn due_within(&mut self, time: Duration) {
        let now = Instant::now();
        let rested = self.last.map_or(now, |last| last + SHORTEST_GAP);
        self.due = self.due.min((now + time).max(rested));
    }

    /// Sends a report if one is due and none is under way.
    pub(crate) fn report_if_due<T>(&mut self, table: &Timetable<Assignment<T>>) {
        if let Some(sent) = &mut self.under_way {
            match sent.now_or_never() {
                None => return,
                // It is never cancelled, and nothing in it can panic.
                Some(sent) => self.sent(sent.unwrap_or(Ok(()))),
            }
            self.under_way = None;
        }
        let now = Instant::now();
        if now < self.due || !self.offered.problems() {
            return;
        }
        (self.last, self.due) = (Some(now), now + REPEATED_AFTER);
        let problems = self.problems(table);
        if problems.is_empty() && self.all_is_well {
            return;
        }
        self.all_is_well = problems.is_empty();
        let api = self.api.clone();
        self.under_way = Some(tokio::spawn(async move { api.report_problems(&problems).await }));
    }

    fn sent(&mut self, result: Result<(), ApiError>) {
        match result {
            Ok(()) => self.failure_said = false,
            Err(error) => {
                // The next one tells all that there is.
                self.all_is_well = false;
                if matches!(error, ApiError::NotOffered { .. }) {
                    self.offered.no_problems();
                } else if !std::mem::replace(&mut self.failure_said, true) {
                    tracing::warn!("the backend cannot be told which jobs fail: {}", Chain(&error));
                }
            }
        }
    }
}

impl Reporter {
    /// What is wrong now, once for each entity and protocol: the job that has failed for longest, or else what is wrong
    /// with its configuration.
    fn problems<T>(&self, table: &Timetable<Assignment<T>>) -> Vec<Problem> {
        let mut found: HashMap<About, (Timestamp, &str)> = HashMap::new();
        for (_, entry) in table.iter() {
            let Some(Failing { since, error, .. }) = entry.payload.ledger.failing() else { continue };
            for about in &*entry.payload.about {
                let full = found.len() == MOST_PROBLEMS;
                match found.entry(*about) {
                    Place::Vacant(place) if !full => {
                        place.insert((*since, error));
                    }
                    Place::Occupied(mut place) if *since < place.get().0 => {
                        place.insert((*since, error));
                    }
                    _ => {}
                }
            }
        }
        for (about, (since, why)) in &self.unserved {
            if found.len() < MOST_PROBLEMS {
                found.entry(*about).or_insert((*since, why));
            }
        }
        let problem = |(About { account, entity, protocol }, (since, error))| {
            Problem::new(account, entity, protocol, since, error)
        };
        let mut problems: Vec<_> = found.into_iter().map(problem).collect();
        problems.sort_unstable_by_key(|problem| (problem.account, problem.entity));
        problems
    }
}
