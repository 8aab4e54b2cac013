//! `--get` and `--walk`.

use std::net::Ipv4Addr;

use serde_json::json;

use crate::program::try_host;
use crate::support::agent::{Agent, Behaviour, Mib};
use crate::support::ber::Var;

const DEVICE: Ipv4Addr = Ipv4Addr::new(127, 4, 0, 1);

fn mib() -> Mib {
    let oid = |text: &str| text.split('.').map(|arc| arc.parse().unwrap()).collect::<Vec<u32>>();
    Mib::new([
        (oid("1.3.6.1.2.1.1.1.0"), Var::text("a \u{1b}[31mred\u{1b}[0m device")),
        (oid("1.3.6.1.2.1.1.3.0"), Var::TimeTicks(8_640_000)),
        (oid("1.3.6.1.2.1.1.5.0"), Var::text("b\u{fc}ro\u{202e}")),
        (oid("1.3.6.1.2.1.1.6.0"), Var::text("two\r\nlines")),
        (oid("1.3.6.1.2.1.2.2.1.2.1"), Var::text("lo")),
        (oid("1.3.6.1.2.1.2.2.1.2.7"), Var::text("eth0")),
        (oid("1.3.6.1.2.1.2.2.1.6.7"), Var::Text(b"abcdef".to_vec())),
        (oid("1.3.6.1.2.1.2.2.1.10.7"), Var::Counter32(7)),
        (oid("1.3.6.1.2.1.4.20.1.1.10.0.0.1"), Var::Address(Ipv4Addr::new(10, 0, 0, 1))),
        (oid("1.3.6.1.2.1.31.1.1.1.6.7"), Var::Counter64(u64::MAX)),
        (oid("1.3.6.1.4.1.9.1"), Var::Object(vec![1, 3, 6, 1, 4, 1, 9])),
        (oid("1.3.6.1.4.1.2021.10.1.6.1"), Var::Float(0.5)),
    ])
}

#[test]
fn objects_are_shown_as_net_snmp_shows_them() {
    let agent = Agent::start(mib());
    let device = agent.device(DEVICE).to_string();
    let line = [
        &*device,
        "--get",
        "sysUpTime",
        "--walk",
        "ifDescr",
        "--get",
        "IF-MIB::ifDescr.99",
        "--walk",
        "1.3.6.1.4.1",
        "--get",
        "ifPhysAddress.7",
        "--walk",
        "ipAdEntAddr",
        "--get",
        ".1.3.6.1.2.1.31.1.1.1.6.7",
        "--walk",
        "udp",
    ];
    let expected = "\
SNMPv2-MIB::sysUpTime.0 = Timeticks: (8640000) 1 day, 0:00:00.00
IF-MIB::ifDescr.1 = STRING: lo
IF-MIB::ifDescr.7 = STRING: eth0
IF-MIB::ifDescr.99 = nothing: the device has no such object
SNMPv2-SMI::enterprises.9.1 = OID: 1.3.6.1.4.1.9
UCD-SNMP-MIB::laLoadFloat.1 = Opaque: Float: 0.5
IF-MIB::ifPhysAddress.7 = Hex-STRING: 61:62:63:64:65:66
IP-MIB::ipAdEntAddr.10.0.0.1 = IpAddress: 10.0.0.1
IF-MIB::ifHCInOctets.7 = Counter64: 18446744073709551615
UDP-MIB::udp = nothing: the device has no objects below it
";
    assert_eq!(try_host(&line).with(0).stdout, expected);
    let numeric = try_host(&[&device, "--numeric", "--get", "sysUpTime"]).with(0);
    assert_eq!(numeric.stdout, "1.3.6.1.2.1.1.3.0 = Timeticks: (8640000) 1 day, 0:00:00.00\n");
}

