//! What Grafolean stores for the ping protocol.

use std::time::Duration;

use grafoleancollector::Protocol;
use serde::Deserialize;

/// The protocol `ping`.
#[derive(Debug)]
pub struct Ping;

impl Protocol for Ping {
    const SLUG: &'static str = "ping";
    type Credential = Credential;
    type Sensor = Sensor;
    // Numbers of packets and seconds.
    const CREDENTIAL_IS_SECRET: bool = false;
}

/// How a device is pinged.
///
/// The keys are `n_packets` (3), `timeout` (2.0 s for a packet, all its tries together), `retry` (0 further tries)
/// and `sleep_packets` (1.0 s from one packet to the next).
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(try_from = "Fields")]
#[non_exhaustive]
pub struct Credential {
    /// Packets in a run.
    pub packets: u32,
    /// How long an answer to a packet may take, all its tries together.
    pub timeout: Duration,
    /// Further tries for a packet that is not answered.
    pub retries: u32,
    /// From one packet to the next.
    pub spacing: Duration,
}

/// A ping sensor has nothing to configure but its interval.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct Sensor {}

#[derive(Deserialize)]
struct Fields {
    n_packets: Option<u32>,
    timeout: Option<f64>,
    retry: Option<u32>,
    sleep_packets: Option<f64>,
}

/// More would be a load test, not a measurement.
const MOST_PACKETS: u32 = 100;
const MOST_RETRIES: u32 = 10;
/// A round trip to the Moon takes 2.6 s.
const LONGEST_TIMEOUT: f64 = 60.0;
/// Each try needs time enough for an answer from another continent to be possible at all.
const SHORTEST_TRY: f64 = 0.001;
const LONGEST_SPACING: f64 = 60.0;

impl Default for Credential {
    fn default() -> Self {
        let (timeout, spacing) = (Duration::from_secs(2), Duration::from_secs(1));
        Self { packets: 3, timeout, retries: 0, spacing }
    }
}

impl TryFrom<Fields> for Credential {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let Fields { n_packets, timeout, retry, sleep_packets } = fields;
        let default = Self::default();
        let packets = n_packets.unwrap_or(default.packets);
        if !(1..=MOST_PACKETS).contains(&packets) {
            return Err(format!("n_packets: expected 1 to {MOST_PACKETS}, got {packets}"));
        }
        let retries = retry.unwrap_or(default.retries);
        if retries > MOST_RETRIES {
            return Err(format!("retry: expected 0 to {MOST_RETRIES}, got {retries}"));
        }
        let timeout = timeout.unwrap_or(default.timeout.as_secs_f64());
        let shortest = SHORTEST_TRY * f64::from(retries + 1);
        if !(shortest..=LONGEST_TIMEOUT).contains(&timeout) {
            return Err(format!("timeout: expected {shortest} to {LONGEST_TIMEOUT} seconds, got {timeout}"));
        }
        let spacing = sleep_packets.unwrap_or(default.spacing.as_secs_f64());
        if !(0.0..=LONGEST_SPACING).contains(&spacing) {
            return Err(format!("sleep_packets: expected 0 to {LONGEST_SPACING} seconds, got {spacing}"));
        }
        let (timeout, spacing) = (Duration::from_secs_f64(timeout), Duration::from_secs_f64(spacing));
        Ok(Self { packets, timeout, retries, spacing })
    }
}

impl Credential {
    /// The longest that a run can take: every packet lost.
    #[must_use]
    pub fn longest_run(&self) -> Duration {
        self.timeout.max(self.spacing) * self.packets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Credential, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn missing_fields_have_the_defaults_of_the_python_bot() {
        assert_eq!(read("{}").unwrap(), Credential::default());
        assert_eq!(read(r#"{"n_packets":null,"colour":"red"}"#).unwrap(), Credential::default());
    }

    #[test]
    fn what_is_out_of_range_is_named_with_the_range() {
        for (json, field) in [
            (r#"{"n_packets":0}"#, "n_packets"),
            (r#"{"n_packets":101}"#, "n_packets"),
            (r#"{"timeout":0}"#, "timeout"),
            (r#"{"timeout":-1}"#, "timeout"),
            (r#"{"retry":11}"#, "retry"),
            (r#"{"sleep_packets":61}"#, "sleep_packets"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.starts_with(field) && error.contains("expected"), "{error}");
        }
    }
}
