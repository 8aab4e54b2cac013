use super::*;

#[test]
fn a_flow_counts_where_it_comes_in_and_where_it_goes_out() {
    let report = minute_of(&Rules::default(), &[flow("10.0.0.1", "10.0.0.2"), flow("10.0.0.1", "10.0.0.3")]);
    let totals = Totals { bytes: 2_000, packets: 4, flows: 2 };
    assert_eq!(report.exporter, exporter(1));
    for side in [&report.ingress, &report.egress] {
        assert_eq!(side.totals, totals);
        assert_eq!(side.protocols, [(6, bytes(2_000, 4))]);
        assert_eq!(side.ports, [(443, bytes(2_000, 4))]);
        assert_eq!(
            side.connections,
            [
                ((ip("10.0.0.1"), ip("10.0.0.2")), bytes(1_000, 2)),
                ((ip("10.0.0.1"), ip("10.0.0.3")), bytes(1_000, 2))
            ]
        );
        assert_eq!(side.error, 0);
    }
    assert_eq!(report.ingress.ips, [(ip("10.0.0.1"), bytes(2_000, 4))]);
    assert_eq!(report.egress.ips, [(ip("10.0.0.2"), bytes(1_000, 2)), (ip("10.0.0.3"), bytes(1_000, 2))]);
    let (index, input) = &report.ingress.interfaces[0];
    assert_eq!((*index, input.totals, &input.ips), (3, totals, &report.ingress.ips));
    let (index, output) = &report.egress.interfaces[0];
    assert_eq!((*index, output.totals, &output.protocols), (4, totals, &report.egress.protocols));
}

#[test]
fn egress_is_not_derived_in_a_minute_in_which_the_exporter_tells_of_it() {
    let told = egress(flow("10.0.0.9", "10.0.0.8"));
    for flows in [[flow("10.0.0.1", "10.0.0.2"), told], [told, flow("10.0.0.1", "10.0.0.2")]] {
        let report = minute_of(&Rules::default(), &flows);
        assert_eq!(report.ingress.totals.bytes, 1_000);
        assert_eq!(report.egress.totals.bytes, 1_000);
        assert_eq!(report.egress.ips, [(ip("10.0.0.8"), bytes(1_000, 2))]);
        assert_eq!(report.ingress.connections, [((ip("10.0.0.1"), ip("10.0.0.2")), bytes(1_000, 2))]);
        assert_eq!(report.egress.connections, [((ip("10.0.0.9"), ip("10.0.0.8")), bytes(1_000, 2))]);
        assert_eq!(report.ingress.ports, [(443, bytes(1_000, 2))]);
    }
}

#[test]
fn an_exporter_that_lately_told_of_its_egress_has_none_derived_and_others_do() {
    let mut windows = windows();
    windows.merge(slice(60, &[egress(flow("10.0.0.9", "10.0.0.8"))]));
    let mut later = slice(120, &[flow("10.0.0.1", "10.0.0.2")]);
    later.add(&exporter(2), &Rules::default(), &[flow("10.0.0.1", "10.0.0.2")]);
    windows.merge(later);
    assert_eq!(windows.open_minute().unwrap().exporters[0].egress, Side::default());
    let reports = windows.close(at(900));
    let levels: Vec<Level> = reports.iter().map(|report| report.level).collect();
    assert_eq!(levels, [Level::Minute, Level::Minute, Level::QuarterHour]);
    assert_eq!(reports[1].exporters[0].egress, Side::default());
    assert_eq!(reports[1].exporters[1].egress.totals.bytes, 1_000);
    let quarter = &reports[2].exporters;
    assert_eq!((quarter[0].ingress.totals.bytes, quarter[0].egress.totals.bytes), (1_000, 1_000));
    assert_eq!(quarter[0].egress.connections, [((ip("10.0.0.9"), ip("10.0.0.8")), bytes(1_000, 2))]);
    assert_eq!(quarter[0].ingress.connections, [((ip("10.0.0.1"), ip("10.0.0.2")), bytes(1_000, 2))]);
    assert_eq!((quarter[1].ingress.totals.bytes, quarter[1].egress.totals.bytes), (1_000, 1_000));
}

/// One record in another's name ended an exporter's egress for ever, over restarts.
#[test]
fn an_hour_after_its_last_egress_record_an_exporters_egress_is_derived_again() {
    let mut windows = windows();
    windows.merge(slice(0, &[egress(flow("10.0.0.9", "10.0.0.8"))]));
    let mut kept = std::collections::BTreeMap::new();
    for minute in 1..=61 {
        windows.merge(slice(minute * 60, &[flow("10.0.0.1", "10.0.0.2")]));
        let reports = windows.close(at((minute + 1) * 60));
        let closed = reports
            .iter()
            .filter(|report| report.level == Level::Minute && report.end == at((minute + 1) * 60));
        let derived: u64 = closed.map(|report| report.exporters[0].egress.totals.bytes).sum();
        assert_eq!(derived, if minute < 60 { 0 } else { 1_000 }, "minute {minute}");
        for (key, value) in windows.changes() {
            match value {
                Some(value) => kept.insert(key, value),
                None => kept.remove(&key),
            };
        }
        if minute == 30 {
            windows = self::windows();
            let restored = windows.restore(kept.iter().map(|(key, value)| (&**key, &**value)));
            assert!(restored.is_empty(), "{restored:?}");
        }
    }
}

