//! The values against a map of maps, whatever is moved, forgotten or started anew in between.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::super::{Store, values};
use super::chunks::Size;
use super::*;
use crate::clock::TestClock;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
const MINUTE: i64 = 60_000_000;
const ORIGIN: i64 = 946_857_600_000_000;
/// Where the time of the tests begins: the start of a bucket of the highest level.
const START: i64 = ORIGIN + 300 * 729 * HOUR;
const ACCOUNT: i64 = 7;

/// Small, so that a few values fill what in life takes thousands, and nothing is moved unless the test says so.
const SMALL: Limits = Limits {
    flush_points: 1_000,
    flush_age: 60_000_000,
    max_points: 4_000,
    slice_paths: 2,
    slice_points: 25,
    chunk: Size { bytes: 100, points: 20 },
    automatic: false,
};

fn open(directory: &Path, clock: &Arc<TestClock>, limits: Limits) -> Store {
    Store::open_with(directory, Arc::clone(clock) as Arc<dyn crate::clock::Clock>, limits).unwrap()
}

fn fresh(limits: Limits) -> (TempDir, Arc<TestClock>, Store) {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(START);
    let store = open(directory.path(), &clock, limits);
    (directory, clock, store)
}

fn point(path: &str, time: i64, value: f64) -> NewPoint {
    NewPoint { path: path.into(), time, value }
}

async fn put(store: &Store, points: &[(&str, i64, f64)]) -> PutDone {
    let points = points.iter().map(|(path, time, value)| point(path, *time, *value)).collect();
    store.values().put(ACCOUNT, points).await.unwrap()
}

async fn all(store: &Store, path: &str) -> Option<Vec<(i64, f64)>> {
    let series = store.values().read(ACCOUNT, path, Range::ALL, false, usize::MAX).await.unwrap();
    series.map(|series| series.points)
}

fn filter(text: &str) -> PathFilter {
    PathFilter::parse(text).unwrap()
}

/// Runs chores until there are none.
async fn chores(store: &Store) {
    let work = |db: &Connection, engine: &mut Engine| while engine.slice(db, engine.clock.now()).unwrap() {};
    store.values().writer.between(work).await.unwrap();
}

