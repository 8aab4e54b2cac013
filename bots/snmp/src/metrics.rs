//! What the bot counts, for `/metrics`.

use grafoleancollector::telemetry::{Counter, Histogram, MetricsText};

use crate::poll::PollStats;
use crate::wire::Wire;

/// Upper bounds, in seconds: from a single request to a core router's tables.
const POLL_DURATIONS: &[f64] = &[0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 30.0, 60.0];

/// How long polls took.
#[derive(Debug)]
struct Durations(Histogram);

impl Default for Durations {
    fn default() -> Self {
        Self(Histogram::new(POLL_DURATIONS))
    }
}

/// What became of polls, and what they were for.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    answered: Counter,
    silent: Counter,
    durations: Durations,
    /// Runs without a poll, because the device had not answered for long.
    pub(crate) rested: Counter,
    values: Counter,
    requests: Counter,
    /// Things that are worth a line of the log, said or not.
    pub(crate) warnings: Counter,
    /// Entities of interfaces that were written.
    pub(crate) created: Counter,
    pub(crate) updated: Counter,
    pub(crate) deleted: Counter,
    pub(crate) unwritten: Counter,
    /// Devices whose changes were left to their next look, because others were being written.
    pub(crate) postponed: Counter,
}

impl Counts {
    /// A poll has ended; None when it did not even begin.
    pub(crate) fn asked(&self, stats: Option<&PollStats>) {
        match stats {
            Some(stats) => {
                if stats.answered {
                    self.answered.inc();
                } else {
                    self.silent.inc();
                }
                self.values.add(stats.values as u64);
                self.requests.add(stats.requests);
                self.durations.0.observe(stats.duration);
            }
            None => self.silent.inc(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
    pub(crate) fn write(&self, out: &mut MetricsText, wire: &Wire, resting: usize, baselines: usize) {
        let name = "grafolean_snmp_polls_total";
        out.family(
            name,
            "counter",
            "Polls of devices, by what became of them; resting: left alone for a while.",
        );
        for (result, counter) in
            [("answered", &self.answered), ("silent", &self.silent), ("resting", &self.rested)]
        {
            out.sample(name, &[("result", result)], counter.get() as f64);
        }
        out.counter("grafolean_snmp_values_read_total", "Objects that were read with a value.", &self.values);
        out.counter("grafolean_snmp_poll_requests_total", "Requests that polls took.", &self.requests);
        out.counter(
            "grafolean_snmp_warnings_total",
            "Strange answers and refused rows, said in the log when new.",
            &self.warnings,
        );
        let name = "grafolean_snmp_poll_duration_seconds";
        out.family(name, "histogram", "How long polls took, with or without an answer.");
        out.histogram(name, &[], &self.durations.0);
        let name = "grafolean_snmp_interface_writes_total";
        out.family(name, "counter", "Entities of interfaces that were written, or could not be.");
        for (what, counter) in [
            ("created", &self.created),
            ("updated", &self.updated),
            ("deleted", &self.deleted),
            ("failed", &self.unwritten),
            ("postponed_devices", &self.postponed),
        ] {
            out.sample(name, &[("what", what)], counter.get() as f64);
        }
        write_wire(out, wire);
        out.gauge(
            "grafolean_snmp_devices_resting",
            "Devices that are left alone for a while.",
            resting as f64,
        );
        out.gauge("grafolean_snmp_counters", "Counters with a baseline.", baselines as f64);
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
fn write_wire(out: &mut MetricsText, wire: &Wire) {
    let stats = wire.stats();
    let mut family = |name: &str, help: &str, label: &str, samples: &[(&str, u64)]| {
        out.family(name, "counter", help);
        for (value, n) in samples {
            let labels: &[_] = if label.is_empty() { &[] } else { &[(label, *value)] };
            out.sample(name, labels, *n as f64);
        }
    };
    family(
        "grafolean_snmp_requests_total",
        "Requests, by what became of them after all their tries; SNMPv3's discoveries are requests too.",
        "result",
        &[
            ("answered", stats.answers),
            ("timed_out", stats.timeouts),
            ("refused", stats.refused),
            ("failed", stats.failed),
        ],
    );
    family("grafolean_snmp_retries_total", "Further tries of requests.", "", &[("", stats.retries)]);
    family(
        "grafolean_snmp_stray_datagrams_total",
        "What came and was the answer to no request under way.",
        "what",
        &[
            ("late", stats.late),
            ("unexpected", stats.unexpected),
            ("foreign", stats.foreign),
            ("malformed", stats.malformed),
        ],
    );
    family(
        "grafolean_snmp_kernel_drops_total",
        "Answers that the kernel dropped because the receive buffer was full.",
        "",
        &[("", stats.kernel_drops)],
    );
    let name = "grafolean_snmp_round_trip_seconds";
    out.family(name, "histogram", "From a try to its answer.").histogram(name, &[], wire.round_trips());
    out.gauge("grafolean_snmp_sessions", "Devices with a session.", stats.sessions as f64);
}
