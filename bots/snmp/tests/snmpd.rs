//! Against net-snmp's snmpd, in every version and with every pair of protocols, on loopback only.
//!
//! Without snmpd these tests are skipped, by name, or fail where `CI` is true.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, helpers included")]

mod support;

use std::fmt::Write;
use std::sync::Arc;

use grafolean_snmp_bot::wire::{Credential, Wire};
use grafolean_snmp_bot::{Agent, Oid, SnmpError, Value};
use serde_json::json;
use support::snmpd::Snmpd;

const AUTH: [&str; 6] = ["MD5", "SHA", "SHA-224", "SHA-256", "SHA-384", "SHA-512"];
/// As snmpd calls them, and as Grafolean may.
const PRIVACY: [(&str, &str); 6] = [
    ("DES", "DES"),
    ("AES", "AES"),
    ("AES-192", "AES192"),
    ("AES-256", "AES256"),
    ("AES-192-C", "AES192C"),
    ("AES-256-C", "AES256C"),
];
const AUTH_KEY: &str = "authentic-secret";
const PRIV_KEY: &str = "private-secret";

/// A user for each pair of protocols, by the protocols' names, and one without any.
fn config() -> String {
    let mut config = "sysName interop\nrocommunity public 127.0.0.1\nrouser anyone noauth\n".to_owned();
    config.push_str("createUser anyone\n");
    for auth in AUTH {
        writeln!(config, "createUser {auth} {auth} {AUTH_KEY}\nrouser {auth} auth").unwrap();
        for (privacy, _) in PRIVACY {
            let user = format!("{auth}+{privacy}");
            writeln!(config, "createUser {user} {auth} {AUTH_KEY} {privacy} {PRIV_KEY}").unwrap();
            writeln!(config, "rouser {user} priv").unwrap();
        }
    }
    config
}

fn sys_name() -> Oid {
    "1.3.6.1.2.1.1.5.0".parse().unwrap()
}

fn credential(details: serde_json::Value) -> Arc<Credential> {
    Arc::new(serde_json::from_value(details).unwrap())
}

fn community(version: &str) -> Arc<Credential> {
    credential(json!({"version": version, "snmpv12_community": "public", "timeout": 1.0}))
}

fn user(name: &str, auth: Option<(&str, &str)>, privacy: Option<(&str, &str)>) -> Arc<Credential> {
    let level = match (auth, privacy) {
        (None, _) => "noAuthNoPriv",
        (_, None) => "authNoPriv",
        _ => "authPriv",
    };
    let (auth, privacy) = (auth.unwrap_or_default(), privacy.unwrap_or_default());
    credential(json!({
        "version": "snmpv3", "snmpv3_securityName": name, "snmpv3_securityLevel": level,
        "snmpv3_authProtocol": auth.0, "snmpv3_authKey": auth.1,
        "snmpv3_privProtocol": privacy.0, "snmpv3_privKey": privacy.1, "timeout": 0.5, "retries": 1,
    }))
}

#[tokio::test]
async fn every_version_and_every_pair_of_protocols_is_understood() {
    let name = "every_version_and_every_pair_of_protocols_is_understood";
    let Some(snmpd) = Snmpd::start(name, &config()).await else { return };
    let mut credentials = vec![
        ("v1".to_owned(), community("snmpv1")),
        ("v2c".to_owned(), community("snmpv2c")),
        ("noAuthNoPriv".to_owned(), user("anyone", None, None)),
    ];
    for auth in AUTH {
        credentials.push((auth.to_owned(), user(auth, Some((auth, AUTH_KEY)), None)));
        for (theirs, ours) in PRIVACY {
            let name = format!("{auth}+{theirs}");
            credentials.push((name.clone(), user(&name, Some((auth, AUTH_KEY)), Some((ours, PRIV_KEY)))));
        }
    }
    assert_eq!(credentials.len(), 3 + 42);
    let wire = Wire::open().unwrap();
    let system: Oid = "1.3.6.1.2.1.1".parse().unwrap();
    for (name, credential) in credentials {
        let device = wire.agent(snmpd.address, &credential);
        let absent: Oid = "1.3.6.1.2.1.1.99.0".parse().unwrap();
        let found =
            device.get(&[absent.clone(), sys_name()]).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = [(absent, Value::Nothing), (sys_name(), Value::Bytes(b"interop".to_vec()))];
        assert_eq!(found, expected, "{name}");
        if device.has_bulk() {
            let rows = device.get_bulk(std::slice::from_ref(&system), 20).await.unwrap();
            assert!(rows.len() == 20 && rows.iter().any(|row| *row == expected[1]), "{name}: {rows:?}");
        }
        let after = device.get_next(std::slice::from_ref(&system)).await.unwrap();
        assert!(after[0].0.starts_with(&system), "{name}: {after:?}");
    }
    let stats = wire.stats();
    assert_eq!((stats.timeouts, stats.malformed), (0, 0), "{stats:?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_user_is_said() {
    let Some(snmpd) = Snmpd::start("what_is_wrong_with_a_user_is_said", &config()).await else { return };
    let wire = Wire::open().unwrap();
    let (auth, privacy) = (Some(("SHA", AUTH_KEY)), Some(("AES", PRIV_KEY)));
    for (credential, expected) in [
        (user("nobody", auth, privacy), "unknown user"),
        (user("nobody", None, None), "unknown user"),
        (user("SHA+AES", Some(("SHA", "wrong-secret")), privacy), "wrong authentication key"),
        (user("SHA+AES", Some(("MD5", AUTH_KEY)), privacy), "wrong authentication key"),
        (user("SHA+AES", auth, Some(("AES", "wrong-secret"))), "wrong privacy key"),
        (user("SHA+AES", auth, Some(("DES", PRIV_KEY))), "wrong privacy key"),
        (user("SHA", auth, privacy), "unsupported security level"),
    ] {
        let error = wire.agent(snmpd.address, &credential).get(&[sys_name()]).await.unwrap_err();
        let SnmpError::Timeout { hint: Some(hint), .. } = &error else { panic!("{expected}: {error:?}") };
        assert!(hint.starts_with(expected), "{expected}: {hint}");
        assert!(!format!("{error:?} {credential:?}").contains("secret"), "{error:?}");
    }
    // Too low a level for what is asked is no matter of keys: the agent answers.
    let low = user("SHA+AES", auth, None);
    let answer = wire.agent(snmpd.address, &low).get(&[sys_name()]).await;
    assert!(matches!(answer, Err(SnmpError::Agent { .. }) | Ok(_)), "{answer:?}");
}
