//! From samples to stored values.

/// The place where samples wait cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {}
