use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000;

fn reading(width: Width, value: u64, at: i64, ticks: Option<u32>) -> Reading {
    Reading { width, value, at, device: ticks.map(|ticks| DeviceTime { ticks, lag: 0 }) }
}

/// Two readings of a Counter32 a minute apart, with these uptimes in seconds.
fn minute32(before: u64, after: u64, uptimes: Option<(u32, u32)>, last_rate: Option<f64>) -> Step {
    minute(Width::Bits32, before, after, uptimes, last_rate)
}

fn minute(
    width: Width,
    before: u64,
    after: u64,
    uptimes: Option<(u32, u32)>,
    last_rate: Option<f64>,
) -> Step {
    let [then, now] = [uptimes.map(|(then, _)| then * 100), uptimes.map(|(_, now)| now * 100)];
    let before = Baseline { reading: reading(width, before, 0, then), rate: last_rate };
    step(&before, &reading(width, after, 60 * SECOND, now), OLDEST)
}

const STEADY: Option<(u32, u32)> = Some((5_000, 5_060));
const WRAP: u64 = 1 << 32;

#[test]
fn a_counter_gives_its_growth_per_second() {
    assert_eq!(minute32(1_000, 7_000, STEADY, None), Step::Rate(100.0));
    assert_eq!(minute32(1_000, 7_000, None, None), Step::Rate(100.0));
    assert_eq!(minute32(7_000, 7_000, STEADY, None), Step::Rate(0.0));
}

#[test]
fn large_counters_lose_nothing_to_floating_point() {
    let before = u64::MAX - 100;
    assert_eq!(minute(Width::Bits64, before, before + 60, STEADY, None), Step::Rate(1.0));
}

#[test]
fn a_small_step_over_2_to_the_32_is_a_wrap() {
    assert_eq!(minute32(WRAP - 3_000, 3_000, STEADY, None), Step::Rate(100.0));
}

#[test]
fn a_large_step_over_2_to_the_32_is_a_wrap_only_at_a_rate_like_the_last_one() {
    let (before, after) = (WRAP - 2_000_000_000, 1_000_000_000);
    assert_eq!(minute32(before, after, STEADY, Some(4e7)), Step::Rate(5e7));
    assert_eq!(minute32(before, after, STEADY, Some(1e7)), Step::Implausible);
    assert_eq!(minute32(before, after, STEADY, None), Step::Implausible);
}

#[test]
fn without_an_uptime_a_decrease_is_a_reset() {
    assert_eq!(minute32(WRAP - 3_000, 3_000, None, Some(100.0)), Step::Reset);
    let stands_still = Some((5_000, 5_000));
    assert_eq!(minute32(WRAP - 3_000, 3_000, stands_still, Some(100.0)), Step::Reset);
    assert_eq!(minute32(3_000, 9_000, stands_still, None), Step::Rate(100.0));
}

#[test]
fn a_counter_of_64_bits_that_decreases_was_reset() {
    assert_eq!(minute(Width::Bits64, u64::MAX - 5, 5, STEADY, Some(1.0)), Step::Reset);
}

#[test]
fn a_restart_gives_no_value_even_where_the_counter_is_larger_than_before() {
    assert_eq!(minute32(1_000, 7_000, Some((5_000, 30)), None), Step::Reset);
    // It was up for 100 s, then an hour passed, and it is up for half an hour.
    let before = Baseline { reading: reading(Width::Bits64, 10, 0, Some(10_000)), rate: None };
    let after = reading(Width::Bits64, 90, 3_600 * SECOND, Some(180_000));
    assert_eq!(step(&before, &after, OLDEST), Step::Reset);
}

#[test]
fn an_uptime_that_wraps_after_497_days_is_no_restart() {
    let ticks_then = u32::MAX - 3_000 + 1;
    let before = Baseline { reading: reading(Width::Bits64, 0, 0, Some(ticks_then)), rate: None };
    let after = |ticks| reading(Width::Bits64, 6_000, 60 * SECOND, Some(ticks));
    assert_eq!(step(&before, &after(3_000), OLDEST), Step::Rate(100.0));
    assert_eq!(
        step(&before, &after(30_000), OLDEST),
        Step::Reset,
        "a wrap would have taken longer than the minute"
    );
}

#[test]
fn the_devices_clock_measures_the_time_unless_it_is_insane() {
    // The answer came 1.5 s late: by the device's clock exactly a minute has passed.
    let before = Baseline { reading: reading(Width::Bits64, 0, 0, Some(100_000)), rate: None };
    let after = |seconds: i64, ticks| reading(Width::Bits64, 6_000, seconds * SECOND, Some(ticks));
    let late = Reading { at: 61 * SECOND + SECOND / 2, ..after(0, 106_000) };
    assert_eq!(step(&before, &late, OLDEST), Step::Rate(100.0));
    assert_eq!(step(&before, &after(60, 103_000), OLDEST), Step::Rate(100.0), "a clock at half speed");
    assert_eq!(step(&before, &after(60, 160_000), OLDEST), Step::Rate(100.0), "a clock at tenfold speed");
    assert_eq!(step(&before, &after(-500, 106_000), OLDEST), Step::Rate(100.0), "our clock was set back");
}

