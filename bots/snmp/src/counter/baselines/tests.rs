use std::collections::BTreeMap;

use super::*;
use crate::counter::{DeviceTime, Width};

const SECOND: i64 = 1_000_000;

fn key(entity: u64, every: u32) -> SeriesKey {
    SeriesKey { entity: EntityId::new(entity), every, oid: Oid::new([1, 3, 9]) }
}

fn at(second: i64, value: u64) -> Reading {
    Reading { width: Width::Bits64, value, at: second * SECOND, device: None }
}

/// With an uptime, which began a day before.
fn up(second: u32, value: u64) -> Reading {
    let device = Some(DeviceTime { ticks: (86_400 + second) * 100, lag: 0 });
    Reading { device, ..at(second.into(), value) }
}

fn changes(baselines: &mut Baselines) -> Vec<Change> {
    std::iter::from_fn(|| baselines.take_change()).collect()
}

fn advance(baselines: &mut Baselines, key: &SeriesKey, rows: &[(u32, Reading)], whole: bool) -> Vec<Step> {
    let indexes: Vec<[u32; 1]> = rows.iter().map(|(index, _)| [*index]).collect();
    let readings: Vec<(&[u32], Reading)> =
        indexes.iter().zip(rows).map(|(index, (_, reading))| (&index[..], *reading)).collect();
    baselines.advance(key, &readings, whole, false)
}

fn baselines() -> Baselines {
    Baselines::new(1_000)
}

#[test]
fn the_first_reading_gives_no_rate_and_each_later_one_is_compared_with_the_one_before() {
    let mut baselines = baselines();
    assert_eq!(advance(&mut baselines, &key(1, 60), &[(1, at(0, 0))], true), [Step::First]);
    assert_eq!(advance(&mut baselines, &key(1, 60), &[(1, at(60, 600))], true), [Step::Rate(10.0)]);
    assert_eq!(advance(&mut baselines, &key(1, 60), &[(1, at(120, 5))], true), [Step::Reset]);
    assert_eq!(advance(&mut baselines, &key(1, 60), &[(1, at(180, 605))], true), [Step::Rate(10.0)]);
}

#[test]
fn two_sensors_of_one_interval_see_the_same_rate_and_one_of_another_its_own() {
    let mut baselines = baselines();
    for every in [60, 300] {
        advance(&mut baselines, &key(1, every), &[(1, at(0, 0))], true);
    }
    for minute in 1..=5 {
        let reading = at(60 * minute, u64::try_from(minute * minute).unwrap() * 600);
        let first = advance(&mut baselines, &key(1, 60), &[(1, reading)], true);
        assert_eq!(first, advance(&mut baselines, &key(1, 60), &[(1, reading)], true));
        assert!(matches!(first[0], Step::Rate(_)));
    }
    let five_minutes = advance(&mut baselines, &key(1, 300), &[(1, at(300, 15_000))], true);
    assert_eq!(five_minutes, [Step::Rate(50.0)]);
}

#[test]
fn rows_are_compared_by_index_whatever_comes_and_goes() {
    let mut baselines = baselines();
    let rows = |second: i64, indexes: &[u32]| -> Vec<(u32, Reading)> {
        let value = |index: u32| u64::from(index) * second.unsigned_abs();
        indexes.iter().map(|&index| (index, at(second, value(index)))).collect()
    };
    advance(&mut baselines, &key(1, 60), &rows(0, &[2, 4, 6]), true);
    assert_eq!(
        advance(&mut baselines, &key(1, 60), &rows(60, &[1, 2, 6, 7]), true),
        [Step::First, Step::Rate(2.0), Step::Rate(6.0), Step::First]
    );
    assert_eq!(advance(&mut baselines, &key(1, 60), &rows(120, &[2]), false), [Step::Rate(2.0)]);
    assert_eq!(
        advance(&mut baselines, &key(1, 60), &rows(180, &[1, 2, 4, 7]), true),
        [Step::Rate(1.0), Step::Rate(2.0), Step::First, Step::Rate(7.0)],
        "a partial walk forgets nothing, a whole one what is gone"
    );
    assert_eq!(baselines.len(), 4);
}

