//! The first words with the backend: is it ready, and who are we there?

use std::time::Duration;

use super::offered::Offered;
use super::shutdown::Stop;
use super::vitals::Vitals;
use crate::backend::{Api, wire};
use crate::error::{Chain, StartError};
use crate::ids::UserId;

/// The first wait, doubled each time up to the last: a backend that starts with us is there within seconds,
/// and one that is down for long should not be knocked at all the time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Waits until the backend is ready and knows us, and learns what it offers. None when told to stop before.
pub(crate) async fn connect(
    api: &dyn Api,
    vitals: &Vitals,
    offered: &Offered,
    stop: &Stop,
) -> Result<Option<UserId>, StartError> {
    tokio::select! {
        connected = keep_trying(api, vitals, offered) => connected.map(Some),
        () = stop.draining() => Ok(None),
    }
}

async fn keep_trying(api: &dyn Api, vitals: &Vitals, offered: &Offered) -> Result<UserId, StartError> {
    let mut wait = FIRST_WAIT;
    let mut said = String::new();
    loop {
        let reason = match introduce(api, offered).await {
            Ok(user) => {
                if !said.is_empty() {
                    tracing::info!("the backend is ready");
                }
                return Ok(user);
            }
            Err(Hurdle::Final(error)) => return Err(error),
            Err(Hurdle::Wait(reason)) => reason,
        };
        if reason != said {
            tracing::warn!("waiting for the backend: {reason}");
            vitals.idle(&format!("waiting for the backend: {reason}"));
            said = reason;
        }
        // Up to a quarter more, so that many bots do not all knock at once.
        let jitter = wait.mul_f64(fastrand::f64() / 4.0);
        tokio::time::sleep(wait + jitter).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

enum Hurdle {
    Wait(String),
    Final(StartError),
}

async fn introduce(api: &dyn Api, offered: &Offered) -> Result<UserId, Hurdle> {
    let later = |error: &crate::backend::ApiError| Hurdle::Wait(Chain(error).to_string());
    let status = wire::status(api).await.map_err(|error| later(&error))?;
    status.ready.map_err(Hurdle::Wait)?;
    offered.set(status.offers);
    let profile = wire::profile(api).await.map_err(|error| match error.status() {
        Some(401) => Hurdle::Final(StartError::TokenRefused(error)),
        _ => later(&error),
    })?;
    match &*profile.user_type {
        "bot" => Ok(profile.user_id),
        other => Err(Hurdle::Final(StartError::NotABot { what: format!("its user type is {other:?}") })),
    }
}
