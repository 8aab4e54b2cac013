//! Floods of templates, sources, streams and names.

use std::collections::HashSet;
use std::sync::Arc;

use grafolean_netflow_bot::Ip;
use grafolean_netflow_bot::decode::{Decoder, Limits};
use grafoleancollector::telemetry::MetricsText;

use crate::bench::{Bench, OTHER, ROUTER, numbers};
use crate::packets::{FIELDS, field, ipfix, record, set, template, v5, v9, v9_options};

#[test]
fn a_million_templates_of_one_exporter_take_little_memory_and_do_not_harm_those_of_others() {
    let mut bench = Bench::new();
    bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
    bench.flows_from(OTHER, &v9(1, 0, &[set(0, &template(256, &FIELDS))]));
    for domain in 0..40 {
        for chunk in (256..=u16::MAX).collect::<Vec<_>>().chunks(1_000) {
            let all: Vec<_> = chunk.iter().flat_map(|id| template(*id, &FIELDS[..2])).collect();
            bench.flows(&v9(domain, 0, &[set(0, &all)]));
        }
    }
    let books = bench.of(ROUTER);
    assert!(books.templates_received.get() > 1_000_000);
    assert!(books.templates.get() < 10_000, "{}", books.templates.get());
    assert!(books.refused.get() > 900_000);
    assert_eq!(bench.flows_from(OTHER, &v9(1, 1, &[set(256, &record(1))])).len(), 1);
}

#[test]
fn a_hundred_thousand_spoofed_sources_do_not_drive_out_a_known_one() {
    let mut bench = Bench::new();
    bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
    let learn = v9(1, 0, &[set(0, &template(256, &FIELDS))]);
    for source in 0..100_000 {
        bench.flows_from(Ip::v4(source), &learn);
    }
    assert_eq!(bench.books.list().len(), 4_096);
    assert_eq!(bench.books.refused.get(), 100_000 - 4_096);
    bench.flows(&learn);
    assert_eq!(bench.octets(&v9(1, 1, &[set(256, &record(1))])), [1], "it has come after all of them");
    bench.later(1_000);
    assert_eq!(bench.flows_from(OTHER, &v5(0, 1, 1, 0)).len(), 1, "the others have been silent for long");
    assert_eq!(bench.books.list().len(), 2);
    let mut out = MetricsText::default();
    bench.books.write_metrics(&mut out);
    assert!(
        out.as_str().contains("grafolean_netflow_packets_total{version=\"v9\"} 4098\n"),
        "sums keep what is gone"
    );
    assert!(
        out.as_str()
            .contains("grafolean_netflow_exporter_flows_total{exporter=\"192.0.2.1\",version=\"v9\"} 1\n")
    );
}

#[test]
fn limits_hold_for_streams_too() {
    let limits = |decoder: Decoder| {
        let mut limits = Limits::default();
        limits.streams_of_unknown = 2;
        decoder.with_limits(limits)
    };
    let mut bench = Bench::with(limits);
    for domain in 0..3 {
        bench.flows(&v9(domain, 0, &[set(0, &template(256, &FIELDS))]));
    }
    let books = bench.of(ROUTER);
    assert_eq!((books.templates.get(), books.refused.get()), (2, 1));
    bench.later(3_600);
    bench.flows(&v9(7, 0, &[set(0, &template(256, &FIELDS))]));
    assert_eq!(books.templates.get(), 2, "one that had been quiet gave its place");
}

/// A packet that names so many interfaces, each with as many bytes as are remembered.
fn names(domain: u32, first: u32, count: u32) -> Vec<u8> {
    let options = v9_options(512, &[field(1, 4)], &[field(10, 4), field(82, 64), field(83, 64)]);
    let data: Vec<_> =
        (first..first + count).flat_map(|index| [&numbers(&[0, index])[..], &[b'a'; 128]].concat()).collect();
    v9(domain, 0, &[set(1, &options), set(512, &data)])
}

#[test]
fn names_and_streams_have_bounds_and_those_of_strangers_narrow_ones() {
    let mut bench = Bench::new();
    bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
    for domain in 0..80 {
        for first in (0..1_200).step_by(400) {
            bench.flows(&names(domain, domain * 1_200 + first, 400));
            bench.flows_from(OTHER, &names(domain, domain * 1_200 + first, 400));
        }
    }
    let (known, stranger) = (bench.of(ROUTER), bench.of(OTHER));
    assert_eq!((known.streams.get(), stranger.streams.get()), (64, 4));
    let remembered: usize =
        known.interfaces().values().map(|name| 2 * (name.name.len() + name.description.len())).sum();
    assert!((1 << 20..4 << 20).contains(&remembered), "{remembered} bytes of four million");
    assert!(stranger.interfaces().is_empty());
    let kept: usize =
        bench.decoder.changes().iter().map(|(_, value)| value.as_ref().map_or(0, Vec::len)).sum();
    assert!(kept < 4 << 20, "{kept}");
    bench.later(3_600);
    for domain in 100..164 {
        bench.flows(&names(domain, 0, 1));
    }
    assert_eq!(known.interfaces().len(), 1, "the streams that had the others gave their places");
    assert_eq!(bench.flows(&v9(163, 0, &[set(0, &template(256, &FIELDS)), set(256, &record(1))])).len(), 1);
}

#[test]
fn a_flood_of_streams_takes_no_more_than_the_room_of_strangers() {
    let mut limits = Limits::default();
    limits.bytes_of_unknown = 100_000;
    let mut bench = Bench::with(|decoder| decoder.with_limits(limits));
    for source in 0..1_000 {
        for engine in 0..64_u16 {
            let mut packet = v5(0, 1, 1, 0);
            packet[20..22].copy_from_slice(&engine.to_be_bytes());
            assert_eq!(bench.flows_from(Ip::v4(source), &packet).len(), 1, "flows need no stream");
        }
    }
    let streams: i64 = bench.books.list().iter().map(|books| books.streams.get()).sum();
    assert!((100..300).contains(&streams), "{streams}");
    assert!(bench.decoder.changes().is_empty());
}

#[test]
fn a_source_that_names_an_entitys_exporter_is_known_but_only_so_many_are() {
    let agent = Ip::v4(0x0a00_0007);
    let mut limits = Limits::default();
    limits.unknown_sources = 10;
    limits.known_by_name = 3;
    let mut bench = Bench::with(|decoder| decoder.with_limits(limits));
    bench.decoder.set_known(Arc::new(HashSet::from([agent])));
    let fields = [field(1, 4), field(130, 4)];
    let sets = [set(2, &template(300, &fields)), set(300, &numbers(&[9, 0x0a00_0007]))];
    let packet = ipfix(1, 0, &sets);
    bench.flows(&packet);
    assert!(bench.of(ROUTER).is_known());
    assert!(bench.decoder.changes().iter().any(|(key, _)| key[0] == b's'), "more than templates is kept");
    for source in 0..100 {
        bench.flows_from(Ip::v4(source), &packet);
    }
    let known = |bench: &Bench| bench.books.list().iter().filter(|books| books.is_known()).count();
    assert_eq!((known(&bench), bench.books.list().len()), (3, 13));
    bench.later(1_000);
    bench.flows_from(OTHER, &packet);
    assert!(bench.of(OTHER).is_known(), "the others have been silent");
    bench.decoder.set_known(Arc::default());
    assert_eq!(known(&bench), 0);
}
