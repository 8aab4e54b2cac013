//! `check`: what would keep it from working, a line each.

use std::process::ExitCode;

use grafolean_hub::{Hub, HubOptions};
use grafolean_netflow_bot::NetFlowBot;
use grafolean_ping_bot::PingBot;
use grafolean_snmp_bot::SnmpBot;
use grafoleancollector::{Collector, Environment, Finding, StartError, Verdict};
use tokio::net::TcpListener;

use crate::data_dir::{DataDir, probe};
use crate::failure::{Failure, chain};
use crate::serve::Serving;

/// Looks at the surroundings, and reports.
pub(crate) async fn check(serving: &Serving, environment: &Environment) -> ExitCode {
    let mut findings = Vec::new();
    findings.push(data(serving).await);
    findings.push(port(serving).await);
    if serving.with_bots {
        let environment = serving.for_bots(environment);
        findings.extend(bot("ping", PingBot::from_environment, &environment).await);
        findings.extend(bot("snmp", SnmpBot::from_environment, &environment).await);
        findings.extend(bot("netflow", NetFlowBot::from_environment, &environment).await);
    }
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let bad = count(Verdict::Bad);
    let sum = match (bad, count(Verdict::Doubtful)) {
        (0, 0) => "all is well".to_owned(),
        (0, n) => format!("it can work; {n} to look at"),
        (n, _) => format!("{n} to mend"),
    };
    let lines = findings.iter().map(ToString::to_string).chain([sum]);
    crate::say(&(lines.collect::<Vec<_>>().join("\n") + "\n"));
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn data(serving: &Serving) -> Finding {
    let path = serving.data_dir.display();
    if !DataDir::at(&serving.data_dir).is_used() {
        // Nothing is made that would then be in the way of who runs it.
        return match probe(&serving.data_dir) {
            Ok(()) => Finding::good("data", format_args!("{path} is made at the first start")),
            Err(error) => {
                Finding::bad("data", format_args!("{path} cannot be made, or not be written: {error}"))
            }
        };
    }
    let opened = async {
        let hub = Hub::open(HubOptions::new(&serving.data_dir)).await?;
        hub.close().await;
        Ok::<_, Failure>(())
    };
    match opened.await {
        Ok(()) => Finding::good("data", format_args!("{path} can be used")),
        Err(failure) => Finding::bad("data", failure),
    }
}

async fn port(serving: &Serving) -> Finding {
    match TcpListener::bind(serving.listen).await {
        Ok(_) => Finding::good("listen", format_args!("{} is free", serving.listen)),
        Err(error) => Finding::bad("listen", format_args!("cannot listen on {}: {error}", serving.listen)),
    }
}

async fn bot<C: Collector>(
    name: &str,
    build: fn(&Environment) -> Result<C, StartError>,
    environment: &Environment,
) -> Vec<Finding> {
    match build(environment) {
        Ok(bot) => {
            let found = bot.check().await;
            found.into_iter().map(|finding| named(name, finding)).collect()
        }
        Err(error) => vec![Finding::bad(name, chain(&error))],
    }
}

/// A finding of a bot, with the bot's name before what it is about.
fn named(bot: &str, finding: Finding) -> Finding {
    let about = format!("{bot}: {}", finding.about);
    match finding.verdict {
        Verdict::Good => Finding::good(about, finding.text),
        Verdict::Doubtful => Finding::doubtful(about, finding.text),
        _ => Finding::bad(about, finding.text),
    }
}
