//! `check`: what the bot finds when it looks at its surroundings, a line each.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::gather;
use crate::backend::config_cache::Account;
use crate::backend::http::{SKEW_SAID_ABOVE, shown_url};
use crate::backend::{Api, ApiError, DeliveryMode, HttpApi, Resource, job_configs, wire};
use crate::clock::SystemClock;
use crate::collector::Collector;
use crate::context::Context;
use crate::delivery::{Outbox, OutboxError};
use crate::error::{Chain, StartError};
use crate::finding::{Finding, Verdict};
use crate::job::Job;
use crate::schedule::Interval;
use crate::settings::{Environment, Settings};
use crate::telemetry::Logging;

#[expect(clippy::print_stdout, reason = "the report is this command's output")]
pub(super) async fn check<C: Collector>(
    program: &str,
    environment: Result<Environment, StartError>,
    build: impl FnOnce(&Environment) -> Result<C, StartError>,
) -> ExitCode {
    let mut bad = 0;
    let mut doubtful = 0;
    let mut report = |findings: Vec<Finding>| {
        for finding in findings {
            bad += usize::from(finding.verdict == Verdict::Bad);
            doubtful += usize::from(finding.verdict == Verdict::Doubtful);
            println!("{finding}");
        }
    };
    let mut problems = Vec::new();
    // What can be known without the file is reported as well.
    let environment = gather(environment, &mut problems).ok().flatten().unwrap_or_default();
    let settings = gather(Settings::of_program(program, |name| environment.get(name)), &mut problems);
    let _ = gather(Logging::from_environment(&environment), &mut problems);
    let bot = gather(build(&environment), &mut problems);
    report(problems.iter().map(|problem| Finding::bad("settings", problem)).collect());
    let bot = match bot {
        Ok(bot) => bot,
        Err(error) => {
            report(vec![Finding::bad("bot", Chain(&error))]);
            None
        }
    };
    if let Ok(Some(settings)) = settings {
        let backend = shown_url(&settings.backend_url);
        report(vec![Finding::good("settings", format_args!("BACKEND_URL {backend}"))]);
        report(vec![data_dir(&settings)]);
        report(health_addr(&settings).into_iter().collect());
        if let Some(bot) = &bot {
            report(bot.check().await);
        }
        let mut findings = Vec::new();
        look_at_backend(&settings, bot.as_ref(), &mut findings).await;
        report(findings);
    }
    println!(
        "{}",
        match (bad, doubtful) {
            (0, 0) => "all is well".to_owned(),
            (0, n) => format!("the bot can work; {n} to look at"),
            (n, _) => format!("{n} to mend before the bot can work"),
        }
    );
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn data_dir(settings: &Settings) -> Finding {
    let Some(dir) = &settings.data_dir else {
        return Finding::doubtful(
            "data",
            "DATA_DIR=none: samples wait in memory, and are lost when the bot ends",
        );
    };
    if !dir.join("outbox.sqlite").exists() {
        // Whoever calls `check` need not be who runs the bot: nothing is made that would then be in its way.
        return match probe(dir) {
            Ok(()) => Finding::good("data", format_args!("{} can be written", dir.display())),
            Err(error) => Finding::bad("data", format_args!("cannot write {}: {error}", dir.display())),
        };
    }
    match Outbox::sqlite(dir).open(&settings.backend_url, Arc::new(SystemClock)) {
        Ok(_) => Finding::good("data", format_args!("{} can be written", dir.display())),
        Err(OutboxError::InUse { .. }) => {
            Finding::doubtful("data", format_args!("{} is in use: the bot is running", dir.display()))
        }
        Err(error) => Finding::bad("data", Chain(&error)),
    }
}

/// Makes a file in the directory, or where the directory would be made, and removes it again.
fn probe(dir: &Path) -> io::Result<()> {
    let there = dir.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("."));
    let file = there.join(format!(".grafolean-check-{}", std::process::id()));
    std::fs::File::create_new(&file)?;
    std::fs::remove_file(&file)
}

fn health_addr(settings: &Settings) -> Option<Finding> {
    let addr = settings.health_addr?;
    Some(match std::net::TcpListener::bind(addr) {
        Ok(_) => Finding::good("health", format_args!("{addr} can be listened on")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Finding::doubtful("health", format_args!("{addr} is in use: by this bot, if it is running"))
        }
        Err(error) => Finding::bad("health", format_args!("cannot listen on {addr}: {error}")),
    })
}

