//! What a poll costs, ours and the exporter's in turn.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::poller::{self, Load, Shape};
use crate::support::agent_process::AgentProcess;
use crate::support::common::median;
use crate::support::exporter::{Exporter, Module};
use crate::support::machine::{Work, own_cpu, stay_on, wait_until_quiet};
use crate::support::{self, MEASURED_CORE, OTHER_CORE};

const DEVICES: usize = 500;
const INTERFACES: u32 = 24;
const AT_ONCE: usize = 64;
const ROUNDS: usize = 5;
/// Ten scalars, and 22 columns.
const VALUES: usize = 10 + 22 * INTERFACES as usize;
/// How many requests the exporter needs for them: ten objects at once, and 25 values at once.
const THEIR_REQUESTS: usize = 1 + VALUES.div_ceil(25);

const OURS: [(Shape, &str); 2] =
    [(Shape::Table, "ours, the table as one column"), (Shape::Columns, "ours, 22 columns")];
const THEIRS: [(Module, &str); 2] =
    [(Module::Nothing, "snmp_exporter, only reading"), (Module::Metrics, "snmp_exporter, as metrics")];

pub(crate) fn measure(repetitions: usize) {
    stay_on(OTHER_CORE);
    let agent = AgentProcess::start(INTERFACES, Duration::ZERO);
    let (scalars, columns) = (support::ten_scalars(), support::if_columns(1..=22));
    let exporter = Exporter::start(MEASURED_CORE, &scalars, &support::if_table(), &columns);
    if exporter.is_none() {
        println!("prometheus-snmp-exporter is not installed: ours runs alone");
    }
    println!(
        "| run | who | requests per device | devices/s | requests/s | CPU µs per device | of new ones | MB | \
         the agent's CPU µs per request | cores busy with other things |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    let mut costs = Costs::default();
    for run in 1..=repetitions {
        for (shape, who) in OURS {
            let circumstances = Circumstances::begin(&agent);
            let line = ours(shape, &agent);
            circumstances.end(&agent, run, who, &line);
            costs.add(who, line.cpu);
        }
        for (module, who) in THEIRS {
            let Some(exporter) = &exporter else { continue };
            let targets = support::addresses(DEVICES)
                .into_iter()
                .map(|address| agent.device(address))
                .collect::<Vec<_>>();
            // This opens connections and fills its memory: it knows nothing of one scrape in the next.
            exporter.scrape(module, &targets[..AT_ONCE]);
            let circumstances = Circumstances::begin(&agent);
            let line = theirs(module, exporter, &targets);
            circumstances.end(&agent, run, who, &line);
            costs.add(who, line.cpu);
        }
    }
    costs.print();
}

/// A line of the table. Times are seconds, per device.
struct Line {
    requests: f64,
    seconds: f64,
    cpu: f64,
    cpu_of_new: Option<f64>,
    megabytes: f64,
    polls: usize,
    /// Of all polls.
    own_cpu: f64,
}

fn ours(shape: Shape, agent: &AgentProcess) -> Line {
    let load = Load { shape, devices: DEVICES, at_once: AT_ONCE, rounds: ROUNDS, port: agent.port() };
    let poller::Figures { first, later, megabytes } = poller::start(&load);
    assert_eq!(later.values as usize, VALUES);
    let own_cpu = (first.cpu_seconds + later.cpu_seconds * ROUNDS as f64) * DEVICES as f64;
    Line {
        requests: later.requests,
        seconds: later.seconds,
        cpu: later.cpu_seconds,
        cpu_of_new: Some(first.cpu_seconds),
        megabytes,
        polls: (ROUNDS + 1) * DEVICES,
        own_cpu,
    }
}

fn theirs(module: Module, exporter: &Exporter, targets: &[SocketAddr]) -> Line {
    let (began, before, own) = (Instant::now(), exporter.cpu(), own_cpu());
    let values = exporter.scrape(module, targets);
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), exporter.cpu() - before);
    assert_eq!(values, targets.len() * VALUES);
    let polls = targets.len();
    Line {
        requests: THEIR_REQUESTS as f64,
        seconds: seconds / polls as f64,
        cpu: cpu / polls as f64,
        cpu_of_new: None,
        megabytes: exporter.megabytes(),
        polls,
        own_cpu: cpu + own_cpu() - own,
    }
}

/// How it was while something was measured.
struct Circumstances {
    quiet: bool,
    work: Work,
    agents_cpu: f64,
}

impl Circumstances {
    /// Waits for a quiet moment.
    fn begin(agent: &AgentProcess) -> Self {
        let quiet = wait_until_quiet();
        Self { quiet, work: Work::now(), agents_cpu: agent.cpu() }
    }

    fn end(&self, agent: &AgentProcess, run: usize, who: &str, line: &Line) {
        let agents = agent.cpu() - self.agents_cpu;
        let others = self.work.of_others(agents + line.own_cpu);
        let warning = if self.quiet { "" } else { " (never quiet)" };
        let &Line { requests, seconds, cpu, cpu_of_new, megabytes, polls, .. } = line;
        let (rate, cpu) = (1.0 / seconds, cpu * 1e6);
        let cpu_of_new = cpu_of_new.map_or_else(String::new, |cpu| format!("{:.0}", cpu * 1e6));
        let per_request = agents / (requests * polls as f64) * 1e6;
        println!(
            "| {run} | {who} | {requests:.1} | {rate:.0} | {:.0} | {cpu:.0} | {cpu_of_new} | {megabytes:.1} | \
             {per_request:.1} | {others:.2}{warning} |",
            rate * requests
        );
    }
}

/// The CPU seconds per device of each run, by who ran.
#[derive(Default)]
struct Costs(Vec<(&'static str, Vec<f64>)>);

impl Costs {
    fn add(&mut self, who: &'static str, cost: f64) {
        match self.0.iter_mut().find(|(other, _)| *other == who) {
            Some((_, costs)) => costs.push(cost),
            None => self.0.push((who, vec![cost])),
        }
    }

    /// The median in µs, the least and the most.
    fn of(&self, who: &str) -> Option<[f64; 3]> {
        let mut costs = self.0.iter().find(|(other, _)| *other == who)?.1.clone();
        let middle = median(&mut costs);
        Some([middle, *costs.first()?, *costs.last()?].map(|cost| cost * 1e6))
    }

    fn print(&self) {
        println!("\nCPU µs per device, the median of all runs:");
        for (who, _) in &self.0 {
            let Some([middle, least, most]) = self.of(who) else { continue };
            println!("- {who}: {middle:.0} ({least:.0} to {most:.0})");
        }
        for (_, ours) in OURS {
            for (_, theirs) in THEIRS {
                if let (Some(ours_costs), Some(their_costs)) = (self.of(ours), self.of(theirs)) {
                    println!("- {theirs}: {:.1} times {ours}", their_costs[0] / ours_costs[0]);
                }
            }
        }
    }
}
