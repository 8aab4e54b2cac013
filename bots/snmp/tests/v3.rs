//! SNMPv3 agents that restart, are replaced, or refuse, on loopback only.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, helpers included")]

use std::convert::Infallible;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use async_snmp::v3::{AuthoritativeEngine, PersistedAuthoritativeEngine};
use async_snmp::{AuthProtocol, PrivProtocol};
use grafolean_snmp_bot::wire::{Credential, Wire};
use grafolean_snmp_bot::{Agent as _, Oid, SnmpError, Value};
use serde_json::json;
use tokio::time::Instant;

const TIMEOUT: Duration = Duration::from_millis(250);

/// An agent in a task of its own, until it is stopped.
struct Agent {
    agent: async_snmp::Agent,
    task: tokio::task::JoinHandle<()>,
}

impl Agent {
    async fn start(address: SocketAddr, engine: &[u8], boots: u32) -> Self {
        let previous = PersistedAuthoritativeEngine::new(engine.to_vec(), boots).unwrap();
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

fn free_address() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn carol(auth_key: &str) -> Arc<Credential> {
    let details = json!({
        "version": "snmpv3", "snmpv3_securityName": "carol", "snmpv3_securityLevel": "authPriv",
        "snmpv3_authProtocol": "SHA256", "snmpv3_authKey": auth_key,
        "snmpv3_privProtocol": "AES", "snmpv3_privKey": "private-secret",
        "timeout": TIMEOUT.as_secs_f64(), "retries": 0,
    });
    Arc::new(serde_json::from_value(details).unwrap())
}

fn engine_and_boots() -> [Oid; 2] {
    ["1.3.6.1.6.3.10.2.1.1.0", "1.3.6.1.6.3.10.2.1.2.0"].map(|oid| oid.parse().unwrap())
}

async fn ask(
    wire: &Wire,
    address: SocketAddr,
    credential: &Arc<Credential>,
) -> Result<Vec<Value>, SnmpError> {
    let answer = wire.agent(address, credential).get(&engine_and_boots()).await?;
    Ok(answer.into_iter().map(|answer| answer.1).collect())
}

fn values(engine: &[u8], boots: i64) -> Vec<Value> {
    vec![Value::Bytes(engine.to_vec()), Value::Integer(boots)]
}

#[tokio::test]
async fn an_agent_that_restarts_or_is_replaced_is_asked_on_without_a_hole() {
    let (wire, address, credential) = (Wire::open().unwrap(), free_address(), carol("authentic-secret"));
    let (old, new) = (b"\x80\x00\x1f\x88old-engine", b"\x80\x00\x1f\x88new-engine");
    for (engine, boots) in [(old, 5), (old, 6), (new, 2), (new, 3), (old, 7)] {
        let agent = Agent::start(address, engine, boots - 1).await;
        for _ in 0..2 {
            assert_eq!(ask(&wire, address, &credential).await.unwrap(), values(engine, boots.into()));
        }
        agent.stop().await;
    }
    assert_eq!(wire.stats().timeouts, 0);
}

#[tokio::test]
async fn an_agent_that_comes_back_with_less_boots_is_met_anew_after_some_silence() {
    let (wire, address, credential) = (Wire::open().unwrap(), free_address(), carol("authentic-secret"));
    let engine = b"\x80\x00\x1f\x88one-engine";
    let agent = Agent::start(address, engine, 40).await;
    assert_eq!(ask(&wire, address, &credential).await.unwrap(), values(engine, 41));
    agent.stop().await;
    // Its memory was wiped: to who remembers it, its answers are replays.
    let agent = Agent::start(address, engine, 1).await;
    let mut tries = 0;
    while ask(&wire, address, &credential).await.is_err() {
        tries += 1;
        assert!(tries < 5);
    }
    assert_eq!(ask(&wire, address, &credential).await.unwrap(), values(engine, 2));
    agent.stop().await;
}

#[tokio::test]
async fn a_wrong_key_is_named_and_spoils_nothing_for_the_right_one() {
    let (wire, address) = (Wire::open().unwrap(), free_address());
    let agent = Agent::start(address, b"\x80\x00\x1f\x88one-engine", 1).await;
    let (right, wrong) = (carol("authentic-secret"), carol("mistaken-secret"));
    for _ in 0..4 {
        let (one, other) = tokio::join!(ask(&wire, address, &right), ask(&wire, address, &wrong));
        assert!(one.is_ok(), "{one:?}");
        let error = other.unwrap_err().to_string();
        assert!(error.contains("wrong authentication key") && !error.contains("mistaken"), "{error}");
    }
    agent.stop().await;
}

#[tokio::test]
async fn an_unknown_user_is_named_at_every_level() {
    let (wire, address) = (Wire::open().unwrap(), free_address());
    let agent = Agent::start(address, b"\x80\x00\x1f\x88one-engine", 1).await;
    for auth in [None, Some(("SHA256", "authentic-secret".to_owned()))] {
        let credential = Arc::new(Credential::v3("nobody", auth, None).unwrap());
        let error = ask(&wire, address, &credential).await.unwrap_err();
        let SnmpError::Timeout { hint: Some(hint), .. } = &error else { panic!("{error:?}") };
        assert_eq!(hint, "unknown user");
    }
    agent.stop().await;
}

#[tokio::test]
async fn two_devices_with_one_engine_id_do_not_disturb_each_other() {
    let (wire, credential) = (Wire::open().unwrap(), carol("authentic-secret"));
    let (one, other, engine) = (free_address(), free_address(), b"\x80\x00\x1f\x88same-engine");
    let agents = [Agent::start(one, engine, 8).await, Agent::start(other, engine, 80).await];
    for _ in 0..3 {
        assert_eq!(ask(&wire, one, &credential).await.unwrap(), values(engine, 9));
        assert_eq!(ask(&wire, other, &credential).await.unwrap(), values(engine, 81));
    }
    for agent in agents {
        agent.stop().await;
    }
}

#[tokio::test]
async fn keys_are_derived_once_for_all_devices() {
    let wire = Wire::open().unwrap();
    let mut agents = Vec::new();
    for n in 0..5u8 {
        let address = free_address();
        agents.push((address, Agent::start(address, &[0x80, 0, 0x1f, 0x88, 5, n, 1, 2], 1).await));
    }
    let start = Instant::now();
    // As many credentials as are read from the backend, each a copy of its own.
    for _ in 0..20 {
        for (address, _) in &agents {
            ask(&wire, *address, &carol("authentic-secret")).await.unwrap();
        }
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(wire.stats().sessions, 5);
    // A discovery and a clock for each; everything else is one request each.
    assert!(wire.stats().requests <= 100 + 2 * 5, "{:?}", wire.stats());
    for (_, agent) in agents {
        agent.stop().await;
    }
}

/// Forwards to an agent, and damages what comes back.
async fn damaging_proxy(
    agent: SocketAddr,
    damage: impl Fn(usize, &mut Vec<u8>) + Send + 'static,
) -> SocketAddr {
    let front = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let back = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = front.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut request, mut answer) = (vec![0; 65_536], vec![0; 65_536]);
        let (mut client, mut count) = (address, 0);
        loop {
            tokio::select! {
                received = front.recv_from(&mut request) => {
                    let (size, from) = received.unwrap();
                    client = from;
                    back.send_to(&request[..size], agent).await.unwrap();
                }
                received = back.recv_from(&mut answer) => {
                    let mut datagram = answer[..received.unwrap().0].to_vec();
                    damage(count, &mut datagram);
                    count += 1;
                    front.send_to(&datagram, client).await.unwrap();
                }
            }
        }
    });
    address
}