#[tokio::test]
async fn values_are_read_in_both_orders_with_a_limit() {
    let (_directory, _, store) = fresh(SMALL);
    let done = put(&store, &[("a.b", 3, 3.0), ("a.b", 1, 1.0), ("c", 9, 9.0), ("a.b", 2, 2.0)]).await;
    let ids: Vec<_> = done.new_paths.iter().map(|(id, path)| (*id, &**path)).collect();
    assert_eq!(ids, [(1, "a.b"), (2, "c")]);
    assert!(put(&store, &[("a.b", 4, 4.0)]).await.new_paths.is_empty());
    for settled in [false, true] {
        if settled {
            store.values().settle().await.unwrap();
        }
        let range = Range { from: 2, to: 4 };
        let read = |newest_first, limit| store.values().read(ACCOUNT, "a.b", range, newest_first, limit);
        let series = |points: &[(i64, f64)], next| Series { points: points.to_vec(), next };
        assert_eq!(read(false, 2).await.unwrap().unwrap(), series(&[(2, 2.0), (3, 3.0)], Some(4)));
        assert_eq!(read(true, 2).await.unwrap().unwrap(), series(&[(4, 4.0), (3, 3.0)], Some(2)));
        assert_eq!(read(true, 3).await.unwrap().unwrap().next, None);
        assert_eq!(read(true, 0).await.unwrap().unwrap(), series(&[], Some(4)));
        assert_eq!(store.values().read(ACCOUNT, "none", range, false, 1).await.unwrap(), None);
        assert_eq!(store.values().read(8, "a.b", range, false, 1).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_stored_takes_its_list_with_it() {
    let (_directory, _, store) = fresh(SMALL);
    for bad in [
        point("b", 5, f64::NAN),
        point("b", 5, f64::INFINITY),
        point("b", -1, 1.0),
        point("b", i64::MAX, 1.0),
    ] {
        let error = store.values().put(ACCOUNT, vec![point("a", 5, 1.0), bad]).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid(_)), "{error}");
    }
    assert_eq!(all(&store, "a").await, None);
    assert!(put(&store, &[("a", 5, 1.0)]).await.new_paths.len() == 1);
    assert_eq!(all(&store, "a").await, Some(vec![(5, 1.0)]));
}

#[tokio::test]
async fn a_counter_adds_up_wherever_its_value_is() {
    let (directory, clock, store) = fresh(SMALL);
    for _ in 0..3 {
        store.values().add(ACCOUNT, "system.count", 60, 2.0).await;
    }
    store.values().add(ACCOUNT, "system.count", 120, 1.0).await;
    // What is put later is stored later: then the counter is there too.
    put(&store, &[("other", 0, 1.0)]).await;
    assert_eq!(all(&store, "system.count").await, Some(vec![(60, 6.0), (120, 1.0)]));
    store.values().settle().await.unwrap();
    store.values().add(ACCOUNT, "system.count", 60, 0.5).await;
    store.close().await;
    let store = open(directory.path(), &clock, SMALL);
    store.values().add(ACCOUNT, "system.count", 60, 0.5).await;
    put(&store, &[("other", 1, 1.0)]).await;
    assert_eq!(all(&store, "system.count").await, Some(vec![(60, 7.0), (120, 1.0)]));
}

#[tokio::test]
async fn the_top_is_that_of_the_newest_moment_of_all_matching_paths() {
    let (directory, clock, store) = fresh(SMALL);
    put(&store, &[("top.a", 60, 1.0), ("top.b", 60, 5.0), ("top.c", 60, 3.0), ("top.a.x", 60, 9.0)]).await;
    put(&store, &[("top.b", 120, 2.0), ("top.d", 120, 4.0), ("other", 180, 1.0)]).await;
    let top = |time, total, list: &[(&str, f64)]| {
        let list = list.iter().map(|(path, value)| ((*path).to_owned(), *value)).collect();
        Some(Top { time, total, list })
    };
    let mut store = store;
    for round in 0..3 {
        let values = store.values().clone();
        let question = |text: &str, n, until| {
            let (values, filter) = (values.clone(), filter(text));
            async move { values.top(ACCOUNT, &filter, n, until).await.unwrap() }
        };
        assert_eq!(question("top.?", 5, 1_000).await, top(120, 6.0, &[("top.d", 4.0), ("top.b", 2.0)]));
        assert_eq!(question("top.?", 1, 1_000).await, top(120, 6.0, &[("top.d", 4.0)]));
        assert_eq!(question("top.?", 2, 119).await, top(60, 9.0, &[("top.b", 5.0), ("top.c", 3.0)]));
        assert_eq!(question("top.?", 2, 59).await, None);
        assert_eq!(question("top.*", 1, 100).await, top(60, 18.0, &[("top.a.x", 9.0)]));
        assert_eq!(question("top.b", 1, 100).await, top(60, 5.0, &[("top.b", 5.0)]));
        assert_eq!(question("none.?", 1, 100).await, None);
        drop(values);
        if round == 0 {
            store.values().settle().await.unwrap();
        } else {
            store.close().await;
            store = open(directory.path(), &clock, SMALL);
        }
    }
}

#[tokio::test]
async fn paths_are_found_by_filter_and_by_id() {
    let (_directory, _, store) = fresh(SMALL);
    put(&store, &[("a.b.c", 1, 1.0), ("a.b", 1, 1.0), ("a-b.c", 1, 1.0), ("a.c", 1, 1.0), ("b", 1, 1.0)])
        .await;
    store.values().put(8, vec![point("a.z", 1, 1.0)]).await.unwrap();
    let names = |text: &str, limit| {
        let (values, filter) = (store.values().clone(), filter(text));
        async move {
            let (paths, more) = values.paths(ACCOUNT, &filter, limit).await.unwrap();
            (paths.into_iter().map(|(_, path)| path).collect::<Vec<_>>(), more)
        }
    };
    assert_eq!(names("a.*", 10).await, (vec!["a.b".to_owned(), "a.b.c".to_owned(), "a.c".to_owned()], false));
    assert_eq!(names("a.?", 10).await, (vec!["a.b".to_owned(), "a.c".to_owned()], false));
    assert_eq!(names("a.?", 1).await, (vec!["a.b".to_owned()], true));
    assert_eq!(names("*.c", 9).await.0, ["a-b.c", "a.b.c", "a.c"]);
    assert_eq!(names("b", 1).await, (vec!["b".to_owned()], false));
    assert_eq!(names("z", 1).await, (vec![], false));
    let id = store.values().path_id(ACCOUNT, "a.c").await.unwrap().unwrap();
    assert_eq!(store.values().path_by_id(ACCOUNT, id).await.unwrap().as_deref(), Some("a.c"));
    assert_eq!(store.values().path_by_id(8, id).await.unwrap(), None);
}

#[tokio::test]
async fn a_renamed_path_keeps_its_values() {
    let (_directory, _, store) = fresh(SMALL);
    put(&store, &[("old", 1, 1.0), ("taken", 1, 5.0)]).await;
    store.values().settle().await.unwrap();
    put(&store, &[("old", 2, 2.0)]).await;
    let id = store.values().path_id(ACCOUNT, "old").await.unwrap().unwrap();
    let rename = |account, id, name| store.values().rename_path(account, id, name);
    assert_eq!(rename(ACCOUNT, id, "taken").await.unwrap(), Renamed::Taken);
    assert_eq!(rename(8, id, "new").await.unwrap(), Renamed::NoSuchPath);
    assert_eq!(all(&store, "old").await, Some(vec![(1, 1.0), (2, 2.0)]));
    let later = [point("old", 3, 3.0), point("new", 4, 4.0)];
    // In one commit: what comes after the new name goes to who has it then.
    let (renamed, put) =
        tokio::join!(rename(ACCOUNT, id, "new"), store.values().put(ACCOUNT, later.to_vec()));
    assert_eq!(renamed.unwrap(), Renamed::Done);
    assert_eq!(put.unwrap().new_paths.len(), 1);
    assert_eq!(all(&store, "new").await, Some(vec![(1, 1.0), (2, 2.0), (4, 4.0)]));
    assert_eq!(all(&store, "old").await, Some(vec![(3, 3.0)]));
}

#[tokio::test]
async fn a_deleted_path_takes_its_values_along_and_leaves_its_name() {
    let (directory, clock, store) = fresh(SMALL);
    let many: Vec<_> = (0..500).map(|n| ("gone", n * MINUTE, 0.1 * n as f64)).collect();
    put(&store, &many).await;
    put(&store, &[("stays", 1, 1.0)]).await;
    store.values().settle().await.unwrap();
    put(&store, &[("gone", 1, 1.0)]).await;
    let id = store.values().path_id(ACCOUNT, "gone").await.unwrap().unwrap();
    assert!(!store.values().delete_path(8, id).await.unwrap());
    let again = vec![point("gone", 5, 5.0)];
    let (deleted, put) =
        tokio::join!(store.values().delete_path(ACCOUNT, id), store.values().put(ACCOUNT, again));
    assert!(deleted.unwrap());
    assert_eq!(put.unwrap().new_paths.len(), 1);
    assert!(!store.values().delete_path(ACCOUNT, id).await.unwrap());
    store.values().settle().await.unwrap();
    chores(&store).await;
    assert_eq!(all(&store, "gone").await, Some(vec![(5, 5.0)]));
    assert_eq!(all(&store, "stays").await, Some(vec![(1, 1.0)]));
    let rows = |table: &'static str| {
        let question = format!("SELECT count(*) FROM {table}");
        store.read(move |db| Ok(db.query_row(&question, [], |row| row.get::<_, i64>(0))?))
    };
    assert_eq!(rows("chunks").await.unwrap(), 2);
    assert_eq!(rows("hours").await.unwrap(), 2);
    assert_eq!(rows("doomed_paths").await.unwrap(), 0);
    drop(store);
    let store = open(directory.path(), &clock, SMALL);
    assert_eq!(all(&store, "gone").await, Some(vec![(5, 5.0)]));
}

