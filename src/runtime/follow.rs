//! Follows what changes in the backend, where it offers that. The usual interval stays, for all that is not told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::heard::Heard;
use super::offered::Offered;
use crate::backend::{Api, ApiError, OnChange};
use crate::delivery::backoff::Backoff;
use crate::error::Chain;

/// A backend that does not offer it is asked again this often: it may be another version by then.
const ASK_AGAIN: Duration = Duration::from_secs(3_600);
/// A connection that lasts so long is one: a backend that greets and hangs up is not asked at once again for ever.
const LASTS: Duration = Duration::from_secs(30);
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
        let mut following = api.follow_changes(listener(&heard, &began));
        let ended = match timeout(LASTS, &mut following).await {
            Ok(ended) => ended,
            Err(_) => {
                if began.load(Relaxed) {
                    if failures >= SAID_AFTER {
                        tracing::info!("the backend's changes are followed again");
                    }
                    backoff.reset();
                    failures = 0;
                }
                following.await
            }
        };
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
            let reason = ended.map_or_else(
                |error| Chain(&error).to_string(),
                |()| "it ends soon after it began".to_owned(),
            );
            tracing::warn!(
                "the backend's changes cannot be followed, so that jobs are read each {interval:?} only: {reason}"
            );
        }
        sleep(backoff.next(retry_after)).await;
        // Whoever answers now may be another version.
        offered.ask(&*api).await;
    }
}

fn listener(heard: &Arc<Heard>, began: &Arc<AtomicBool>) -> OnChange {
    let (heard, began) = (heard.clone(), began.clone());
    Arc::new(move |change| {
        began.store(true, Relaxed);
        heard.note(&change);
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use tokio::time::Instant;

    use super::*;
    use crate::backend::wire::Offers;
    use crate::backend::{Change, EntityWrite, Resource};
    use crate::ids::{AccountId, EntityId};
    use crate::sample::Sample;

    /// A backend that greets whoever listens, and hangs up after a while.
    struct HangsUp {
        after: Duration,
        asked: Mutex<Vec<Instant>>,
    }

    #[async_trait]
    impl Api for HangsUp {
        async fn get(&self, _: Resource) -> Result<Vec<u8>, ApiError> {
            Err(ApiError::Transport { request: String::new(), reason: "no answer".to_owned() })
        }

        async fn store(&self, _: AccountId, _: &[Sample]) -> Result<(), ApiError> {
            Ok(())
        }

        async fn may_store(&self, _: AccountId) -> Result<(), ApiError> {
            Ok(())
        }

        async fn write_entity(&self, _: AccountId, _: &EntityWrite) -> Result<EntityId, ApiError> {
            Ok(EntityId::new(1))
        }

        async fn follow_changes(&self, heard: OnChange) -> Result<(), ApiError> {
            self.asked.lock().unwrap().push(Instant::now());
            heard(Change::Began);
            sleep(self.after).await;
            Ok(())
        }
    }

    async fn asked_in_an_hour(after: Duration) -> usize {
        let api = Arc::new(HangsUp { after, asked: Mutex::default() });
        let (heard, offered) = (Arc::new(Heard::new(Arc::default())), Arc::<Offered>::default());
        offered.set(Offers { changes: true, ..Offers::default() });
        let following = follow(api.clone(), heard, offered, Duration::from_secs(60));
        let hour = Duration::from_secs(3_600);
        assert!(timeout(hour, following).await.is_err(), "it never ends");
        api.asked.lock().unwrap().len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_backend_that_greets_and_hangs_up_was_asked_twice_a_second_for_ever() {
        let asked = asked_in_an_hour(Duration::ZERO).await;
        assert!((60..300).contains(&asked), "{asked} connections");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_cut_each_minute_is_made_again_at_once() {
        let asked = asked_in_an_hour(Duration::from_secs(60)).await;
        assert!((58..61).contains(&asked), "{asked} connections");
    }
}
