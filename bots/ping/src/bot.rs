//! The bot: a job for each entity, a run of pings for each job.

use grafoleancollector::telemetry::MetricsText;
use grafoleancollector::{
    AccountId, Collector, Context, EntityId, Environment, FetchError, Finding, Host, Job, JobError, Run,
    Samples, SettingProblem, StartError, Variable,
};

use crate::icmp::{Pinger, PingerOptions, SocketStats};
use crate::measure::measure;
use crate::protocol::{Credential, Ping};

/// The bot's own variables.
pub const VARIABLES: &[Variable] = &[
    Variable::new("PING_SUMMARY", "0", "1 adds rtt.min, rtt.avg, rtt.max, rtt.jitter and loss"),
    Variable::new("PING_RATE", "5000", "echo requests sent per second at most"),
];

/// Runs at once. They wait nearly all the time: 20,000 devices with the default credential need some 700, and
/// as many dead ones 1,000. The sending is limited by `PING_RATE`, not by this.
pub const CONCURRENCY: usize = 4_096;

/// What a run may take beyond its packets: a slow name server, a long queue to send.
const SLACK: std::time::Duration = std::time::Duration::from_secs(15);
/// A stop leaves runs 10 s to finish: most do. One that does not ends shortly before.
const LAST_WORD: std::time::Duration = std::time::Duration::from_secs(8);
const MOST_PACKETS_PER_SECOND: u32 = 1_000_000;

/// Grafolean's ping bot.
#[derive(Debug)]
pub struct PingBot {
    pinger: Pinger,
    with_summary: bool,
}

/// One device to ping.
#[derive(Clone, PartialEq, Debug)]
pub struct PingTask {
    account: AccountId,
    entity: EntityId,
    host: Host,
    credential: Credential,
}

impl PingBot {
    /// A bot that pings through `pinger`.
    #[must_use]
    pub const fn new(pinger: Pinger) -> Self {
        Self { pinger, with_summary: false }
    }

    /// Adds the figures of `PING_SUMMARY`.
    #[must_use]
    pub const fn with_summary(mut self, with_summary: bool) -> Self {
        self.with_summary = with_summary;
        self
    }

    /// A bot as the environment wants it, with its sockets open.
    ///
    /// # Errors
    /// When a variable is wrong, or when the kernel allows no ICMP socket.
    pub fn from_environment(environment: &Environment) -> Result<Self, StartError> {
        let mut problems = Vec::new();
        let with_summary = match environment.get("PING_SUMMARY").as_deref() {
            None | Some("0" | "false" | "no") => false,
            Some("1" | "true" | "yes") => true,
            Some(other) => {
                problems.push(SettingProblem::new(
                    "PING_SUMMARY",
                    format_args!("expected 0 or 1, got {other:?}"),
                ));
                false
            }
        };
        let mut options = PingerOptions::default();
        if let Some(text) = environment.get("PING_RATE") {
            match text.parse() {
                Ok(rate @ 1..=MOST_PACKETS_PER_SECOND) => options = options.packets_per_second(rate),
                _ => problems.push(SettingProblem::new(
                    "PING_RATE",
                    format_args!("expected a whole number from 1 to {MOST_PACKETS_PER_SECOND}, got {text:?}"),
                )),
            }
        }
        if !problems.is_empty() {
            return Err(StartError::Settings(problems));
        }
        let pinger = Pinger::open(options).map_err(StartError::collector)?;
        Ok(Self::new(pinger).with_summary(with_summary))
    }
}

/// Resolves when the bot is about to stop and a long run would be dropped with all that it measured.
async fn no_time_left(run: &Run<PingTask>) {
    run.cancelled().await;
    tokio::time::sleep(LAST_WORD).await;
}

impl Collector for PingBot {
    type Task = PingTask;

    async fn jobs(&self, cx: &Context) -> Result<Vec<Job<PingTask>>, FetchError> {
        let mut jobs = Vec::new();
        for entity in self.fetch_job_configs::<Ping>(cx).await? {
            let Some(address) = entity.details.text("ipv4") else {
                cx.skip(&*entity, "details.ipv4: missing: expected an IPv4 or IPv6 address or a host name");
                continue;
            };
            let host = match address.parse::<Host>() {
                Ok(host) => host,
                Err(error) => {
                    cx.skip(&*entity, format_args!("details.ipv4: {error}"));
                    continue;
                }
            };
            let credential = *entity.credential;
            let lane = host.to_string();
            let task = PingTask { account: entity.account, entity: entity.id, host, credential };
            let timeout = credential.longest_run() + SLACK;
            let job = Job::new(entity.id, task).every(entity.intervals()).lane(lane).timeout(timeout);
            jobs.push(job.about(&entity));
        }
        Ok(jobs)
    }

    async fn perform(&self, run: &Run<PingTask>) -> Result<Samples, JobError> {
        let PingTask { account, entity, host, credential } = &*run.task;
        let target = host
            .resolve()
            .await
            .map_err(|error| JobError::because(format_args!("cannot resolve {host}"), error))?;
        let pings = measure(&self.pinger, target, credential, no_time_left(run))
            .await
            .map_err(|error| JobError::because(format_args!("cannot ping {host}"), error))?;
        if pings.0.is_empty() {
            return Err(JobError::failed("the bot stopped before a packet was settled"));
        }
        Ok(pings.samples(*account, *entity, self.with_summary))
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
    fn write_metrics(&self, out: &mut MetricsText) {
        let stats = self.pinger.stats();
        let name = "grafolean_ping_packets_total";
        out.family(name, "counter", "Echo requests and answers, by what became of them.");
        for (what, n) in [
            ("sent", stats.sent),
            ("answered", stats.answered),
            ("timed_out", stats.timed_out),
            ("unreachable", stats.unreachable),
            ("late", stats.late),
            ("duplicate", stats.duplicate),
            ("foreign", stats.foreign),
            ("malformed", stats.malformed),
            ("send_error", stats.send_errors),
        ] {
            out.sample(name, &[("what", what)], n as f64);
        }
        let name = "grafolean_ping_kernel_drops_total";
        out.family(name, "counter", "Packets that the kernel dropped because the receive buffer was full.");
        out.sample(name, &[], stats.kernel_drops as f64);
        out.gauge(
            "grafolean_ping_packets_under_way",
            "Echo requests that wait for an answer.",
            stats.waiting as f64,
        );
    }

    async fn check(&self) -> Vec<Finding> {
        let stats = self.pinger.stats();
        let finding = |family: &str, socket: Option<SocketStats>| match socket {
            Some(SocketStats { kind, receive_buffer, .. }) => Finding::good(
                "icmp",
                format_args!("{family}: {kind} socket, receive buffer {} KiB", receive_buffer / 1024),
            ),
            None => {
                Finding::doubtful("icmp", format_args!("{family}: no socket; this host seems not to have it"))
            }
        };
        vec![finding("IPv4", stats.ipv4), finding("IPv6", stats.ipv6)]
    }
}