async fn look_at_backend<C: Collector>(settings: &Settings, bot: Option<&C>, findings: &mut Vec<Finding>) {
    let api: Arc<dyn Api> = match HttpApi::of(settings, Arc::new(SystemClock)) {
        Ok(api) => Arc::new(api),
        Err(error) => return findings.push(Finding::bad("backend", Chain(&error))),
    };
    match wire::status(&*api).await.map_err(|error| Chain(&error).to_string()).and_then(|status| status.ready)
    {
        Ok(()) => findings.push(Finding::good("backend", "reachable and ready")),
        Err(why) => return findings.push(Finding::bad("backend", why)),
    }
    if let Some(skew) = api.clock_skew() {
        findings.push(if skew.abs() > SKEW_SAID_ABOVE {
            Finding::doubtful(
                "clock",
                format_args!("the backend's clock is {skew:+.0} s off ours: set one of them right"),
            )
        } else {
            Finding::good("clock", "agrees with the backend's")
        });
    }
    let profile = match wire::profile(&*api).await {
        Ok(profile) => profile,
        Err(error) if error.status() == Some(401) => {
            return findings.push(Finding::bad(
                "token",
                "the backend does not know it: check BOT_TOKEN or BOT_TOKEN_FROM_FILE",
            ));
        }
        Err(error) => return findings.push(Finding::bad("token", Chain(&error))),
    };
    if &*profile.user_type != "bot" {
        return findings.push(Finding::bad(
            "token",
            format_args!("it belongs to a {}, not to a bot", profile.user_type),
        ));
    }
    let (name, protocol) =
        (profile.name.as_deref().unwrap_or("?"), profile.protocol.as_deref().unwrap_or("none"));
    findings
        .push(Finding::good("token", format_args!("bot {} ({name}), protocol {protocol}", profile.user_id)));
    match job_configs::accounts(&*api).await {
        Ok(accounts) if accounts.is_empty() => {
            return findings
                .push(Finding::bad("accounts", "this bot may see none: give it permission to at least one"));
        }
        Ok(accounts) => {
            for account in accounts {
                look_at_account(&*api, &account, settings.delivery, findings).await;
            }
        }
        Err(error) => findings.push(Finding::bad("accounts", Chain(&error))),
    }
    let Some(bot) = bot else { return };
    let context = Context::new(api).of_user(profile.user_id);
    let jobs = bot.jobs(&context).await;
    context.settle();
    match jobs {
        Ok(jobs) if jobs.is_empty() => {
            findings.push(Finding::doubtful("jobs", "none: nothing is configured for this bot"));
        }
        Ok(jobs) => {
            findings.push(Finding::good("config", context.configs.report().summary()));
            findings.extend(by_intervals(&jobs).into_iter().map(|line| Finding::good("jobs", line)));
        }
        Err(error) => findings.push(Finding::bad("jobs", Chain(&error))),
    }
    findings.extend(context.problems().into_iter().map(|problem| Finding::doubtful("config", problem)));
}

/// How many jobs run how often, the most first.
fn by_intervals<T>(jobs: &[Job<T>]) -> Vec<String> {
    let mut counts: BTreeMap<&[Interval], usize> = BTreeMap::new();
    for job in jobs {
        *counts.entry(job.intervals()).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let line = |(intervals, count): (&[Interval], usize)| {
        let every: Vec<_> = intervals.iter().map(ToString::to_string).collect();
        if every.is_empty() {
            format!("{count} never")
        } else {
            format!("{count} every {}", every.join(" and "))
        }
    };
    counts.into_iter().map(line).collect()
}

async fn look_at_account(
    api: &dyn Api,
    account: &Account,
    delivery: DeliveryMode,
    findings: &mut Vec<Finding>,
) {
    let (id, name) = (account.id, &account.name);
    let finding = |verdict, text: &dyn fmt::Display| Finding {
        verdict,
        ..Finding::good("account", format_args!("{id} ({name}): {text}"))
    };
    let verdict = |what: &str, result: Result<(), ApiError>| match result {
        Ok(()) => None,
        Err(error) if error.status() == Some(403) => {
            Some(finding(Verdict::Bad, &format_args!("the bot lacks the permission to {what}")))
        }
        Err(error) => Some(finding(Verdict::Bad, &format_args!("cannot {what}: {}", Chain(&error)))),
    };
    let mut found = Vec::new();
    for (what, resource) in [
        ("read entities (GET)", Resource::Entities(id)),
        ("read credentials (GET)", Resource::Credentials(id)),
        ("read sensors (GET)", Resource::Sensors(id)),
    ] {
        found.extend(verdict(what, api.get(resource).await.map(drop)));
    }
    let store = format!("store values ({})", delivery.method());
    found.extend(verdict(&store, api.may_store(id).await));
    if found.is_empty() {
        let all = "entities, credentials and sensors can be read, values can be stored";
        found.push(finding(Verdict::Good, &all));
    }
    findings.extend(found);
}
