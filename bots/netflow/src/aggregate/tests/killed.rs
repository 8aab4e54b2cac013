use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::aggregate::keep::Kept;

/// What a disk has.
type Disk = BTreeMap<Vec<u8>, Vec<u8>>;
type Change = (Vec<u8>, Option<Vec<u8>>);

fn write(disk: &mut Disk, changes: impl IntoIterator<Item = Change>) {
    for (key, value) in changes {
        assert!(key.len() <= 1_024);
        match value {
            Some(value) => {
                assert!(value.len() <= 16 << 20);
                disk.insert(key, value);
            }
            None => {
                disk.remove(&key);
            }
        }
    }
}

fn next_life(disk: &Disk) -> Windows {
    let mut windows = windows();
    let unreadable = windows.restore(disk.iter().map(|(key, value)| (key.as_slice(), value.as_slice())));
    assert_eq!(unreadable, Vec::<Vec<u8>>::new());
    windows
}

#[derive(Clone, Debug)]
struct Heard {
    after: i64,
    exporter: u32,
    flows: Vec<(u8, u8, u16, bool)>,
    killed: bool,
    /// How many changes of the last close reach the disk.
    torn: usize,
}

fn heard() -> impl Strategy<Value = Vec<Heard>> {
    let flows = prop::collection::vec((0..9_u8, 0..9_u8, 0..2_000_u16, prop::bool::weighted(0.05)), 0..6);
    let after = prop_oneof![8 => 1..90_i64, 2 => 90..2_000_i64, 1 => 2_000..40_000_i64];
    let one = (after, 1..4_u32, flows, prop::bool::weighted(0.3), 0..6_usize)
        .prop_map(|(after, exporter, flows, killed, torn)| Heard { after, exporter, flows, killed, torn });
    prop::collection::vec(one, 1..40)
}

/// All reports of a life, or of several, by level and end; how many there were.
fn live(all: &[Heard], mortal: bool, tears: bool) -> (BTreeMap<(Level, Timestamp), Report>, usize) {
    let (mut disk, mut windows) = (Disk::new(), windows());
    let (mut reports, mut count) = (BTreeMap::new(), 0);
    let mut now = 86_400 * 5;
    for heard in all {
        now += heard.after;
        for report in windows.close(at(now)) {
            count += 1;
            reports.insert((report.level, report.end), report);
        }
        let changes = windows.changes();
        if mortal && tears && heard.killed {
            write(&mut disk, changes.into_iter().take(heard.torn));
            windows = next_life(&disk);
            for report in windows.close(at(now)) {
                count += 1;
                let again = reports.insert((report.level, report.end), report.clone());
                assert!(again.is_none_or(|before| before == report), "another report of the same window");
            }
            write(&mut disk, windows.changes());
        } else {
            write(&mut disk, changes);
        }
        let flows: Vec<Flow> = heard
            .flows
            .iter()
            .map(|&(src, dst, bytes, told)| Flow {
                src: Ip::v4(src.into()),
                dst: Ip::v4(dst.into()),
                bytes: bytes.into(),
                input: u32::from(src % 3),
                direction: if told { Direction::Egress } else { Direction::Unknown },
                ..flow("10.0.0.1", "10.0.0.2")
            })
            .collect();
        let mut slice = Slice::new(at(now), BUDGET);
        slice.add(&exporter(heard.exporter), &Rules::default(), &flows);
        windows.merge(slice);
        write(&mut disk, windows.changes());
        if mortal && heard.killed {
            windows = next_life(&disk);
        }
    }
    for report in windows.close(at(now + 2 * 86_400)) {
        count += 1;
        reports.insert((report.level, report.end), report);
    }
    write(&mut disk, windows.changes());
    // Nothing stays but who tells of its egress, when the last minute ended, and up to where all is told.
    assert!(disk.len() <= 3 && disk.values().all(|value| value.len() < 100), "{disk:?}");
    (reports, count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_bot_that_is_killed_reports_what_another_reports_and_no_window_twice(all in heard()) {
        let (reports, count) = live(&all, false, false);
        prop_assert_eq!(count, reports.len());
        let (again, count_again) = live(&all, true, false);
        prop_assert_eq!(&reports, &again);
        prop_assert_eq!(count, count_again);
    }

    #[test]
    fn a_bot_that_is_killed_while_it_writes_reports_the_same_again_but_nothing_else(all in heard()) {
        let (reports, _) = live(&all, false, false);
        let (again, _) = live(&all, true, true);
        prop_assert_eq!(&reports, &again);
    }

    #[test]
    fn what_is_damaged_is_refused_and_nothing_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
    ) {
        let (mut first, mut windows) = (slice(60, &[flow("10.0.0.1", "10.0.0.2")]), windows());
        first.add(&exporter(7), &Rules::default(), &[egress(flow("2001:db8::1", "2001:db8::2"))]);
        windows.merge(first);
        let mut report = windows.open_minute().unwrap().encode();
        let (_, value) = windows.changes().remove(0);
        let mut value = value.unwrap();
        for (place, byte) in &places {
            let at = place.index(value.len());
            value[at] = *byte;
            let at = place.index(report.len());
            report[at] = *byte;
        }
        for bytes in [&bytes, &value] {
            let _ = (Kept::decode(bytes, BUDGET), Report::decode(bytes), Report::decode(&report));
            for key in [&[1, 1][..], &[1, 4, 0, 0, 0, 0, 0, 0, 0, 1], &[1, 3, 0, 0, 0, 0, 0, 0, 0, 1], &[1, 2, 251], bytes] {
                let mut windows = Windows::new(WindowsOptions::default());
                let _unreadable = windows.restore([(key, bytes.as_slice())]);
                let _reports = windows.close(at(i64::MAX));
            }
        }
        for end in 0..value.len() {
            let _ = Kept::decode(&value[..end], BUDGET);
        }
    }
}

