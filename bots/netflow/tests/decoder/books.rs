//! What is counted, and shown in the metrics.

use std::collections::HashSet;
use std::sync::Arc;

use grafolean_netflow_bot::books::Books;
use grafolean_netflow_bot::decode::Decoder;
use grafolean_netflow_bot::{Ip, Version};
use grafoleancollector::Timestamp;
use grafoleancollector::telemetry::MetricsText;

use crate::bench::{Bench, ROUTER};
use crate::packets::{EXPORT, v5};

#[test]
fn what_was_counted_is_in_the_books_within_a_second_of_datagrams() {
    let books = Arc::new(Books::default());
    let mut decoder = Decoder::new(Arc::clone(&books));
    let packet = v5(0, 1, 1, 0);
    for n in 0..10 {
        let now = Timestamp::from_micros(i64::from(EXPORT) * 1_000_000 + n * 200_000);
        decoder.datagram(now, ROUTER, &packet, &mut |_, _| {});
    }
    let flows = || books.of(ROUTER).unwrap().version(Version::V5).flows.get();
    assert_eq!(flows(), 5);
    decoder.flush();
    assert_eq!(flows(), 10);
}

#[test]
fn metrics_show_the_exporters_of_entities_before_others() {
    let mut bench = Bench::new();
    bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
    bench.flows(&v5(0, 1, 1, 0));
    for source in 1..=1_000 {
        bench.flows_from(Ip::v4(source), &v5(0, 1, 1, 0));
    }
    let mut out = MetricsText::default();
    bench.books.write_metrics(&mut out);
    let lines = |name: &str| out.as_str().lines().filter(|line| line.starts_with(name)).count();
    assert_eq!(lines("grafolean_netflow_exporter_flows_total"), 51);
    assert!(
        out.as_str()
            .contains("grafolean_netflow_exporter_flows_total{exporter=\"192.0.2.1\",version=\"v5\"} 1\n")
    );
    assert!(out.as_str().contains("grafolean_netflow_flows_total{version=\"v5\"} 1001\n"));
}

#[test]
fn metrics_tell_who_said_the_sampling_rate() {
    let mut bench = Bench::new();
    bench.flows(&v5(0, 1, 1, 100));
    let mut out = MetricsText::default();
    bench.books.write_metrics(&mut out);
    let line = "grafolean_netflow_exporter_sampling_rate{exporter=\"192.0.2.1\",origin=\"header\"} 100\n";
    assert!(out.as_str().contains(line));
}
