//! What the backend tells of changes, where it offers that.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::events::Said;
use super::wire;

/// A topic much longer than `accounts/2147483647/credentials` is none.
const LONGEST_TOPIC: usize = 100;

/// Something that changed in the backend, or may have.
///
/// ```
/// use grafoleancollector::Change;
///
/// fn concerns_entities(change: &Change) -> bool {
///     match change {
///         Change::Of { topic, .. } => topic.ends_with("/entities"),
///         // Nobody knows.
///         _ => true,
///     }
/// }
/// # assert!(concerns_entities(&Change::Lost));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Change {
    /// From now on changes are told. What changed before was not.
    Began,
    /// A record changed, came, or went.
    Of {
        /// Where: `accounts/1/entities`.
        topic: Box<str>,
        /// Which record, if the backend says.
        id: Option<u64>,
    },
    /// Something changed, but nobody knows what.
    Lost,
}

/// Called with each change, in order. It must return at once.
pub type OnChange = Arc<dyn Fn(Change) + Send + Sync>;

impl Change {
    /// What an event tells, if it is about changes.
    pub(crate) fn told(said: Said<'_>) -> Option<Self> {
        match said {
            Said::TooLong => Some(Self::Lost),
            Said::Event { name: "hello", .. } => Some(Self::Began),
            Said::Event { name: "lost", .. } => Some(Self::Lost),
            Said::Event { name: "changed", data } => Some(read(data).unwrap_or(Self::Lost)),
            Said::Event { .. } => None,
        }
    }
}

fn read(data: &str) -> Result<Change, String> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(borrow)]
        topic: Option<&'a RawValue>,
        #[serde(borrow)]
        id: Option<&'a RawValue>,
    }
    let raw: Raw<'_> = serde_json::from_str(data).map_err(|error| error.to_string())?;
    let topic: Box<str> = wire::required("topic", raw.topic)?;
    if topic.len() > LONGEST_TOPIC {
        return Err("topic: too long".to_owned());
    }
    let id = match raw.id {
        None => None,
        some => wire::id("id", some).ok(),
    };
    Ok(Change::Of { topic, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, data: &str) -> Option<Change> {
        Change::told(Said::Event { name, data })
    }

    #[test]
    fn a_change_names_its_topic_and_the_record_where_it_is_known() {
        let of = |id| Some(Change::Of { topic: "accounts/1/entities".into(), id });
        assert_eq!(told("changed", r#"{"topic":"accounts/1/entities","id":5}"#), of(Some(5)));
        assert_eq!(told("changed", r#"{"id":"5","more":[],"topic":"accounts/1/entities"}"#), of(Some(5)));
        assert_eq!(told("changed", r#"{"topic":"accounts/1/entities","id":null}"#), of(None));
        assert_eq!((told("hello", "{}"), told("lost", "{}")), (Some(Change::Began), Some(Change::Lost)));
        assert_eq!(told("values", r#"{"account":1}"#), None);
    }

    #[test]
    fn a_change_that_cannot_be_read_is_a_change_all_the_same() {
        let long = format!(r#"{{"topic":"{}"}}"#, "x".repeat(LONGEST_TOPIC + 1));
        for data in ["", "{}", "[]", "{\"topic\":7}", "{\"topic\":", &long] {
            let change = told("changed", data);
            assert!(matches!(change, Some(Change::Lost | Change::Of { .. })), "{data}: {change:?}");
        }
        assert_eq!(told("changed", "{}"), Some(Change::Lost));
        assert_eq!(Change::told(Said::TooLong), Some(Change::Lost));
    }
}
