//! What the bot counts, for `/metrics`.

use grafoleancollector::telemetry::{Counter, MetricsText};

use crate::poll::PollStats;
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
            }
            None => self.silent.inc(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
    pub(crate) fn write(&self, out: &mut MetricsText, wire: &WireStats, resting: usize, baselines: usize) {
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
        out.gauge("grafolean_snmp_counters", "Counters with a baseline.", baselines as f64);
    }
}