#[tokio::test]
async fn an_account_that_is_gone_takes_its_paths_along() {
    let (_directory, _, store) = fresh(SMALL);
    let points = (0..1_200).map(|n| point(&format!("p.{n}"), 60, 1.0)).collect();
    store.values().put(8, points).await.unwrap();
    put(&store, &[("stays", 1, 1.0)]).await;
    store.values().settle().await.unwrap();
    store.values().put(8, vec![point("p.3", 61, 1.0)]).await.unwrap();
    store.write(|db| doom_account(db, 8)).await.unwrap();
    chores(&store).await;
    store.values().settle().await.unwrap();
    for table in ["paths", "chunks", "hours"] {
        let question = format!("SELECT count(*) FROM {table}");
        let rows = store.read(move |db| Ok(db.query_row(&question, [], |row| row.get::<_, i64>(0))?));
        assert_eq!(rows.await.unwrap(), 1, "{table}");
    }
    assert_eq!(store.values().paths(8, &filter("*"), 10).await.unwrap(), (vec![], false));
    assert_eq!(store.values().last(8, &["p.3".to_owned()]).await.unwrap(), [None]);
    assert_eq!(all(&store, "stays").await, Some(vec![(1, 1.0)]));
}

#[tokio::test]
async fn raw_values_go_after_their_time_and_hours_stay() {
    let (_directory, clock, store) = fresh(SMALL);
    let minutes: Vec<_> = (0..600).map(|n| ("m", START + n * MINUTE, (n % 7) as f64)).collect();
    put(&store, &minutes).await;
    store.values().put(8, vec![point("other", START, 1.0)]).await.unwrap();
    store.write(|db| set_raw_days(db, ACCOUNT, 1)).await.unwrap();
    assert_eq!(store.read(|db| raw_days(db, ACCOUNT)).await.unwrap(), 1);
    assert_eq!(store.read(|db| raw_days(db, 8)).await.unwrap(), values::DEFAULT_RAW_DAYS);
    store.values().settle().await.unwrap();
    let hours = |level| store.values().rollup(ACCOUNT, "m", level, Range::ALL, false, 1_000);
    let before = (hours(0).await.unwrap(), hours(2).await.unwrap());
    assert_eq!(before.0.as_ref().unwrap().buckets.len(), 10);
    clock.set(START + DAY + 5 * HOUR);
    chores(&store).await;
    let kept = all(&store, "m").await.unwrap();
    assert!(kept.len() < 340 && kept.len() >= 300, "{}", kept.len());
    assert_eq!(kept.last().copied(), minutes.last().map(|(_, time, value)| (*time, *value)));
    assert_eq!((hours(0).await.unwrap(), hours(2).await.unwrap()), before);
    clock.set(START + 3 * DAY);
    chores(&store).await;
    assert_eq!(all(&store, "m").await, Some(vec![]));
    assert_eq!(store.values().last(ACCOUNT, &["m".to_owned()]).await.unwrap(), [None]);
    assert_eq!((hours(0).await.unwrap(), hours(2).await.unwrap()), before);
    assert_eq!(store.values().last(8, &["other".to_owned()]).await.unwrap(), [Some((START, 1.0))]);
    // What comes late is counted once, however often it comes.
    for _ in 0..3 {
        put(&store, &[("m", START + HOUR + 1, 100.0)]).await;
        store.values().settle().await.unwrap();
    }
    let late = hours(0).await.unwrap().unwrap().buckets[1];
    assert_eq!(late.maximum, 100.0);
    assert!((late.average - (100.0 + minutes[60..120].iter().map(|m| m.2).sum::<f64>()) / 61.0).abs() < 1e-9);
}

