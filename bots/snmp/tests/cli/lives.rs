//! The bot is killed, stopped, started again.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use nix::sys::signal::Signal::{SIGINT, SIGKILL, SIGTERM};
use serde_json::json;

use crate::program::bot;
use crate::scene::{IF_DESCR, IF_HC_IN_OCTETS, Scene, TRAFFIC, Traffic, snmpd, v2c};
use crate::support::agent::{Agent, Behaviour, Mib};

#[test]
fn rates_go_on_after_a_kill() {
    let Some(snmpd) = snmpd("rates_go_on_after_a_kill") else { return };
    let scene = Scene::new();
    let sensor = scene.sensor(&[IF_DESCR, IF_HC_IN_OCTETS], "$2", "in.{$1}");
    let device = scene.device("127.0.0.1", snmpd.address.port(), v2c(), &[sensor]);
    let directory = tempfile::tempdir().unwrap();
    let _traffic = Traffic::start();
    let program =
        || bot(&[]).serving(&scene.backend).env("DATA_DIR", directory.path()).env("SNMP_STATS", "1");
    for life in 0..3 {
        let (polls, rates) = (scene.count(device, "poll.ok"), scene.count(device, "in.lo"));
        // It is measured at once, and sooner than half an interval after the last reading there is no rate.
        std::thread::sleep(Duration::from_millis(600));
        let running = program().start();
        // What was read in the last second or two of a life may not be remembered.
        running.until("rates", || scene.count(device, "in.lo") > rates + 3);
        running.signal(SIGKILL);
        assert_eq!(running.ended().signal, Some(SIGKILL as i32));
        let values = scene.values(device);
        let first_poll = values["poll.ok"][polls].0;
        let told = values["in.lo"].iter().find(|(at, _)| *at == first_poll);
        assert_eq!(told.is_some(), life > 0, "{values:?}");
        assert!(told.is_none_or(|(_, rate)| (TRAFFIC / 10.0..TRAFFIC * 1e5).contains(rate)), "{values:?}");
    }
}

#[test]
fn signals_end_it_with_all_that_was_measured() {
    let (scene, agent) = (Scene::new(), Agent::start(Mib::switch(4)));
    let port = agent.device(Ipv4Addr::LOCALHOST).port();
    let sensor = scene.sensor(&[IF_DESCR], "1", "there.{$index}");
    let device = |n: u8| {
        let heard = Arc::<AtomicU64>::default();
        let (delay, heard_too) = (Duration::from_millis(300), Some(heard.clone()));
        let slow = Behaviour { delay, heard: heard_too, ..Behaviour::default() };
        agent.behave(Ipv4Addr::new(127, 12, 0, n), slow);
        (scene.device(&format!("127.12.0.{n}"), port, v2c(), &[sensor]), heard)
    };
    let devices: Vec<(u64, Arc<AtomicU64>)> = (1..=10).map(device).collect();
    let silent = json!({"version": "snmpv2c", "snmpv12_community": "public", "timeout": 60, "retries": 0});
    for signal in [SIGTERM, SIGINT] {
        let running = bot(&[]).serving(&scene.backend).start();
        running.until("requests", || devices.iter().all(|(_, heard)| heard.load(Relaxed) > 0));
        running.until("runs under way", || running.metric("grafolean_runs_under_way") > 2);
        running.signal(signal);
        let ended = running.ended().with(0);
        let last = ended.stderr.lines().last().unwrap();
        assert!(last.contains("stopped; all samples are delivered"), "{}", ended.stderr);
        assert_eq!(ended.count(" WARN "), 0, "{}", ended.stderr);
    }
    let values: Vec<_> = devices.iter().map(|(device, _)| scene.values(*device)).collect();
    // Of some devices only the interfaces may have been asked for yet.
    assert!(values.iter().any(|of_device| !of_device.is_empty()), "{values:?}");
    for of_device in values.iter().filter(|of_device| !of_device.is_empty()) {
        let whole = of_device.values().all(|of| of.len() == of_device["there.1"].len());
        assert!(of_device.len() == 4 && whole, "{of_device:?}");
    }
    agent.behave(Ipv4Addr::new(127, 12, 1, 1), Behaviour { silent: true, ..Behaviour::default() });
    scene.device("127.12.1.1", port, silent, &[sensor]);
    let running = bot(&[]).serving(&scene.backend).start();
    let before = agent.requests();
    running.until("requests", || agent.requests() > before + 50);
    running.signal(SIGTERM);
    running.line("SIGTERM");
    running.signal(SIGTERM);
    let ended = running.ended().with(0);
    assert_eq!(ended.count("SIGTERM again: ending at once"), 1, "{}", ended.stderr);
}
