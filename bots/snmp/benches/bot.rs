//! The whole bot, as it is shipped, against simulated devices.
//!
//! ```text
//! cargo bench -p grafolean-snmp-bot --bench bot                      10,000 devices × 2 traffic sensors at 60 s
//! cargo bench -p grafolean-snmp-bot --bench bot -- 10000 2 1000      devices, measured minutes, dead ones among them
//! cargo bench -p grafolean-snmp-bot --bench bot -- device 500 60     one whole ifTable of each device every 2 s
//! cargo bench -p grafolean-snmp-bot --bench bot -- device memory     the same with DATA_DIR=none
//! ```
//!
//! The bot is its own binary with default settings: counters go through its state, samples through the outbox file,
//! and the entities of all interfaces are there already, as they are after the first minutes of its life. The backend
//! and the devices live in the process of this program, so that what they need is not counted.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and has nobody to report to"
)]

#[path = "../../../benches/support/bot_process.rs"]
mod bot_process;
#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use grafoleancollector::testing::FakeBackend;
use grafoleancollector::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::bot_process::Bot;
use crate::support::agent::{Agent, Behaviour, Mib};
use crate::support::ber::Var;

const INTERFACES: u32 = 24;
const INTERVAL: u32 = 60;
/// What may pass from a run's start until its values are stored, in seconds.
const ON_THE_WAY: f64 = 5.0;
/// What each interface counts in a second.
const OCTETS_PER_SECOND: u64 = 1_000_000;
const PROGRAM: &str = env!("CARGO_BIN_EXE_grafolean-snmp-bot");

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` only wants to see that the program can be started.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let numbers: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let number = |at: usize, default| numbers.get(at).copied().unwrap_or(default);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let backend = runtime.block_on(FakeBackend::start());
    backend.without_account_defaults();
    if arguments.iter().any(|argument| argument == "device") {
        let in_memory = arguments.iter().any(|argument| argument == "memory");
        per_device(&backend, number(0, 500), number(1, 60), in_memory);
    } else {
        at_scale(&backend, number(0, 10_000), number(1, 2), number(2, 0));
    }
}

fn address(device: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 1 + (device / 62_500) as u8, (device / 250 % 250) as u8, (device % 250 + 1) as u8)
}

/// Switches whose counters run by the clock.
fn agent() -> Agent {
    let started = tokio::time::Instant::now();
    let millis = move || started.elapsed().as_millis() as u64;
    let live = |make: Arc<dyn Fn(Ipv4Addr) -> Var + Send + Sync>| Var::Live(make);
    let mut rows = vec![(
        vec![1, 3, 6, 1, 2, 1, 1, 3, 0],
        live(Arc::new(move |_| Var::TimeTicks((millis() / 10) as u32))),
    )];
    for scalar in [4, 5, 6] {
        rows.push((vec![1, 3, 6, 1, 2, 1, 1, scalar, 0], Var::text("simulated")));
    }
    for scalar in 1..=10 {
        rows.push((vec![1, 3, 6, 1, 4, 1, 99_999, scalar, 0], Var::Integer(scalar as i32)));
    }
    for column in 1..=22 {
        for index in 1..=INTERFACES {
            let counted =
                move |_| Var::Counter32((millis() * (OCTETS_PER_SECOND / 1_000) + u64::from(index)) as u32);
            let var = match column {
                2 => Var::text(&format!("GigabitEthernet0/{index}")),
                5 => Var::Gauge(100_000_000),
                6 => Var::Text(vec![0, 0x1b, 0x21, 0, 0, index as u8]),
                10 | 16 => live(Arc::new(counted)),
                22 => Var::Object(vec![0, 0]),
                _ => Var::Integer(1),
            };
            rows.push((vec![1, 3, 6, 1, 2, 1, 2, 2, 1, column, index], var));
        }
    }
    Agent::start(Mib::new(rows))
}

fn credential(backend: &FakeBackend, account: u64, agent: &Agent) -> u64 {
    let port = agent.device(Ipv4Addr::LOCALHOST).port();
    let details = json!({"version": "snmpv2c", "snmpv12_community": "public", "port": port});
    backend.add_credential(account, "snmp", details)
}

fn walk(column: u32) -> Value {
    json!({"oid": format!("1.3.6.1.2.1.2.2.1.{column}"), "fetch_method": "walk"})
}

fn add_device(backend: &FakeBackend, account: u64, n: usize, credential: u64, sensors: &[u64]) {
    let device = backend.device(account, &format!("switch {n}")).detail("ipv4", address(n).to_string());
    let device = device.protocol("snmp", credential, sensors).add();
    for index in 1..=INTERFACES {
        let interface = backend.device(account, &format!("GigabitEthernet0/{index}")).interface_of(device);
        interface.detail("snmp_index", index.to_string()).detail("speed_bps", "100000000").add();
    }
}

/// Many devices with the two traffic sensors that every account has.
fn at_scale(backend: &FakeBackend, devices: usize, minutes: usize, dead: usize) {
    let (agent, account) = (agent(), backend.add_account("Network"));
    let credential = credential(backend, account, &agent);
    let traffic = |column, direction| {
        let path = format!("if.{direction}.{{$index}}.{{$1}}");
        let details = json!({"oids": [walk(2), walk(column)], "expression": "$2", "output_path": path});
        backend.add_sensor(account, "snmp", Some(INTERVAL), details)
    };
    let sensors = [traffic(10, "in-octets"), traffic(16, "out-octets")];
    for n in 0..devices {
        add_device(backend, account, n, credential, &sensors);
        if n < dead {
            agent.behave(address(n), Behaviour { silent: true, ..Behaviour::default() });
        }
    }

    let bot = Bot::start(PROGRAM, backend);
    // The early first runs, and the first rates.
    std::thread::sleep(Duration::from_secs(90));
    let (cpu, before) = (bot.cpu_seconds(), bot.metrics());
    let measured = Duration::from_secs(60 * minutes as u64);
    std::thread::sleep(measured);
    let cpu = (bot.cpu_seconds() - cpu) / measured.as_secs_f64() * 100.0;
    let after = bot.metrics();
    let grown = |name: &str| after.get(name) - before.get(name);
    let (memory, peak) = (bot.memory_mb("VmRSS"), bot.memory_mb("VmHWM"));
    let found = look(&backend.values(account), SystemClock.now().as_secs_f64());

    println!(
        "| devices | dead | with values | rates stored | missed | owed | CPU of one core | memory | peak |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    println!(
        "| {devices} | {dead} | {} | {} | {} | {} | {cpu:.1} % | {memory:.0} MB | {peak:.0} MB |",
        found.devices,
        found.rates,
        found.missed,
        grown("grafolean_ticks_owed_total"),
    );
    let polls = grown("grafolean_snmp_polls_total{result=\"answered\"}");
    println!(
        "\n{polls:.0} polls, {:.0} µs of CPU each; rates from {:.0} to {:.0} a second, {OCTETS_PER_SECOND} expected",
        cpu / 100.0 * measured.as_secs_f64() / polls * 1e6,
        found.slowest,
        found.fastest,
    );
    println!(
        "mean start lag {:.1} ms; requests {:.0}, retries {:.0}, dropped by the kernel {}; entities written: {}",
        grown("grafolean_run_start_lag_seconds_sum") / grown("grafolean_run_start_lag_seconds_count") * 1e3,
        ["answered", "timed_out", "refused", "failed"]
            .map(|result| grown(&format!("grafolean_snmp_requests_total{{result=\"{result}\"}}")))
            .iter()
            .sum::<f64>(),
        grown("grafolean_snmp_retries_total"),
        after.get("grafolean_snmp_kernel_drops_total"),
        ["created", "updated", "deleted"]
            .map(|what| after.get(&format!("grafolean_snmp_interface_writes_total{{what=\"{what}\"}}")))
            .iter()
            .sum::<f64>(),
    );
}

struct Found {
    devices: usize,
    rates: usize,
    /// Minutes without a rate, of any interface.
    missed: f64,
    slowest: f64,
    fastest: f64,
}

/// Looks at all that was stored.
fn look(values: &BTreeMap<String, Vec<(f64, f64)>>, now: f64) -> Found {
    let mut found = Found { devices: 0, rates: 0, missed: 0.0, slowest: f64::INFINITY, fastest: 0.0 };
    for (path, rates) in values {
        found.devices += usize::from(path.ends_with("if.in-octets.1.GigabitEthernet0-1"));
        found.rates += rates.len();
        let gaps = rates.windows(2).map(|pair| (pair[1].0 - pair[0].0) / f64::from(INTERVAL));
        found.missed += gaps.map(|gap| (gap.round() - 1.0).max(0.0)).sum::<f64>();
        let last = rates.last().map_or(0.0, |(time, _)| *time);
        found.missed += ((now - ON_THE_WAY - last) / f64::from(INTERVAL)).floor().max(0.0);
        for (_, rate) in rates {
            found.slowest = found.slowest.min(*rate);
            found.fastest = found.fastest.max(*rate);
        }
    }
    found
}

/// All that the bare poll of `--bench poll` reads, through the whole bot.
fn per_device(backend: &FakeBackend, devices: usize, seconds: usize, in_memory: bool) {
    let (agent, account) = (agent(), backend.add_account("Network"));
    let credential = credential(backend, account, &agent);
    // Often enough for the processor to stay warm, as in the bare poll.
    let every = Some(2);
    let get = |n| json!({"oid": format!("1.3.6.1.4.1.99999.{n}.0"), "fetch_method": "get"});
    let gets: Vec<Value> = (1..=10).map(get).collect();
    let sum: Vec<String> = (1..=10).map(|n| format!("${n}")).collect();
    let details = json!({"oids": gets, "expression": sum.join(" + "), "output_path": "sum"});
    let mut sensors = vec![backend.add_sensor(account, "snmp", every, details)];
    for column in (1..=21).filter(|column| ![2, 6].contains(column)) {
        // The three columns of text and of names are read along.
        let label = [2, 6, 22][column as usize % 3];
        let details = json!({
            "oids": [walk(column), walk(label)], "expression": "$1",
            "output_path": format!("if.{{$index}}.{{$2}}.c{column}"),
        });
        sensors.push(backend.add_sensor(account, "snmp", every, details));
    }
    for n in 0..devices {
        add_device(backend, account, n, credential, &sensors);
    }
    let settings: &[_] = if in_memory { &[("DATA_DIR", "none")] } else { &[] };
    let bot = Bot::start_with(PROGRAM, backend, settings);
    std::thread::sleep(Duration::from_secs(20));
    let (cpu, before) = (bot.cpu_seconds(), bot.metrics());
    std::thread::sleep(Duration::from_secs(seconds as u64));
    let (cpu, after) = (bot.cpu_seconds() - cpu, bot.metrics());
    let grown = |name: &str| after.get(name) - before.get(name);
    let polls = grown("grafolean_snmp_polls_total{result=\"answered\"}");
    println!("| devices | polls | CPU per device | values read | requests | samples | memory |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    println!(
        "| {devices} | {polls:.0} | {:.0} µs | {:.0} | {:.1} | {:.0} | {:.0} MB |",
        cpu / polls * 1e6,
        grown("grafolean_snmp_values_read_total") / polls,
        grown("grafolean_snmp_poll_requests_total") / polls,
        grown("grafolean_samples_measured_total") / polls,
        bot.memory_mb("VmRSS"),
    );
}
