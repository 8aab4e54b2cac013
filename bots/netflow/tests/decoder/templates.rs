//! Templates, and data that came before theirs.

use grafolean_netflow_bot::books::Malformed;

use crate::bench::{Bench, OTHER, ROUTER, numbers};
use crate::packets::{FIELDS, field, ipfix, ipfix_options, record, set, template, v5, v9};

#[test]
fn data_that_came_before_its_template_is_read_when_that_comes_with_its_own_time() {
    let mut bench = Bench::new();
    let came = bench.now;
    assert!(bench.flows(&v9(1, 0, &[set(256, &record(7))])).is_empty());
    assert_eq!(bench.of(ROUTER).waiting.since(), Some(came));
    assert_eq!(bench.of(ROUTER).waiting.sets.get(), 1);
    bench.later(90);
    let packet = v9(1, 1, &[set(0, &template(256, &FIELDS)), set(256, &record(8))]);
    assert_eq!(bench.octets(&packet), [7, 8]);
    let received: Vec<_> = bench.runs.iter().map(|(origin, _)| origin.received).collect();
    assert_eq!(received, [came, bench.now]);
    let books = bench.of(ROUTER);
    assert_eq!((books.waiting.since(), books.waiting.sets.get(), books.waiting.replayed.get()), (None, 0, 1));
}

#[test]
fn sets_that_wait_are_bounded_and_the_oldest_go() {
    let mut bench = Bench::new();
    for n in 0..1_000 {
        bench.flows(&v9(1, n, &[set(256, &record(n))]));
    }
    let books = bench.of(ROUTER);
    assert_eq!((books.waiting.sets.get(), books.waiting.dropped.get()), (256, 744));
    let octets = bench.octets(&v9(1, 1_000, &[set(0, &template(256, &FIELDS))]));
    assert_eq!(octets, (744..1_000).collect::<Vec<_>>());
}

#[test]
fn sets_do_not_wait_for_ever() {
    let mut bench = Bench::new();
    bench.flows(&v9(1, 0, &[set(256, &record(7))]));
    bench.later(3_600);
    bench.flows(&v5(0, 1, 1, 0));
    let books = bench.of(ROUTER);
    assert_eq!((books.waiting.sets.get(), books.waiting.dropped.get()), (0, 1));
    assert_eq!(books.waiting.since(), None);
}

#[test]
fn a_packet_may_hold_many_templates_and_a_template_may_change_between_two_of_its_sets() {
    let mut bench = Bench::new();
    let mut shorter = FIELDS.to_vec();
    shorter.retain(|field| field.0 == 1);
    let both = [template(256, &FIELDS), template(257, &shorter)].concat();
    let packet = v9(
        1,
        0,
        &[
            set(0, &both),
            set(256, &[record(1), record(2)].concat()),
            set(257, &numbers(&[3, 4])),
            set(0, &template(256, &shorter)),
            set(256, &numbers(&[5])),
        ],
    );
    assert_eq!(bench.octets(&packet), [1, 2, 3, 4, 5]);
    let books = bench.of(ROUTER);
    assert_eq!((books.templates.get(), books.templates_changed.get()), (2, 1));
}

#[test]
fn a_withdrawn_template_is_not_used_any_more() {
    let mut bench = Bench::new();
    let all = [template(256, &FIELDS), template(257, &FIELDS), template(258, &FIELDS)].concat();
    bench.flows(&ipfix(1, 0, &[set(2, &all), set(3, &ipfix_options(259, 1, &FIELDS))]));
    bench.flows(&ipfix(1, 0, &[set(2, &template(256, &[]))]));
    assert!(bench.flows(&ipfix(1, 0, &[set(256, &record(1))])).is_empty());
    assert_eq!(bench.octets(&ipfix(1, 1, &[set(257, &record(2))])), [2]);
    bench.flows(&ipfix(1, 2, &[set(2, &template(2, &[]))]));
    assert!(bench.flows(&ipfix(1, 2, &[set(257, &record(2))])).is_empty());
    let books = bench.of(ROUTER);
    assert_eq!((books.templates.get(), books.templates_withdrawn.get()), (1, 3), "that of options stays");
}

#[test]
fn a_template_that_was_not_repeated_for_more_than_a_day_is_not_believed() {
    let mut bench = Bench::new();
    bench.flows(&v9(1, 0, &[set(0, &template(256, &FIELDS))]));
    bench.later(24 * 3_600);
    assert_eq!(bench.octets(&v9(1, 1, &[set(256, &record(1))])), [1]);
    bench.later(2 * 3_600);
    assert!(bench.flows(&v9(1, 2, &[set(256, &record(1))])).is_empty());
    assert_eq!(bench.of(ROUTER).templates_expired.get(), 1);
}

#[test]
fn templates_of_one_source_domain_or_version_never_read_the_data_of_another() {
    let mut bench = Bench::new();
    bench.flows(&v9(1, 0, &[set(0, &template(256, &FIELDS))]));
    let octets = field(1, 4);
    bench.flows(&v9(2, 0, &[set(0, &template(256, &[octets]))]));
    bench.flows(&ipfix(1, 0, &[set(2, &template(256, &[octets, octets]))]));
    assert_eq!(bench.octets(&v9(1, 1, &[set(256, &record(9))])), [9]);
    assert_eq!(bench.octets(&v9(2, 1, &[set(256, &numbers(&[5]))])), [5]);
    assert_eq!(bench.octets(&ipfix(1, 1, &[set(256, &numbers(&[6, 0]))])), [6]);
    assert!(bench.flows_from(OTHER, &v9(1, 1, &[set(256, &record(9))])).is_empty());
}

#[test]
fn templates_that_cannot_be_are_refused() {
    let mut bench = Bench::new();
    let many = [&[1, 0, 0xff, 0xff][..], &[0, 1, 0, 4].repeat(16_000)].concat();
    bench.flows(&v9(1, 0, &[set(0, &many)]));
    assert_eq!(bench.malformed(Malformed::Template), 1, "65,535 fields");
    for (n, fields) in [(2, &[][..]), (3, &[field(1, 0)]), (4, &[field(1, 40_000), field(2, 40_000)])] {
        bench.flows(&v9(1, 0, &[set(0, &template(256, fields))]));
        assert_eq!(bench.malformed(Malformed::Template), n, "{fields:?}");
    }
    for id in 0..=255 {
        bench.flows(&v9(1, 0, &[set(0, &template(id, &FIELDS))]));
        bench.flows(&ipfix(1, 0, &[set(3, &ipfix_options(id, 1, &FIELDS))]));
    }
    assert_eq!(bench.of(ROUTER).templates.get(), 0);
    assert_eq!(bench.octets(&v9(1, 1, &[set(0, &template(256, &FIELDS)), set(256, &record(1))])), [1]);
}