#[test]
fn keys_that_cannot_be_read_are_named_and_the_rest_is_taken_up() {
    let mut windows = windows();
    windows.merge(slice(60, &[flow("10.0.0.1", "10.0.0.2")]));
    let kept = windows.changes();
    let (key, value) = (&kept[0].0, kept[0].1.as_ref().unwrap());
    let mut next = self::windows();
    let other: &[(&[u8], &[u8])] =
        &[(b"what", b""), (&[1, 3, 0, 0, 0, 0, 0, 0, 0, 1], b"nonsense"), (key, value)];
    let unreadable = next.restore(other.iter().copied());
    assert_eq!(unreadable, [b"what".to_vec(), vec![1, 3, 0, 0, 0, 0, 0, 0, 0, 1]]);
    assert_eq!(next.close(at(120)), windows.close(at(120)));
}

#[test]
fn what_is_kept_is_bounded_its_sums_are_exact_and_its_largest_are_there() {
    let options = WindowsOptions {
        kept_slice_bytes: 64 << 10,
        kept_minute_bytes: 64 << 10,
        long_bytes: 64 << 10,
        ..WindowsOptions::default()
    };
    let mut windows = Windows::new(options);
    let flows: Vec<Flow> = (0..20_000_u32)
        .map(|n| Flow {
            src: Ip::v4(n),
            dst: Ip::v6(u128::from(n % 977).to_be_bytes()),
            bytes: 1_000_000 / u64::from(n + 1),
            ..flow("10.0.0.1", "10.0.0.2")
        })
        .collect();
    let sum: u64 = flows.iter().map(|flow| flow.bytes).sum();
    let mut disk = Disk::new();
    windows.merge(slice(60, &flows));
    write(&mut disk, windows.changes());
    assert!(disk.values().all(|value| value.len() <= 64 << 10));
    let mut next = next_life(&disk);
    let mut minute = next.close(at(120));
    let side = minute.remove(0).exporters.remove(0).ingress;
    assert_eq!(side.totals, Totals { bytes: sum, packets: 40_000, flows: 20_000 });
    assert!(side.error > 0 && side.error < sum / 100);
    for (n, (ip, count)) in (0..10_u32).zip(&side.ips) {
        assert_eq!((*ip, count.bytes), (Ip::v4(n), 1_000_000 / u64::from(n + 1)));
    }
    // The same of the long windows, in the life that was not killed.
    let reports = windows.close(at(86_400));
    assert!(
        windows.changes().iter().all(|(_, value)| value.as_ref().is_none_or(|value| value.len() <= 64 << 10))
    );
    let day = &reports.last().unwrap().exporters[0].ingress;
    assert_eq!(day.totals.bytes, sum);
    assert_eq!(day.ips[..10], side.ips[..10]);
    assert!(day.error > 0 && day.error < sum / 100);
}

#[test]
fn what_comes_late_after_a_restart_opens_no_window_again_that_was_told() {
    for end in [900, 3_600, 14_400, 86_400] {
        let (mut disk, mut windows) = (Disk::new(), windows());
        windows.merge(slice(end - 30, &[flow("10.0.0.1", "10.0.0.2")]));
        assert!(windows.close(at(end)).len() >= 2);
        write(&mut disk, windows.changes());
        let mut next = next_life(&disk);
        next.merge(slice(end - 1, &[flow("10.0.0.1", "10.0.0.2")]));
        assert_eq!(next.close(at(end)), []);
        let reports = next.close(at(end + 60));
        assert_eq!((reports.len(), reports[0].end), (1, at(end + 60)));
    }
}