#[tokio::test]
async fn values_are_moved_by_themselves_when_they_are_many_or_old() {
    let (_directory, clock, store) = fresh(Limits { automatic: true, ..SMALL });
    let settled = async |store: &Store| {
        let question = "SELECT (SELECT count(*) FROM journal) = 0 AND (SELECT count(*) FROM chunks) > 0";
        store.read(move |db| Ok(db.query_row(question, [], |row| row.get::<_, bool>(0))?)).await
    };
    put(&store, &[("a", 1, 1.0)]).await;
    assert!(!settled(&store).await.unwrap());
    clock.advance(Duration::from_secs(61));
    for wait in 0.. {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if settled(&store).await.unwrap() {
            break;
        }
        assert!(wait < 1_000);
    }
    let many: Vec<_> = (0..5_000).map(|n| ("a", n, 0.1 * n as f64)).collect();
    for some in many.chunks(100) {
        put(&store, some).await;
    }
    for wait in 0.. {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let moved = store.values().shared.memory().active_len() < 1_000;
        if moved {
            break;
        }
        assert!(wait < 1_000);
    }
    let values: Vec<_> = many.iter().map(|(_, time, value)| (*time, *value)).collect();
    assert_eq!(all(&store, "a").await, Some(values));
}

#[tokio::test]
async fn while_the_disk_is_full_values_are_refused_and_nothing_acknowledged_is_lost() {
    let (directory, clock, store) = fresh(Limits { max_points: 1_000_000, ..SMALL });
    let limit = async |store: &Store, pages: u32| {
        let question = format!("PRAGMA max_page_count = {pages}");
        store.write(move |db| Ok(db.query_row(&question, [], |_| Ok(()))?)).await
    };
    let pages = store
        .read(|db| Ok(db.query_row("PRAGMA page_count", [], |row| row.get::<_, u32>(0))?))
        .await
        .unwrap();
    let mut kept = Vec::new();
    // Room for a little more than the empty tables.
    limit(&store, pages + 18).await.unwrap();
    let mut refused = 0;
    for n in 0..400 {
        let path = format!("p.{}", n % 9);
        let time = START + n * MINUTE;
        let points: Vec<_> = (0..50).map(|m| point(&path, time + m, n as f64 + 0.1 * m as f64)).collect();
        match store.values().put(ACCOUNT, points.clone()).await {
            Ok(_) => kept.extend(points),
            Err(StoreError::DiskFull) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 0 && !kept.is_empty());
    // There is no room for chunks either.
    assert!(matches!(store.values().settle().await, Err(StoreError::DiskFull)));
    for room_again in [false, true] {
        if room_again {
            limit(&store, 1_000_000).await.unwrap();
            kept.push(point("p.0", START - 1, 1.0));
            put(&store, &[("p.0", START - 1, 1.0)]).await;
            store.values().settle().await.unwrap();
        }
        for n in 0..9 {
            let path = format!("p.{n}");
            let of_path = kept.iter().filter(|point| *point.path == *path);
            let mut wanted: Vec<_> = of_path.map(|point| (point.time, point.value)).collect();
            wanted.sort_by_key(|point| point.0);
            assert_eq!(all(&store, &path).await.unwrap_or_default(), wanted, "{path}");
        }
    }
    drop(store);
    let store = open(directory.path(), &clock, SMALL);
    assert_eq!(all(&store, "p.0").await.unwrap().first(), Some(&(START - 1, 1.0)));
}

#[tokio::test]
async fn a_damaged_journal_is_refused() {
    let (directory, clock, store) = fresh(SMALL);
    put(&store, &[("a", 1, 1.0)]).await;
    store
        .write(|db| Ok(db.execute("UPDATE journal SET body = x'0011223344'", []).map(|_| ())?))
        .await
        .unwrap();
    store.close().await;
    let opened = Store::open_with(directory.path(), clock, SMALL);
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("is damaged") && error.contains("the journal"), "{error}");
}

