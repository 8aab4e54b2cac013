//! What is counted, for `/metrics`.

use grafoleancollector::telemetry::{Counter, MetricsText};

use crate::aggregate::Level;
use crate::archive;
use crate::engine::{Engine, LossCounts, ShardCounts, Socket};

impl Engine {
    /// Writes everything that is counted.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
    pub(crate) fn write_metrics(&self, out: &mut MetricsText) {
        self.books.write_metrics(out);
        self.write_sockets(out);
        let (windows, bytes) = self.reports.waiting();
        out.gauge(
            "grafolean_netflow_windows_waiting",
            "Closed windows that an account has not had yet.",
            windows as f64,
        );
        out.gauge("grafolean_netflow_windows_waiting_bytes", "Their size.", bytes as f64);
        out.counter(
            "grafolean_netflow_windows_dropped_total",
            "Closed windows that no account has had, given up for want of room.",
            &self.reports.dropped,
        );
        let name = "grafolean_netflow_top_error_ratio";
        out.family(
            name,
            "gauge",
            "By how much of its exporter's traffic a value in a list may be too small: the worst of the last window. 0: all \
             are exact.",
        );
        for (level, ratio) in self.reports.errors() {
            out.sample(name, &[("interval", Level::name(level))], ratio);
        }
        let LossCounts { refused_flows, other_interfaces, dropped_keys } = &*self.losses;
        for (name, help, count) in [
            (
                "grafolean_netflow_flows_refused_total",
                "Flows of exporters for which there was no room.",
                refused_flows,
            ),
            (
                "grafolean_netflow_flows_of_other_interfaces_total",
                "Flows of interfaces for which there was no room: they count for their exporter only.",
                other_interfaces,
            ),
            (
                "grafolean_netflow_keys_dropped_total",
                "Entries of lists that gave way to bigger ones.",
                dropped_keys,
            ),
        ] {
            out.family(name, "counter", help).sample(name, &[], count.get() as f64);
        }
        if let Some(archived) = &self.archived {
            write_archive(archived, out);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
    fn write_sockets(&self, out: &mut MetricsText) {
        let mut family = |name: &str, help: &str, of: fn(&ShardCounts) -> &Counter| {
            out.family(name, "counter", help);
            for (number, Socket { address, counts, .. }) in self.sockets.iter().enumerate() {
                let labels = [("socket", &*number.to_string()), ("address", &*address.to_string())];
                out.sample(name, &labels, of(counts).get() as f64);
            }
        };
        family(
            "grafolean_netflow_kernel_drops_total",
            "Datagrams that the kernel dropped because the socket's buffer was full.",
            |counts| &counts.kernel_drops,
        );
        family("grafolean_netflow_not_allowed_total", "Datagrams from outside NETFLOW_ALLOW.", |counts| {
            &counts.not_allowed
        });
        family("grafolean_netflow_above_rate_total", "Datagrams above NETFLOW_EXPORTER_RATE.", |counts| {
            &counts.above_rate
        });
        family(
            "grafolean_netflow_slices_late_total",
            "Times that adding up was behind receiving.",
            |counts| &counts.late,
        );
        family("grafolean_netflow_socket_errors_total", "Errors of the socket.", |counts| {
            &counts.socket_errors
        });
        family(
            "grafolean_netflow_decoder_panics_total",
            "Datagrams that the decoder could not stand: a bug.",
            |counts| &counts.panics,
        );
        let name = "grafolean_netflow_receive_buffer_bytes";
        out.family(name, "gauge", "What the kernel holds for the socket.");
        for (number, Socket { address, buffer_bytes, .. }) in self.sockets.iter().enumerate() {
            let labels = [("socket", &*number.to_string()), ("address", &*address.to_string())];
            out.sample(name, &labels, *buffer_bytes as f64);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
fn write_archive(counts: &archive::Counts, out: &mut MetricsText) {
    out.counter("grafolean_netflow_archive_flows_offered_total", "Flows for the archive.", &counts.offered);
    out.counter(
        "grafolean_netflow_archive_flows_written_total",
        "Those that are on the disk.",
        &counts.written,
    );
    let name = "grafolean_netflow_archive_flows_dropped_total";
    out.family(
        name,
        "counter",
        "Those that are not kept, by reason: the disk is too slow (queue), or full or broken (disk).",
    );
    for (reason, counter) in [("queue", &counts.dropped_queue), ("disk", &counts.dropped_disk)] {
        out.sample(name, &[("reason", reason)], counter.get() as f64);
    }
    out.counter("grafolean_netflow_archive_files_total", "Files that were completed.", &counts.files);
    out.counter(
        "grafolean_netflow_archive_files_removed_total",
        "Files that were too old or too much.",
        &counts.removed,
    );
    out.gauge(
        "grafolean_netflow_archive_open_file_bytes",
        "The file that is being written.",
        counts.open_bytes.get() as f64,
    );
}
