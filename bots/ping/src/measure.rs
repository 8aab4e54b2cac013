//! One run: a few packets to one device, one after the other.

use std::pin::pin;
use std::time::Duration;

use grafoleancollector::{AccountId, Address, EntityId, Samples};
use tokio::time::{Instant, sleep_until};

use crate::icmp::{PingError, Pinger};
use crate::protocol::Credential;

/// What became of each packet of a run: its round-trip time, or nothing.
#[derive(Clone, PartialEq, Debug)]
pub struct Pings(pub Vec<Option<Duration>>);

/// Pings `target` as `credential` says.
///
/// A packet leaves when the one before it is settled and its time has come. There is no wait after the last.
/// Where somebody says that a packet cannot be delivered, it counts as not answered.
///
/// When `enough` resolves, no further packet is sent, and what is known by then is returned: perhaps nothing.
///
/// # Errors
/// When this machine cannot ping at all: that says nothing about the target.
pub async fn measure(
    pinger: &Pinger,
    target: Address,
    credential: &Credential,
    enough: impl Future<Output = ()>,
) -> Result<Pings, PingError> {
    let mut pings = Vec::with_capacity(credential.packets as usize);
    let mut next = Instant::now();
    let mut enough = pin!(enough);
    for _ in 0..credential.packets {
        let one = async {
            sleep_until(next).await;
            next = Instant::now() + credential.spacing;
            packet(pinger, target, credential).await
        };
        tokio::select! {
            biased;
            settled = one => pings.push(settled?),
            () = &mut enough => break,
        }
    }
    Ok(Pings(pings))
}

async fn packet(
    pinger: &Pinger,
    target: Address,
    credential: &Credential,
) -> Result<Option<Duration>, PingError> {
    let tries = credential.retries + 1;
    for _ in 0..tries {
        match pinger.ping(target, credential.timeout / tries).await {
            Ok(reply) => return Ok(Some(reply.rtt)),
            Err(PingError::TimedOut(_) | PingError::Unreachable { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The figures of a run, as `PING_SUMMARY` adds them. Times are in seconds.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// The part of the packets that was not answered, 0 to 1.
    pub loss: f64,
    /// The shortest, mean and longest time, and the jitter; none where no packet was answered.
    pub rtt: Option<Rtt>,
}

/// The times of the answered packets.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub struct Rtt {
    /// The shortest.
    pub min: f64,
    /// The mean.
    pub avg: f64,
    /// The longest.
    pub max: f64,
    /// The mean difference between one answer and the next, without its sign; 0 for a single answer.
    pub jitter: f64,
}

impl Pings {
    /// How many packets were answered.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// The part of the packets that was answered, 0 to 1.
    #[must_use]
    pub fn success(&self) -> f64 {
        ratio(self.answered(), self.0.len())
    }

    /// The figures of the run.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let times: Vec<f64> = self.0.iter().flatten().map(Duration::as_secs_f64).collect();
        // Not `sum`: that of nothing is -0.0, and a jitter of "-0" looks like a mistake.
        let mean = |values: &[f64]| {
            values.iter().fold(0.0, |sum, value| sum + value) / ratio(values.len().max(1), 1)
        };
        let steps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
        let rtt = (!times.is_empty()).then(|| Rtt {
            min: times.iter().copied().fold(f64::INFINITY, f64::min),
            avg: mean(&times),
            max: times.iter().copied().fold(0.0, f64::max),
            jitter: mean(&steps),
        });
        Summary { loss: ratio(self.0.len() - times.len(), self.0.len()), rtt }
    }

    /// The run as values at `entity.<id>.ping.…`.
    #[must_use]
    pub fn samples(&self, account: AccountId, entity: EntityId, with_summary: bool) -> Samples {
        let at = |tail: &str| format!("entity.{entity}.ping.{tail}");
        let mut samples = Samples::for_account(account);
        for (i, rtt) in self.0.iter().enumerate() {
            samples.push(at(&format!("p{i}.ok")), if rtt.is_some() { 1.0 } else { 0.0 }, None);
            if let Some(rtt) = rtt {
                samples.push(at(&format!("p{i}.rtt")), rtt.as_secs_f64(), None);
            }
        }
        samples.push(at("success"), self.success(), None);
        if with_summary {
            let Summary { loss, rtt } = self.summary();
            samples.push(at("loss"), loss, None);
            if let Some(Rtt { min, avg, max, jitter }) = rtt {
                for (name, value) in [("min", min), ("avg", avg), ("max", max), ("jitter", jitter)] {
                    samples.push(at(&format!("rtt.{name}")), value, None);
                }
            }
        }
        samples
    }
}

#[expect(clippy::cast_precision_loss, reason = "a run has at most some hundred packets")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pings(millis: &[Option<u64>]) -> Pings {
        Pings(millis.iter().map(|ms| ms.map(Duration::from_millis)).collect())
    }

    fn paths(samples: &Samples) -> Vec<(String, f64)> {
        samples.iter().map(|(path, value)| (path.to_string(), value)).collect()
    }

    #[test]
    fn a_run_has_the_paths_and_values_of_the_python_bot() {
        let samples = pings(&[Some(20), None]).samples(AccountId::new(1), EntityId::new(7), false);
        let expected = [
            ("entity.7.ping.p0.ok", 1.0),
            ("entity.7.ping.p0.rtt", 0.02),
            ("entity.7.ping.p1.ok", 0.0),
            ("entity.7.ping.success", 0.5),
        ];
        assert_eq!(paths(&samples), expected.map(|(path, value)| (path.to_owned(), value)));
    }

    #[test]
    fn the_summary_adds_loss_and_the_spread_of_times() {
        let samples =
            pings(&[Some(10), Some(30), None, Some(20)]).samples(AccountId::new(1), EntityId::new(7), true);
        let get = |tail: &str| samples.get(&format!("entity.7.ping.{tail}"));
        assert_eq!(get("loss"), Some(0.25));
        assert_eq!((get("rtt.min"), get("rtt.max")), (Some(0.01), Some(0.03)));
        assert!((get("rtt.avg").unwrap() - 0.02).abs() < 1e-12);
        assert!((get("rtt.jitter").unwrap() - 0.015).abs() < 1e-12);
    }

    #[test]
    fn a_single_answer_has_a_jitter_of_zero_without_a_sign() {
        let rtt = pings(&[Some(10)]).summary().rtt.unwrap();
        assert_eq!(format!("{:?}", rtt.jitter), "0.0");
    }

    #[test]
    fn a_dead_device_has_no_times_at_all() {
        let samples = pings(&[None, None]).samples(AccountId::new(1), EntityId::new(7), true);
        assert_eq!(samples.get("entity.7.ping.loss"), Some(1.0));
        assert!(paths(&samples).iter().all(|(path, _)| !path.contains("rtt")));
    }
}
