//! What the bot says of itself: logs that repeat nothing, and metrics.

pub(crate) mod health;
#[cfg(test)]
mod logged;
pub(crate) mod logging;
mod metrics;
mod throttle;
mod warnings;

pub(crate) use health::{JobsFilter, Report};
#[cfg(test)]
pub(crate) use logged::logged;
pub use logging::{Log, Logging};
pub use metrics::{Counter, Gauge, Histogram, MetricsText};
pub use throttle::{Throttle, Unsaid};
pub(crate) use warnings::Warnings;
