//! Who says the sampling rate, and of what.

use std::collections::HashSet;
use std::sync::Arc;

use grafolean_netflow_bot::books::RateOrigin;

use crate::bench::{Bench, ROUTER, numbers};
use crate::packets::{FIELDS, Spec, field, ipfix, ipfix_options, record, set, template, v5, v9, v9_options};

#[test]
fn the_rate_in_the_header_of_v5_is_in_its_low_fourteen_bits() {
    let mut bench = Bench::new();
    assert_eq!(bench.flows(&v5(0, 1, 1, 0x4000 | 100))[0].sampling, 100);
    assert_eq!(bench.of(ROUTER).sampling().origin, RateOrigin::Header);
    assert_eq!(bench.flows(&v5(1, 1, 1, 0x4000))[0].sampling, 0);
}

#[test]
fn a_rate_comes_from_the_record() {
    let rate = |fields: &[Spec], values: &[u32]| {
        let mut bench = Bench::new();
        let flow = bench.ipfix_record(fields, &numbers(values))[0];
        (flow.sampling, bench.of(ROUTER).sampling().origin)
    };
    let octets = field(1, 4);
    assert_eq!(rate(&[octets, field(34, 4)], &[1, 512]), (512, RateOrigin::Record));
    assert_eq!(rate(&[octets, field(50, 4)], &[1, 512]).0, 512);
    assert_eq!(rate(&[octets, field(305, 4), field(306, 4)], &[1, 2, 998]).0, 500);
    assert_eq!(rate(&[octets, field(309, 4), field(310, 4)], &[1, 10, 1_000]).0, 100);
    assert_eq!(rate(&[octets, field(34, 4)], &[1, 0]), (0, RateOrigin::None), "0 says nothing");
    assert_eq!(rate(&[octets, field(34, 4)], &[1, u32::MAX]), (0, RateOrigin::None), "nonsense");
}

#[test]
fn a_rate_comes_from_options_of_the_stream() {
    let mut bench = Bench::new();
    let options = v9_options(512, &[field(1, 4)], &[field(34, 4), field(35, 1)]);
    let data = [&numbers(&[0, 1_000])[..], &[1]].concat();
    bench.flows(&v9(1, 0, &[set(1, &options), set(0, &template(256, &FIELDS)), set(512, &data)]));
    assert_eq!(bench.flows(&v9(1, 1, &[set(256, &record(1))]))[0].sampling, 1_000);
    let books = bench.of(ROUTER);
    assert_eq!((books.options_records.get(), books.sampling().origin), (1, RateOrigin::Options));
}

#[test]
fn each_sampler_has_its_own_rate() {
    let mut bench = Bench::new();
    let options = ipfix_options(512, 1, &[field(302, 4), field(309, 4), field(310, 4)]);
    let sampled = template(256, &[field(1, 4), field(302, 4)]);
    let data = numbers(&[1, 1, 100, 2, 1, 2_000]);
    let packet = ipfix(1, 0, &[set(3, &options), set(2, &sampled), set(512, &data)]);
    bench.flows(&packet);
    let flows = bench.flows(&ipfix(1, 2, &[set(256, &numbers(&[9, 1, 9, 2, 9, 0, 9, 3]))]));
    let rates: Vec<_> = flows.iter().map(|flow| flow.sampling).collect();
    assert_eq!(rates, [100, 2_000, 1, 0], "0 is no sampler: not sampled. 3 is not known");
}

#[test]
fn a_rate_that_is_said_of_one_interface_is_that_of_its_flows_only() {
    let data = numbers(&[3, 10, 4, 1, 9, 1_000]);
    for options in [
        v9_options(512, &[field(2, 4)], &[field(34, 4)]),
        v9_options(512, &[], &[field(10, 4), field(34, 4)]),
        v9_options(512, &[], &[field(14, 4), field(50, 4)]),
    ] {
        let mut bench = Bench::new();
        bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
        let fields = [field(10, 4), field(14, 4), field(61, 1), field(1, 4)];
        bench.flows(&v9(1, 0, &[set(0, &template(256, &fields)), set(1, &options), set(512, &data)]));
        let flow = |input: u32, output: u32, direction: u8| {
            [&numbers(&[input, output])[..], &[direction], &numbers(&[100])].concat()
        };
        let flows = [flow(3, 9, 0), flow(9, 3, 0), flow(9, 3, 1), flow(7, 9, 0), flow(7, 8, 0)].concat();
        let rates = |bench: &mut Bench| {
            let flows = bench.flows(&v9(1, 1, &[set(256, &flows)]));
            flows.iter().map(|flow| flow.sampling).collect::<Vec<_>>()
        };
        assert_eq!(rates(&mut bench), [10, 1_000, 10, 1_000, 0]);
        assert_eq!(rates(&mut bench.restarted(&[ROUTER])), [10, 1_000, 10, 1_000, 0]);
        let of_all =
            [set(1, &v9_options(513, &[field(1, 4)], &[field(34, 4)])), set(513, &numbers(&[0, 50]))];
        bench.flows(&v9(1, 2, &of_all));
        assert_eq!(rates(&mut bench), [10, 1_000, 10, 1_000, 50]);
    }
}

#[test]
fn rates_of_nobody_are_refused_and_counted() {
    let mut bench = Bench::new();
    let options = v9_options(512, &[], &[field(34, 4)]);
    let data = numbers(&[100, 0, u32::MAX, 1 << 25]);
    bench.flows(&v9(1, 0, &[set(1, &options), set(0, &template(256, &FIELDS)), set(512, &data)]));
    assert_eq!(bench.flows(&v9(1, 1, &[set(256, &record(1))]))[0].sampling, 100, "and a scope of no length");
    assert_eq!(bench.of(ROUTER).nonsense_rates.get(), 2);
}
