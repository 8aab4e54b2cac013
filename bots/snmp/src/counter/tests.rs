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
    let before = Baseline {
        reading: reading(width, before, 0, then),
        step: last_rate.map_or(Step::First, Step::Rate),
    };
    step(&before, &reading(width, after, 60 * SECOND, now), &minutely())
}

/// What holds for counters that are read every minute.
fn minutely() -> Terms {
    Terms::new(60, false)
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
    let before = Baseline { reading: reading(Width::Bits64, 10, 0, Some(10_000)), step: Step::First };
    let after = reading(Width::Bits64, 90, 3_600 * SECOND, Some(180_000));
    assert_eq!(step(&before, &after, &minutely()), Step::Reset);
}

#[test]
fn an_uptime_that_wraps_after_497_days_is_no_restart() {
    let ticks_then = u32::MAX - 3_000 + 1;
    let before = Baseline { reading: reading(Width::Bits64, 0, 0, Some(ticks_then)), step: Step::First };
    let after = |ticks| reading(Width::Bits64, 6_000, 60 * SECOND, Some(ticks));
    assert_eq!(step(&before, &after(3_000), &minutely()), Step::Rate(100.0));
    assert_eq!(
        step(&before, &after(30_000), &minutely()),
        Step::Reset,
        "a wrap would have taken longer than the minute"
    );
}

#[test]
fn the_devices_clock_measures_the_time_unless_it_is_insane() {
    // The answer came 1.5 s late: by the device's clock exactly a minute has passed.
    let before = Baseline { reading: reading(Width::Bits64, 0, 0, Some(100_000)), step: Step::First };
    let after = |seconds: i64, ticks| reading(Width::Bits64, 6_000, seconds * SECOND, Some(ticks));
    let late = Reading { at: 61 * SECOND + SECOND / 2, ..after(0, 106_000) };
    assert_eq!(step(&before, &late, &minutely()), Step::Rate(100.0));
    assert_eq!(step(&before, &after(60, 103_000), &minutely()), Step::Rate(100.0), "a clock at half speed");
    assert_eq!(
        step(&before, &after(60, 160_000), &minutely()),
        Step::Rate(100.0),
        "a clock at tenfold speed"
    );
}

#[test]
fn a_row_that_came_long_after_the_uptime_has_a_time_of_its_own() {
    let at = |seconds: i64, ticks, lag| Reading {
        at: seconds * SECOND,
        device: Some(DeviceTime { ticks, lag }),
        ..reading(Width::Bits64, 0, 0, None)
    };
    let before = Baseline { reading: at(1, 100_000, 1_000), step: Step::First };
    let after = Reading { value: 6_300, ..at(64, 106_000, 4_000) };
    assert_eq!(step(&before, &after, &minutely()), Step::Rate(100.0));
}

#[test]
fn another_box_behind_the_same_address_gives_no_rate() {
    const DAY: u32 = 86_400;
    for (then, now) in [(100 * DAY, 300 * DAY), (300 * DAY, 100 * DAY), (100 * DAY, 100 * DAY + 2 * 3_600)] {
        let uptimes = Some((then, now));
        assert_eq!(
            minute(Width::Bits64, 1_000_000_000, 1 << 50, uptimes, Some(1e6)),
            Step::Reset,
            "{uptimes:?}"
        );
        assert_eq!(minute32(4_200_000_000, 5_000_000, uptimes, Some(1e6)), Step::Reset, "{uptimes:?}");
    }
}

#[test]
fn one_that_was_started_a_few_minutes_earlier_gives_no_absurd_rate_either() {
    let uptimes = Some((5_000, 5_060 + 300));
    assert_eq!(minute32(4_200_000_000, 5_000_000, uptimes, Some(1e6)), Step::Reset);
    assert_eq!(minute(Width::Bits64, 1_000_000_000, 1 << 50, uptimes, Some(1e6)), Step::Implausible);
    assert_eq!(minute(Width::Bits64, 0, 6_000, uptimes, Some(90.0)), Step::Rate(100.0));
}

