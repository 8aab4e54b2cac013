//! The poller: a process of its own, with one thread on one core.

use std::sync::Arc;
use std::time::Duration;

use grafolean_snmp_bot::benching::Poller;
use grafolean_snmp_bot::wire::{Credential, Device, Wire};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::common::{memory_bytes, once_more};
use crate::support::machine::{own_cpu, stay_on};
use crate::support::{self, MEASURED_CORE};

/// The argument with which this program is asked to be the poller.
pub(crate) const ARGUMENT: &str = "poller";

/// What is read of each device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Ten scalars, and the ifTable as if it were one column: a request for each 25 values.
    Table,
    /// Ten scalars, and the columns of the ifTable, as sensors need them.
    Columns,
    /// Two columns, and no scalars.
    TwoColumns,
}

impl Shape {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Table, "table"), (Self::Columns, "columns"), (Self::TwoColumns, "two-columns")];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(shape, _)| *shape == self).map_or("", |(_, name)| name)
    }

    fn poller(self) -> Poller {
        match self {
            Self::Table => Poller::new(&support::ten_scalars(), &[support::if_table()]),
            Self::Columns => Poller::new(&support::ten_scalars(), &support::if_columns(1..=22)),
            Self::TwoColumns => Poller::new(&[], &support::if_columns([10, 16])),
        }
    }
}

/// What is polled, and how.
pub(crate) struct Load {
    pub(crate) shape: Shape,
    pub(crate) devices: usize,
    pub(crate) at_once: usize,
    /// How often all devices are polled, after the first time.
    pub(crate) rounds: usize,
    pub(crate) port: u16,
}

/// What a poller measured: in its first round, in which all devices are new, and in all rounds after it.
pub(crate) struct Figures {
    pub(crate) first: Figure,
    pub(crate) later: Figure,
    pub(crate) megabytes: f64,
}

/// Per device and poll, but for the slowest.
pub(crate) struct Figure {
    pub(crate) cpu_seconds: f64,
    pub(crate) seconds: f64,
    pub(crate) requests: f64,
    pub(crate) values: f64,
    /// How long the slowest poll took.
    pub(crate) slowest_seconds: f64,
}

/// Runs a poller and waits for it.
pub(crate) fn start(load: &Load) -> Figures {
    let numbers =
        [load.devices, load.at_once, load.rounds, load.port.into()].map(|number| number.to_string());
    let [devices, at_once, rounds, port] = numbers.each_ref().map(String::as_str);
    let [a, b, c, d, e, f, g, h, i, j, megabytes] =
        once_more(&[ARGUMENT, load.shape.name(), devices, at_once, rounds, port]).expect("a poller");
    let figure = |[cpu_seconds, seconds, requests, values, slowest_seconds]: [f64; 5]| Figure {
        cpu_seconds,
        seconds,
        requests,
        values,
        slowest_seconds,
    };
    Figures { first: figure([a, b, c, d, e]), later: figure([f, g, h, i, j]), megabytes }
}

/// Is the poller, with the arguments that come after [`ARGUMENT`].
pub(crate) fn run(arguments: &[String]) {
    stay_on(MEASURED_CORE);
    let (name, numbers) = arguments.split_first().expect("arguments");
    let (shape, _) = Shape::ALL.into_iter().find(|(_, shape)| shape == name).expect("a shape");
    let numbers: Vec<usize> = numbers.iter().map(|text| text.parse().expect("a number")).collect();
    let &[devices, at_once, rounds, port] = &*numbers else { panic!("four numbers") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let wire = Wire::open().expect("a socket");
        let credential = Arc::new(Credential::v2c("public").expect("a community"));
        let addresses = support::addresses(devices).into_iter();
        let mut fleet: Vec<(Device, Poller)> = addresses
            .map(|address| (wire.agent((address, port as u16).into(), &credential), shape.poller()))
            .collect();
        let (mut first, mut later) = (Polls::default(), Polls::default());
        fleet = first.poll(fleet, at_once).await;
        for _ in 0..rounds {
            fleet = later.poll(fleet, at_once).await;
        }
        // The first look at what the kernel dropped only has it counted, away from this thread.
        let _ = wire.stats();
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let stats = wire.stats();
        assert_eq!((stats.retries, stats.kernel_drops), (0, 0), "something was lost: {stats:?}");
        println!("{first} {later} {}", memory_bytes("VmRSS") / 1e6);
    });
}

#[derive(Default)]
struct Polls {
    count: f64,
    cpu_seconds: f64,
    seconds: f64,
    requests: u64,
    values: usize,
    slowest: Duration,
}

impl Polls {
    /// Polls each device once, so many at a time, and gives them back.
    async fn poll(&mut self, fleet: Vec<(Device, Poller)>, at_once: usize) -> Vec<(Device, Poller)> {
        let (began, cpu) = (Instant::now(), own_cpu());
        self.count += fleet.len() as f64;
        let mut waiting = fleet.into_iter();
        let (mut polls, mut polled) = (JoinSet::new(), Vec::new());
        let poll = |(device, mut poller): (Device, Poller)| async move {
            let outcome = poller.poll(&device).await;
            (device, poller, outcome)
        };
        for next in waiting.by_ref().take(at_once) {
            polls.spawn(poll(next));
        }
        while let Some(done) = polls.join_next().await {
            let (device, poller, outcome) = done.expect("a poll");
            assert_eq!(outcome.problems, 0, "{device:?}: {outcome:?}");
            self.requests += outcome.requests;
            self.values += outcome.values;
            self.slowest = self.slowest.max(outcome.duration);
            polled.push((device, poller));
            if let Some(next) = waiting.next() {
                polls.spawn(poll(next));
            }
        }
        self.cpu_seconds += own_cpu() - cpu;
        self.seconds += began.elapsed().as_secs_f64();
        polled
    }
}

impl std::fmt::Display for Polls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let per_poll = |total: f64| total / self.count;
        write!(
            f,
            "{} {} {} {} {}",
            per_poll(self.cpu_seconds),
            per_poll(self.seconds),
            per_poll(self.requests as f64),
            per_poll(self.values as f64),
            self.slowest.as_secs_f64()
        )
    }
}
