//! `once`: every job once, samples printed, nothing delivered.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use super::say;
use crate::backend::HttpApi;
use crate::clock::SystemClock;
use crate::collector::Collector;
use crate::context::Context;
use crate::error::{Chain, JobError, StartError};
use crate::runtime::{DEFAULT_CONCURRENCY, Offered, Stop, Vitals, connect, perform_once};
use crate::sample::Samples;
use crate::settings::Settings;

/// The exit code of a shell's child that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

pub(super) async fn once<C: Collector>(
    bot: C,
    settings: Settings,
    concurrency: Option<usize>,
    json: bool,
) -> Result<ExitCode, StartError> {
    let stop = Stop::on_signals();
    let clock = Arc::new(SystemClock);
    let api = Arc::new(HttpApi::of(&settings, clock.clone())?);
    let Some(user) = connect(&*api, &Vitals::new(), &Offered::default(), &stop).await? else {
        return Ok(ExitCode::FAILURE);
    };
    let context = Context::new(api).of_user(user).looking_only();
    let listed = bot.jobs(&context).await;
    context.settle();
    let jobs = match listed {
        Ok(jobs) => jobs,
        Err(error) => {
            say(&format!("no jobs: {}", Chain(&error)));
            return Ok(ExitCode::FAILURE);
        }
    };
    if jobs.is_empty() {
        say("nothing is configured for this bot: `check` says what it sees");
        return Ok(ExitCode::SUCCESS);
    }
    let concurrency = settings.max_concurrent_runs.or(concurrency).unwrap_or(DEFAULT_CONCURRENCY);
    let results = tokio::select! {
        results = perform_once(Arc::new(bot), &context, clock, jobs, concurrency) => results,
        () = stop.draining() => return Ok(ExitCode::from(INTERRUPTED)),
    };
    let is_failure = |result: &Result<Samples, JobError>| {
        result.as_ref().map_or(true, |samples| samples.failure().is_some())
    };
    let failed = results.iter().filter(|(_, result)| is_failure(result)).count();
    let printed = print(io::stdout().lock(), &results, json);
    match printed {
        // Whoever read our output has had enough of it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => {
            say(&format!("cannot write to standard output: {error}"));
            Ok(ExitCode::FAILURE)
        }
        Ok(()) if failed == 0 => Ok(ExitCode::SUCCESS),
        Ok(()) => {
            say(&format!("{failed} of {} jobs failed", results.len()));
            Ok(ExitCode::FAILURE)
        }
    }
}

type Results = [(Arc<str>, Result<Samples, JobError>)];

fn print(mut out: impl Write, results: &Results, json: bool) -> io::Result<()> {
    let samples = results.iter().filter_map(|(_, result)| result.as_ref().ok());
    let paths = samples.flat_map(Samples::iter).map(|(path, _)| path.as_str().len());
    let path_width = paths.max().unwrap_or_default();
    let id_width = results.iter().map(|(id, _)| id.len()).max().unwrap_or_default().max("job".len());
    if !json && path_width > 0 {
        writeln!(out, "{:<id_width$}  {:>10}  {:<path_width$}  value", "job", "account", "path")?;
    }
    for (id, result) in results {
        match result {
            Ok(samples) => {
                let account = samples.account();
                for (path, value) in samples.iter() {
                    if json {
                        let line = serde_json::json!({"job": &**id, "account": account, "path": path.as_str(), "value": value});
                        writeln!(out, "{line}")?;
                    } else {
                        writeln!(out, "{id:<id_width$}  {account:>10}  {path:<path_width$}  {value}")?;
                    }
                }
                for unfit in samples.unfit() {
                    say(&format!(
                        "job {id}: the value at {:?} would not be delivered: {}",
                        unfit.path, unfit.reason
                    ));
                }
                if let Some(failure) = samples.failure() {
                    print_failure(&mut out, id, failure, json)?;
                }
            }
            Err(error) => print_failure(&mut out, id, &Chain(error).to_string(), json)?,
        }
    }
    Ok(())
}

fn print_failure(out: &mut impl Write, id: &str, error: &str, json: bool) -> io::Result<()> {
    if json {
        return writeln!(out, "{}", serde_json::json!({"job": id, "error": error}));
    }
    say(&format!("job {id} failed: {error}"));
    Ok(())
}
