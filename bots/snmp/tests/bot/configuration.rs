//! What is wrong with the configuration is named, and costs nothing but itself; what an entity says of its device
//! is done.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};

use crate::stage::{IF_DESCR, IF_SPEED, Stage, objects, oid, until};
use crate::support::agent::{Behaviour, Mib};
use crate::support::ber::Var;

const LOAD: &str = "=1.3.6.1.4.1.9.1.0";

fn with_load() -> Mib {
    objects([("1.3.6.1.4.1.9.1.0", Var::Gauge(17)), ("1.3.6.1.4.1.9.2.0", Var::text("x"))])
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_wrong_is_named_with_its_place_and_spoils_nothing_else() {
    let stage = Stage::new(with_load()).await;
    let good = stage.sensor(1, &[LOAD], "$1", "load");
    let wrong = [
        (stage.sensor(1, &["ifDescr"], "$1", "x"), "oids.0.oid: expected numbers joined by dots"),
        (stage.sensor(1, &[LOAD, "1.3.6.1.4294967296"], "$1", "x"), "oids.1.oid: "),
        (stage.sensor(1, &[LOAD, "1"], "$1", "x"), "oids.1.oid: "),
        (stage.sensor(1, &[], "1", "x"), "oids: expected 1 to 256, got 0"),
        (stage.sensor(1, &[LOAD], &"1+".repeat(1 << 19), "x"), "expression: "),
        (stage.sensor(1, &[LOAD], &"(".repeat(10_000), "x"), "expression: "),
        (stage.sensor(1, &[LOAD], "1 + $99", "x"), "expression: column 5: $99 is none of"),
        (stage.sensor(1, &[LOAD], "$1 +", "x"), "expression: column 5: "),
        (stage.sensor(1, &[LOAD], "$1", "a..b"), "output_path: column 3: "),
        (stage.sensor(1, &[LOAD], "$1", "../../etc"), "output_path: column 1: "),
        (stage.sensor(1, &[LOAD], "$1", "x.{$2}"), "output_path: column "),
        (stage.sensor(1, &[LOAD], "$1", ""), "output_path: "),
    ];
    let device = stage.device([127, 4, 0, 1], &[&[good][..], &wrong.map(|(sensor, _)| sensor)].concat());

    let v3 = json!({"version": "snmpv3", "snmpv3_securityName": "carol", "snmpv3_securityLevel": "authPriv",
        "snmpv3_authProtocol": "SHA", "snmpv3_authKey": "hunter2", "snmpv3_privProtocol": "AES",
        "snmpv3_privKey": "correct-horse"});
    let mut no_such_cipher = v3.clone();
    (no_such_cipher["snmpv3_authKey"], no_such_cipher["snmpv3_privProtocol"]) =
        (json!("battery-staple"), json!("ROT13"));
    let credentials = [
        (v3, "snmpv3_authKey: expected at least 8 bytes"),
        (no_such_cipher, "snmpv3_privProtocol: expected DES, "),
        (json!({"snmpv12_community": ""}), "snmpv12_community: expected 1 to 255 bytes"),
        (
            json!({"snmpv12_community": "battery-staple".repeat(20)}),
            "snmpv12_community: expected 1 to 255 bytes",
        ),
        (json!({"version": "snmpv4"}), "version: expected snmpv1, snmpv2c or snmpv3"),
        (json!({"timeout": 0}), "timeout: expected 0.01 to 60, got 0"),
    ];
    let of_credentials: Vec<(u64, &str)> = credentials
        .map(|(details, words)| {
            let credential = stage.credential(details);
            (stage.host("127.4.0.2", credential, &[good], |device| device), words)
        })
        .into();
    let details: [(&str, Value, &str); 5] = [
        ("ipv4", json!("10.0.0.256"), "details.ipv4: expected an IPv4 or IPv6 address or a host name"),
        ("ipv4", Value::Null, "details.ipv4: missing"),
        ("port", json!("snmp"), "details.port: expected a number"),
        ("retries", json!(11), "details.retries: expected 0 to 10, got 11"),
        ("context", json!("c".repeat(33)), "details.context: expected at most 32 bytes"),
    ];
    let of_details = details.map(|(key, value, words)| {
        (stage.device_with([127, 4, 0, 3], &[good], |device| device.detail(key, value)), words)
    });

    let running = stage.start(|bot| bot);
    stage.wait_for(device, "load", 3).await;
    let jobs = stage.jobs().await;
    running.stop().await;
    assert_eq!(stage.values(device).len(), 1, "{:?}", stage.values(device));
    assert_eq!(jobs["total"], 1, "{jobs}");
    let problems: Vec<&str> =
        jobs["config_problems"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let expected = wrong.len() + of_credentials.len() + of_details.len();
    assert_eq!(problems.len(), expected, "{problems:#?}");
    assert!(problems.iter().all(|problem| problem.len() < 600), "{problems:#?}");
    let count = |who: &str, words: &str| {
        problems.iter().filter(|problem| problem.contains(who) && problem.contains(words)).count()
    };
    for (sensor, words) in wrong {
        assert_eq!(count(&format!("sensor {sensor} (sensor of"), words), 1, "{words}: {problems:#?}");
    }
    for (entity, words) in of_credentials.into_iter().chain(of_details) {
        assert_eq!(count(&format!("entity {entity} ({}", stage.name), words), 1, "{words}: {problems:#?}");
    }
    for secret in ["hunter2", "correct-horse", "battery-staple"] {
        assert!(!jobs.to_string().contains(secret), "{jobs}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_asked_as_its_entity_says() {
    let stage = Stage::new(with_load()).await;
    let load = stage.sensor(1, &[LOAD], "$1", "load");
    let silent = |last| stage.behave([127, 4, 1, last], Behaviour { silent: true, ..Behaviour::default() });
    // Nobody is at the credential's port.
    let credential = stage.credential(json!({"port": 9, "timeout": 0.2, "retries": 0}));
    let port = stage.agent.device([127, 0, 0, 1].into()).port();
    let at = |host: &str, credential, port: Value| {
        stage.host(host, credential, &[load], |device| device.detail("port", port))
    };
    let by_number = at("127.4.1.1", credential, json!(port));
    let by_text = at(" 127.4.1.2 ", credential, json!(port.to_string()));
    let by_name = at("localhost", credential, json!(port));
    let lost = stage.host("127.4.1.4", credential, &[load], |device| device);
    let (once, thrice) = (silent(5), silent(6));
    let asked_once = at("127.4.1.5", credential, json!(port));
    let asked_thrice = stage
        .host("127.4.1.6", credential, &[load], |device| device.detail("port", port).detail("retries", "2"));
    stage.behave([127, 4, 1, 7], Behaviour { from: Some([127, 4, 1, 8].into()), ..Behaviour::default() });
    let elsewhere = stage.host("127.4.1.7", credential, &[load], |device| {
        device.detail("port", port).detail("accept_any_source", true)
    });
    // A community is any bytes.
    let community = "pub\0lic \u{1F511}";
    stage.behave([127, 4, 1, 9], Behaviour { community: Some(community.into()), ..Behaviour::default() });
    let with_nul = stage.credential(json!({"snmpv12_community": community}));
    let with_nul = stage.host("127.4.1.9", with_nul, &[load], |device| device);
    let first = stage.credential(json!({"version": "snmpv1"}));
    let first = stage.host("127.4.1.10", first, &[load], |device| device);
    let unresolvable = stage.host("x.invalid", credential, &[load], |device| device);

    let running = stage.start(|bot| bot);
    for entity in [by_number, by_text, by_name, elsewhere, with_nul, first] {
        stage.wait_for(entity, "load", 2).await;
    }
    let closed = stage.failing(lost, "127.4.1.4").await;
    let unresolved = stage.failing(unresolvable, "x.invalid").await;
    for entity in [asked_once, asked_thrice] {
        stage.failing(entity, "no answer within").await;
    }
    let asked = || once.load(Relaxed) >= 3 && thrice.load(Relaxed) >= 9;
    until("some requests", || asked().then_some(())).await;
    running.stop().await;
    assert!(closed.contains("port 9") && closed.contains("closed"), "{closed}");
    assert!(unresolved.starts_with("cannot resolve x.invalid: "), "{unresolved}");
    // Each request was sent three times.
    assert!(thrice.load(Relaxed).is_multiple_of(3), "{thrice:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_asked_for_as_the_entity_says_and_each_object_once() {
    let rows = (1..=60).flat_map(|n| {
        [
            (format!("{IF_DESCR}.{n}"), Var::text(&format!("if{n}"))),
            (format!("{IF_SPEED}.{n}"), Var::Gauge(n)),
        ]
    });
    let scalars = (1..=30).map(|n| (format!("1.3.6.1.4.1.9.{n}.0"), Var::Gauge(n)));
    let mib = rows.chain(scalars).map(|(name, var)| (oid(&name), var));
    let stage = Stage::new(Mib::new(mib)).await;
    let speed = stage.sensor(1, &[IF_DESCR, IF_SPEED], "$2", "speed.{$1}");
    let many: Vec<u64> = (0..100)
        .map(|n| {
            stage.sensor(
                1,
                &[IF_SPEED, IF_DESCR, &format!("=1.3.6.1.4.1.9.{}.0", n % 30 + 1)],
                "$1 + $3",
                &format!("s{n}.{{$2}}"),
            )
        })
        .collect();
    let one_sensor = stage.device([127, 4, 2, 1], &[speed]);
    let many_sensors = stage.device([127, 4, 2, 2], &many);
    let row_by_row = |last, rows: u32| {
        stage.device_with([127, 4, 2, last], &[speed], |device| device.detail("max_repetitions", rows))
    };
    let (few, most) = (row_by_row(3, 5), row_by_row(4, 100));
    let heard = stage.behave([127, 4, 2, 2], Behaviour::default());
    let running = stage.start(|bot| bot.with_stats(true));
    let mut requests = Vec::new();
    for entity in [one_sensor, few, most, many_sensors] {
        // The first poll does not know yet what there is.
        let values = stage.wait_for(entity, "poll.requests", 3).await;
        requests.push(values[1..].iter().map(|(_, requests)| *requests as u64).collect::<BTreeSet<_>>());
    }
    running.stop().await;
    // 60 rows of 2 columns and a look at what comes after them, of which one request asks for 25, 5 or 100 at once.
    assert_eq!(requests[..3], [3, 13, 1].map(|n| BTreeSet::from([n])), "{requests:?}");
    // The same walk for 100 sensors, and 30 objects, 10 at a time.
    assert_eq!(requests[3], BTreeSet::from([3 + 3]));
    let polls = stage.at(many_sensors, "poll.requests");
    let told: f64 = polls.iter().map(|(_, requests)| requests).sum();
    // The last poll may have been dropped by the stop.
    assert!((told as u64..told as u64 + 7).contains(&heard.load(Relaxed)), "{told} {heard:?}");
    let values = stage.values(many_sensors);
    assert_eq!(values.len(), 100 * 60 + 3);
    assert!(values.values().all(|values| values.len() == polls.len()), "{values:?}");
}
