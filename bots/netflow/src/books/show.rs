//! The books as metrics.

use grafoleancollector::telemetry::{Counter, MetricsText};

use super::{Books, ExporterBooks, Malformed, SamplingRate};

/// Exporters of entities that have lines of their own; the sums have all exporters.
const MOST_SHOWN: usize = 1_000;
/// Other exporters that have lines of their own: anybody can invent some, and each has many lines.
const MOST_UNKNOWN: usize = 50;

/// A family of metrics of exporters: its name, kind and help, and its value.
type Family = (&'static str, &'static str, &'static str, fn(&ExporterBooks) -> f64);
/// The same of each version.
type VersionFamily = (&'static str, &'static str, fn(&super::VersionBooks) -> &Counter);

#[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
fn float(counter: &Counter) -> f64 {
    counter.get() as f64
}

const OF_VERSIONS: [VersionFamily; 8] = [
    ("packets_total", "Datagrams.", |books| &books.packets),
    ("datagram_bytes_total", "Bytes of datagrams.", |books| &books.datagram_bytes),
    ("flows_total", "Flow records.", |books| &books.flows),
    ("octets_total", "Octets of those flows, not multiplied by the sampling rate.", |books| &books.octets),
    (
        "sequence_lost_total",
        "Flows (v5, v7), packets (v9), records (IPFIX) or datagrams (sFlow) that did not arrive.",
        |books| &books.lost,
    ),
    ("sequence_arrived_total", "The same that did arrive.", |books| &books.arrived),
    ("sequence_late_total", "Datagrams that came after later ones, or twice.", |books| &books.late),
    ("sequence_restarts_total", "How often the numbers of datagrams began anew.", |books| &books.restarts),
];

#[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
const OF_EXPORTERS: [Family; 17] = [
    ("streams", "gauge", "Versions and observation domains that are followed.", |books| {
        books.streams.get() as f64
    }),
    ("templates", "gauge", "Templates that are known.", |books| books.templates.get() as f64),
    ("templates_received_total", "counter", "Templates that came, again and again.", |books| {
        float(&books.templates_received)
    }),
    ("templates_changed_total", "counter", "Templates that came with other fields than before.", |books| {
        float(&books.templates_changed)
    }),
    ("templates_withdrawn_total", "counter", "Templates that their exporter withdrew.", |books| {
        float(&books.templates_withdrawn)
    }),
    ("templates_expired_total", "counter", "Templates that were not repeated for too long.", |books| {
        float(&books.templates_expired)
    }),
    (
        "refused_total",
        "counter",
        "Templates, and packets of streams, for which there was no room.",
        |books| float(&books.refused),
    ),
    ("sets_without_template_total", "counter", "Data sets that came before their template.", |books| {
        float(&books.sets_without_template)
    }),
    ("sets_waiting", "gauge", "Data sets that wait for their template.", |books| {
        books.waiting.sets.get() as f64
    }),
    ("sets_replayed_total", "counter", "Data sets whose template came later.", |books| {
        float(&books.waiting.replayed)
    }),
    ("sets_dropped_total", "counter", "Data sets whose template did not come.", |books| {
        float(&books.waiting.dropped)
    }),
    ("options_records_total", "counter", "Records of options.", |books| float(&books.options_records)),
    ("long_flows_total", "counter", "Flows that lasted longer than two minutes.", |books| {
        float(&books.long_flows)
    }),
    ("nonsense_rates_total", "counter", "Sampling rates that nobody can mean.", |books| {
        float(&books.nonsense_rates)
    }),
    (
        "waiting_since_timestamp_seconds",
        "gauge",
        "Since when data waits for a template. 0: none does.",
        |books| books.waiting.since().map_or(0.0, grafoleancollector::Timestamp::as_secs_f64),
    ),
    ("clock_skew_seconds", "gauge", "By how much the exporter's clock is behind ours.", |books| {
        books.skew_ms().unwrap_or(0) as f64 / 1e3
    }),
    ("last_seen_timestamp_seconds", "gauge", "When the last datagram came.", |books| {
        books.last_seen().map_or(0.0, grafoleancollector::Timestamp::as_secs_f64)
    }),
];

impl Books {
    /// Writes all numbers: the sums of all exporters (`netflow_…`), and those of each (`grafolean_netflow_exporter_…`, for the
    /// first thousand that entities have, and the first fifty others, by address).
    pub fn write_metrics(&self, out: &mut MetricsText) {
        let exporters = self.list();
        let sum = ExporterBooks::default();
        sum.add(&self.gone);
        exporters.iter().for_each(|exporter| sum.add(exporter));
        let known = exporters.iter().filter(|exporter| exporter.is_known()).take(MOST_SHOWN);
        let others = exporters.iter().filter(|exporter| !exporter.is_known()).take(MOST_UNKNOWN);
        let shown: Vec<_> =
            known.chain(others).map(|exporter| (exporter.address().to_string(), exporter)).collect();

        out.counter(
            "grafolean_netflow_refused_datagrams_total",
            "Datagrams of sources for which there is no room.",
            &self.refused,
        );
        out.gauge(
            "grafolean_netflow_exporters",
            "Sources of datagrams that are remembered.",
            count(exporters.len()),
        );
        for (name, help, value) in OF_VERSIONS {
            out.family(&format!("grafolean_netflow_{name}"), "counter", help);
            for (version, books) in sum.versions() {
                out.sample(
                    &format!("grafolean_netflow_{name}"),
                    &[("version", version.name())],
                    float(value(books)),
                );
            }
            let name = format!("grafolean_netflow_exporter_{name}");
            out.family(&name, "counter", help);
            for (address, exporter) in &shown {
                for (version, books) in exporter.versions() {
                    let labels = [("exporter", address.as_str()), ("version", version.name())];
                    out.sample(&name, &labels, float(value(books)));
                }
            }
        }
        for (name, kind, help, value) in OF_EXPORTERS {
            // Of what goes up and down there is no sum.
            if kind == "counter" {
                out.family(&format!("grafolean_netflow_{name}"), kind, help);
                out.sample(&format!("grafolean_netflow_{name}"), &[], value(&sum));
            }
            let name = format!("grafolean_netflow_exporter_{name}");
            out.family(&name, kind, help);
            for (address, exporter) in &shown {
                out.sample(&name, &[("exporter", address)], value(exporter));
            }
        }
        let name = "grafolean_netflow_exporter_sampling_rate";
        let help = "The sampling rate of the last flows, and who said it. 0: the exporter has not said.";
        out.family(name, "gauge", help);
        for (address, exporter) in &shown {
            let SamplingRate { rate, origin } = exporter.sampling();
            let labels = [("exporter", address.as_str()), ("origin", origin.name())];
            out.sample(name, &labels, rate.map_or(0.0, |rate| f64::from(rate.get())));
        }
        let help = "Datagrams in which something is wrong.";
        out.family("grafolean_netflow_malformed_total", "counter", help);
        for why in Malformed::ALL {
            out.sample(
                "grafolean_netflow_malformed_total",
                &[("reason", why.name())],
                float(sum.malformed(why)),
            );
        }
        out.family("grafolean_netflow_exporter_malformed_total", "counter", help);
        for (address, exporter) in &shown {
            for why in Malformed::ALL.into_iter().filter(|why| exporter.malformed(*why).get() > 0) {
                let labels = [("exporter", address.as_str()), ("reason", why.name())];
                out.sample(
                    "grafolean_netflow_exporter_malformed_total",
                    &labels,
                    float(exporter.malformed(why)),
                );
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are some thousands")]
fn count(n: usize) -> f64 {
    n as f64
}
