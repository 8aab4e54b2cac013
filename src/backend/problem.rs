//! What a bot tells the backend of its jobs, where the backend wants to know.

use serde::{Serialize, Serializer};

use super::line::one_line;
use crate::clock::Timestamp;
use crate::ids::{AccountId, EntityId};

/// Problems that are told at most: the backend takes no more.
pub(crate) const MOST_PROBLEMS: usize = 10_000;

/// How much of an error is told, in characters.
const ERROR_CHARS: usize = 400;

/// Why an entity is not measured, or only in part.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// Its account.
    pub account: AccountId,
    /// Its id.
    pub entity: EntityId,
    /// What it is measured by: `snmp`.
    pub protocol: Box<str>,
    /// When it began.
    #[serde(serialize_with = "as_seconds")]
    pub since: Timestamp,
    /// What is wrong, on one line.
    pub error: Box<str>,
}

impl Problem {
    /// A problem, in words that fit on a line.
    #[must_use]
    pub fn new(account: AccountId, entity: EntityId, protocol: &str, since: Timestamp, error: &str) -> Self {
        Self { account, entity, protocol: protocol.into(), since, error: one_line(error, ERROR_CHARS).into() }
    }
}

fn as_seconds<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// The body of a report: all problems that there are now. `hide` takes secrets out of a text.
pub(crate) fn report(problems: &[Problem], hide: impl Fn(&str) -> String) -> Vec<u8> {
    #[derive(Serialize)]
    struct Report {
        list: Vec<Problem>,
    }
    let shown = problems.iter().take(MOST_PROBLEMS);
    let hidden = |problem: &Problem| Problem { error: hide(&problem.error).into(), ..problem.clone() };
    // Numbers and texts: there is nothing that could not be written.
    serde_json::to_vec(&Report { list: shown.map(hidden).collect() }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_bounded_on_one_line_and_without_the_secret() {
        let error = "no answer\nto ?b=s3cret";
        let problem = |entity| {
            let since = Timestamp::from_micros(1_700_000_000_250_000);
            Problem::new(AccountId::new(1), EntityId::new(entity), "snmp", since, error)
        };
        let hide = |text: &str| text.replace("s3cret", "[token]");
        assert_eq!(
            String::from_utf8(report(&[problem(2)], hide)).unwrap(),
            r#"{"list":[{"account":1,"entity":2,"protocol":"snmp","since":1700000000.25,"error":"no answer to ?b=[token]"}]}"#
        );
        let many: Vec<_> = (0..10_001).map(problem).collect();
        let read: serde_json::Value = serde_json::from_slice(&report(&many, hide)).unwrap();
        assert_eq!(read["list"].as_array().unwrap().len(), MOST_PROBLEMS);
    }
}