#[derive(Clone, Debug)]
enum Act {
    Put(Vec<(usize, i64, i32)>),
    Settle,
    /// So many slices: what is moved is moved in part.
    Slices(usize),
    Restart {
        by_closing: bool,
    },
    Delete(usize),
    /// So many hours pass, and old raw values go.
    Wait(i64),
    Look,
}

const PATHS: [&str; 4] = ["a.x", "a.y", "b.x", "c"];
const RAW_DAYS: u32 = 2;

fn any_act() -> impl Strategy<Value = Act> {
    // Close together, so that times meet; and hours apart.
    let time =
        prop_oneof![4 => (0_i64..120).prop_map(|n| n * MINUTE), 1 => (0_i64..90).prop_map(|n| n * HOUR / 2)];
    let points = prop::collection::vec((0..PATHS.len(), time, -40_i32..40), 1..40);
    prop_oneof![
        8 => points.prop_map(Act::Put),
        2 => Just(Act::Settle),
        3 => (1_usize..6).prop_map(Act::Slices),
        1 => any::<bool>().prop_map(|by_closing| Act::Restart { by_closing }),
        1 => (0..PATHS.len()).prop_map(Act::Delete),
        1 => (1_i64..40).prop_map(Act::Wait),
        3 => Just(Act::Look),
    ]
}

