use super::*;

/// A window of one slice that many exporters share.
fn minute_of_all(slice: Slice) -> Report {
    let mut windows = windows();
    windows.merge(slice);
    windows.close(at(120)).remove(0)
}

fn of(report: &Report, exporter: ExporterKey) -> &ExporterReport {
    report.exporters.iter().find(|report| report.exporter == exporter).unwrap()
}

#[test]
fn counters_near_the_end_of_numbers_stop_there() {
    let huge =
        Flow { bytes: u64::MAX - 1, packets: u64::MAX, sampling: 1 << 24, ..flow("10.0.0.1", "10.0.0.2") };
    let report = minute_of(&Rules::default(), &[huge, huge]);
    assert_eq!(report.ingress.totals, Totals { bytes: u64::MAX, packets: u64::MAX, flows: 2 });
    assert_eq!(report.egress.ips[0].1, bytes(u64::MAX, u64::MAX));
    let mut windows = windows();
    for minute in 1..=20 {
        windows.merge(slice(minute * 60, &[huge, Flow { src: Ip::v4(1), ..huge }]));
    }
    let reports = windows.close(at(2 * 86_400));
    assert!(reports.iter().all(|report| report.exporters[0].ingress.totals.bytes == u64::MAX));
    assert_eq!(reports.last().unwrap().exporters[0].ingress.ips.len(), 2);
}

#[test]
fn an_interface_may_have_any_index() {
    let last = Flow { input: u32::MAX, output: u32::MAX - 1, ..flow("10.0.0.1", "10.0.0.2") };
    let report = minute_of(&Rules::default(), &[last, flow("10.0.0.1", "10.0.0.2")]);
    let of = |side: &Side| side.interfaces.iter().map(|(index, _)| *index).collect::<Vec<u32>>();
    assert_eq!((of(&report.ingress), of(&report.egress)), (vec![3, u32::MAX], vec![4, u32::MAX - 1]));
}

#[test]
fn a_hundred_thousand_exporters_are_bounded_and_counted() {
    let mut slice = Slice::new(at(60), 64 << 20);
    slice.add(&exporter(1), &Rules::default(), &[flow("10.0.0.1", "10.0.0.2")]);
    for number in 2..100_002 {
        slice.add(&exporter(number), &Rules::default(), &[flow("10.0.0.1", "10.0.0.2")]);
    }
    slice.add(&exporter(1), &Rules::default(), &[flow("10.0.0.1", "10.0.0.2")]);
    assert_eq!(slice.losses().refused_flows, 100_001 - 16_384);
    let report = minute_of_all(slice);
    assert_eq!(report.exporters.len(), 16_384);
    let first = of(&report, exporter(1));
    assert_eq!((first.ingress.totals.flows, first.ingress.error), (2, 0));
}

#[test]
fn millions_of_interfaces_are_bounded_and_harm_nobody_else() {
    let mut slice = slice(60, &[flow("10.0.0.1", "10.0.0.2")]);
    let wild: Vec<Flow> = (0..1_000_000)
        .map(|index| Flow { input: index, output: u32::MAX - index, ..flow("10.0.0.1", "10.0.0.2") })
        .collect();
    for number in 2..4 {
        slice.add(&exporter(number), &Rules::default(), &wild);
    }
    slice.add(&exporter(1), &Rules::default(), &[Flow { input: 77, ..flow("10.0.0.1", "10.0.0.2") }]);
    assert_eq!(slice.losses().other_interfaces, 2 * (1_000_000 - 4_096));
    let report = minute_of_all(slice);
    let neighbour = of(&report, exporter(1));
    assert_eq!(neighbour.ingress.interfaces.len(), 2);
    assert_eq!(neighbour.ingress.error, 0);
    let wild = of(&report, exporter(2));
    assert_eq!(wild.ingress.totals.flows, 1_000_000);
    assert_eq!(wild.ingress.interfaces.len(), 4_096);
    assert_eq!(wild.ingress.ips, [(ip("10.0.0.1"), bytes(1_000_000_000, 2_000_000))]);
}

#[test]
fn many_exporters_with_many_interfaces_leave_some_for_a_new_one() {
    let mut slice = Slice::new(at(60), BUDGET);
    for number in 10..100 {
        let wild: Vec<Flow> =
            (0..5_000).map(|index| Flow { input: index, ..flow("10.0.0.1", "10.0.0.2") }).collect();
        slice.add(&exporter(number), &Rules::default(), &wild);
    }
    slice.add(&exporter(1), &Rules::default(), &[flow("10.0.0.1", "10.0.0.2")]);
    let report = minute_of_all(slice);
    assert_eq!(of(&report, exporter(1)).ingress.interfaces.len(), 1);
    let all: usize = report.exporters.iter().map(|exporter| exporter.ingress.interfaces.len()).sum();
    assert!(all <= 131_072);
}

#[test]
fn a_scan_of_one_exporters_network_leaves_its_neighbours_exact() {
    let mut slice = Slice::new(at(60), 1 << 20);
    let quiet: Vec<Flow> =
        (0..200).map(|n| Flow { src: Ip::v4(n), ..flow("10.0.0.1", "10.0.0.2") }).collect();
    let loud = Flow { bytes: 1_000_000, ..flow("10.9.9.9", "10.9.9.8") };
    slice.add(&exporter(1), &Rules::default(), &quiet);
    for n in 0..3_000_u32 {
        let scan: Vec<Flow> = (0..50)
            .map(|m| Flow { dst: Ip::v4(n * 50 + m), bytes: 40, ..flow("10.6.6.6", "10.0.0.2") })
            .collect();
        slice.add(&exporter(2), &Rules::default(), &scan);
        slice.add(&exporter(2), &Rules::default(), &[loud]);
    }
    slice.add(&exporter(1), &Rules::default(), &quiet);
    assert!(slice.losses().dropped_keys > 0);
    let report = minute_of_all(slice);
    let neighbour = of(&report, exporter(1));
    assert_eq!((neighbour.ingress.error, neighbour.egress.error), (0, 0));
    assert_eq!(neighbour.ingress.ips.len(), 20);
    assert!(neighbour.ingress.ips.iter().all(|(_, count)| *count == bytes(2_000, 4)));
    let scanned = of(&report, exporter(2));
    assert_eq!(scanned.ingress.totals.flows, 153_000);
    assert_eq!(scanned.egress.ips[0], (ip("10.9.9.8"), bytes(3_000_000_000, 6_000)));
    assert!(scanned.egress.error > 0 && scanned.egress.error < 40_000, "{}", scanned.egress.error);
}

#[test]
fn budgets_of_nothing_leave_the_sums() {
    let options = WindowsOptions {
        minute_bytes: 0,
        quarter_bytes: 0,
        long_bytes: 0,
        kept_slice_bytes: 0,
        kept_minute_bytes: 0,
        top_n: 0,
    };
    let mut windows = Windows::new(options);
    for minute in 1..40 {
        let mut slice = Slice::new(at(minute * 60), 0);
        slice.add(
            &exporter(1),
            &Rules::default(),
            &[flow("10.0.0.1", "10.0.0.2"), flow("10.0.0.3", "10.0.0.4")],
        );
        windows.merge(slice);
    }
    let reports = windows.close(at(86_400));
    let day = &reports.last().unwrap().exporters[0];
    assert_eq!(day.ingress.totals.flows, 78);
    assert!(day.ingress.error >= 1_000);
}
