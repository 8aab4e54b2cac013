//! SNMPv3 agents, on IPv4 and IPv6, that restart or are replaced under a bot at work.

use std::convert::Infallible;
use std::net::{SocketAddr, UdpSocket};

use async_snmp::v3::{AuthoritativeEngine, PersistedAuthoritativeEngine};
use async_snmp::{AuthProtocol, PrivProtocol};
use serde_json::json;

use crate::stage::{Stage, latest, objects, until};

const ENGINE: &[u8] = b"\x80\x00\x1f\x88one-engine";
const ANOTHER: &[u8] = b"\x80\x00\x1f\x88another-engine";
const ENGINE_BOOTS: &str = "=1.3.6.1.6.3.10.2.1.2.0";

/// An agent in a task of its own, until it is stopped.
struct Engine {
    agent: async_snmp::Agent,
    task: tokio::task::JoinHandle<()>,
}

impl Engine {
    async fn start(address: SocketAddr, engine: &[u8], boots: u32) -> Self {
        let previous = PersistedAuthoritativeEngine::new(engine.to_vec(), boots - 1).unwrap();
        let engine = AuthoritativeEngine::restart(previous, |_| Ok::<_, Infallible>(())).unwrap();
        let agent = async_snmp::Agent::builder()
            .bind(address.to_string())
            .authoritative_engine(engine)
            .usm_user("carol", |user| {
                let (auth, privacy) = (AuthProtocol::Sha256, PrivProtocol::Aes128);
                user.auth_priv(auth, "authentic-secret", privacy, "private-secret")
            })
            .unwrap()
            .allow_all_access()
            .build()
            .await
            .unwrap();
        let running = agent.clone();
        let task = tokio::spawn(async move { running.run().await.unwrap() });
        Self { agent, task }
    }

    async fn stop(self) {
        self.agent.cancel();
        self.task.await.unwrap();
    }
}

fn free_address(host: &str) -> SocketAddr {
    UdpSocket::bind((host, 0)).unwrap().local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn engines_that_restart_or_are_replaced_go_on_delivering() {
    let stage = Stage::new(objects([])).await;
    let credential = |auth_key: &str| {
        stage.credential(json!({
            "version": "snmpv3", "snmpv3_securityName": "carol", "snmpv3_securityLevel": "authPriv",
            "snmpv3_authProtocol": "SHA256", "snmpv3_authKey": auth_key,
            "snmpv3_privProtocol": "AES", "snmpv3_privKey": "private-secret", "timeout": 0.5, "retries": 1,
        }))
    };
    let (right, wrong) = (credential("authentic-secret"), credential("mistaken-secret"));
    let sensors = [stage.sensor(1, &[ENGINE_BOOTS], "$1", "boots")];
    // A host may have no IPv6.
    let v6 = UdpSocket::bind("[::1]:0").is_ok();
    let addresses = [Some("127.5.0.1"), Some("127.5.0.2"), v6.then_some("::1")];
    let mut places: Vec<(SocketAddr, u64)> = Vec::new();
    for address in addresses.into_iter().flatten() {
        let place = free_address(address);
        let device = |credential| {
            stage.host(address, credential, &sensors, |device| device.detail("port", place.port()))
        };
        places.push((place, device(right)));
    }
    // One of the agents is asked with a wrong key as well.
    let port = places[0].0.port();
    let refused = stage.host("127.5.0.1", wrong, &sensors, |device| device.detail("port", port));
    let running = stage.start(|bot| bot);
    for (engine, boots) in [(ENGINE, 5), (ENGINE, 6), (ANOTHER, 2)] {
        let mut engines = Vec::new();
        for (place, _) in &places {
            engines.push(Engine::start(*place, engine, boots).await);
        }
        for (place, device) in &places {
            until(&format!("boot {boots} of {place}"), || {
                let boots_told = latest(&stage.values(*device), "boots")?;
                (boots_told == f64::from(boots)).then_some(())
            })
            .await;
        }
        let error = stage.failing(refused, "wrong authentication key").await;
        assert!(!error.contains("secret"), "{error}");
        for engine in engines {
            engine.stop().await;
        }
    }
    running.stop().await;
    for (place, device) in &places {
        let mut told: Vec<f64> = stage.at(*device, "boots").iter().map(|(_, boots)| *boots).collect();
        told.dedup();
        assert_eq!(told, [5.0, 6.0, 2.0], "{place}");
    }
    assert!(stage.values(refused).is_empty());
}
