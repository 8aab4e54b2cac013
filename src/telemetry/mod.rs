//! What the bot says of itself: logs that repeat nothing, and metrics.

pub(crate) mod health;
pub(crate) mod logging;
mod metrics;
mod throttle;
mod warnings;

pub(crate) use health::{JobsFilter, Report};
pub use metrics::{Counter, Gauge, Histogram, MetricsText};
pub use throttle::{Throttle, Unsaid};
pub(crate) use warnings::Warnings;