#[test]
fn what_a_terminal_would_obey_is_shown_harmlessly() {
    let agent = Agent::start(mib());
    let device = agent.device(DEVICE).to_string();
    try_host(&[&device, "--walk", "system"])
        .with(0)
        .says("sysDescr.0 = Hex-STRING: 61:20:1b:5b:33")
        .says("sysName.0 = STRING: büro\\u{202e}\n")
        .says("sysLocation.0 = STRING: two\\r\\nlines\n");
    // The portrait shows lines as lines.
    try_host(&[&device, "--interval", "0.1", "-r", "1", "-t", "1"])
        .with(0)
        .says("\n  sysLocation  two\n               lines\n");
}

#[test]
fn objects_are_there_as_json_too() {
    let agent = Agent::start(mib());
    let device = agent.device(DEVICE).to_string();
    let line = [
        &*device,
        "--json",
        "--walk",
        "ifInOctets",
        "--get",
        "sysName",
        "--get",
        "sysContact",
        "--walk",
        "ifHCInOctets",
    ];
    let read = try_host(&line).with(0).json();
    let name = |name: &str, oid: &str, kind: &str, value: serde_json::Value| json!({"oid": oid, "name": name, "type": kind, "value": value});
    let expected = json!([
        name("IF-MIB::ifInOctets.7", "1.3.6.1.2.1.2.2.1.10.7", "Counter32", json!(7)),
        name("SNMPv2-MIB::sysName.0", "1.3.6.1.2.1.1.5.0", "STRING", json!("büro\u{202e}")),
        name("SNMPv2-MIB::sysContact.0", "1.3.6.1.2.1.1.4.0", "nothing", json!(null)),
        name("IF-MIB::ifHCInOctets.7", "1.3.6.1.2.1.31.1.1.1.6.7", "Counter64", json!(u64::MAX)),
    ]);
    assert_eq!((&read["objects"], &read["problems"]), (&expected, &json!([])));
}

#[test]
fn an_oid_that_is_none_is_refused_before_anything_is_sent() {
    let agent = Agent::start(mib());
    let device = agent.device(DEVICE).to_string();
    for (option, oid, expected) in [
        (
            "--get",
            "1.3.x",
            "--get: expected numbers joined by dots, such as 1.3.6.1.2.1.1.3.0, got \"1.3.x\"",
        ),
        ("--walk", "ifHCInOctet", "; did you mean ifHCInOctets or ifInOctets?"),
        (
            "--get",
            "ifDescr",
            "ifDescr is a column: expected a row of it, such as ifDescr.1, or --walk ifDescr",
        ),
    ] {
        try_host(&[&device, option, oid]).with(2).complains(expected);
    }
    assert_eq!(agent.requests(), 0);
}

#[test]
fn a_walk_of_an_agent_that_goes_round_in_circles_ends_and_says_so() {
    let agent = Agent::start(Mib::switch(24));
    for (n, behaviour) in [
        Behaviour { looping: true, ..Behaviour::default() },
        Behaviour { unordered: true, ..Behaviour::default() },
    ]
    .into_iter()
    .enumerate()
    {
        let address = Ipv4Addr::new(127, 4, 1, n as u8);
        agent.behave(address, behaviour);
        let device = agent.device(address).to_string();
        let ended = try_host(&[&device, "--walk", "ifDescr"]).with(1);
        assert!(ended.stdout.lines().count() < 24, "{ended:#?}");
        ended.complains("warning: walked only ").complains(" rows of 1.3.6.1.2.1.2.2.1.2: the agent ");
    }
}

#[test]
fn one_object_that_fails_does_not_spoil_the_others() {
    let agent = Agent::start(mib());
    let bad = vec![1, 3, 6, 1, 2, 1, 1, 5, 0];
    agent.behave(DEVICE, Behaviour { gen_err: Some(bad), ..Behaviour::default() });
    let device = agent.device(DEVICE).to_string();
    let ended = try_host(&[&device, "--get", "sysName", "--get", "sysUpTime"]).with(1);
    assert_eq!(ended.stdout, "SNMPv2-MIB::sysUpTime.0 = Timeticks: (8640000) 1 day, 0:00:00.00\n");
    ended.complains("warning: cannot get 1.3.6.1.2.1.1.5.0: the agent answers genErr");
}