#[test]
fn an_uptime_that_is_refreshed_every_30_s_costs_no_rate_of_a_sensor_of_one_second() {
    let before = Baseline { reading: reading(Width::Bits64, 0, 0, Some(100_000)), step: Step::Rate(0.0) };
    let after = reading(Width::Bits64, 3_000, SECOND, Some(103_000));
    assert_eq!(step(&before, &after, &Terms::new(1, false)), Step::Rate(3_000.0));
}

#[test]
fn after_a_restart_of_the_bot_only_two_clocks_that_agree_are_believed() {
    let restored = Terms::new(60, true);
    let before = |ticks| Baseline { reading: reading(Width::Bits64, 0, 0, ticks), step: Step::Rate(100.0) };
    let after = |seconds: i64, ticks| reading(Width::Bits64, 6_000, seconds * SECOND, ticks);
    let up = Some(100_000);
    assert_eq!(step(&before(up), &after(61, Some(106_000)), &restored), Step::Rate(100.0));
    // The time of day was set back by 50 s, or by more, or forward; or nothing confirms ours.
    for (seconds, ticks) in [(10, Some(106_000)), (-500, Some(106_000)), (600, Some(106_000)), (60, up)] {
        assert_eq!(step(&before(up), &after(seconds, ticks), &restored), Step::First, "{seconds} s");
    }
    assert_eq!(step(&before(None), &after(60, None), &restored), Step::First);
    assert_eq!(step(&before(up), &after(3_600, Some(180_000)), &restored), Step::Reset, "a restart");
}

#[test]
fn less_than_half_an_interval_gives_no_rate() {
    for (every, too_soon, enough) in [(60, 29_900, 30_100), (1, 490, 500), (0, 90, 100)] {
        for uptime in [None, Some(100_000)] {
            let before = Baseline { reading: reading(Width::Bits64, 0, 0, uptime), step: Step::First };
            let after = |ms: i64| {
                let ticks = uptime.map(|ticks| ticks + u32::try_from(ms / 10).unwrap());
                step(&before, &reading(Width::Bits64, 0, ms * 1_000, ticks), &Terms::new(every, false))
            };
            assert_eq!((after(too_soon), after(enough)), (Step::TooSoon, Step::Rate(0.0)), "{every} s");
        }
    }
}

#[test]
fn a_counter_that_was_cleared_is_seen_however_soon() {
    let before = Baseline { reading: reading(Width::Bits64, 10, 0, None), step: Step::First };
    assert_eq!(step(&before, &reading(Width::Bits64, 9, SECOND, None), &minutely()), Step::Reset);
    let jumped = reading(Width::Bits64, u64::MAX, SECOND, None);
    assert_eq!(step(&before, &jumped, &minutely()), Step::Implausible);
}

#[test]
fn what_is_a_day_old_or_of_another_width_is_no_baseline() {
    let before = Baseline { reading: reading(Width::Bits32, 1, 0, None), step: Step::First };
    assert_eq!(
        step(&before, &reading(Width::Bits32, 2, 25 * 3_600 * SECOND, None), &minutely()),
        Step::First
    );
    assert_eq!(step(&before, &reading(Width::Bits64, 2, 60 * SECOND, None), &minutely()), Step::First);
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
            let step = baseline.map_or(Step::First, |before| step(&before, &now, &minutely()));
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
            baseline = Some(Baseline { reading: now, step });
            disturbed = false;
        }
    }

    #[test]
    fn no_two_readings_whatever_panic_or_give_a_rate_that_is_none(
        values: (u64, u64), ats: (i64, i64), ticks: (u32, u32), lags: (i32, i32), wide: bool, devices: bool,
        every: u32, restored: bool,
    ) {
        let width = if wide { Width::Bits64 } else { Width::Bits32 };
        let value = |value: u64| if wide { value } else { value % WRAP };
        let one = |v, at, ticks, lag| {
            Reading { width, value: value(v), at, device: devices.then_some(DeviceTime { ticks, lag }) }
        };
        let before = Baseline { reading: one(values.0, ats.0, ticks.0, lags.0), step: Step::First };
        if let Step::Rate(rate) = step(&before, &one(values.1, ats.1, ticks.1, lags.1), &Terms::new(every, restored)) {
            prop_assert!((0.0..=MOST_PER_SECOND).contains(&rate));
        }
    }
}
