//! Describing a device in a line.

use serde_json::{Map, Value, json};

use super::{grafolean::FakeGrafolean, lists::RecordKind};

/// A device, or an interface of one, that is being described. [`Device::add`] ends it.
#[derive(Debug)]
#[must_use = "a device is there once `add` has been called"]
pub struct Device {
    backend: FakeGrafolean,
    account: u64,
    record: Map<String, Value>,
    details: Map<String, Value>,
    protocols: Map<String, Value>,
    bot: Option<u64>,
}

impl Device {
    pub(crate) fn new(backend: FakeGrafolean, account: u64, name: &str) -> Self {
        let mut record = Map::new();
        record.insert("name".to_owned(), name.into());
        record.insert("entity_type".to_owned(), "device".into());
        record.insert("parent".to_owned(), Value::Null);
        Self { backend, account, record, details: Map::new(), protocols: Map::new(), bot: None }
    }

    /// Sets one of its details: `.detail("ipv4", "127.0.0.1")`.
    pub fn detail(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }

    /// Enables a protocol, with the credential and the sensors to use. Each sensor runs at its default
    /// interval, unless [`Device::interval`] says otherwise.
    pub fn protocol(mut self, slug: &str, credential: u64, sensors: &[u64]) -> Self {
        let sensors: Vec<_> = sensors.iter().map(|id| json!({"sensor": id, "interval": null})).collect();
        let protocol = json!({"credential": credential, "bot": null, "sensors": sensors});
        self.protocols.insert(slug.to_owned(), protocol);
        self
    }

    /// Overrides a sensor's interval, in seconds, in the protocols enabled so far.
    pub fn interval(mut self, sensor: u64, seconds: u32) -> Self {
        let lists = self.protocols.values_mut().filter_map(|p| p["sensors"].as_array_mut());
        for entry in lists.flatten().filter(|entry| entry["sensor"] == sensor) {
            entry["interval"] = seconds.into();
        }
        self
    }

    /// Gives it to one bot; without this any bot of the protocol serves it.
    pub fn bot(mut self, id: u64) -> Self {
        self.bot = Some(id);
        self
    }

    /// Makes it an interface of that device.
    pub fn interface_of(mut self, device: u64) -> Self {
        self.record.insert("entity_type".to_owned(), "interface".into());
        self.record.insert("parent".to_owned(), device.into());
        self
    }

    /// Adds it to the account and returns its id.
    ///
    /// # Panics
    ///
    /// If there is no such account.
    #[expect(clippy::must_use_candidate, reason = "the device is there, whether its id is wanted or not")]
    pub fn add(mut self) -> u64 {
        for protocol in self.protocols.values_mut() {
            protocol["bot"] = json!(self.bot);
        }
        self.record.insert("details".to_owned(), self.details.into());
        self.record.insert("protocols".to_owned(), self.protocols.into());
        self.backend.add_record(self.account, RecordKind::Entities, self.record.into())
    }
}
