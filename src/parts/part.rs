//! A part as the backend has it, and as it is to be.

use serde_json::{Map, Value};

use crate::ids::EntityId;

/// A part of an entity, as the backend has it: of a switch, one of its interfaces.
///
/// ```
/// use grafoleancollector::Part;
///
/// fn snmp_index(part: Part<'_>) -> Option<u32> {
///     part.details().get("snmp_index")?.as_str()?.parse().ok()
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part<'a> {
    /// Its id.
    pub id: EntityId,
    /// Its name, as people see it.
    pub name: &'a str,
    /// JSON text that was read as an object once: of hundreds of thousands of parts, hardly any is looked at.
    pub(super) details: &'a str,
}

impl Part<'_> {
    /// What is known of it.
    #[must_use]
    pub fn details(&self) -> Map<String, Value> {
        // It was read like this before, or written.
        serde_json::from_str(self.details).unwrap_or_default()
    }

    /// The same as it is kept.
    pub(crate) const fn details_text(&self) -> &str {
        self.details
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
