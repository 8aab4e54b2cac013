//! How fast the agent answers, and how much at once.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::super::contact::SYS_UP_TIME;
use super::super::print::millis;
use crate::agent::{Agent, SnmpError};
use crate::oid::Oid;
use crate::value::Value;

/// Where nearly all that an agent has begins.
const MIB_2: [u32; 6] = [1, 3, 6, 1, 2, 1];
/// Rows asked for, doubled as long as all of them come. More fit into no datagram.
const ROWS: [u32; 9] = [1, 8, 16, 32, 64, 128, 256, 512, 1_024];
const PINGS: u32 = 10;
/// After so many lost requests no more are sent.
const MOST_LOST: u32 = 3;

/// What GETBULK gives.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Bulk {
    /// The most rows that came in one answer: 0 where GETBULK is not answered at all.
    rows_in_one_answer: u32,
    /// What became of the first request for more, if it was not simply answered.
    limit: Option<Limit>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Limit {
    asked: u32,
    outcome: String,
}

impl Bulk {
    /// Asks for more and more rows. The agent is to be one without retries.
    pub(super) async fn measure(agent: &dyn Agent, most: Option<u32>) -> Self {
        let mut bulk = Self { rows_in_one_answer: 0, limit: None };
        let most = most.unwrap_or(u32::MAX);
        for asked in ROWS.into_iter().filter(|rows| *rows < most).chain((most < u32::MAX).then_some(most)) {
            let from = [Oid::new(MIB_2)];
            let mut answer = agent.get_bulk(&from, asked).await;
            if matches!(answer, Err(SnmpError::Timeout { .. })) {
                // It may just have been lost.
                answer = agent.get_bulk(&from, asked).await;
            }
            let outcome = match answer {
                Ok(rows) => {
                    let came = rows.iter().take_while(|(_, value)| *value != Value::Nothing).count();
                    let ended = came < rows.len();
                    let came = u32::try_from(came).unwrap_or(u32::MAX);
                    bulk.rows_in_one_answer = bulk.rows_in_one_answer.max(came);
                    match came {
                        _ if came >= asked => continue,
                        _ if ended => "it has no more objects".to_owned(),
                        _ => format!("{came} came"),
                    }
                }
                Err(SnmpError::TooBig) => "tooBig".to_owned(),
                Err(SnmpError::Timeout { .. }) => "no answer".to_owned(),
                Err(error) => error.to_string(),
            };
            bulk.limit = Some(Limit { asked, outcome });
            break;
        }
        bulk
    }

    pub(super) fn line(&self) -> String {
        let rows = self.rows_in_one_answer;
        let (asked, outcome) = match &self.limit {
            None => return format!("yes; {rows} rows come in one answer, and more were not asked for"),
            Some(Limit { asked, outcome }) => (asked, outcome),
        };
        if rows == 0 {
            return format!("no ({asked} row asked for: {outcome})");
        }
        format!("yes; best max-repetitions {rows} ({asked} asked for: {outcome})")
    }
}

/// How long requests took, one after the other.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct RoundTrip {
    requests: u32,
    lost: u32,
    /// Seconds; None where none was answered.
    min: Option<f64>,
    avg: Option<f64>,
    max: Option<f64>,
}

impl RoundTrip {
    /// The agent is to be one without retries: what is lost is counted.
    pub(super) async fn measure(agent: &dyn Agent) -> Self {
        let (mut times, mut requests) = (Vec::new(), 0);
        let lost = |requests: u32, times: &[f64]| requests - u32::try_from(times.len()).unwrap_or(requests);
        // The first one may have to find the engine.
        if agent.get(&[Oid::new(SYS_UP_TIME)]).await.is_err() {
            requests += 1;
        }
        while requests < PINGS && lost(requests, &times) < MOST_LOST {
            let began = Instant::now();
            let answer = agent.get(&[Oid::new(SYS_UP_TIME)]).await;
            requests += 1;
            // An error of the agent's took its time too.
            if matches!(answer, Ok(_) | Err(SnmpError::Agent { .. } | SnmpError::TooBig)) {
                times.push(began.elapsed().as_secs_f64());
            }
        }
        let lost = lost(requests, &times);
        let avg = (!times.is_empty()).then(|| times.iter().sum::<f64>() / f64::from(requests - lost));
        Self {
            requests,
            lost,
            min: times.iter().copied().reduce(f64::min),
            avg,
            max: times.iter().copied().reduce(f64::max),
        }
    }

    pub(super) fn line(&self) -> String {
        let &Self { requests, lost, min, avg, max } = self;
        let lost = if lost == 0 { String::new() } else { format!(", {lost} lost") };
        match (min, avg, max) {
            (Some(min), Some(avg), Some(max)) => {
                let ms = [min, avg, max].map(|seconds| millis(Duration::from_secs_f64(seconds)));
                format!("min/avg/max = {} ms ({requests} requests{lost})", ms.join("/"))
            }
            _ => format!("unknown ({requests} requests{lost})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(rows_in_one_answer: u32, limit: Option<(u32, &str)>) -> String {
        let limit = limit.map(|(asked, outcome)| Limit { asked, outcome: outcome.to_owned() });
        Bulk { rows_in_one_answer, limit }.line()
    }

    #[test]
    fn what_getbulk_gives_is_told() {
        assert_eq!(bulk(95, Some((128, "95 came"))), "yes; best max-repetitions 95 (128 asked for: 95 came)");
        assert_eq!(bulk(0, Some((1, "no answer"))), "no (1 row asked for: no answer)");
        assert_eq!(bulk(10, None), "yes; 10 rows come in one answer, and more were not asked for");
    }

    #[test]
    fn what_was_lost_is_told() {
        let some = RoundTrip { requests: 10, lost: 1, min: Some(1e-4), avg: Some(1.5e-3), max: Some(0.2) };
        assert_eq!(some.line(), "min/avg/max = 0.100/1.50/200 ms (10 requests, 1 lost)");
        let none = RoundTrip { requests: 3, lost: 3, min: None, avg: None, max: None };
        assert_eq!(none.line(), "unknown (3 requests, 3 lost)");
    }
}
