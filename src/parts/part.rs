//! A part as the backend has it, and as it is to be.

use serde_json::{Map, Value};

use crate::backend::EntityContent;
use crate::ids::EntityId;

/// A part of an entity, as the backend has it: of a switch, one of its interfaces.
///
/// ```
/// use grafoleancollector::Part;
///
/// fn snmp_index(part: &Part) -> Option<u32> {
///     part.details().get("snmp_index")?.as_str()?.parse().ok()
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// Its id.
    pub id: EntityId,
    /// Its name, as people see it.
    pub name: Box<str>,
    /// JSON text that was read as an object once: of hundreds of thousands of parts, hardly any is looked at.
    details: Box<str>,
}

impl Part {
    /// The part with these details, or what is wrong with them.
    pub(crate) fn read(id: EntityId, name: Box<str>, details: &str) -> Result<Self, String> {
        let read: Result<Map<String, Value>, _> = serde_json::from_str(details);
        // Only numbers that no computer holds and hundreds of lists in each other get here.
        read.map_err(|error| format!("cannot be read: {error}"))?;
        Ok(Self { id, name, details: details.into() })
    }

    /// What became of an entity that was written.
    pub(super) fn written(id: EntityId, content: &EntityContent) -> Self {
        // A map of JSON is written without fail, in the form that is read again.
        let details = serde_json::to_string(&content.details).unwrap_or_else(|_| "{}".to_owned());
        Self { id, name: content.name.as_str().into(), details: details.into() }
    }

    pub(crate) fn details_text(&self) -> &str {
        &self.details
    }

    /// What is known of it.
    #[must_use]
    pub fn details(&self) -> Map<String, Value> {
        // It was read like this before.
        serde_json::from_str(&self.details).unwrap_or_default()
    }
}

/// A part as it is to be.
///
/// ```
/// use grafoleancollector::PartContent;
/// use serde_json::json;
///
/// let details = json!({"snmp_index": "2", "speed_bps": "1000000000"});
/// let content = PartContent::new("eth0", details.as_object().cloned().unwrap_or_default());
/// assert_eq!(content.details["snmp_index"], "2");
/// ```
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct PartContent {
    /// Its name, as people see it.
    pub name: String,
    /// What is known of it.
    pub details: Map<String, Value>,
}

impl PartContent {
    /// All that a part has to have.
    pub fn new(name: impl Into<String>, details: Map<String, Value>) -> Self {
        Self { name: name.into(), details }
    }
}