#[tokio::test]
async fn damaged_answers_are_survived_and_never_believed() {
    let address = free_address();
    let agent = Agent::start(address, b"\x80\x00\x1f\x88one-engine", 1).await;
    let proxy = damaging_proxy(address, |count, datagram| {
        // Now and then, so that discoveries succeed too.
        let (at, way) = (count * 31 % datagram.len(), count / 7 % 4);
        match way {
            _ if !count.is_multiple_of(7) => {}
            0 => datagram[at] ^= 1 << (count % 8),
            1 => datagram.truncate(at),
            2 => datagram.insert(at, 0xff),
            _ => drop(datagram.remove(at)),
        }
    });
    let (wire, proxy) = (Wire::open().unwrap(), proxy.await);
    let details = json!({
        "version": "snmpv3", "snmpv3_securityName": "carol", "snmpv3_securityLevel": "authPriv",
        "snmpv3_authProtocol": "SHA256", "snmpv3_authKey": "authentic-secret",
        "snmpv3_privProtocol": "AES", "snmpv3_privKey": "private-secret", "timeout": 0.02, "retries": 0,
    });
    let credential: Arc<Credential> = Arc::new(serde_json::from_value(details).unwrap());
    let (end, mut answered) = (Instant::now() + Duration::from_secs(3), 0);
    while Instant::now() < end {
        let answer =
            tokio::time::timeout(Duration::from_secs(1), ask(&wire, proxy, &credential)).await.unwrap();
        if let Ok(answer) = answer {
            assert_eq!(answer[0], Value::Bytes(b"\x80\x00\x1f\x88one-engine".to_vec()));
            answered += 1;
        }
    }
    assert!(answered > 0, "{:?}", wire.stats());
    agent.stop().await;
}
