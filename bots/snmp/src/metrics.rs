//! What the bot counts, for `/metrics`.

use grafoleancollector::telemetry::{Counter, MetricsText};

use crate::counter::Baselines;
use crate::poll::PollStats;
use crate::sensor::evaluate::{Discarded, Evaluated, Refusal};
use crate::wire::WireStats;

/// What became of polls, and what they were for.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    answered: Counter,
    silent: Counter,
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
            }
            None => self.silent.inc(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
    pub(crate) fn write(
        &self,
        out: &mut MetricsText,
        wire: &WireStats,
        resting: usize,
        baselines: &Baselines,
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
        let name = "grafolean_snmp_datagrams_total";
        out.family(name, "counter", "Requests and answers, by what became of them.");
        for (what, n) in [
            ("request", wire.requests),
            ("retry", wire.retries),
            ("answer", wire.answers),
            ("timeout", wire.timeouts),
            ("late", wire.late),
            ("unexpected", wire.unexpected),
            ("foreign", wire.foreign),
            ("malformed", wire.malformed),
            ("refused", wire.refused),
        ] {
            out.sample(name, &[("what", what)], n as f64);
        }
        let name = "grafolean_snmp_kernel_drops_total";
        out.family(name, "counter", "Answers that the kernel dropped because the receive buffer was full.");
        out.sample(name, &[], wire.kernel_drops as f64);
        out.gauge("grafolean_snmp_sessions", "Devices with a session.", wire.sessions as f64);
        out.gauge(
            "grafolean_snmp_devices_resting",
            "Devices that are left alone for a while.",
            resting as f64,
        );
        out.gauge("grafolean_snmp_counters", "Counters with a baseline.", baselines.len() as f64);
        let name = "grafolean_snmp_counters_dropped_total";
        out.family(
            name,
            "counter",
            "Readings of counters that there was no room to remember, see SNMP_MAX_COUNTERS: they gave no rate.",
        );
        out.sample(name, &[], baselines.dropped() as f64);
    }
}
