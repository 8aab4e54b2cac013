//! What a test of a whole bot needs: a backend, devices, and a bot between them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use grafolean_snmp_bot::SnmpBot;
use grafolean_snmp_bot::wire::Wire;
use grafoleancollector::testing::{Device, FakeBackend, RecordKind};
use grafoleancollector::{Runner, Settings, StartError, Stop};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::log;
use crate::support::agent::{Agent, Behaviour, Mib};
use crate::support::ber::Var;

/// How long anything may take, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const IF_DESCR: &str = "1.3.6.1.2.1.2.2.1.2";
pub(crate) const IF_SPEED: &str = "1.3.6.1.2.1.2.2.1.5";
pub(crate) const IF_IN_OCTETS: &str = "1.3.6.1.2.1.2.2.1.10";
pub(crate) const SYS_UP_TIME: &str = "1.3.6.1.2.1.1.3.0";

/// Stages of this process: each has a number, for names and addresses that no other uses.
static STAGES: AtomicU8 = AtomicU8::new(0);

pub(crate) struct Stage {
    pub(crate) backend: FakeBackend,
    pub(crate) account: u64,
    pub(crate) agent: Agent,
    pub(crate) credential: u64,
    /// In the name of every device of this stage, and of no other: for the log.
    pub(crate) name: String,
    health: SocketAddr,
}

impl Stage {
    /// A backend with one account, and devices that all have these objects.
    pub(crate) async fn new(mib: Mib) -> Self {
        let mib = Arc::new(mib);
        Self::with_devices(move |_| Arc::clone(&mib)).await
    }

    pub(crate) async fn with_devices(mib: impl Fn(Ipv4Addr) -> Arc<Mib> + Send + Sync + 'static) -> Self {
        log::begin();
        let backend = FakeBackend::start().await;
        backend.without_account_defaults();
        let account = backend.add_account("Company");
        let agent = Agent::start_with(mib);
        let number = STAGES.fetch_add(1, Relaxed);
        // At an address of its own, so that no connection takes the port before the bot does.
        let [process, ..] = std::process::id().to_le_bytes();
        let health = TcpListener::bind((Ipv4Addr::new(127, 200, process, number), 0)).unwrap();
        let health = health.local_addr().unwrap();
        let mut stage =
            Self { backend, account, agent, credential: 0, name: format!("stage-{number}"), health };
        stage.credential = stage.credential(json!({}));
        stage
    }

    /// A credential for SNMPv2c, with this in it as well, or instead.
    pub(crate) fn credential(&self, more: Value) -> u64 {
        let port = self.agent.device(Ipv4Addr::LOCALHOST).port();
        let mut details = json!({"version": "snmpv2c", "snmpv12_community": "public", "port": port,
            "timeout": 1, "retries": 1});
        for (key, value) in more.as_object().unwrap() {
            details[key] = value.clone();
        }
        self.backend.add_credential(self.account, "snmp", details)
    }

    /// A sensor: objects that are got (`=OID`) or walked (`OID`), an expression, a path.
    pub(crate) fn sensor(&self, every: u32, sources: &[&str], expression: &str, path: &str) -> u64 {
        let source = |source: &&str| match source.strip_prefix('=') {
            Some(oid) => json!({"oid": oid, "fetch_method": "get"}),
            None => json!({"oid": source, "fetch_method": "walk"}),
        };
        let oids: Vec<Value> = sources.iter().map(source).collect();
        let details = json!({"oids": oids, "expression": expression, "output_path": path});
        let name = format!("sensor of {path:.30}");
        let record = json!({"name": name, "protocol": "snmp", "default_interval": every, "details": details});
        self.backend.add_record(self.account, RecordKind::Sensors, record)
    }

    pub(crate) fn device(&self, address: [u8; 4], sensors: &[u64]) -> u64 {
        self.device_with(address, sensors, |device| device)
    }

    pub(crate) fn device_with(
        &self,
        address: [u8; 4],
        sensors: &[u64],
        details: impl FnOnce(Device) -> Device,
    ) -> u64 {
        self.host(&Ipv4Addr::from(address).to_string(), self.credential, sensors, details)
    }

    /// A device at a host that is named in any way.
    pub(crate) fn host(
        &self,
        host: &str,
        credential: u64,
        sensors: &[u64],
        details: impl FnOnce(Device) -> Device,
    ) -> u64 {
        let device =
            self.backend.device(self.account, &format!("{}: {host}", self.name)).detail("ipv4", host);
        details(device).protocol("snmp", credential, sensors).add()
    }

    /// From now on the device behaves like this. Gives the number of requests that it gets from now on.
    pub(crate) fn behave(&self, address: [u8; 4], behaviour: Behaviour) -> Arc<AtomicU64> {
        let heard = Arc::<AtomicU64>::default();
        self.agent.behave(address.into(), Behaviour { heard: Some(heard.clone()), ..behaviour });
        heard
    }