#[test]
fn what_was_read_round_a_restart_is_no_baseline_for_what_comes_after() {
    let mut baselines = baselines();
    advance(&mut baselines, &key(1, 60), &[(1, up(0, 4_000_000_000))], true);
    // Read before the restart, but with the uptime after it.
    let mixed = Reading { device: Some(DeviceTime { ticks: 100, lag: 0 }), ..at(60, 4_000_006_000) };
    for _ in 0..2 {
        assert_eq!(baselines.advance(&key(1, 60), &[(&[1], mixed)], true, true), [Step::Reset]);
    }
    let after = |second: u32, value| Reading {
        device: Some(DeviceTime { ticks: 100 + (second - 60) * 100, lag: 0 }),
        ..at(second.into(), value)
    };
    assert_eq!(advance(&mut baselines, &key(1, 60), &[(1, after(120, 7_000))], true), [Step::First]);
    assert_eq!(advance(&mut baselines, &key(1, 60), &[(1, after(180, 13_000))], true), [Step::Rate(100.0)]);
}

#[test]
fn beyond_the_limit_what_is_known_goes_on_and_what_is_new_waits_for_room() {
    let mut baselines = Baselines::new(100);
    let mut poll = |second: i64| -> Vec<Step> {
        let reading = at(second, second.unsigned_abs());
        (0..120).flat_map(|entity| advance(&mut baselines, &key(entity, 60), &[(1, reading)], true)).collect()
    };
    assert_eq!(poll(0), [[Step::First; 100].as_slice(), &[Step::NoRoom; 20]].concat());
    assert_eq!(poll(60), [[Step::Rate(1.0); 100].as_slice(), &[Step::NoRoom; 20]].concat());
    assert_eq!((baselines.len(), baselines.dropped()), (100, 40));
    baselines.forget_entity(EntityId::new(7));
    assert_eq!(advance(&mut baselines, &key(110, 60), &[(1, at(120, 0))], true), [Step::First]);
    assert_eq!(advance(&mut baselines, &key(111, 60), &[(1, at(120, 0))], true), [Step::NoRoom]);
}

#[test]
fn a_table_that_fits_in_part_has_rates_of_that_part() {
    let mut baselines = Baselines::new(3);
    let rows = |second: i64, indexes: [u32; 4]| indexes.map(|index| (index, at(second, 0)));
    let rate = Step::Rate(0.0);
    assert_eq!(
        advance(&mut baselines, &key(1, 60), &rows(0, [2, 4, 6, 8]), true),
        [Step::First, Step::First, Step::First, Step::NoRoom]
    );
    assert_eq!(
        advance(&mut baselines, &key(1, 60), &rows(60, [1, 2, 4, 6]), true),
        [Step::NoRoom, rate, rate, rate]
    );
    assert_eq!((baselines.len(), baselines.dropped()), (3, 2));
}

#[test]
fn a_reading_that_comes_too_soon_leaves_the_time_before_it_to_the_next_one() {
    let mut baselines = baselines();
    assert_eq!(advance(&mut baselines, &key(1, 60), &[(1, at(0, 0))], true), [Step::First]);
    for _ in 0..2 {
        assert_eq!(advance(&mut baselines, &key(1, 60), &[(1, at(10, 990))], true), [Step::TooSoon]);
    }
    assert_eq!(advance(&mut baselines, &key(1, 60), &[(1, at(70, 700))], true), [Step::Rate(10.0)]);
}

#[test]
fn a_sensor_of_one_second_has_a_rate_each_second_and_0_where_nothing_moved() {
    let mut baselines = baselines();
    let values = [0, 0, 0, 50, 50, 50, 120];
    let rates = (0..)
        .zip(values)
        .map(|(second, value)| advance(&mut baselines, &key(1, 1), &[(1, at(second, value))], true)[0]);
    let rate = Step::Rate;
    assert_eq!(
        rates.collect::<Vec<_>>(),
        [Step::First, rate(0.0), rate(0.0), rate(50.0), rate(0.0), rate(0.0), rate(70.0)]
    );
}

#[derive(Default)]
struct Store(BTreeMap<Vec<u8>, Vec<u8>>);

impl Store {
    fn save(&mut self, changes: Vec<Change>) {
        for Change { key, value } in changes {
            match value {
                Some(value) => self.0.insert(key, value),
                None => self.0.remove(&key),
            };
        }
    }

    fn restore(&self) -> (Baselines, usize) {
        let mut restored = baselines();
        let unreadable = restored.restore(self.0.iter().map(|(key, value)| (&**key, &**value)));
        (restored, unreadable.len())
    }
}

