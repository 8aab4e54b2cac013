//! One protocol's configuration, typed: entities with their credential and sensors.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::ids::{AccountId, CredentialId, EntityId, SensorId};
use crate::job::Run;
use crate::schedule::Interval;

/// Names a protocol and types its JSON.
///
/// The types are read leniently: a number may arrive as a string, and the other way round; unknown fields are
/// ignored.
///
/// ```
/// use grafoleancollector::Protocol;
/// use serde::Deserialize;
///
/// #[derive(Deserialize, Clone)]
/// struct Credential { api_key: String, retries: u8 }
/// #[derive(Deserialize, Clone)]
/// struct Sensor { register: u16 }
///
/// struct Modbus;
/// impl Protocol for Modbus {
///     const SLUG: &'static str = "modbus";
///     type Credential = Credential;
///     type Sensor = Sensor;
/// }
/// ```
pub trait Protocol: Send + Sync + 'static {
    /// The protocol's name in the backend.
    const SLUG: &'static str;
    /// The `details` of a credential.
    type Credential: DeserializeOwned + Clone + Send + Sync + 'static;
    /// The `details` of a sensor.
    type Sensor: DeserializeOwned + Clone + Send + Sync + 'static;
    /// Whether a credential may hold secrets (it may): then messages about a broken one do not quote its values.
    const CREDENTIAL_IS_SECRET: bool = true;
    /// The `entity_type` of the entities that the protocol's bot keeps below its own, such as `interface`: looks at
    /// the jobs then also read these, for [`Context::parts_of`](crate::Context::parts_of).
    const PARTS: Option<&'static str> = None;
}

/// A device for which a protocol is enabled, and which is this bot's to serve.
///
/// ```
/// use grafoleancollector::{Entity, Protocol};
///
/// /// What to show of an entity in a message.
/// fn title<P: Protocol>(entity: &Entity<P>) -> String {
///     let address = entity.details.text("ipv4").unwrap_or_default();
///     format!("{} ({address}), {} sensors", entity.name, entity.sensors.len())
/// }
/// ```
#[non_exhaustive]
pub struct Entity<P: Protocol> {
    /// The account that it belongs to.
    pub account: AccountId,
    /// Its id.
    pub id: EntityId,
    /// Its name, as people see it.
    pub name: Box<str>,
    /// The entity that it is a part of.
    pub parent: Option<EntityId>,
    /// What is known of it, such as its address.
    pub details: Details,
    /// Which credential opens it.
    pub credential_id: CredentialId,
    /// That credential's content, shared by all entities that use it.
    pub credential: Arc<P::Credential>,
    /// What to measure: at least one.
    pub sensors: Vec<Sensor<P>>,
}

impl<P: Protocol> Entity<P> {
    /// The sensors that a run is to serve: those with one of its [intervals](Run::affecting).
    pub fn due<'a, T>(&'a self, run: &'a Run<T>) -> impl Iterator<Item = &'a Sensor<P>> {
        self.sensors.iter().filter(|sensor| sensor.interval.is_some_and(|interval| run.is_due(interval)))
    }

    /// The different intervals of its sensors, sorted. Sensors without an interval add none.
    #[must_use]
    pub fn intervals(&self) -> Vec<Interval> {
        let mut intervals: Vec<_> = self.sensors.iter().filter_map(|sensor| sensor.interval).collect();
        intervals.sort_unstable();
        intervals.dedup();
        intervals
    }
}

impl<P: Protocol> fmt::Debug for Entity<P> {
    /// Without the credential: it is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entity")
            .field("account", &self.account)
            .field("id", &self.id)
            .field("name", &self.name)
            .field("details", &self.details)
            .field("sensors", &self.sensors.len())
            .finish_non_exhaustive()
    }
}

/// One thing to measure on an entity.
///
/// ```
/// use grafoleancollector::{Protocol, Sensor};
///
/// fn is_ever_due<P: Protocol>(sensor: &Sensor<P>) -> bool {
///     sensor.interval.is_some()
/// }
/// ```
#[non_exhaustive]
pub struct Sensor<P: Protocol> {
    /// Its id.
    pub id: SensorId,
    /// Its name, as people see it.
    pub name: Arc<str>,
    /// How often: the entity's own setting, else the sensor's default, else none.
    pub interval: Option<Interval>,
    /// What to measure, shared by all entities that use the sensor.
    pub details: Arc<P::Sensor>,
}

impl<P: Protocol> Clone for Sensor<P> {
    fn clone(&self) -> Self {
        Self { id: self.id, name: self.name.clone(), interval: self.interval, details: self.details.clone() }
    }
}

impl<P: Protocol> fmt::Debug for Sensor<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sensor")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

/// An entity's `details`: JSON fields, few of them.
///
/// ```
/// use grafoleancollector::Details;
/// let details: Details = serde_json::from_str(r#"{"ipv4": "10.0.0.7", "port": 161}"#)?;
/// assert_eq!(details.text("ipv4").as_deref(), Some("10.0.0.7"));
/// assert_eq!(details.text("port").as_deref(), Some("161"));
/// assert_eq!(details.text("ipv6"), None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Default, Debug, serde::Deserialize)]
#[serde(from = "serde_json::Map<String, serde_json::Value>")]
pub struct Details(Box<[(Box<str>, serde_json::Value)]>);

impl Details {
    /// The field `name`, if it is there and not null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&serde_json::Value> {
        self.0.iter().find(|(key, _)| **key == *name).map(|(_, value)| value).filter(|value| !value.is_null())
    }

    /// The field `name` as text, without white space around it; a number as its digits. None when it is
    /// missing, empty, or something else.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let text = match self.get(name)? {
            serde_json::Value::String(text) => text.trim().to_owned(),
            serde_json::Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some(text).filter(|text| !text.is_empty())
    }
}

impl From<serde_json::Map<String, serde_json::Value>> for Details {
    fn from(map: serde_json::Map<String, serde_json::Value>) -> Self {
        Self(map.into_iter().map(|(key, value)| (key.into_boxed_str(), value)).collect())
    }
}
