//! From the jobs that a collector lists to the timetable: what is new, what changed, what is gone.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::ledger::Ledger;
use super::timetable::{FIRST_RUN_WITHIN_MS, Timetable};
use crate::job::{About, Job};
use crate::schedule::{Grid, MAX_INTERVALS};

/// What the timetable keeps for each job.
#[derive(Debug)]
pub(crate) struct Assignment<T> {
    pub(crate) task: Arc<T>,
    pub(crate) timeout: Option<Duration>,
    /// The entities that it measures.
    pub(crate) about: Box<[About]>,
    pub(crate) ledger: Ledger,
}

/// What a refresh changed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Changes {
    pub(crate) added: usize,
    pub(crate) replanned: usize,
    pub(crate) removed: usize,
    /// Jobs that cannot be planned, in words.
    pub(crate) problems: HashSet<String>,
}

/// Brings the timetable in line with `jobs`. Jobs whose intervals are the same keep their phase; their task,
/// timeout and lane are replaced.
pub(crate) fn reconcile<T>(table: &mut Timetable<Assignment<T>>, now: i64, jobs: Vec<Job<T>>) -> Changes {
    let mut changes = Changes::default();
    let mut listed = HashSet::with_capacity(jobs.len());
    let new = jobs.iter().filter(|job| job.anchor.is_none() && table.slot(&job.id).is_none()).count();
    let spread_over = first_runs_spread_over(new);
    for job in jobs {
        if let Some(problem) = problem_of(&job) {
            changes.problems.insert(problem);
            continue;
        }
        let Job { id, task, intervals, anchor, lane, timeout, about } = job;
        let slot = match table.slot(&id) {
            Some(slot) if listed.contains(&slot) => {
                changes.problems.insert(format!("job {id}: listed twice; the first is taken"));
                continue;
            }
            Some(slot) => {
                if let Some(entry) = table.entry_mut(slot) {
                    entry.payload.task = task;
                    entry.payload.timeout = timeout;
                    entry.payload.about = about.into();
                    if entry.intervals() != &*intervals {
                        table.replan(slot, now, Grid::new(&id, intervals.into(), anchor));
                        changes.replanned += 1;
                    }
                }
                table.put_in_lane(slot, lane.as_deref());
                slot
            }
            None => {
                changes.added += 1;
                let grid = Grid::new(&id, intervals.into(), anchor);
                let assignment = Assignment { task, timeout, about: about.into(), ledger: Ledger::default() };
                let first_within = anchor.is_none().then_some(spread_over);
                table.insert(now, &id, grid, lane.as_deref(), first_within, assignment)
            }
        };
        listed.insert(slot);
    }
    let gone: Vec<_> = table.iter().map(|(slot, _)| slot).filter(|slot| !listed.contains(slot)).collect();
    changes.removed = gone.len();
    gone.into_iter().for_each(|slot| table.remove(slot));
    changes
}

/// How long the first runs of so many new jobs may take to begin, in milliseconds. One that somebody waits for runs at
/// once; a fleet is spread.
fn first_runs_spread_over(jobs: usize) -> i64 {
    /// So many begin in a second: far fewer than a bot can start, and than a backend takes values of.
    const EACH_MS: i64 = 20;
    i64::try_from(jobs).unwrap_or(i64::MAX).saturating_mul(EACH_MS).min(FIRST_RUN_WITHIN_MS)
}

fn problem_of<T>(job: &Job<T>) -> Option<String> {
    let id = &job.id;
    match job.intervals.len() {
        0 => Some(format!("job {id}: it has no interval, so that it never runs")),
        n if n > MAX_INTERVALS => Some(format!(
            "job {id}: {n} different intervals, above the limit of {MAX_INTERVALS}; it does not run"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::runtime::dispatch::Limits;
    use crate::schedule::{Anchor, Interval};

    fn job(id: &str, secs: &[u64]) -> Job<u32> {
        Job::new(id, 0).every(secs.iter().map(|s| Interval::from_secs(*s).unwrap()))
    }

    fn table() -> Timetable<Assignment<u32>> {
        Timetable::new(Limits { runs: 10 })
    }

    fn next(table: &Timetable<Assignment<u32>>, id: &str) -> i64 {
        table.entry(table.slot(id).unwrap()).unwrap().next()
    }

    #[test]
    fn unchanged_jobs_are_not_planned_anew_but_take_their_new_task() {
        let mut table = table();
        reconcile(&mut table, 0, vec![job("a", &[300])]);
        let planned = next(&table, "a");
        let again = Job::new("a", 7).every([Interval::from_secs(300).unwrap()]);
        let changes = reconcile(&mut table, 1_000, vec![again]);
        assert_eq!(changes, Changes::default());
        assert_eq!(next(&table, "a"), planned);
        assert_eq!(*table.entry(table.slot("a").unwrap()).unwrap().payload.task, 7);
    }

    #[test]
    fn changed_intervals_take_effect() {
        let mut table = table();
        let daily = Interval::from_secs(86_400).unwrap();
        let anchor = Anchor::at(Timestamp::from_secs(0));
        reconcile(&mut table, 1, vec![Job::new("a", 0).every([daily]).anchor(anchor)]);
        assert_eq!(next(&table, "a"), 86_400_000);
        let changes = reconcile(&mut table, 1, vec![job("a", &[10]).anchor(anchor)]);
        assert_eq!((changes.replanned, next(&table, "a")), (1, 10_000));
    }

    #[test]
    fn a_moving_anchor_alone_changes_nothing() {
        let mut table = table();
        let at = |secs| Anchor::at(Timestamp::from_secs(secs));
        reconcile(&mut table, 0, vec![job("a", &[60]).anchor(at(5))]);
        let changes = reconcile(&mut table, 1_000, vec![job("a", &[60]).anchor(at(6))]);
        assert_eq!((changes, next(&table, "a")), (Changes::default(), 5_000));
    }

    #[test]
    fn vanished_jobs_stop() {
        let mut table = table();
        reconcile(&mut table, 0, vec![job("a", &[60]), job("b", &[60])]);
        let changes = reconcile(&mut table, 0, vec![job("b", &[60])]);
        assert_eq!((changes.added, changes.removed), (0, 1));
        assert!(table.slot("a").is_none() && table.slot("b").is_some());
    }

    #[test]
    fn a_job_that_cannot_be_planned_is_named_and_spoils_no_other() {
        let mut table = table();
        let many: Vec<u64> = (1..=65).collect();
        let jobs = vec![job("none", &[]), job("many", &many), job("twice", &[1]), job("twice", &[2])];
        let changes = reconcile(&mut table, 0, jobs);
        assert_eq!((changes.added, changes.problems.len()), (1, 3));
        assert!(table.slot("twice").is_some());
    }
}
