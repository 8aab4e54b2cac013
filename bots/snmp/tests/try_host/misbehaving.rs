//! Against a simulated agent that misbehaves.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::program::{Ended, try_host};
use crate::support::agent::{Agent, Behaviour, Mib};

const DEVICE: Ipv4Addr = Ipv4Addr::new(127, 5, 0, 1);

/// The portrait of a switch that behaves so, by somebody who is quick to give up.
fn portrait_of(behaviour: Behaviour, arguments: &[&str]) -> Ended {
    let agent = Agent::start(Mib::switch(24));
    agent.behave(DEVICE, behaviour);
    let device = agent.device(DEVICE).to_string();
    let patience = if arguments.contains(&"-t") { &[][..] } else { &["-t", "1", "-r", "1"] };
    try_host(&[&[&*device, "--interval", "0.5"], patience, arguments].concat())
}

#[test]
fn a_switch_with_narrow_counters_is_warned_of() {
    portrait_of(Behaviour::default(), &[])
        .with(0)
        .says("SNMPv1 and SNMPv2c answered with this community; no SNMPv3 engine answers")
        .says("clock           sysUpTime stands still: rates are made by our clock\n")
        .says("64-bit counters none: interfaces have 32-bit counters only\n")
        .says("     24  GigabitEthernet0/24         1 Gb/s  up/up   0 b/s  0 b/s")
        .says("warning: 24 interfaces (the first is 1) have 32-bit counters only, which wrap every 34 s");
}

#[test]
fn an_agent_that_knows_one_version_only_is_told_from_one_that_is_silent() {
    let agent = Agent::start(Mib::switch(2));
    // What comes back to a request of another version is no answer: it is dropped here on its way.
    let only = |version: u8| {
        let change = move |answer: &mut Vec<u8>| {
            if answer
                .windows(3)
                .find(|field| field.starts_with(&[2, 1]))
                .is_some_and(|field| field[2] != version)
            {
                answer.clear();
            }
        };
        Behaviour { change: Some(Arc::new(change)), ..Behaviour::default() }
    };
    agent.behave(DEVICE, only(0));
    let device = agent.device(DEVICE).to_string();
    let quickly = |arguments: &[&str]| {
        try_host(&[&[&*device, "-t", "1", "-r", "0", "--interval", "0.1"], arguments].concat())
    };
    quickly(&[])
        .with(1)
        .complains(" s (1 try)\n")
        .complains("the same community is answered in SNMPv1: the agent has no SNMPv2c; try -v 1\n");
    quickly(&["-v", "1"]).with(0).says("SNMPv1 answered with this community, SNMPv2c is not");
    agent.behave(DEVICE, only(1));
    quickly(&["-v", "1", "--get", "sysName"]).with(1).complains("the agent has no SNMPv1; try -v 2c\n");
}

#[test]
fn a_silent_device_is_told_with_all_that_it_may_mean() {
    portrait_of(Behaviour { silent: true, ..Behaviour::default() }, &[])
        .with(1)
        .complains(": no answer to SNMPv2c within 2.")
        .complains(" s (2 tries)\n")
        .complains(
            "the community is wrong, or the agent does not allow this host, or a firewall drops packets",
        );
    portrait_of(Behaviour { silent: true, ..Behaviour::default() }, &["-u", "carol"]).with(1).complains(
        "no SNMPv3 engine answers: a wrong address or port, a firewall, or an agent without SNMPv3",
    );
}

#[test]
fn an_answer_from_elsewhere_is_told_and_can_be_allowed() {
    let elsewhere = || Behaviour { from: Some(Ipv4Addr::new(127, 5, 0, 9)), ..Behaviour::default() };
    portrait_of(elsewhere(), &[])
        .with(1)
        .complains("answers come from address 127.5.0.9, not from 127.5.0.1")
        .complains("see --accept-any-source");
    portrait_of(elsewhere(), &["--accept-any-source", "--get", "sysName"]).with(0).says("STRING: switch\n");
}

#[test]
fn what_getbulk_gives_is_found_out() {
    let json = |behaviour| portrait_of(behaviour, &["--json"]).with(0).json();
    let short = json(Behaviour { short_bulk: Some(20), ..Behaviour::default() });
    assert_eq!(
        short["agent"]["getbulk"],
        json!({"rows_in_one_answer": 20, "limit": {"asked": 32, "outcome": "20 came"}})
    );
    let too_big = json(Behaviour { too_big_above: Some(40), ..Behaviour::default() });
    assert_eq!(
        too_big["agent"]["getbulk"],
        json!({"rows_in_one_answer": 32, "limit": {"asked": 64, "outcome": "tooBig"}})
    );
    let none = portrait_of(Behaviour { no_bulk: true, ..Behaviour::default() }, &[]);
    let none = none.with(0).says("GETBULK         no (1 row asked for: no answer)\n");
    assert_eq!(none.stdout.matches("GigabitEthernet0/").count(), 24, "{}", none.stdout);
}

#[test]
fn a_slow_agent_is_waited_for_and_its_time_is_told() {
    let slow = Behaviour { delay: Duration::from_millis(30), ..Behaviour::default() };
    let portrait = portrait_of(slow, &["--json", "-t", "5"]).with(0).json();
    let round_trip = &portrait["agent"]["round_trip"];
    assert!(round_trip["min"].as_f64().unwrap() >= 0.03, "{round_trip}");
    assert_eq!(portrait["interfaces"].as_array().unwrap().len(), 24);
}

#[test]
fn noise_and_damage_are_no_answers() {
    for behaviour in [
        Behaviour { noise: true, ..Behaviour::default() },
        Behaviour { truncated: true, ..Behaviour::default() },
        Behaviour { wrong_id: true, ..Behaviour::default() },
    ] {
        portrait_of(behaviour, &["-t", "0.3", "-r", "0"]).with(1).complains(" s (1 try)\n");
    }
    portrait_of(Behaviour { wrong_community: true, ..Behaviour::default() }, &[])
        .with(1)
        .complains("an answer has another community");
}
