//! What the benches call: a whole refresh over HTTP.

use std::sync::Arc;

use super::Api;
use super::DeliveryMode;
use super::http::HttpApi;
use super::token::Token;
use crate::clock::SystemClock;
use crate::context::Context;
use crate::error::FetchError;
use crate::ids::UserId;
use crate::protocol::{Entity, Protocol};

/// Reads a backend's configuration again and again, as a bot does.
pub struct Refresher(Context);

impl Refresher {
    /// For the backend at `backend_url`; the text of the error says what is wrong with it.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn new(backend_url: &str, token: &str, user: UserId) -> Result<Self, String> {
        let api = HttpApi::new(backend_url, Token::new(token), DeliveryMode::Put, Arc::new(SystemClock))
            .map_err(|error| error.to_string())?;
        let api: Arc<dyn Api> = Arc::new(api);
        Ok(Self(Context::new(api).of_user(user)))
    }

    /// One refresh.
    ///
    /// # Errors
    /// When not even the accounts can be read.
    pub async fn fetch<P: Protocol>(&self) -> Result<Vec<Arc<Entity<P>>>, FetchError> {
        self.0.fetch().await
    }
}
