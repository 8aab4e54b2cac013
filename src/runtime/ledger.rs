//! What is known of each job's runs, and of all of them together.

use std::time::Duration;

use serde::Serialize;

use crate::clock::{Timestamp, as_text};
use crate::error::{Chain, JobError};
use crate::telemetry::{Counter, Histogram, MetricsText};

/// One job's record.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    runs: u64,
    failures: u64,
    missed: u64,
    last: Option<LastRun>,
    failing: Option<Failing>,
    unfit: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct LastRun {
    #[serde(serialize_with = "as_text")]
    started: Timestamp,
    seconds: f64,
    samples: usize,
}

/// A row of failures that still goes on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failing {
    #[serde(serialize_with = "as_text")]
    pub(crate) since: Timestamp,
    pub(crate) runs: u64,
    pub(crate) error: Box<str>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) started: Timestamp,
    pub(crate) took: Duration,
    pub(crate) missed: u64,
    /// What it gave, be it that it failed.
    pub(crate) measured: Measured,
    pub(crate) result: Result<(), JobError>,
}

impl Outcome {
    /// Of a run that gave nothing.
    pub(crate) fn failed(started: Timestamp, took: Duration, missed: u64, error: JobError) -> Self {
        Self { started, took, missed, measured: Measured::default(), result: Err(error) }
    }
}

/// What a run gave.
#[derive(Clone, Default, Debug)]
pub(crate) struct Measured {
    pub(crate) samples: usize,
    /// Values that can never be delivered, and the first of them in words.
    pub(crate) unfit: usize,
    pub(crate) example: Option<Box<str>>,
}

/// A change of how a job fares: most are worth a line in the log.
#[derive(Debug)]
pub(crate) enum Change {
    StartedFailing(Box<str>),
    /// It still fails, for another reason.
    Reworded,
    WellAgain(Failing),
    /// It measures something that can never be delivered.
    Unfit(Box<str>),
}

/// Enough of an error to understand it; errors may quote what a device sent.
const ERROR_CHARS: usize = 400;

impl Ledger {
    /// Writes a run down; tells when the job went from well to failing or back, or fails otherwise.
    pub(crate) fn record(&mut self, outcome: &Outcome) -> Option<Change> {
        self.runs += 1;
        self.missed += outcome.missed;
        let Outcome { started, took, measured, .. } = outcome;
        self.last =
            Some(LastRun { started: *started, seconds: took.as_secs_f64(), samples: measured.samples });
        match &outcome.result {
            Ok(()) => {
                let new = measured.example.as_ref().filter(|example| self.unfit.as_ref() != Some(*example));
                let unfit = new.cloned().map(Change::Unfit);
                self.unfit.clone_from(&measured.example);
                self.failing.take().map(Change::WellAgain).or(unfit)
            }
            Err(error) => {
                self.failures += 1;
                let error: Box<str> =
                    Chain(error).to_string().chars().take(ERROR_CHARS).collect::<String>().into();
                if let Some(failing) = &mut self.failing {
                    failing.runs += 1;
                    let reworded = failing.error != error;
                    failing.error = error;
                    return reworded.then_some(Change::Reworded);
                }
                self.failing = Some(Failing { since: outcome.started, runs: 1, error: error.clone() });
                Some(Change::StartedFailing(error))
            }
        }
    }

    pub(crate) const fn failing(&self) -> Option<&Failing> {
        self.failing.as_ref()
    }

    pub(crate) fn view(&self) -> LedgerView {
        LedgerView {
            runs: self.runs,
            failures: self.failures,
            missed_ticks: self.missed,
            last_run: self.last,
            failing: self.failing.clone(),
            unfit: self.unfit.clone(),
        }
    }
}

/// A ledger as `/jobs` shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LedgerView {
    runs: u64,
    failures: u64,
    missed_ticks: u64,
    last_run: Option<LastRun>,
    failing: Option<Failing>,
    unfit: Option<Box<str>>,
}

