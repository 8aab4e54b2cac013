//! `check` and `once`.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::program::{Ended, bot};
use crate::scene::{SYS_UP_TIME, Scene, v2c, v3};
use crate::support::agent::{Agent, Mib};

/// The line about something, without the words that begin it.
#[track_caller]
fn about<'a>(ended: &'a Ended, verdict: &str, about: &str) -> &'a str {
    let begins = format!("{verdict:<4}  {about:<12}  ");
    let line = ended.stdout.lines().find_map(|line| line.strip_prefix(begins.as_str()));
    line.unwrap_or_else(|| panic!("no line begins with {begins:?} in\n{}", ended.stdout))
}

/// A simulated switch, a device that is asked well, and what is wrong with another.
fn scene() -> (Scene, Agent, u64) {
    let (scene, agent) = (Scene::new(), Agent::start(Mib::switch(2)));
    let uptime = scene.sensor(&[SYS_UP_TIME], "$1 / 100", "uptime");
    let port = agent.device(Ipv4Addr::LOCALHOST).port();
    let device = scene.device("127.10.0.1", port, v2c(), &[uptime]);
    (scene, agent, device)
}

#[test]
fn check_tells_that_the_bot_can_work_and_what_it_cannot_use() {
    let (scene, agent, _) = scene();
    let port = agent.device(Ipv4Addr::LOCALHOST).port();
    let before = agent.requests();
    let ended = bot(&["check"]).serving(&scene.backend).run().with(0);
    assert_eq!(ended.stderr, "");
    about(&ended, "ok", "backend");
    assert!(about(&ended, "ok", "jobs").starts_with("1 every 1 s"), "{}", ended.stdout);
    assert!(ended.stdout.contains("jobs          1 every 300 s"), "the interfaces: {}", ended.stdout);
    let sockets = ended.stdout.lines().filter(|line| line.contains("snmp")).collect::<Vec<_>>();
    assert!(sockets.iter().any(|line| line.contains("IPv4: UDP socket, receive buffer ")), "{sockets:?}");

    let load = scene.sensor(&["=1.3.6.1.4.1.9.1.0"], "$1 * (2 +", "load");
    let good = scene.sensor(&["=1.3.6.1.4.1.9.1.0"], "$1", "load");
    let mut short = v3();
    short["snmpv3_authKey"] = json!("hush-it");
    let with_sensor = scene.device("127.10.0.2", port, v2c(), &[load, good]);
    let with_credential = scene.device("127.10.0.3", port, short, &[good]);
    let with_address = scene.device("127.10.0.300", port, v2c(), &[good]);
    let ended = bot(&["check"]).serving(&scene.backend).secret("hush").run().with(0);
    for (entity, words) in [
        (with_sensor, "expression: column 10: "),
        (with_credential, "snmpv3_authKey: expected at least 8 bytes"),
        (with_address, "details.ipv4: expected an IPv4 or IPv6 address or a host name, got \"127.10.0.300\""),
    ] {
        let line = ended.stdout.lines().find(|line| line.contains(&format!("entity {entity} ")));
        assert!(
            line.is_some_and(|line| line.starts_with("warn") && line.contains(words)),
            "{}",
            ended.stdout
        );
    }
    assert!(about(&ended, "ok", "jobs").starts_with("2 every 1 s"), "{}", ended.stdout);
    assert_eq!(agent.requests(), before, "no device is asked");

    let token = "0bad0bad-0bad-4bad-8bad-0bad0bad0bad";
    let ended = bot(&["check"]).serving(&scene.backend).token(token).env("SNMP_STATS", "maybe").run().with(1);
    assert!(
        ended.stdout.contains("FAIL  settings      SNMP_STATS: expected 0 or 1, got \"maybe\""),
        "{ended:#?}"
    );
}

#[test]
fn once_prints_what_would_be_delivered_and_names_what_fails() {
    let (scene, agent, device) = scene();
    let port = agent.device(Ipv4Addr::LOCALHOST).port();
    let speed = scene.sensor(&["1.3.6.1.2.1.2.2.1.2", "1.3.6.1.2.1.2.2.1.5"], "$2", "speed.{$1}");
    let octets = scene.sensor(&["1.3.6.1.2.1.2.2.1.10"], "$1", "octets.{$index}");
    let switch = scene.device("localhost", port, v2c(), &[speed, octets]);
    let ended = bot(&["once", "--json"]).serving(&scene.backend).env("SNMP_INTERFACES", "0").run().with(0);
    let mut lines: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.sort_by_key(|line| line["path"].as_str().unwrap().to_owned());
    let sample = |entity: u64, tail: &str, value: f64| {
        json!({"job": entity.to_string(), "account": scene.account,
            "path": format!("entity.{entity}.snmp.{tail}"), "value": value})
    };
    // A counter has no rate yet.
    let expected = [
        sample(device, "uptime", 1_234.56),
        sample(switch, "speed.GigabitEthernet0-1", 1e9),
        sample(switch, "speed.GigabitEthernet0-2", 1e9),
    ];
    assert_eq!(lines, expected, "{}", ended.stderr);

    let closed = scene.device("127.10.0.4", 9, v2c(), &[speed]);
    let ended = bot(&["once"]).serving(&scene.backend).env("SNMP_INTERFACES", "0").run().with(1);
    assert!(ended.stdout.contains("speed.GigabitEthernet0-1"), "{ended:#?}");
    let line = format!("job {closed} failed: 127.10.0.4: port 9 is closed: nothing answers SNMP there");
    assert!(ended.stderr.contains(&line) && ended.stderr.ends_with("1 of 3 jobs failed\n"), "{ended:#?}");
    assert_eq!(scene.backend.value_count(), 0);
}

#[test]
fn help_names_every_variable_and_command() {
    let help = bot(&["--help"]).run().with(0).stdout;
    for word in ["run", "check", "once", "try", "BACKEND_URL", "SNMP_STATS", "SNMP_INTERFACES", "[4096]"] {
        assert!(help.split_whitespace().any(|found| found == word), "{word} is not in\n{help}");
    }
    let version = format!("grafolean-snmp-bot {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(bot(&["--version"]).run().with(0).stdout, version);
    assert!(bot(&["frobnicate"]).run().with(2).stderr.contains("'frobnicate'"));
}