#[derive(Default)]
struct Model {
    paths: BTreeMap<&'static str, BTreeMap<i64, f64>>,
    /// Raw values before this may be gone.
    kept_from: i64,
}

impl Model {
    fn buckets(&self, path: &str, level: u32) -> Option<Vec<Bucket>> {
        let hours = 3_i64.pow(level) * HOUR;
        let mut buckets: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for (time, value) in self.paths.get(path)? {
            let start = (time - ORIGIN).div_euclid(hours) * hours + ORIGIN;
            buckets.entry(start).or_default().push(*value);
        }
        let bucket = |(start, values): (i64, Vec<f64>)| Bucket {
            start,
            average: values.iter().sum::<f64>() / values.len() as f64,
            minimum: values.iter().copied().fold(f64::INFINITY, f64::min),
            maximum: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        };
        Some(buckets.into_iter().map(bucket).collect())
    }

    /// Whether a raw value may be gone by now.
    fn may_be_gone(&self, point: &(i64, f64)) -> bool {
        point.0 < self.kept_from
    }
}

struct World {
    directory: TempDir,
    clock: Arc<TestClock>,
    store: Option<Store>,
    model: Model,
}

impl World {
    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Put(points) => self.put(&points).await,
            Act::Settle => self.store().values().settle().await.unwrap(),
            Act::Slices(count) => {
                let work = move |db: &Connection, engine: &mut Engine| {
                    if !engine.is_flushing() {
                        engine.freeze();
                    }
                    (0..count).for_each(|_| {
                        engine.slice(db, engine.clock.now()).unwrap();
                    });
                };
                self.store().values().writer.between(work).await.unwrap();
            }
            Act::Restart { by_closing } => {
                let store = self.store.take().unwrap();
                if by_closing {
                    store.close().await;
                } else {
                    drop(store);
                }
                self.store = Some(open(self.directory.path(), &self.clock, SMALL));
            }
            Act::Delete(path) => {
                let path = PATHS[path];
                let id = self.store().values().path_id(ACCOUNT, path).await.unwrap();
                assert_eq!(id.is_some(), self.model.paths.remove(path).is_some());
                if let Some(id) = id {
                    assert!(self.store().values().delete_path(ACCOUNT, id).await.unwrap());
                }
            }
            Act::Wait(hours) => {
                self.clock.advance(Duration::from_secs(3_600 * hours.unsigned_abs()));
                let limit = crate::clock::Clock::now(&*self.clock) - i64::from(RAW_DAYS) * DAY;
                self.model.kept_from = (limit - ORIGIN).div_euclid(HOUR) * HOUR + ORIGIN;
                chores(self.store()).await;
            }
            Act::Look => self.look().await,
        }
    }

    async fn put(&mut self, points: &[(usize, i64, i32)]) {
        let mut new = Vec::new();
        for (path, time, value) in points {
            let (path, time, value) = (PATHS[*path], START + time, f64::from(*value) / 4.0);
            let known = self.model.paths.get(path).is_some_and(|values| values.contains_key(&time));
            // What is put again when its raw value may be gone cannot be told from what is new.
            if known && time < self.model.kept_from {
                continue;
            }
            self.model.paths.entry(path).or_default().insert(time, value);
            new.push(point(path, time, value));
        }
        self.store().values().put(ACCOUNT, new).await.unwrap();
    }

    async fn look(&self) {
        let values = self.store().values();
        let (names, more) = values.paths(ACCOUNT, &filter("*"), 10).await.unwrap();
        let names: Vec<_> = names.into_iter().map(|(_, path)| path).collect();
        assert_eq!((names, more), (self.model.paths.keys().map(|path| (*path).to_owned()).collect(), false));
        for path in PATHS {
            self.look_at(path).await;
        }
        let all_gone =
            self.model.paths.values().any(|values| values.keys().all(|time| *time < self.model.kept_from));
        if !all_gone {
            self.look_at_top("*").await;
            self.look_at_top("a.?").await;
        }
    }

    async fn look_at(&self, path: &str) {
        let values = self.store().values();
        let Some(model) = self.model.paths.get(path) else {
            assert_eq!(all(self.store(), path).await, None);
            assert_eq!(values.rollup(ACCOUNT, path, 0, Range::ALL, false, 9).await.unwrap(), None);
            assert_eq!(values.last(ACCOUNT, &[path.to_owned()]).await.unwrap(), [None]);
            return;
        };
        let mut found = all(self.store(), path).await.unwrap();
        let wanted: Vec<_> = model.iter().map(|(time, value)| (*time, *value)).collect();
        assert!(found.iter().all(|point| model.get(&point.0) == Some(&point.1)), "{found:?} {wanted:?}");
        let last = values.last(ACCOUNT, &[path.to_owned()]).await.unwrap();
        assert_eq!(last, [found.last().copied()]);
        found.retain(|point| !self.model.may_be_gone(point));
        let still: Vec<_> = wanted.iter().filter(|point| !self.model.may_be_gone(point)).copied().collect();
        assert_eq!(found, still);

        let range = Range { from: self.model.kept_from.max(START + 7 * MINUTE), to: START + 3 * HOUR };
        let mut part: Vec<_> = still.into_iter().filter(|point| range.contains(point.0)).collect();
        for newest_first in [false, true] {
            let series = values.read(ACCOUNT, path, range, newest_first, 5).await.unwrap().unwrap();
            assert_eq!(series.points, part.iter().take(5).copied().collect::<Vec<_>>());
            assert_eq!(series.next, part.get(5).map(|point| point.0));
            part.reverse();
        }
        for level in 0..=6 {
            let read =
                |range, newest_first, limit| values.rollup(ACCOUNT, path, level, range, newest_first, limit);
            let mut wanted = self.model.buckets(path, u32::from(level)).unwrap();
            let found = read(Range::ALL, false, 10_000).await.unwrap().unwrap();
            assert_eq!((&found.buckets, found.next), (&wanted, None), "level {level}");
            let range = Range { from: START + 1, to: START + 9 * HOUR };
            wanted.retain(|bucket| range.contains(bucket.start));
            wanted.reverse();
            let found = read(range, true, 3).await.unwrap().unwrap();
            assert_eq!(found.buckets, wanted.iter().take(3).copied().collect::<Vec<_>>(), "level {level}");
            assert_eq!(found.next, wanted.get(3).map(|bucket| bucket.start));
        }
    }

    async fn look_at_top(&self, text: &str) {
        let filter = filter(text);
        for until in [START + 400 * DAY, START + 60 * MINUTE] {
            if until < self.model.kept_from {
                continue;
            }
            let newest = |(path, values): (&&'static str, &BTreeMap<i64, f64>)| {
                let (time, value) = values.range(..=until).next_back()?;
                filter.matches(path).then_some((*path, *time, *value))
            };
            let newest: Vec<_> = self.model.paths.iter().filter_map(newest).collect();
            let found = self.store().values().top(ACCOUNT, &filter, 2, until).await.unwrap();
            let Some(time) = newest.iter().map(|(_, time, _)| *time).max() else {
                assert_eq!(found, None);
                continue;
            };
            if time < self.model.kept_from {
                continue;
            }
            let of_time = newest.iter().filter(|(_, at, _)| *at == time);
            let mut list: Vec<_> = of_time.map(|(path, _, value)| ((*path).to_owned(), *value)).collect();
            list.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
            let total = list.iter().map(|(_, value)| value).sum();
            list.truncate(2);
            assert_eq!(found, Some(Top { time, total, list }));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_values_are_those_of_a_map(acts in prop::collection::vec(any_act(), 1..25)) {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let (directory, clock, store) = fresh(SMALL);
            store.write(|db| set_raw_days(db, ACCOUNT, RAW_DAYS)).await.unwrap();
            let mut world = World { directory, clock, store: Some(store), model: Model::default() };
            for act in acts {
                world.act(act).await;
            }
            world.look().await;
        });
    }
}

