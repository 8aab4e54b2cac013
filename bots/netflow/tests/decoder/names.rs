//! How exporters call themselves and their interfaces, and when several share an address.

use std::collections::HashSet;
use std::sync::Arc;

use grafolean_netflow_bot::Ip;

use crate::bench::{Bench, ROUTER, numbers};
use crate::packets::{FIELDS, Spec, field, ipfix, ipfix_options, record, set, template, v9, v9_options};

#[test]
fn names_of_interfaces_are_remembered() {
    let mut bench = Bench::new();
    bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
    let options = v9_options(512, &[field(2, 4)], &[field(82, 8), field(83, 6)]);
    let data = [&numbers(&[7])[..], b"Gi0/1\0\0\0uplink"].concat();
    bench.flows(&v9(1, 0, &[set(1, &options), set(512, &data)]));
    let name = bench.of(ROUTER).interfaces()[&7].clone();
    assert_eq!((&*name.name, &*name.description), ("Gi0/1", "uplink"));
}

#[test]
fn exporters_behind_a_gateway_are_told_apart_by_how_they_call_themselves() {
    let mut bench = Bench::new();
    let fields = [field(1, 4), field(130, 4)];
    bench.ipfix_record(&fields, &numbers(&[1, 0x0a00_0001, 2, 0x0a00_0001, 3, 0x0a00_0002]));
    let runs: Vec<_> = bench.runs.iter().map(|(origin, flows)| (origin.reported, flows.len())).collect();
    assert_eq!(runs, [(Ip::v4(0x0a00_0001), 2), (Ip::v4(0x0a00_0002), 1)]);
    let options = ipfix_options(512, 1, &[field(144, 4), field(130, 4)]);
    bench.flows(&ipfix(
        2,
        0,
        &[set(3, &options), set(2, &template(256, &FIELDS)), set(512, &numbers(&[1, 77]))],
    ));
    bench.flows(&ipfix(2, 1, &[set(256, &record(1))]));
    assert_eq!(bench.runs[0].0.reported, Ip::v4(77), "or in options");
}

#[test]
fn statistics_of_several_exporters_do_not_give_their_mediator_a_name() {
    let reported = |options: Vec<u8>, data: &[u32]| {
        let mut bench = Bench::new();
        bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
        let sets = [set(3, &options), set(2, &template(256, &FIELDS)), set(512, &numbers(data))];
        bench.flows(&ipfix(2, 0, &sets));
        let name = |bench: &mut Bench| {
            bench.flows(&ipfix(2, 1, &[set(256, &record(1))]));
            bench.runs[0].0.reported
        };
        (name(&mut bench), name(&mut bench.restarted(&[ROUTER])))
    };
    let of_others = ipfix_options(512, 1, &[field(130, 4), field(41, 4)]);
    assert_eq!(reported(of_others, &[77, 5]), (Ip::NONE, Ip::NONE), "whom it is of");
    let who = || ipfix_options(512, 1, &[field(144, 4), field(130, 4)]);
    assert_eq!(reported(who(), &[1, 77, 1, 77]), (Ip::v4(77), Ip::v4(77)));
    assert_eq!(reported(who(), &[1, 77, 2, 78]), (Ip::NONE, Ip::NONE));
}

#[test]
fn exporters_that_share_an_address_are_noticed_by_templates_that_turn_back_and_forth() {
    let packet = |fields: &[Spec]| v9(1, 0, &[set(0, &template(256, fields))]);
    let (one, other) = (packet(&FIELDS), packet(&FIELDS[..4]));
    let mut bench = Bench::new();
    for packet in [&one, &one, &other, &packet(&FIELDS[..3]), &packet(&FIELDS[..2]), &one, &other] {
        bench.flows(packet);
    }
    assert!(!bench.of(ROUTER).is_mixed(), "an exporter that is being configured");
    for seldom in [&one, &other, &one, &other, &one] {
        bench.later(3 * 3_600);
        bench.flows(seldom);
    }
    assert!(!bench.of(ROUTER).is_mixed());
    for packet in [&other, &one, &other, &one] {
        bench.later(1_800);
        bench.flows(packet);
    }
    assert!(bench.of(ROUTER).is_mixed());
}
