//! A backend with an account to serve.

use std::collections::{BTreeMap, BTreeSet};

use grafoleancollector::testing::FakeBackend;
use serde_json::{Value, json};

/// A backend, its one account, and a sensor with an interval of one second.
pub(crate) struct Scene {
    pub(crate) backend: FakeBackend,
    pub(crate) account: u64,
    sensor: u64,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let backend = runtime.block_on(FakeBackend::start());
        let account = backend.add_account("Main Street");
        let sensor = backend.add_sensor(account, "ping", Some(1), json!({}));
        Self { backend, account, sensor }
    }

    /// One entity at 127.0.0.1 is pinged once a second.
    pub(crate) fn with_one() -> (Self, u64) {
        let scene = Self::new();
        let entity = scene.entity("127.0.0.1");
        (scene, entity)
    }

    /// Adds an entity that is pinged with one packet.
    pub(crate) fn entity(&self, address: &str) -> u64 {
        self.entity_with(json!(address), json!({"n_packets": 1, "timeout": 5}))
    }

    pub(crate) fn entity_with(&self, address: Value, credential: Value) -> u64 {
        let credential = self.backend.add_credential(self.account, "ping", credential);
        let device = self.backend.device(self.account, "a device");
        let device = if address.is_null() { device } else { device.detail("ipv4", address) };
        device.protocol("ping", credential, &[self.sensor]).add()
    }

    /// All stored values of an entity, by what follows `entity.<id>.ping.`.
    pub(crate) fn values(&self, entity: u64) -> BTreeMap<String, Vec<(f64, f64)>> {
        let prefix = format!("entity.{entity}.ping.");
        let values = self.backend.values(self.account).into_iter();
        values.filter_map(|(path, values)| Some((path.strip_prefix(&prefix)?.to_owned(), values))).collect()
    }

    pub(crate) fn paths(&self, entity: u64) -> BTreeSet<String> {
        self.values(entity).into_keys().collect()
    }
}
