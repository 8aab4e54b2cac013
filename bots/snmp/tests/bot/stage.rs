//! What a test of a whole bot needs: a backend, devices, and a bot between them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use grafolean_snmp_bot::SnmpBot;
use grafolean_snmp_bot::wire::Wire;
use grafoleancollector::testing::FakeBackend;
use grafoleancollector::{Runner, Settings, StartError, Stop};
use serde_json::{Value, json};

use crate::support::agent::{Agent, Mib};
use crate::support::ber::Var;

/// How long anything may take, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const IF_DESCR: &str = "1.3.6.1.2.1.2.2.1.2";
pub(crate) const IF_IN_OCTETS: &str = "1.3.6.1.2.1.2.2.1.10";
pub(crate) const SYS_UP_TIME: &str = "1.3.6.1.2.1.1.3.0";

pub(crate) struct Stage {
    pub(crate) backend: FakeBackend,
    pub(crate) account: u64,
    pub(crate) agent: Agent,
    pub(crate) credential: u64,
}

impl Stage {
    /// A backend with one account, and devices that all have these objects.
    pub(crate) async fn new(mib: Mib) -> Self {
        let mib = Arc::new(mib);
        Self::with_devices(move |_| Arc::clone(&mib)).await
    }

    pub(crate) async fn with_devices(mib: impl Fn(Ipv4Addr) -> Arc<Mib> + Send + Sync + 'static) -> Self {
        let backend = FakeBackend::start().await;
        backend.without_account_defaults();
        let account = backend.add_account("Company");
        let agent = Agent::start_with(mib);
        let port = agent.device(Ipv4Addr::LOCALHOST).port();
        let details = json!({"version": "snmpv2c", "snmpv12_community": "public", "port": port,
            "timeout": 1, "retries": 1});
        let credential = backend.add_credential(account, "snmp", details);
        Self { backend, account, agent, credential }
    }

    /// A sensor: objects that are got (`=OID`) or walked (`OID`), an expression, a path.
    pub(crate) fn sensor(&self, every: u32, sources: &[&str], expression: &str, path: &str) -> u64 {
        let source = |source: &&str| match source.strip_prefix('=') {
            Some(oid) => json!({"oid": oid, "fetch_method": "get"}),
            None => json!({"oid": source, "fetch_method": "walk"}),
        };
        let oids: Vec<Value> = sources.iter().map(source).collect();
        let details = json!({"oids": oids, "expression": expression, "output_path": path});
        self.backend.add_sensor(self.account, "snmp", Some(every), details)
    }

    pub(crate) fn device(&self, address: [u8; 4], sensors: &[u64]) -> u64 {
        let address = Ipv4Addr::from(address).to_string();
        let device = self.backend.device(self.account, &address).detail("ipv4", address.as_str());
        device.protocol("snmp", self.credential, sensors).add()
    }

    /// A bot that works until the stage is told to end it.
    pub(crate) fn start(&self, bot: impl FnOnce(SnmpBot) -> SnmpBot) -> Running {
        self.start_with(bot, |_| {})
    }

    pub(crate) fn start_with(
        &self,
        bot: impl FnOnce(SnmpBot) -> SnmpBot,
        settings: impl FnOnce(&mut Settings),
    ) -> Running {
        let mut chosen = Settings::new(self.backend.url(), self.backend.token());
        chosen.jobs_refresh_interval = Duration::from_secs(1);
        settings(&mut chosen);
        let stop = Stop::new();
        let bot = bot(SnmpBot::new(Wire::open().unwrap()));
        let running = tokio::spawn(Runner::new(bot, chosen).run_until(stop.clone()));
        Running { stop, running }
    }

    /// The values of an entity, at the tails of their paths.
    pub(crate) fn values(&self, entity: u64) -> BTreeMap<String, Vec<(f64, f64)>> {
        let prefix = format!("entity.{entity}.snmp.");
        let values = self.backend.values(self.account).into_iter();
        values.filter_map(|(path, values)| Some((path.strip_prefix(&prefix)?.to_owned(), values))).collect()
    }

    /// Waits for as many values at the tail of a path of an entity.
    pub(crate) async fn wait_for(&self, entity: u64, tail: &str, count: usize) -> Vec<(f64, f64)> {
        until(&format!("{count} values at {tail} of {entity}"), || {
            self.values(entity).remove(tail).filter(|values| values.len() >= count)
        })
        .await
    }
}

/// A bot at work.
pub(crate) struct Running {
    stop: Stop,
    running: tokio::task::JoinHandle<Result<(), StartError>>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.now();
        self.running.await.unwrap().unwrap();
    }
}

/// Waits until there is an answer.
pub(crate) async fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(tokio::time::Instant::now() < end, "still waiting for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) fn oid(text: &str) -> Vec<u32> {
    text.split('.').map(|arc| arc.parse().unwrap()).collect()
}

/// A device of a few objects.
pub(crate) fn objects(objects: impl IntoIterator<Item = (&'static str, Var)>) -> Mib {
    Mib::new(objects.into_iter().map(|(name, var)| (oid(name), var)))
}

pub(crate) fn data_dir(settings: &mut Settings, directory: PathBuf) {
    settings.data_dir = Some(directory);
}
