use super::*;

fn names(reports: &[Report]) -> Vec<(&'static str, i64)> {
    reports.iter().map(|report| (report.level.name(), report.end.as_micros() / 1_000_000)).collect()
}

const DAY: i64 = 86_400;

#[test]
fn a_day_has_all_its_windows_in_their_order_and_loses_no_byte() {
    let mut windows = windows();
    let mut reports = Vec::new();
    for second in (0..DAY).step_by(20) {
        windows.merge(slice(DAY + second, &[flow("10.0.0.1", "10.0.0.2")]));
        reports.extend(windows.close(at(DAY + second + 20)));
    }
    for (level, count) in Level::ALL.into_iter().zip([1_440, 96, 24, 6, 1]) {
        let of_level: Vec<&Report> = reports.iter().filter(|report| report.level == level).collect();
        assert_eq!(of_level.len(), count, "{level}");
        for (number, report) in (1..).zip(of_level) {
            assert_eq!(report.end, at(DAY + number * level.seconds()), "{level}");
            let bytes = u64::try_from(level.seconds()).unwrap() / 20 * 1_000;
            assert_eq!(report.exporters[0].ingress.totals.bytes, bytes);
            assert_eq!(report.exporters[0].egress.ips[0].1.bytes, bytes);
        }
    }
    assert!(names(&reports).is_sorted_by_key(|(_, end)| *end), "the oldest first");
    assert_eq!(windows.close(at(10 * DAY)), []);
    assert!(windows.open_minute().is_none());
}

#[test]
fn windows_without_traffic_are_not_reported() {
    let mut windows = windows();
    assert_eq!(windows.close(at(7_200)), []);
    windows.merge(Slice::new(at(60), BUDGET));
    windows.merge(slice(7_230, &[]));
    windows.merge(slice(7_231, &[Flow { event: Event::NoTraffic, ..flow("10.0.0.1", "10.0.0.2") }]));
    assert_eq!(windows.close(at(2 * DAY)), []);
}

#[test]
fn a_window_is_closed_when_it_ends_and_not_before() {
    let mut windows = windows();
    windows.merge(slice(840, &[flow("10.0.0.1", "10.0.0.2")]));
    assert_eq!(windows.close(Timestamp::from_micros(900_000_000 - 1)), []);
    assert_eq!(names(&windows.close(at(900))), [("1min", 900), ("15min", 900)]);
    assert_eq!(windows.close(at(3_599)), []);
    assert_eq!(names(&windows.close(at(4 * 3_600))), [("1h", 3_600), ("4h", 14_400)]);
    assert_eq!(names(&windows.close(at(2 * DAY))), [("24h", DAY)]);
}

#[test]
fn a_clock_that_goes_back_a_little_goes_on_in_the_open_minute() {
    let mut windows = windows();
    windows.merge(slice(3_600, &[flow("10.0.0.1", "10.0.0.2")]));
    windows.merge(slice(3_590, &[flow("10.0.0.1", "10.0.0.2")]));
    let reports = windows.close(at(3_660));
    assert_eq!(names(&reports), [("1min", 3_660)]);
    assert_eq!(reports[0].exporters[0].ingress.totals.flows, 2);
}

#[test]
fn a_clock_that_goes_far_back_ends_the_windows_it_leaves() {
    let mut windows = windows();
    windows.merge(slice(DAY + 7_200, &[flow("10.0.0.1", "10.0.0.2")]));
    windows.merge(slice(DAY + 60, &[flow("10.0.0.1", "10.0.0.3")]));
    // The same four hours and the same day, but neither the minute, the quarter nor the hour.
    let reports = windows.close(at(DAY + 120));
    assert_eq!(
        names(&reports),
        [("1min", DAY + 7_260), ("15min", DAY + 8_100), ("1h", DAY + 10_800), ("1min", DAY + 120)]
    );
    let reports = windows.close(at(2 * DAY));
    assert_eq!(reports.last().unwrap().exporters[0].ingress.totals.flows, 2);
}

#[test]
fn a_clock_that_leaps_forward_ends_what_it_leaves() {
    let mut windows = windows();
    windows.merge(slice(60, &[flow("10.0.0.1", "10.0.0.2")]));
    windows.merge(slice(DAY + 60, &[flow("10.0.0.1", "10.0.0.3")]));
    let before: Vec<_> = names(&windows.close(at(0)));
    assert_eq!(before, [("1min", 120), ("15min", 900), ("1h", 3_600), ("4h", 14_400), ("24h", DAY)]);
    assert_eq!(names(&windows.close(at(DAY + 120))), [("1min", DAY + 120)]);
}

#[test]
fn moments_at_the_ends_of_time_do_no_harm() {
    let mut windows = windows();
    for moment in [i64::MAX, 0, i64::MIN, 1_700_000_000_000_000, i64::MAX] {
        let moment = Timestamp::from_micros(moment);
        let mut slice = Slice::new(moment, BUDGET);
        slice.add(&exporter(1), &Rules::default(), &[flow("10.0.0.1", "10.0.0.2")]);
        windows.merge(slice);
        let _reports = windows.close(moment);
    }
}

#[test]
fn a_thread_that_is_late_counts_in_the_next_minute_and_no_window_comes_twice() {
    let mut windows = windows();
    windows.merge(slice(60, &[flow("10.0.0.1", "10.0.0.2")]));
    assert_eq!(names(&windows.close(at(120))), [("1min", 120)]);
    windows.merge(slice(119, &[flow("10.0.0.1", "10.0.0.2")]));
    windows.merge(slice(120, &[flow("10.0.0.1", "10.0.0.2")]));
    windows.merge(slice(118, &[flow("10.0.0.1", "10.0.0.2")]));
    let reports = windows.close(at(180).plus(Duration::from_secs(1)));
    assert_eq!(names(&reports), [("1min", 180)]);
    assert_eq!(reports[0].exporters[0].ingress.totals.flows, 3);
}
