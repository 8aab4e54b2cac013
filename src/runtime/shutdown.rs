//! How a bot is told to stop: once to finish what it does, twice to drop it.

use std::sync::Arc;

use tokio::sync::watch;

/// Stops a running bot. Clones stop the same bot.
///
/// The first [`now`](Self::now) lets runs under way finish and delivers what was measured; the second ends
/// the bot at once.
///
/// ```
/// use grafoleancollector::Stop;
/// let stop = Stop::new();
/// stop.now();
/// ```
#[derive(Clone, Debug)]
pub struct Stop {
    level: Arc<watch::Sender<Level>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Level {
    Go,
    Drain,
    Abort,
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// A stop that only [`now`](Self::now) triggers.
    #[must_use]
    pub fn new() -> Self {
        Self { level: Arc::new(watch::channel(Level::Go).0) }
    }

    /// A stop that SIGINT and SIGTERM trigger: the first drains, the second aborts. Call it inside a runtime.
    #[must_use]
    pub fn on_signals() -> Self {
        let stop = Self::new();
        let stopper = stop.clone();
        tokio::spawn(on_each_signal(move |name| {
            match *stopper.level.borrow() {
                Level::Go => {
                    tracing::info!(
                        "{name}: no new runs; finishing and delivering (once more to end at once)"
                    );
                }
                Level::Drain | Level::Abort => tracing::warn!("{name} again: ending at once"),
            }
            stopper.now();
        }));
        stop
    }

    /// Stop: the first call drains, the second aborts.
    pub fn now(&self) {
        self.level
            .send_modify(|level| *level = if *level == Level::Go { Level::Drain } else { Level::Abort });
    }

    /// Resolves when the bot is to finish.
    pub async fn draining(&self) {
        self.reached(Level::Drain).await;
    }

    /// Resolves when the bot is to end at once.
    pub async fn aborting(&self) {
        self.reached(Level::Abort).await;
    }

    async fn reached(&self, wanted: Level) {
        // The sender lives as long as `self`, so that waiting cannot fail.
        let _ = self.level.subscribe().wait_for(|level| *level >= wanted).await;
    }
}

#[cfg(unix)]
async fn on_each_signal(stop: impl Fn(&str)) {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut int, mut term) = match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(int), Ok(term)) => (int, term),
        (Err(error), _) | (_, Err(error)) => {
            return tracing::error!("cannot listen for signals, so they end the bot at once: {error}");
        }
    };
    loop {
        // Both streams live across rounds, so that no signal falls between two of them.
        tokio::select! {
            Some(()) = int.recv() => stop("SIGINT"),
            Some(()) = term.recv() => stop("SIGTERM"),
            else => return,
        }
    }
}

#[cfg(not(unix))]
async fn on_each_signal(stop: impl Fn(&str)) {
    while tokio::signal::ctrl_c().await.is_ok() {
        stop("Ctrl-C");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn the_first_stop_drains_and_the_second_aborts() {
        let stop = Stop::new();
        assert!(stop.draining().now_or_never().is_none());
        let again = stop.clone();
        stop.now();
        assert!(stop.draining().now_or_never().is_some());
        assert!(stop.aborting().now_or_never().is_none());
        again.now();
        assert!(stop.aborting().now_or_never().is_some());
    }
}
