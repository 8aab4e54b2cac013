//! The times of readings.

use tokio::time::Instant;

use crate::counter::{DeviceTime, Reading, Width, micros};
use crate::poll::Uptime;
use crate::value::Value;

/// Turns moments of this process into times that baselines of the next process can be compared with. It does not
/// jump when somebody sets the time of day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    origin: Instant,
    /// Microseconds since 1970 at the origin.
    at_origin: i64,
}

impl Moments {
    /// `now` by both clocks: once for the whole life of the process.
    pub(crate) const fn new(origin: Instant, at_origin: i64) -> Self {
        Self { origin, at_origin }
    }

    /// Microseconds since 1970 at that moment.
    pub(crate) fn at(&self, moment: Instant) -> i64 {
        let after = micros(moment.saturating_duration_since(self.origin));
        let before = micros(self.origin.saturating_duration_since(moment));
        self.at_origin.saturating_add(after).saturating_sub(before)
    }

    /// A counter's value as a reading, with the device's time where that is known. None where it is no counter.
    pub(crate) fn reading(
        &self,
        value: &Value,
        received: Instant,
        uptime: Option<Uptime>,
    ) -> Option<Reading> {
        let (width, value) = match value {
            Value::Counter32(value) => (Width::Bits32, (*value).into()),
            Value::Counter64(value) => (Width::Bits64, *value),
            _ => return None,
        };
        let at = self.at(received);
        let device = uptime.map(|uptime| {
            let lag = (at - self.at(uptime.received)) / 1_000;
            DeviceTime { ticks: uptime.ticks, lag: lag.try_into().unwrap_or(0) }
        });
        Some(Reading { width, value, at, device })
    }
}
