//! Every job once, without a timetable: for `once` and for tests.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::perform::within;
use crate::clock::Clock;
use crate::collector::Collector;
use crate::context::Context;
use crate::error::JobError;
use crate::job::{Cancel, Job, Run};
use crate::sample::Samples;

/// A run without a deadline of its own gets this long.
const DEADLINE: Duration = Duration::from_secs(30);

/// Performs every job once, all its intervals affecting, `concurrency` at a time and one per lane. The results
/// come in the order of the jobs.
pub(crate) async fn perform_once<C: Collector>(
    bot: Arc<C>,
    context: &Context,
    clock: Arc<dyn Clock>,
    jobs: Vec<Job<C::Task>>,
    concurrency: usize,
) -> Vec<(Arc<str>, Result<Samples, JobError>)> {
    let count = jobs.len();
    let mut lanes: Vec<Vec<(usize, Job<C::Task>)>> = Vec::new();
    let mut lane_of: HashMap<Box<str>, usize> = HashMap::new();
    for (index, job) in jobs.into_iter().enumerate() {
        let fresh = lanes.len();
        let lane = job.lane.clone().map_or(fresh, |name| *lane_of.entry(name).or_insert(fresh));
        if lane == fresh {
            lanes.push(Vec::new());
        }
        lanes[lane].push((index, job));
    }
    let permits = Arc::new(Semaphore::new(concurrency.max(1)));
    let mut running = JoinSet::new();
    for lane in lanes {
        let (bot, context, clock, permits) = (bot.clone(), context.clone(), clock.clone(), permits.clone());
        running.spawn(async move {
            let mut results = Vec::with_capacity(lane.len());
            for (index, job) in lane {
                // The semaphore is never closed; without a permit the run is merely not limited.
                let _permit = permits.acquire().await.ok();
                let now = clock.now();
                let limit = job.timeout.unwrap_or(DEADLINE);
                let run = Run {
                    id: job.id.clone(),
                    task: job.task,
                    due: now,
                    started: now,
                    missed: 0,
                    affecting: job.intervals,
                    cancel: Cancel::never(),
                    context: context.clone(),
                };
                results.push((index, job.id, within(limit, || bot.perform(&run)).await));
            }
            results
        });
    }
    let mut results: Vec<_> = Vec::with_capacity(count);
    while let Some(lane) = running.join_next().await {
        // What a collector panics with is caught in `within`, and nobody cancels: there is no error to be had here.
        results.extend(lane.into_iter().flatten());
    }
    results.sort_by_key(|(index, ..)| *index);
    results.into_iter().map(|(_, id, result)| (id, result)).collect()
}
