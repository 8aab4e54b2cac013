//! What the bot says of itself: logs that repeat nothing, and metrics.

mod metrics;
mod warnings;

pub use metrics::{Counter, Gauge, Histogram, MetricsText};
pub(crate) use warnings::Warnings;
