//! The hub, with or without bots: start, announce, stop in order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use grafolean_hub::{FirstStart, Hub, HubOptions, Listening, Started, TlsFiles};
use grafoleancollector::telemetry::Log;
use grafoleancollector::{Environment, Stop};
use tokio::time::timeout;

use crate::bots::{self, Bots};
use crate::data_dir::{DataDir, PROTOCOLS};
use crate::desk::Desk;
use crate::failure::Failure;

/// How long requests under way may take at the end; a page that listens to changes never ends by itself.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// What "at once" may take: a disk that hangs does not hold up the end.
const AT_ONCE: Duration = Duration::from_secs(2);

/// What is to be served.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) with_bots: bool,
    pub(crate) netflow_listen: Option<String>,
}

impl Serving {
    /// The bots' environment.
    pub(crate) fn for_bots(&self, environment: &Environment) -> Environment {
        match &self.netflow_listen {
            Some(listen) => environment.clone().with("NETFLOW_LISTEN", listen),
            None => environment.clone(),
        }
    }
}

/// Serves until SIGINT or SIGTERM: the first lets the bots deliver what they measured, the second ends at once.
pub(crate) async fn serve(
    serving: &Serving,
    environment: &Environment,
    log: &Log,
) -> Result<ExitCode, Failure> {
    let environment = serving.for_bots(environment);
    // What is wrong with the bots' variables is said before anything is made.
    bots::settings(&environment, "http://127.0.0.1", "none", "none")?;
    let stop = Stop::on_signals();
    let dir = DataDir::make(&serving.data_dir)?;
    let hub = Arc::new(Hub::open(HubOptions::new(dir.path())).await?);
    let served = serve_open(serving, &environment, log, &dir, &hub, &stop).await;
    // Nobody else holds it any more, unless something was aborted: then the last word is the database's own.
    if let Some(hub) = Arc::into_inner(hub) {
        within(&stop, hub.close()).await;
    }
    served.map(|()| ExitCode::SUCCESS)
}

async fn serve_open(
    serving: &Serving,
    environment: &Environment,
    log: &Log,
    dir: &DataDir,
    hub: &Arc<Hub>,
    stop: &Stop,
) -> Result<(), Failure> {
    let listening = hub.listen(serving.listen, serving.tls.as_ref()).await?;
    let started = prepare(hub, dir, serving.with_bots).await?;
    let desk = match Desk::open(dir, Arc::clone(hub)) {
        Ok(desk) => Some(desk),
        Err(error) => {
            tracing::warn!("no orders can be taken while this runs (`grafolean user`, `bot-token`): {error}");
            None
        }
    };
    // Whoever reads this may give an order at once.
    announce(&listening, hub, dir)?;
    warn_of_listening(serving);
    if serving.with_bots {
        let inner = door_for_bots(serving, hub).await?;
        let url = inner.as_ref().map_or_else(|| listening.url(), Listening::url);
        let bots = Bots::start(started.bots, &url, dir, environment, log, stop)?;
        stop.draining().await;
        bots.ended().await;
        drop(inner);
    } else {
        stop.draining().await;
    }
    if let Some(desk) = desk {
        desk.close().await;
    }
    within(stop, async { drop(timeout(LAST_ANSWERS, listening.stop()).await) }).await;
    Ok(())
}

/// Sees to it that there is an account with its bots, and that bots elsewhere find their tokens.
async fn prepare(hub: &Hub, dir: &DataDir, with_bots: bool) -> Result<Started, Failure> {
    let mut first = FirstStart::default();
    first.bots = PROTOCOLS.map(str::to_owned).to_vec();
    if !with_bots {
        // Whoever has a token keeps it.
        first.bots.retain(|protocol| match dir.token(protocol) {
            None => true,
            Some(token) => {
                if !hub.knows_token(&token) {
                    warn_of_token(dir, protocol);
                }
                false
            }
        });
    }
    for protocol in &first.bots {
        dir.remove_token(protocol)?;
    }
    let started = hub.first_start(&first).await?;
    for bot in &started.bots {
        dir.write_token(&bot.protocol, &bot.token)?;
    }
    let deleted = first.bots.iter().filter(|wanted| started.bots.iter().all(|bot| bot.protocol != **wanted));
    for protocol in deleted {
        tracing::info!("the {protocol} bot of this machine was deleted, so that it does not run");
    }
    Ok(started)
}

/// Another one is not made here: whoever made the one that is in use instead would be locked out.
fn warn_of_token(dir: &DataDir, protocol: &str) {
    let file = dir.token_file(protocol);
    tracing::warn!(
        "{} is not a token of any bot: where one reads it, make another (`grafolean bot-token list`, `new`), or remove \
         the file and start again",
        file.display()
    );
}

/// Where the bots reach the hub, if not where everybody does: they would have to trust its certificate, or to find their way
/// through a proxy.
async fn door_for_bots(serving: &Serving, hub: &Hub) -> Result<Option<Listening>, Failure> {
    let ip = serving.listen.ip();
    if serving.tls.is_none() && (ip.is_loopback() || ip.is_unspecified()) {
        return Ok(None);
    }
    Ok(Some(hub.listen(SocketAddr::from(([127, 0, 0, 1], 0)), None).await?))
}

/// What somebody who starts it wants to know.
fn announce(listening: &Listening, hub: &Hub, dir: &DataDir) -> Result<(), Failure> {
    let url = listening.url();
    let mut text = format!("Grafolean {} is at {url}\n", env!("CARGO_PKG_VERSION"));
    if let Some(token) = hub.setup_link_token()? {
        text.push_str(&format!("The first login is made here, once: {url}/#/setup/{token}\n"));
    }
    text.push_str(&format!("Data: {}. Ctrl-C ends it.\n", dir.path().display()));
    crate::say(&text);
    Ok(())
}

fn warn_of_listening(serving: &Serving) {
    if serving.tls.is_none() && !serving.listen.ip().is_loopback() {
        tracing::warn!(
            "passwords and tokens can be read by everybody between here and who logs in from elsewhere: \
             serve https (--tls-cert, --tls-key), or stay behind a proxy that does"
        );
    }
}

/// Awaits `future`, but not for long after the second signal.
async fn within(stop: &Stop, future: impl Future<Output = ()>) {
    let at_once = async {
        stop.aborting().await;
        tokio::time::sleep(AT_ONCE).await;
    };
    tokio::select! {
        () = future => {}
        () = at_once => tracing::warn!("ended before everything was closed; what was acknowledged is stored"),
    }
}
