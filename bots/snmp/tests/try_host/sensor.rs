//! `--expression` and `--output-path`: what a sensor would deliver.

use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_json::json;
use tokio::time::Instant;

use crate::program::try_host;
use crate::support::agent::{Agent, Behaviour, Mib};
use crate::support::ber::Var;

const DEVICE: Ipv4Addr = Ipv4Addr::new(127, 6, 0, 1);

fn oid(text: &str) -> Vec<u32> {
    text.split('.').map(|arc| arc.parse().unwrap()).collect()
}

/// Two interfaces, of which one is there only by half, and counts 1,000 octets per second.
fn mib() -> Mib {
    let began = Instant::now();
    let ticks =
        Var::Live(Arc::new(move |_| Var::TimeTicks(500_000 + began.elapsed().as_millis() as u32 / 10)));
    let octets = Var::Live(Arc::new(move |_| Var::Counter32(70_000 + began.elapsed().as_millis() as u32)));
    Mib::new([
        (oid("1.3.6.1.2.1.1.3.0"), ticks),
        (oid("1.3.6.1.2.1.2.2.1.2.1"), Var::text("lo")),
        (oid("1.3.6.1.2.1.2.2.1.2.7"), Var::text("Gi0/7")),
        (oid("1.3.6.1.2.1.2.2.1.5.7"), Var::Gauge(1_000_000_000)),
        (oid("1.3.6.1.2.1.2.2.1.10.7"), octets),
        (oid("1.3.6.1.2.1.25.1.6.0"), Var::Gauge(120)),
        (oid("1.3.6.1.2.1.25.1.7.0"), Var::Integer(0)),
    ])
}

#[test]
fn a_sensor_of_gauges_gives_its_values_at_once() {
    let agent = Agent::start(mib());
    let device = agent.device(DEVICE).to_string();
    let line = [
        &*device,
        "--get",
        "hrSystemProcesses",
        "--get",
        "hrSystemMaxProcesses",
        "--expression",
        "$1 / 4",
        "--output-path",
        "processes.{$2}",
    ];
    let expected = "\
$1 = get HOST-RESOURCES-MIB::hrSystemProcesses.0 (1.3.6.1.2.1.25.1.6.0): Gauge32
$2 = get HOST-RESOURCES-MIB::hrSystemMaxProcesses.0 (1.3.6.1.2.1.25.1.7.0): INTEGER
$1 / 4 -> processes.{$2}

processes.0 = 30

1 value
";
    assert_eq!(try_host(&line).with(0).stdout, expected);
}

#[test]
fn a_sensor_of_counters_gives_rates_and_is_advised() {
    let agent = Agent::start(mib());
    let device = agent.device(DEVICE).to_string();
    let line = [
        &*device,
        "--interval",
        "1",
        "--walk",
        "ifDescr",
        "--walk",
        "ifInOctets",
        "--expression",
        "$2 * 8",
        "--output-path",
        "if.{$1}.in",
    ];
    let ended = try_host(&line)
        .with(0)
        .says("$2 = walk IF-MIB::ifInOctets (1.3.6.1.2.1.2.2.1.10): 1 row of Counter32\n")
        .says("$2 * 8 -> if.{$1}.in, from two polls ")
        .says("\nif.Gi0-7.in = ")
        .says("\n1 value; 1 row without one of the objects\n")
        .complains("ifInOctets (1.3.6.1.2.1.2.2.1.10) can wrap every 34s at this interface's speed, but is read every")
        .complains("use ifHCInOctets (1.3.6.1.2.1.31.1.1.1.6) instead");
    let value = ended.stdout.lines().find_map(|line| line.strip_prefix("if.Gi0-7.in = ")).unwrap();
    // 1,000 octets per second, as far as two busy processes agree on the time.
    assert!((2_000.0..32_000.0).contains(&value.parse::<f64>().unwrap()), "{value}");

    let json = try_host(&[&line[..], &["--json"]].concat()).with(0).json();
    assert_eq!((&json["holes"], &json["without_rate"]), (&json!(1), &json!(0)));
    assert_eq!(json["values"][0]["path"], "if.Gi0-7.in");
    assert_eq!(json["warnings"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_the_bot_would_warn_of_is_said() {
    let agent = Agent::start(mib());
    let device = agent.device(DEVICE).to_string();
    let sensor = |arguments: &[&str], path: &str| {
        try_host(&[&[&*device], arguments, &["--expression", "$1", "--output-path", path]].concat())
    };
    sensor(&["--walk", "ifDescr"], "if.{$index}").with(1).says("\n0 values; 2 rows left out\n").complains(
        "sensor \"try\": left out 2 rows with text where the expression needs a number: $1 is \"lo\"",
    );
    sensor(&["--walk", "ifSpeed", "--get", "sysUpTime"], "if.same").with(0).says("\nif.same = 1000000000\n");
    sensor(&["--get", "sysServices"], "services")
        .with(1)
        .complains("sensor \"try\" has no values: the device has nothing at 1.3.6.1.2.1.1.7.0");
}

#[test]
fn a_partial_walk_is_evaluated_and_told() {
    let agent = Agent::start(Mib::switch(24));
    agent.behave(DEVICE, Behaviour { looping: true, ..Behaviour::default() });
    let device = agent.device(DEVICE).to_string();
    let line = ["--walk", "ifSpeed", "--expression", "$1", "--output-path", "if.{$index}"];
    let ended = try_host(&[&[&*device][..], &line].concat()).with(1).complains("warning: walked only ");
    assert!(ended.stdout.contains("\nif.1 = 1000000000\n"), "{ended:#?}");
}

#[test]
fn a_text_that_is_no_expression_is_refused() {
    let sensor = |expression: &str, path: &str| {
        try_host(&["127.0.0.1", "--get", "sysUpTime", "--expression", expression, "--output-path", path])
            .with(2)
    };
    sensor("$1 +", "up").complains("--expression: column 5: expected");
    sensor("$2", "up").complains("--expression: column 1: $2 is none of the sensor's values: expected $1");
    sensor("$1", "up..{$1}").complains("--output-path: column 4: an empty segment");
    try_host(&["127.0.0.1", "--get", "sysUpTime", "--expression", "$1"]).with(2).complains("--output-path");
}