/// All runs of all jobs, counted.
#[derive(Debug)]
pub(crate) struct RunMetrics {
    ok: Counter,
    failed: Counter,
    deadline: Counter,
    blocked: Counter,
    panicked: Counter,
    aborted: Counter,
    samples: Counter,
    unfit: Counter,
    duration: Histogram,
    pub(crate) start_lag: Histogram,
}

const DURATION_BOUNDS: &[f64] = &[0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
const LAG_BOUNDS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

impl Default for RunMetrics {
    fn default() -> Self {
        Self {
            ok: Counter::default(),
            failed: Counter::default(),
            deadline: Counter::default(),
            blocked: Counter::default(),
            panicked: Counter::default(),
            aborted: Counter::default(),
            samples: Counter::default(),
            unfit: Counter::default(),
            duration: Histogram::new(DURATION_BOUNDS),
            start_lag: Histogram::new(LAG_BOUNDS),
        }
    }
}

impl RunMetrics {
    pub(crate) fn record(&self, outcome: &Outcome) {
        let Outcome { took, measured, result, .. } = outcome;
        self.duration.observe(*took);
        self.samples.add(measured.samples as u64 + measured.unfit as u64);
        self.unfit.add(measured.unfit as u64);
        match result {
            Ok(()) => self.ok.inc(),
            Err(JobError::Failed { .. }) => self.failed.inc(),
            Err(JobError::DeadlineExceeded { .. }) => self.deadline.inc(),
            Err(JobError::Blocked { .. }) => self.blocked.inc(),
            Err(JobError::Panicked { .. }) => self.panicked.inc(),
            Err(JobError::Aborted) => self.aborted.inc(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
    pub(crate) fn write(&self, out: &mut MetricsText) {
        let name = "grafolean_runs_total";
        out.family(name, "counter", "Runs of jobs, by how they ended.");
        for (result, counter) in [
            ("ok", &self.ok),
            ("failed", &self.failed),
            ("deadline", &self.deadline),
            ("blocked", &self.blocked),
            ("panicked", &self.panicked),
            ("aborted", &self.aborted),
        ] {
            out.sample(name, &[("result", result)], counter.get() as f64);
        }
        let name = "grafolean_run_duration_seconds";
        out.family(name, "histogram", "How long runs took.").histogram(name, &[], &self.duration);
        let name = "grafolean_run_start_lag_seconds";
        out.family(name, "histogram", "How late runs started, after they were due.");
        out.histogram(name, &[], &self.start_lag);
        out.counter("grafolean_samples_measured_total", "Values that runs returned.", &self.samples);
        out.counter(
            "grafolean_samples_unfit_total",
            "Values with an invalid path or number, set aside before delivery.",
            &self.unfit,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(result: Result<(), JobError>) -> Outcome {
        let (started, took, measured) =
            (Timestamp::from_secs(1), Duration::from_millis(2), Measured::default());
        Outcome { started, took, missed: 0, measured, result }
    }

    #[test]
    fn a_job_is_said_to_fail_once_and_to_be_well_once() {
        let mut ledger = Ledger::default();
        assert!(ledger.record(&run(Ok(()))).is_none());
        let first = ledger.record(&run(Err(JobError::failed("no answer"))));
        assert!(matches!(first, Some(Change::StartedFailing(error)) if &*error == "no answer"));
        assert!(ledger.record(&run(Err(JobError::failed("no answer")))).is_none());
        assert!(matches!(ledger.record(&run(Err(JobError::failed("still none")))), Some(Change::Reworded)));
        assert_eq!(&*ledger.failing().unwrap().error, "still none");
        let well = ledger.record(&run(Ok(())));
        assert!(matches!(well, Some(Change::WellAgain(Failing { runs: 3, .. }))));
        assert!(ledger.failing().is_none());
    }
}
