//! What the bot counts, for `/metrics`.

use grafoleancollector::telemetry::{Counter, Histogram, MetricsText};

use crate::poll::PollStats;
use crate::sensor::evaluate::{Discarded, Evaluated, Refusal};
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
    rows: Rows,
    rates: Discards,
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

/// What became of the rows of sensors.
#[derive(Debug, Default)]
struct Rows {
    value: Counter,
    hole: Counter,
    no_rate: Counter,
    skipped: Counter,
    duplicate_path: Counter,
    bad_path: Counter,
    not_a_number: Counter,
    no_result: Counter,
}

/// Readings of counters that gave no rate.
#[derive(Debug, Default)]
struct Discards {
    first: Counter,
    reset: Counter,
    implausible: Counter,
    too_soon: Counter,
    no_room: Counter,
}

impl Counts {
    /// A sensor has been evaluated.
    pub(crate) fn evaluated(&self, evaluated: &Evaluated) {
        let add = |counter: &Counter, n: usize| {
            if n > 0 {
                counter.add(n as u64);
            }
        };
        let (rows, rates) = (&self.rows, &self.rates);
        add(&rows.value, evaluated.values.len());
        add(&rows.hole, evaluated.holes);
        add(&rows.no_rate, evaluated.without_rate);
        add(&rows.skipped, evaluated.skipped);
        for (reason, n) in evaluated.refused() {
            match reason {
                Refusal::DuplicatePath => add(&rows.duplicate_path, n),
                Refusal::BadPath => add(&rows.bad_path, n),
                Refusal::NotANumber => add(&rows.not_a_number, n),
                Refusal::NoResult => add(&rows.no_result, n),
                Refusal::Absent => {}
            }
        }
        let Discarded { first, reset, implausible, too_soon, no_room } = evaluated.discarded;
        add(&rates.first, first);
        add(&rates.reset, reset);
        add(&rates.implausible, implausible);
        add(&rates.too_soon, too_soon);
        add(&rates.no_room, no_room);
    }

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
    pub(crate) fn write(
        &self,
        out: &mut MetricsText,
        wire: &Wire,
        resting: usize,
        baselines: usize,
        dropped: u64,
    ) {
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
        let Rows { value, hole, no_rate, skipped, duplicate_path, bad_path, not_a_number, no_result } =
            &self.rows;
        let refused = [
            ("duplicate_path", duplicate_path),
            ("bad_path", bad_path),
            ("not_a_number", not_a_number),
            ("no_result", no_result),
        ];
        let name = "grafolean_snmp_rows_total";
        out.family(
            name,
            "counter",
            "Rows of sensors: with a value; lacking an object; without a rate; divided by zero; refused.",
        );
        for (result, counter) in
            [("value", value), ("hole", hole), ("no_rate", no_rate), ("skipped", skipped)]
        {
            out.sample(name, &[("result", result)], counter.get() as f64);
        }
        let all: u64 = refused.iter().map(|(_, counter)| counter.get()).sum();
        out.sample(name, &[("result", "refused")], all as f64);
        let name = "grafolean_snmp_rows_refused_total";
        out.family(name, "counter", "Refused rows, by what is wrong with them.");
        for (reason, counter) in refused {
            out.sample(name, &[("reason", reason)], counter.get() as f64);
        }
        let Discards { first, reset, implausible, too_soon, no_room } = &self.rates;
        let name = "grafolean_snmp_rates_discarded_total";
        out.family(name, "counter", "Readings of counters that gave no rate.");
        for (reason, counter) in [
            ("first", first),
            ("reset", reset),
            ("implausible", implausible),
            ("too_soon", too_soon),
            ("no_room", no_room),
        ] {
            out.sample(name, &[("reason", reason)], counter.get() as f64);
        }
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
        let name = "grafolean_snmp_counters_dropped_total";
        out.family(name, "counter", "Readings that were not remembered: see SNMP_MAX_COUNTERS.");
        out.sample(name, &[], dropped as f64);
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
