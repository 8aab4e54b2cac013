//! What a collector works with while it lists its jobs.

use std::sync::Arc;

use crate::backend::job_configs::ConfigCache;
use crate::backend::{Api, UserId};

/// What a collector works with while it lists its jobs: the backend, and who it is there.
#[derive(Clone)]
pub struct Context {
    pub(crate) api: Arc<dyn Api>,
    pub(crate) user: UserId,
    pub(crate) configs: Arc<ConfigCache>,
}

impl Context {
    pub(crate) fn new(api: Arc<dyn Api>, user: UserId) -> Self {
        Self { api, user, configs: Arc::default() }
    }

    /// This bot's id in the backend.
    #[must_use]
    pub const fn user(&self) -> UserId {
        self.user
    }
}
