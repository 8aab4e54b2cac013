//! A door for benches and tests that need delivery without a runner. No part of the public interface.

use std::sync::Arc;
use std::time::Duration;

use super::{Delivery, DeliveryOptions, Outbox, OutboxError};
use crate::backend::{Api, HttpApi};
use crate::clock::{SystemClock, Timestamp};
use crate::error::StartError;
use crate::sample::Samples;
use crate::settings::Settings;

/// Delivery alone, with the system's clock.
#[derive(Clone)]
pub struct Delivering(Delivery);

impl Delivering {
    /// Opens the outbox and begins to deliver.
    ///
    /// # Errors
    /// When the outbox cannot be opened.
    pub fn start(api: Arc<dyn Api>, outbox: Outbox, backend_url: &str) -> Result<Self, OutboxError> {
        let clock = Arc::new(SystemClock);
        let outbox = outbox.open(backend_url, Arc::<SystemClock>::clone(&clock))?;
        Ok(Self(Delivery::start(api, clock, outbox, DeliveryOptions::default())))
    }

    /// The same, speaking HTTP to a backend as a bot does.
    ///
    /// # Errors
    /// When the address cannot be used, or the outbox cannot be opened.
    pub fn over_http(settings: &Settings, outbox: Outbox) -> Result<Self, StartError> {
        let api = Arc::new(HttpApi::of(settings, Arc::new(SystemClock))?);
        Self::start(api, outbox, &settings.backend_url).map_err(StartError::DataDir)
    }

    /// Accepts samples; false after it was stopped.
    pub async fn accept(&self, samples: Samples, measured: Timestamp) -> bool {
        let account = samples.account();
        self.0.accept(account, samples.stamp(measured).0).await.is_ok()
    }

    /// Waits until at most `most` samples wait.
    pub async fn wait_until_at_most(&self, most: usize) {
        if self.0.waiting() > most {
            self.0.wait_for(|state| state.waiting <= most).await;
        }
    }

    /// Delivers what is there, and says how many samples are left.
    pub async fn drain(&self, grace: Duration) -> usize {
        let drained = self.0.drain(grace).await;
        drained.on_disk + drained.in_memory
    }

    /// Stops and closes the outbox.
    pub async fn stop(&self) {
        self.0.stop(None).await;
    }
}