#[test]
fn what_a_router_drops_or_keeps_for_itself_does_not_go_out() {
    let dropped = Flow { output: 0, ..flow("10.0.0.1", "10.0.0.2") };
    let report = minute_of(&Rules::default(), &[dropped]);
    assert_eq!(report.ingress.totals.bytes, 1_000);
    assert_eq!(report.egress, Side::default());
    assert_eq!(report.ingress.connections.len(), 1);
}

#[test]
fn a_record_without_interfaces_counts_at_interface_0() {
    let bare = Flow { input: 0, output: 0, has: Has::PROTOCOL, ..flow("10.0.0.1", "10.0.0.2") };
    let report = minute_of(&Rules::default(), &[bare]);
    assert_eq!(report.ingress.interfaces[0].0, 0);
    assert_eq!(report.egress.totals.bytes, 1_000);
    assert!(report.ingress.ports.is_empty());
}

#[test]
fn a_record_without_addresses_counts_its_bytes() {
    let frame = Flow { src: Ip::NONE, dst: Ip::NONE, has: Has::INPUT, ..flow("10.0.0.1", "10.0.0.2") };
    let report = minute_of(&Rules::default(), &[frame]);
    assert_eq!(report.ingress.totals.bytes, 1_000);
    assert!(report.ingress.ips.is_empty() && report.ingress.connections.is_empty());
    assert!(report.ingress.protocols.is_empty());
}

#[test]
fn ports_are_of_protocols_that_have_some_or_of_none() {
    let of = |protocol, has| Flow { protocol, has, ..flow("10.0.0.1", "10.0.0.2") };
    let both = Has::PROTOCOL.with(Has::DST_PORT);
    for (protocol, has, counts) in [
        (6, both, true),
        (17, both, true),
        (33, both, true),
        (132, both, true),
        (136, both, true),
        (1, both, false),
        (47, both, false),
        (0, Has::DST_PORT, true),
        (6, Has::PROTOCOL, false),
    ] {
        let report = minute_of(&Rules::default(), &[of(protocol, has)]);
        assert_eq!(report.ingress.ports.len(), usize::from(counts), "{protocol}");
    }
}

#[test]
fn a_flow_is_multiplied_by_its_sampling_rate_unless_the_rules_know_better() {
    let sampled = Flow { sampling: 100, ..flow("10.0.0.1", "10.0.0.2") };
    let silent = flow("10.0.0.1", "10.0.0.2");
    let rate = |rate| std::num::NonZeroU32::new(rate).unwrap();
    let default = Rules::default();
    let fallback = Rules { default_sampling: rate(10), ..default };
    let fixed = Rules { sampling: Some(rate(7)), ..fallback };
    for (rules, flow, times) in
        [(default, sampled, 100), (default, silent, 1), (fallback, silent, 10), (fallback, sampled, 100)]
            .into_iter()
            .chain([(fixed, sampled, 7), (fixed, silent, 7)])
    {
        let report = minute_of(&rules, &[flow]);
        assert_eq!(report.ingress.totals, Totals { bytes: 1_000 * times, packets: 2 * times, flows: 1 });
        assert_eq!(u64::from(report.sampling), times);
    }
}

#[test]
fn a_firewalls_connection_counts_once() {
    let of = |event| Flow { event, ..flow("10.0.0.1", "10.0.0.2") };
    let events = [Event::NoTraffic, Event::Update, Event::Update, Event::Delete, Event::None].map(of);
    assert_eq!(minute_of(&Rules::default(), &events).ingress.totals.flows, 2);
    let updates = Rules { nsel: Nsel::Updates, ..Rules::default() };
    assert_eq!(minute_of(&updates, &events).ingress.totals.flows, 3);
}

#[test]
fn an_exporters_list_adds_up_what_its_interfaces_have() {
    let in_at = |input, bytes| Flow { input, bytes, ..flow("10.0.0.1", "10.0.0.2") };
    let mut flows: Vec<Flow> = (1..=20).map(|input| in_at(input, 10)).collect();
    flows.extend((0..50).map(|n| Flow { src: Ip::v4(n), bytes: 100, ..in_at(1, 0) }));
    let report = minute_of(&Rules::default(), &flows);
    assert_eq!(report.ingress.ips[0], (ip("10.0.0.1"), bytes(200, 40)));
    assert_eq!(report.ingress.ips.len(), 20);
    assert_eq!(report.ingress.interfaces.len(), 20);
    let (index, first) = &report.ingress.interfaces[0];
    assert_eq!((*index, first.ips.len()), (1, 10));
    // Among equals those with the smaller addresses.
    assert_eq!(first.ips[0].0, Ip::v4(0));
}

#[test]
fn domains_are_apart_where_they_are_asked_for() {
    let mut slice = Slice::new(at(60), BUDGET);
    let one = exporter(1);
    for key in [one, ExporterKey { domain: Some(0), ..one }, ExporterKey { domain: Some(7), ..one }] {
        slice.add(&key, &Rules::default(), &[flow("10.0.0.1", "10.0.0.2")]);
    }
    let mut windows = windows();
    windows.merge(slice);
    let exporters = &windows.close(at(120))[0].exporters;
    let domains: Vec<Option<u32>> = exporters.iter().map(|exporter| exporter.exporter.domain).collect();
    assert_eq!(domains, [None, Some(0), Some(7)]);
}
