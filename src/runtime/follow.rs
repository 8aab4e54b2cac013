//! Follows what changes in the backend, where it offers that. The usual interval stays, for all that is not told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::sleep;

use super::heard::Heard;
use super::offered::Offered;
use crate::backend::{Api, ApiError, OnChange};
use crate::delivery::backoff::Backoff;
use crate::error::Chain;

/// A backend that does not offer it is asked again this often: it may be another version by then.
const ASK_AGAIN: Duration = Duration::from_secs(3_600);
/// Connections that fail in a row before it is said: a backend that restarts is no news.
const SAID_AFTER: u32 = 3;

/// Follows the backend's changes for ever.
pub(crate) async fn follow(api: Arc<dyn Api>, heard: Arc<Heard>, offered: Arc<Offered>, interval: Duration) {
    let mut backoff = Backoff::new();
    let mut failures = 0;
    loop {
        if !offered.changes() {
            // Up to a quarter more, so that many bots do not all ask at once.
            sleep(ASK_AGAIN.mul_f64(1.0 + fastrand::f64() / 4.0)).await;
            offered.ask(&*api).await;
            continue;
        }
        let began = Arc::new(AtomicBool::new(false));
        let ended = api.follow_changes(listener(&heard, &began, failures >= SAID_AFTER)).await;
        if began.load(Relaxed) {
            backoff.reset();
            failures = 0;
        }
        failures += 1;
        let retry_after = match &ended {
            Err(ApiError::NotOffered { .. }) => {
                offered.no_changes();
                continue;
            }
            Err(ApiError::Status { retry_after, .. }) => *retry_after,
            _ => None,
        };
        if failures == SAID_AFTER {
            let reason =
                ended.map_or_else(|error| Chain(&error).to_string(), |()| "it ends at once".to_owned());
            tracing::warn!(
                "the backend's changes cannot be followed, so that jobs are read each {interval:?} only: {reason}"
            );
        }
        sleep(backoff.next(retry_after)).await;
        // Whoever answers now may be another version.
        offered.ask(&*api).await;
    }
}

fn listener(heard: &Arc<Heard>, began: &Arc<AtomicBool>, was_said: bool) -> OnChange {
    let (heard, began) = (heard.clone(), began.clone());
    Arc::new(move |change| {
        if !began.swap(true, Relaxed) && was_said {
            tracing::info!("the backend's changes are followed again");
        }
        heard.note(&change);
    })
}