/// What the process that is killed puts: list after list, each told when it is acknowledged.
fn list(number: i64) -> Vec<NewPoint> {
    let of = |n: i64| {
        point(&format!("p.{}", (number + n) % 31), START + number * 200_000 + n, number as f64 + 0.25)
    };
    (0..25).map(of).collect()
}

/// Few values in memory, so that they are moved all the time.
const BUSY: Limits = Limits { flush_points: 2_000, max_points: 8_000, automatic: true, ..SMALL };

/// Not a test by itself: the process that
/// [`what_was_acknowledged_is_there_once_whenever_the_process_is_killed`] starts and kills.
#[test]
#[ignore = "started by another test"]
fn the_process_that_is_killed() {
    let mut lines = std::io::stdin().lines().map(Result::unwrap);
    let (directory, first) = (lines.next().unwrap(), lines.next().unwrap().parse::<i64>().unwrap());
    Runtime::new().unwrap().block_on(async {
        let store = open(Path::new(&directory), &TestClock::at(START), BUSY);
        let next = Arc::new(std::sync::atomic::AtomicI64::new(first));
        let work = (0..4).map(|_| {
            let (store, next) = (store.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    store.values().put(ACCOUNT, list(number)).await.unwrap();
                    writeln!(std::io::stdout(), "\nacknowledged {number}.").unwrap();
                }
            })
        });
        futures_util::future::join_all(work).await;
    });
}