    /// A bot that works until the stage is told to end it.
    pub(crate) fn start(&self, bot: impl FnOnce(SnmpBot) -> SnmpBot) -> Running {
        self.start_with(bot, |_| {})
    }

    /// One that remembers in this folder.
    pub(crate) fn start_in(&self, directory: &Path, bot: impl FnOnce(SnmpBot) -> SnmpBot) -> Running {
        self.start_with(bot, |settings| settings.data_dir = Some(directory.to_owned()))
    }

    fn start_with(
        &self,
        bot: impl FnOnce(SnmpBot) -> SnmpBot,
        settings: impl FnOnce(&mut Settings),
    ) -> Running {
        let mut chosen = Settings::new(self.backend.url(), self.backend.token());
        chosen.jobs_refresh_interval = Duration::from_secs(1);
        chosen.health_addr = Some(self.health);
        settings(&mut chosen);
        let stop = Stop::new();
        let bot = bot(SnmpBot::new(Wire::open().unwrap()).with_interfaces(false));
        let running = tokio::spawn(Runner::new(bot, chosen).run_until(stop.clone()));
        Running { stop, running }
    }

    /// The values of an entity, at the tails of their paths.
    pub(crate) fn values(&self, entity: u64) -> BTreeMap<String, Vec<(f64, f64)>> {
        let prefix = format!("entity.{entity}.snmp.");
        let values = self.backend.values(self.account).into_iter();
        values.filter_map(|(path, values)| Some((path.strip_prefix(&prefix)?.to_owned(), values))).collect()
    }

    /// Those at one tail.
    pub(crate) fn at(&self, entity: u64, tail: &str) -> Vec<(f64, f64)> {
        let path = format!("entity.{entity}.snmp.{tail}");
        self.backend.values(self.account).remove(&path).unwrap_or_default()
    }

    /// Waits for as many values at the tail of a path of an entity.
    pub(crate) async fn wait_for(&self, entity: u64, tail: &str, count: usize) -> Vec<(f64, f64)> {
        until(&format!("{count} values at {tail} of {entity}"), || {
            Some(self.at(entity, tail)).filter(|values| values.len() >= count)
        })
        .await
    }

    /// A page of the bot's health endpoint.
    pub(crate) async fn page(&self, page: &str) -> String {
        let ask = async {
            let mut stream = TcpStream::connect(self.health).await?;
            let request = format!("GET {page} HTTP/1.1\r\nHost: bot\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = ask.await.unwrap_or_default();
        answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned())
    }

    /// What `/jobs` says, once it says something.
    pub(crate) async fn jobs(&self) -> Value {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Ok(jobs) = serde_json::from_str(&self.page("/jobs").await) {
                return jobs;
            }
            assert!(tokio::time::Instant::now() < end, "still waiting for /jobs");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What it says of an entity's job.
    pub(crate) async fn job(&self, entity: u64) -> Value {
        let (jobs, id) = (self.jobs().await, entity.to_string());
        let jobs = jobs["jobs"].as_array().cloned().unwrap_or_default();
        jobs.into_iter().find(|job| job["id"] == id).unwrap_or_default()
    }

    /// Waits until an entity's job fails in this way.
    pub(crate) async fn failing(&self, entity: u64, part: &str) -> String {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let job = self.job(entity).await;
            let error = job["failing"]["error"].as_str().unwrap_or_default();
            if error.contains(part) {
                return error.to_owned();
            }
            assert!(tokio::time::Instant::now() < end, "still waiting for {part:?}: {job}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The lines of the log about devices of this stage, with this in them.
    pub(crate) fn said(&self, part: &str) -> Vec<String> {
        let mut lines = log::lines(&format!("({}: ", self.name));
        lines.retain(|line| line.contains(part));
        lines
    }
}

/// A bot at work.
pub(crate) struct Running {
    pub(crate) stop: Stop,
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

/// A value that is made anew for each answer.
pub(crate) fn live(make: impl Fn() -> Var + Send + Sync + 'static) -> Var {
    Var::Live(Arc::new(move |_| make()))
}

/// The latest of some values.
pub(crate) fn latest(values: &BTreeMap<String, Vec<(f64, f64)>>, tail: &str) -> Option<f64> {
    values.get(tail).and_then(|values| values.last()).map(|(_, value)| *value)
}

/// The longest time between two values, in seconds.
pub(crate) fn longest_gap(values: &[(f64, f64)]) -> f64 {
    values.windows(2).map(|pair| pair[1].0 - pair[0].0).fold(0.0, f64::max)
}