#[test]
fn a_restart_of_the_bot_loses_no_baseline() {
    let (mut store, mut before) = (Store::default(), baselines());
    advance(&mut before, &key(1, 60), &[(1, up(0, 0)), (5, up(0, 7))], true);
    store.save(changes(&mut before));
    assert_eq!(changes(&mut before), [], "only what has changed is written");

    let (mut after, unreadable) = store.restore();
    assert_eq!((after.len(), unreadable), (2, 0));
    let rates = advance(&mut after, &key(1, 60), &[(1, up(60, 60)), (5, up(60, 7))], true);
    assert_eq!(rates, [Step::Rate(1.0), Step::Rate(0.0)]);
}

#[test]
fn what_is_damaged_in_the_store_is_left_out_and_named() {
    let (mut store, mut before) = (Store::default(), baselines());
    for entity in 1..=3_u32 {
        advance(&mut before, &key(entity.into(), 60), &[(1, at(0, 0))], true);
    }
    store.save(changes(&mut before));
    store.0.values_mut().next().unwrap().truncate(3);
    store.0.insert(b"from a newer version".to_vec(), vec![9, 9]);
    let (after, unreadable) = store.restore();
    assert_eq!((after.len(), unreadable), (2, 2));
}

#[test]
fn what_is_forgotten_is_removed_from_the_store() {
    let (mut store, mut baselines) = (Store::default(), baselines());
    advance(&mut baselines, &key(1, 60), &[(1, at(0, 0))], true);
    store.save(changes(&mut baselines));
    advance(&mut baselines, &key(2, 60), &[(1, at(0, 0))], true);
    baselines.forget_old(25 * 3_600 * SECOND);
    let changes = changes(&mut baselines);
    assert_eq!(changes.len(), 2, "each once");
    store.save(changes);
    assert_eq!((store.0.len(), baselines.len()), (0, 0));
}

#[test]
fn each_series_is_saved_once_however_often_it_changed() {
    let (mut store, mut baselines) = (Store::default(), baselines());
    for second in 0..10 {
        advance(&mut baselines, &key(1, 60), &[(1, at(60 * second, 0))], true);
    }
    let changes = changes(&mut baselines);
    assert_eq!(changes.len(), 1);
    store.save(changes);
    assert_eq!(store.restore().0.len(), 1);
}

#[test]
fn a_sensor_of_once_a_day_or_a_week_has_a_rate_too() {
    const DAY: i64 = 24 * 3_600;
    let (mut baselines, weekly) = (baselines(), key(1, 7 * 86_400));
    advance(&mut baselines, &weekly, &[(1, at(0, 0))], true);
    baselines.forget_old(8 * DAY * SECOND);
    let later = at(7 * DAY + 1, (7 * DAY + 1).unsigned_abs());
    assert_eq!(advance(&mut baselines, &weekly, &[(1, later)], true), [Step::Rate(1.0)]);
}

#[test]
fn what_was_restored_is_distrusted_until_it_has_been_compared() {
    let (mut store, mut before) = (Store::default(), baselines());
    advance(&mut before, &key(1, 60), &[(1, up(0, 0)), (2, up(0, 0))], true);
    store.save(changes(&mut before));
    let (mut after, _) = store.restore();
    assert_eq!(advance(&mut after, &key(1, 60), &[(1, up(5, 5))], false), [Step::TooSoon]);
    // By our clock, which was set back, it is 40 s now; by the device's 100 s.
    let set_back = Reading { at: 40 * SECOND, ..up(100, 100) };
    assert_eq!(advance(&mut after, &key(1, 60), &[(1, set_back)], true), [Step::First]);
    let later = Reading { at: 100 * SECOND, ..up(160, 160) };
    assert_eq!(advance(&mut after, &key(1, 60), &[(1, later)], true), [Step::Rate(1.0)]);
}

#[test]
fn what_does_not_fit_is_not_restored_but_removed_from_the_store() {
    let (mut store, mut before) = (Store::default(), baselines());
    for entity in 1..=3_u32 {
        advance(&mut before, &key(entity.into(), 60), &[(1, at(0, 0)), (2, at(0, 0))], true);
    }
    store.save(changes(&mut before));
    let mut after = Baselines::new(5);
    after.restore(store.0.iter().map(|(key, value)| (&**key, &**value)));
    assert_eq!((after.len(), after.dropped()), (4, 2));
    store.save(changes(&mut after));
    assert_eq!(store.0.len(), 2);
}

#[test]
fn what_is_from_the_future_is_forgotten_too() {
    let mut baselines = baselines();
    advance(&mut baselines, &key(1, 60), &[(1, at(100 * 86_400, 0))], true);
    baselines.forget_old(0);
    assert_eq!(baselines.len(), 0);
}