#[tokio::test]
async fn what_was_acknowledged_is_there_once_whenever_the_process_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let (mut acknowledged, mut first) = (BTreeSet::new(), 0);
    for _ in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "store::values::tests::the_process_that_is_killed"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{}\n{first}", directory.path().display()).unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let number = |line: &str| line.strip_prefix("acknowledged ")?.strip_suffix('.')?.parse::<i64>().ok();
        // Whatever the machine does, it is killed while it works.
        acknowledged.insert(lines.by_ref().find_map(|line| number(&line.unwrap())).unwrap());
        let kill = tokio::task::spawn_blocking(move || {
            std::thread::sleep(Duration::from_millis(fastrand::u64(0..400)));
            child.kill().unwrap();
            child.wait().unwrap();
        });
        acknowledged.extend(lines.map_while(Result::ok).filter_map(|line| number(&line)));
        kill.await.unwrap();
        first = acknowledged.last().unwrap() + 100;
        check_after_a_kill(directory.path(), &acknowledged, first).await;
    }
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
}

/// Lists that were acknowledged are there; others are there as a whole, or not at all.
async fn check_after_a_kill(directory: &Path, acknowledged: &BTreeSet<i64>, upto: i64) {
    let store = open(directory, &TestClock::at(START), BUSY);
    let mut model: BTreeMap<String, BTreeMap<i64, f64>> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for path in (0..31).map(|n| format!("p.{n}")) {
        let points = all(&store, &path).await.unwrap_or_default();
        found.insert(path, points.into_iter().collect::<BTreeMap<_, _>>());
    }
    for number in 0..upto {
        let list = list(number);
        let is_there = |point: &&NewPoint| found[&*point.path].get(&point.time) == Some(&point.value);
        let there = list.iter().filter(is_there).count();
        let whole = there == list.len();
        assert!(whole || there == 0 && !acknowledged.contains(&number), "{there} values of list {number}");
        if whole {
            for point in list {
                model.entry(point.path.into()).or_default().insert(point.time, point.value);
            }
        }
    }
    for (path, values) in model {
        assert_eq!(found[&path], values, "{path}");
        let rollups =
            store.values().rollup(ACCOUNT, &path, 0, Range::ALL, false, 10_000).await.unwrap().unwrap();
        let model = Model { paths: BTreeMap::from([("path", values)]), kept_from: 0 };
        assert_eq!(Some(rollups.buckets), model.buckets("path", 0), "{path}");
    }
    store.close().await;
}
