//! What a table without an end costs.

use std::net::Ipv4Addr;

use serde_json::json;

use crate::program::bot;
use crate::scene::{Scene, v2c};
use crate::support::agent::{Agent, Mib};
use crate::support::ber::Var;

/// The most memory that a process has had, in MiB.
fn most_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}

#[test]
fn of_a_table_of_a_million_rows_a_hundred_thousand_are_delivered_in_bounded_memory() {
    const CELL: [u32; 9] = [1, 3, 6, 1, 4, 1, 9, 1, 1];
    let million = Mib::After(Box::new(|after| {
        let row = match after.strip_prefix(&CELL) {
            Some([row, ..]) => row + 1,
            Some([]) => 1,
            None if after < &CELL[..] => 1,
            None => return None,
        };
        (row <= 1_000_000).then(|| ([&CELL[..], &[row]].concat(), Var::Gauge(row)))
    }));
    let (scene, agent) = (Scene::new(), Agent::start(million));
    let port = agent.device(Ipv4Addr::LOCALHOST).port();
    let row = scene.backend.add_sensor(
        scene.account,
        "snmp",
        Some(20),
        json!({"oids": [{"oid": "1.3.6.1.4.1.9.1.1", "fetch_method": "walk"}], "expression": "$1",
            "output_path": "row.{$index}"}),
    );
    let mut credential = v2c();
    credential["max_repetitions"] = json!(1_000);
    let device = scene.device("127.13.0.1", port, credential, &[row]);
    let running = bot(&[]).serving(&scene.backend).env("SNMP_INTERFACES", "0").start();
    running.until("all values", || scene.backend.value_count() >= 100_000);
    running.line("walked only 100000 rows of 1.3.6.1.4.1.9.1.1: the column has more than 100000 rows");
    let most = most_memory(running.pid());
    running.terminated().with(0);
    assert!(most < 400, "{most} MiB");
    assert_eq!(scene.values(device)["row.100000"][0].1, 100_000.0);
}