#[test]
fn a_row_that_came_long_after_the_uptime_has_a_time_of_its_own() {
    let at = |seconds: i64, ticks, lag| Reading {
        at: seconds * SECOND,
        device: Some(DeviceTime { ticks, lag }),
        ..reading(Width::Bits64, 0, 0, None)
    };
    let before = Baseline { reading: at(1, 100_000, 1_000), rate: None };
    let after = Reading { value: 6_300, ..at(64, 106_000, 4_000) };
    assert_eq!(step(&before, &after, OLDEST), Step::Rate(100.0));
}

#[test]
fn no_time_gives_no_rate() {
    for device in [None, Some(500)] {
        let before = Baseline { reading: reading(Width::Bits32, 1, 7, device), rate: None };
        for (at, ticks) in [(7, device), (7, device.map(|ticks| ticks + 5)), (-9, device)] {
            assert_eq!(step(&before, &reading(Width::Bits32, 2, at, ticks), OLDEST), Step::TooSoon);
        }
    }
}

#[test]
fn what_is_a_day_old_or_of_another_width_is_no_baseline() {
    let before = Baseline { reading: reading(Width::Bits32, 1, 0, None), rate: None };
    assert_eq!(step(&before, &reading(Width::Bits32, 2, 25 * 3_600 * SECOND, None), OLDEST), Step::First);
    assert_eq!(step(&before, &reading(Width::Bits64, 2, 60 * SECOND, None), OLDEST), Step::First);
}

#[test]
fn a_counter_of_64_bits_that_jumps_is_not_believed() {
    assert_eq!(minute(Width::Bits64, 0, u64::MAX, STEADY, None), Step::Implausible);
}

/// What happens to a device between two polls.
#[derive(Clone, Copy, Debug)]
enum Event {
    Quiet,
    Restart,
    /// The counter is cleared, and the uptime does not show it.
    Clear,
    /// Some polls are lost.
    Away(u32),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => Just(Event::Quiet),
        1 => Just(Event::Restart),
        1 => Just(Event::Clear),
        1 => (1..5u32).prop_map(Event::Away),
    ]
}

proptest! {
    #[test]
    fn resets_and_wraps_never_give_a_negative_or_absurd_rate(
        wide: bool,
        start: u64,
        first_uptime: u32,
        with_uptime: bool,
        polls in prop::collection::vec((event(), 0..50_000_000u64, 0..2_000i64), 2..60),
    ) {
        let (width, modulus) = if wide { (Width::Bits64, u64::MAX) } else { (Width::Bits32, WRAP) };
        let (mut value, mut ticks) = (start % modulus, u64::from(first_uptime));
        let (mut at, mut baseline): (i64, Option<Baseline>) = (0, None);
        let (mut disturbed, mut fastest) = (false, 0.0_f64);
        for (event, rate, jitter) in polls {
            let mut minutes = 1;
            match event {
                Event::Quiet => {}
                Event::Restart => (value, ticks, disturbed) = (0, 0, true),
                Event::Clear => (value, disturbed) = (0, true),
                Event::Away(n) => minutes = 1 + u64::from(n),
            }
            at += 60 * SECOND * i64::try_from(minutes).unwrap();
            ticks += 6_000 * minutes;
            value = value.wrapping_add(rate * 60 * minutes) % modulus;
            fastest = fastest.max(per_second(rate, SECOND));
            let device = with_uptime.then(|| u32::try_from(ticks % WRAP).unwrap());
            let now = reading(width, value, at + jitter * 1_000, device);
            let step = baseline.map_or(Step::First, |before| step(&before, &now, OLDEST));
            if let Step::Rate(found) = step {
                let exact = per_second(rate, SECOND);
                // A counter that is cleared just below 2^32 may look like a wrap: then the step is small.
                let limit = (fastest * FASTER_AT_MOST).max(per_second(SMALL_WRAP, 57 * SECOND)) * 1.05;
                prop_assert!((0.0..=limit).contains(&found), "{found} of {exact}, at most {limit}");
                // More than 2^32 between two polls cannot be seen in 32 bits.
                if !disturbed && (wide || rate * 60 * minutes < WRAP) {
                    prop_assert!((found - exact).abs() <= exact * 0.05 + 1e-9, "{found} instead of {exact}");
                }
            }
            prop_assert!(!matches!(event, Event::Restart) || !with_uptime || !matches!(step, Step::Rate(_)));
            baseline = Some(Baseline { reading: now, rate: if let Step::Rate(r) = step { Some(r) } else { None } });
            disturbed = false;
        }
    }

    #[test]
    fn no_two_readings_whatever_panic_or_give_a_rate_that_is_none(
        values: (u64, u64), ats: (i64, i64), ticks: (u32, u32), lags: (i32, i32), wide: bool, devices: bool,
    ) {
        let width = if wide { Width::Bits64 } else { Width::Bits32 };
        let value = |value: u64| if wide { value } else { value % WRAP };
        let one = |v, at, ticks, lag| {
            Reading { width, value: value(v), at, device: devices.then_some(DeviceTime { ticks, lag }) }
        };
        let before = Baseline { reading: one(values.0, ats.0, ticks.0, lags.0), rate: None };
        if let Step::Rate(rate) = step(&before, &one(values.1, ats.1, ticks.1, lags.1), OLDEST) {
            prop_assert!((0.0..=MOST_PER_SECOND).contains(&rate));
        }
    }
}
