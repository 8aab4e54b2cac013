//! The bots of this machine, in this process: each with its own token, over HTTP as any bot. One that cannot run does not
//! stop the others.

use std::time::Duration;

use grafolean_hub::LocalBot;
use grafolean_netflow_bot::NetFlowBot;
use grafolean_ping_bot::PingBot;
use grafolean_snmp_bot::SnmpBot;
use grafoleancollector::telemetry::Log;
use grafoleancollector::{Collector, Environment, Runner, Settings, StartError, Stop};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::data_dir::DataDir;
use crate::failure::{Failure, chain};

/// After this a bot that could not run is tried again: somebody may have mended it.
const TRIED_AGAIN: Duration = Duration::from_secs(60);

/// What the bots' files are for: the hub of this directory, at whatever address it is.
const BACKEND: &str = "the hub of this data directory";

/// All bots that run here.
pub(crate) struct Bots(JoinSet<()>);

/// What a bot of this machine is given.
struct Place {
    settings: Settings,
    environment: Environment,
    stop: Stop,
}

impl Bots {
    /// Starts them, for the hub that can be reached at `url`.
    pub(crate) fn start(
        local: Vec<LocalBot>,
        url: &str,
        dir: &DataDir,
        environment: &Environment,
        log: &Log,
        stop: &Stop,
    ) -> Result<Self, Failure> {
        let mut running = JoinSet::new();
        for LocalBot { protocol, token, .. } in local {
            let data_dir = dir.of_bot(&protocol)?;
            let settings = settings(environment, url, &token, &data_dir.to_string_lossy())?;
            log.hide(&settings.token);
            let place = Place { settings, environment: environment.clone(), stop: stop.clone() };
            match &*protocol {
                "ping" => {
                    let runs = Some(grafolean_ping_bot::CONCURRENCY);
                    running.spawn(
                        keep(PingBot::from_environment, runs, place).instrument(tracing::info_span!("ping")),
                    );
                }
                "snmp" => {
                    let runs = Some(grafolean_snmp_bot::CONCURRENCY);
                    running.spawn(
                        keep(SnmpBot::from_environment, runs, place).instrument(tracing::info_span!("snmp")),
                    );
                }
                "netflow" => {
                    running.spawn(
                        keep(NetFlowBot::from_environment, None, place)
                            .instrument(tracing::info_span!("netflow")),
                    );
                }
                _ => {}
            }
        }
        Ok(Self(running))
    }

    /// Waits until all have ended.
    pub(crate) async fn ended(mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

/// What the bots' own variables say, for a bot of this process.
pub(crate) fn settings(
    environment: &Environment,
    url: &str,
    token: &str,
    data_dir: &str,
) -> Result<Settings, StartError> {
    Settings::from_lookup(|name| match name {
        "BACKEND_URL" => Some(format!("{url}/api")),
        "BOT_TOKEN" => Some(token.to_owned()),
        "DATA_DIR" => Some(data_dir.to_owned()),
        // Bots of one process cannot share an address.
        "BOT_TOKEN_FROM_FILE" | "HEALTH_ADDR" => None,
        other => environment.get(other),
    })
}

/// Keeps a bot running until it is told to stop.
async fn keep<C: Collector>(
    build: fn(&Environment) -> Result<C, StartError>,
    runs: Option<usize>,
    place: Place,
) {
    let Place { settings, environment, stop } = place;
    let mut said = String::new();
    loop {
        let (settings, environment, stopping) = (settings.clone(), environment.clone(), stop.clone());
        let run = async move {
            let runner = Runner::new(build(&environment)?, settings).backend_is(BACKEND);
            let runner = match runs {
                Some(runs) => runner.concurrency(runs),
                None => runner,
            };
            runner.run_until(stopping).await
        };
        // A task of its own: a panic is this bot's alone.
        let why = match tokio::spawn(run.in_current_span()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => chain(&error),
            Err(error) => error.to_string(),
        };
        if why != said {
            tracing::error!("this bot does not run: {why} (the others go on; it is tried again each minute)");
            said = why;
        }
        tokio::select! {
            () = tokio::time::sleep(TRIED_AGAIN) => {}
            () = stop.draining() => return,
        }
    }
}
