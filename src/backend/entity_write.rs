//! What a bot writes of entities: the request, and what its answer means.

use serde::Serialize;
use serde_json::{Map, Value};

use super::wire;
use crate::ids::{AccountId, EntityId};

/// An entity as a bot writes it.
///
/// ```
/// use grafoleancollector::EntityContent;
/// let content = EntityContent::new("eth0", "interface", serde_json::Map::new());
/// assert_eq!(content.entity_type, "interface");
/// ```
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct EntityContent {
    /// Its name, as people see it.
    pub name: String,
    /// Such as `interface`.
    pub entity_type: String,
    /// What is known of it.
    pub details: Map<String, Value>,
}

impl EntityContent {
    /// All that an entity has to have.
    pub fn new(name: impl Into<String>, entity_type: impl Into<String>, details: Map<String, Value>) -> Self {
        Self { name: name.into(), entity_type: entity_type.into(), details }
    }
}

/// Something to be done with an entity.
///
/// ```
/// use grafoleancollector::{EntityId, EntityWrite};
/// let write = EntityWrite::Delete { id: EntityId::new(7) };
/// assert_eq!(format!("{write:?}"), "Delete { id: EntityId(7) }");
/// ```
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum EntityWrite {
    /// A new one. Done twice, there are two of them.
    Create {
        /// The entity that it is a part of.
        parent: Option<EntityId>,
        /// What it is.
        content: EntityContent,
    },
    /// Another content for one that is there; its parent and its protocols stay.
    Update {
        /// Which.
        id: EntityId,
        /// What it is from now on.
        content: EntityContent,
    },
    /// One less. That it is not there any more is as good.
    Delete {
        /// Which.
        id: EntityId,
    },
}

impl EntityWrite {
    pub(crate) const fn method(&self) -> &'static str {
        match self {
            Self::Create { .. } => "POST",
            Self::Update { .. } => "PUT",
            Self::Delete { .. } => "DELETE",
        }
    }

    /// Below the backend's URL.
    pub(crate) fn path(&self, account: AccountId) -> String {
        match self {
            Self::Create { .. } => format!("accounts/{account}/entities"),
            Self::Update { id, .. } | Self::Delete { id } => format!("accounts/{account}/entities/{id}"),
        }
    }

    pub(crate) fn body(&self) -> Option<Vec<u8>> {
        #[derive(Serialize)]
        struct Child<'a> {
            parent: Option<EntityId>,
            #[serde(flatten)]
            content: &'a EntityContent,
        }
        let body = match self {
            Self::Create { parent, content } => serde_json::to_vec(&Child { parent: *parent, content }),
            Self::Update { content, .. } => serde_json::to_vec(content),
            Self::Delete { .. } => return None,
        };
        // Texts and JSON values: nothing of that cannot be written.
        body.ok()
    }

    /// Which entity was written, by the answer of a success; or what is wrong with that answer.
    pub(crate) fn done(&self, status: u16, body: &[u8]) -> Result<EntityId, String> {
        let expected = if matches!(self, Self::Create { .. }) { 201 } else { 204 };
        if status != expected {
            let what = wire::not_json(body).map(|what| format!(": {what}")).unwrap_or_default();
            return Err(format!("its status is {status} instead of {expected}{what}"));
        }
        match self {
            Self::Create { .. } => wire::created(body),
            Self::Update { id, .. } | Self::Delete { id } => Ok(*id),
        }
    }

    /// Whether a refusal with this status says that nothing is left to do.
    pub(crate) const fn is_done_already(&self, status: Option<u16>) -> Option<EntityId> {
        match (self, status) {
            (Self::Delete { id }, Some(404)) => Some(*id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ACCOUNT: AccountId = AccountId::new(7);

    fn content() -> EntityContent {
        let details = json!({"snmp_index": "2", "speed_bps": "1000000000"});
        EntityContent::new("eth\"0", "interface", details.as_object().unwrap().clone())
    }

    fn create() -> EntityWrite {
        EntityWrite::Create { parent: Some(EntityId::new(3)), content: content() }
    }

    #[test]
    fn requests_are_those_of_the_backend() {
        let id = EntityId::new(9);
        let whole = json!({"name": "eth\"0", "entity_type": "interface",
            "details": {"snmp_index": "2", "speed_bps": "1000000000"}});
        let mut with_parent = whole.clone();
        with_parent["parent"] = json!(3);
        for (write, method, path, body) in [
            (create(), "POST", "accounts/7/entities", Some(with_parent)),
            (EntityWrite::Update { id, content: content() }, "PUT", "accounts/7/entities/9", Some(whole)),
            (EntityWrite::Delete { id }, "DELETE", "accounts/7/entities/9", None),
        ] {
            assert_eq!((write.method(), &*write.path(ACCOUNT)), (method, path));
            assert_eq!(write.body().map(|body| serde_json::from_slice::<Value>(&body).unwrap()), body);
        }
    }

    #[test]
    fn only_the_backends_own_answer_is_a_success() {
        assert_eq!(create().done(201, br#"{"id":"12"}"#), Ok(EntityId::new(12)));
        for (status, body, error) in [
            (201, "", "it is empty"),
            (201, "{}", "id: missing"),
            (201, r#"{"id":-1}"#, "id: expected an integer that fits u64, got -1"),
            (200, r#"{"id":12}"#, "its status is 200 instead of 201"),
            (202, "", "its status is 202 instead of 201: it is empty"),
            (
                200,
                "<html><title>Sign in</title></html>",
                "its status is 200 instead of 201: an HTML page (Sign in), not JSON: is BACKEND_URL right? It has to \
                 include /api",
            ),
        ] {
            assert_eq!(create().done(status, body.as_bytes()), Err(error.to_owned()));
        }
        let id = EntityId::new(9);
        for write in [EntityWrite::Update { id, content: content() }, EntityWrite::Delete { id }] {
            assert_eq!(write.done(204, b""), Ok(id));
            assert!(write.done(200, b"{}").is_err());
        }
    }
}
