//! What is done now and then, whoever asks for what.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use super::{bots, shared::Shared};
use crate::store::{StoreError, sessions, users};

/// How often what is kept in memory is written.
const EVERY: Duration = Duration::from_secs(60);

/// How often it is looked whether a bot has gone.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Goes on until the hub stops.
pub(crate) async fn run(hub: Arc<Shared>) {
    let mut stopping = hub.stopping.clone();
    let (mut write, mut look) = (interval(EVERY), interval(LOOK_EVERY));
    write.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = async { stopping.wait_for(|stop| *stop).await.is_err() } => return,
            _ = write.tick() => {
                if let Err(error) = write_seen(&hub).await {
                    tracing::warn!(%error, "when bots and sessions were seen could not be written; it is tried again");
                }
            }
            _ = look.tick() => {
                for bot in hub.seen.gone(hub.now()) {
                    bots::came(&hub, bot);
                }
            }
        }
    }
}

/// Writes when bots and sessions were seen last, and forgets sessions that are over.
pub(crate) async fn write_seen(hub: &Shared) -> Result<(), StoreError> {
    let bots = hub.seen.take_unwritten();
    let over = hub.sessions.sweep(hub.now());
    let seen = hub.sessions.take_seen();
    if bots.is_empty() && over.is_empty() && seen.is_empty() {
        return Ok(());
    }
    let written = bots.clone();
    let write = hub.store.write(move |c| {
        users::set_last_logins(c, &written)?;
        sessions::delete(c, &over)?;
        sessions::set_seen(c, &seen)
    });
    write.await.inspect_err(|_| hub.seen.put_back(&bots))
}
