//! A backend with an account to serve, and agents to ask.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use async_snmp::{Auth, Client};
use grafoleancollector::testing::FakeBackend;
use serde_json::{Value, json};

use crate::support::snmpd::Snmpd;

pub(crate) const SYS_UP_TIME: &str = "=1.3.6.1.2.1.1.3.0";
pub(crate) const IF_DESCR: &str = "1.3.6.1.2.1.2.2.1.2";
pub(crate) const IF_IN_OCTETS: &str = "1.3.6.1.2.1.2.2.1.10";
pub(crate) const IF_HC_IN_OCTETS: &str = "1.3.6.1.2.1.31.1.1.1.6";

pub(crate) const CONFIG: &str = "\
sysName core-switch
rocommunity public 127.0.0.1
rwcommunity set-by-the-test 127.0.0.1
createUser carol SHA-256 authentic-hush AES private-hush
rouser carol priv
";

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A backend, and its one account.
pub(crate) struct Scene {
    pub(crate) backend: FakeBackend,
    pub(crate) account: u64,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let backend = block_on(FakeBackend::start());
        backend.without_account_defaults();
        let account = backend.add_account("Main Street");
        Self { backend, account }
    }

    /// A sensor of objects that are got (`=OID`) or walked (`OID`), each second.
    pub(crate) fn sensor(&self, sources: &[&str], expression: &str, path: &str) -> u64 {
        let source = |source: &&str| match source.strip_prefix('=') {
            Some(oid) => json!({"oid": oid, "fetch_method": "get"}),
            None => json!({"oid": source, "fetch_method": "walk"}),
        };
        let oids: Vec<Value> = sources.iter().map(source).collect();
        let details = json!({"oids": oids, "expression": expression, "output_path": path});
        self.backend.add_sensor(self.account, "snmp", Some(1), details)
    }

    /// A device at this address that is asked with this credential, with what this adds to it.
    pub(crate) fn device(&self, address: &str, port: u16, credential: Value, sensors: &[u64]) -> u64 {
        let credential = self.backend.add_credential(self.account, "snmp", credential);
        let device =
            self.backend.device(self.account, "a device").detail("ipv4", address).detail("port", port);
        device.protocol("snmp", credential, sensors).add()
    }

    /// All stored values of an entity, by what follows `entity.<id>.snmp.`.
    pub(crate) fn values(&self, entity: u64) -> BTreeMap<String, Vec<(f64, f64)>> {
        let prefix = format!("entity.{entity}.snmp.");
        let values = self.backend.values(self.account).into_iter();
        values.filter_map(|(path, values)| Some((path.strip_prefix(&prefix)?.to_owned(), values))).collect()
    }

    /// How many values an entity has at this tail.
    pub(crate) fn count(&self, entity: u64, tail: &str) -> usize {
        self.values(entity).get(tail).map_or(0, Vec::len)
    }
}

pub(crate) fn v2c() -> Value {
    json!({"version": "snmpv2c", "snmpv12_community": "public"})
}

pub(crate) fn v3() -> Value {
    json!({"version": "snmpv3", "snmpv3_securityName": "carol", "snmpv3_securityLevel": "authPriv",
        "snmpv3_authProtocol": "SHA256", "snmpv3_authKey": "authentic-hush",
        "snmpv3_privProtocol": "AES", "snmpv3_privKey": "private-hush"})
}

/// The same credential with little patience.
pub(crate) fn quick(mut credential: Value) -> Value {
    (credential["timeout"], credential["retries"]) = (json!(0.5), json!(1));
    credential
}

/// An snmpd whose interfaces count as we look: by itself it looks every 15 s.
pub(crate) fn snmpd(test: &str) -> Option<Snmpd> {
    block_on(async {
        let snmpd = Snmpd::start(test, CONFIG).await?;
        look_often(&snmpd).await;
        Some(snmpd)
    })
}

/// The same after it was killed.
pub(crate) fn start_again(snmpd: &mut Snmpd) {
    block_on(async {
        snmpd.start_again().await;
        look_often(snmpd).await;
    });
}

/// nsCacheTimeout of the table of interfaces.
async fn look_often(snmpd: &Snmpd) {
    let auth = Auth::v2c("set-by-the-test");
    let client = Client::builder(snmpd.address.to_string(), auth).connect().await.unwrap();
    let timeout = "1.3.6.1.4.1.8072.1.5.3.1.2.1.3.6.1.2.1.2.2".parse().unwrap();
    client.set(&timeout, async_snmp::Value::Integer(0)).await.unwrap();
}

/// Sends 100,000 bytes a second over the loopback interface, until dropped.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

pub(crate) const TRAFFIC: f64 = 100_000.0;

impl Traffic {
    pub(crate) fn start() -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let (from, to) =
                (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
            let (to_address, began) = (to.local_addr().unwrap(), tokio::time::Instant::now());
            let mut sent = 0.0;
            while !stopped.load(Relaxed) {
                while sent < began.elapsed().as_secs_f64() * TRAFFIC {
                    // Nobody reads it: the interface counts it all the same.
                    from.send_to(&[0; 1_000], to_address).unwrap();
                    sent += 1_000.0;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}
