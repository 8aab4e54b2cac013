//! What the storage of values costs, beside the obvious way to do it: a SQLite table of path, time and value.
//!
//! ```text
//! cargo bench -p grafolean-hub --bench store
//! cargo bench -p grafolean-hub --bench store -- put 20000
//! ```
//!
//! Each measurement is a process of its own, on a directory of its own. Both ways are durable: a list is answered when
//! it would survive a power cut.
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]
#![allow(clippy::cast_possible_truncation, reason = "small numbers")]

#[path = "../../../benches/support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use grafolean_hub::benching::Values;
use rusqlite::Connection;
use support::{arguments, cpu_seconds, median, memory_bytes};
use tokio::runtime::Runtime;
use tokio::time::Instant;

type Error = Box<dyn std::error::Error + Send + Sync>;

const LIST: u64 = 1_000;
const ACCOUNT: i64 = 1;
const MINUTE: i64 = 60_000_000;
const BEGIN: i64 = 1_750_000_000_000_000;
/// Reads of one kind: the median counts.
const READS: usize = 31;
const YEAR: u64 = 525_600;
/// Paths in an account that is asked for its top, and those of them that match.
const TOP_PATHS: u64 = 200_000;
const TOP_MATCHING: u64 = 4_000;

fn main() -> Result<(), Error> {
    let Some(arguments) = arguments() else { return Ok(()) };
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>();
    match arguments[..] {
        [] => {
            for paths in [20_000, 200_000] {
                put(paths)?;
            }
            year()?;
            top()?;
        }
        ["put", paths] => put(number(paths)?)?,
        ["year"] => year()?,
        ["top"] => top()?,
        ["put-ours", paths, writers, values] => put_ours(number(paths)?, number(writers)?, number(values)?)?,
        ["put-plain", paths, values] => put_plain(number(paths)?, number(values)?)?,
        ["year-ours"] => year_ours()?,
        ["year-plain"] => year_plain()?,
        ["top-ours"] => top_ours()?,
        ["top-plain"] => top_plain()?,
        _ => return Err("put PATHS, year, top, or nothing for all".into()),
    }
    Ok(())
}

/// Numbers that this program prints as a process of its own.
fn measured<const N: usize>(arguments: &[&str]) -> Result<[f64; N], Error> {
    support::once_more(arguments).map_err(|error| error.to_string().into())
}

/// The name of a path, as bots make them.
fn name(path: u64) -> Box<str> {
    let kind =
        ["ping.success", "ping.rtt", "snmp.if.in-octets.7.eth0", "host.cpu.load1"][(path % 4) as usize];
    format!("entity.{}.{kind}", path / 4).into()
}

/// A value as bots measure them: always the same, a decimal, a rate with all its digits, a whole number that wanders.
fn value(path: u64, round: u64) -> f64 {
    let noise = scatter(path * 1_000_003 + round);
    match path % 4 {
        0 => 1.0,
        1 => (800 + noise % 400 + if noise.is_multiple_of(97) { 20_000 } else { 0 }) as f64 / 1e6,
        2 => (1_000_000_000 + noise % 100_000_000) as f64 * 8.0 / 59.998_731,
        _ => (noise % 400) as f64 / 100.0,
    }
}

/// When: each minute, at the path's own second, and some 2 ms later or earlier.
fn time(path: u64, round: u64) -> i64 {
    let wobble = scatter(path / LIST * 7_919 + round) % 2_000;
    BEGIN + round as i64 * MINUTE + (path / LIST % 60) as i64 * 1_000_000 + wobble as i64
}

fn scatter(n: u64) -> u64 {
    let n = (n ^ (n >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

fn file_bytes(directory: &Path) -> f64 {
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len() as f64).sum()
}

fn put(paths: u64) -> Result<(), Error> {
    println!("\n{paths} known paths, lists of {LIST}, durable");
    println!(
        "| | values/s | CPU µs per value | peak memory MB | bytes per value | s to open with what memory had | s to move that to its place |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    let paths_text = paths.to_string();
    for (writers, values) in [("1", "4000000"), ("8", "10000000")] {
        let [rate, cpu, memory, bytes, settle, replay] =
            measured(&["put-ours", &paths_text, writers, values])?;
        println!(
            "| hub, {writers} at a time, {values} | {rate:.0} | {cpu:.2} | {memory:.0} | {bytes:.2} | {replay:.2} | {settle:.2} |"
        );
    }
    let [rate, cpu, memory, bytes] = measured(&["put-plain", &paths_text, "2000000"])?;
    println!("| a plain table, 2000000 | {rate:.0} | {cpu:.2} | {memory:.0} | {bytes:.2} | | |");
    Ok(())
}

fn put_ours(paths: u64, writers: u64, total: u64) -> Result<(), Error> {
    let directory = tempfile::tempdir()?;
    Runtime::new()?.block_on(async {
        let values = Values::open(directory.path())?;
        let names: Arc<[Box<str>]> = (0..paths).map(name).collect();
        // Known paths are measured: the first round makes them.
        for list in 0..paths / LIST {
            values.put(ACCOUNT, make(&names, list, 0)).await?;
        }
        let next = Arc::new(AtomicU64::new(paths / LIST));
        let (began, cpu) = (Instant::now(), cpu_seconds());
        let work = (0..writers).map(|_| {
            let (values, names, next) = (values.clone(), Arc::clone(&names), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= total / LIST {
                        return Ok::<_, Error>(());
                    }
                    values.put(ACCOUNT, make(&names, n % (paths / LIST), n / (paths / LIST))).await?;
                }
            })
        });
        for work in work.collect::<Vec<_>>() {
            work.await??;
        }
        let measured = (total - paths) as f64;
        let (rate, cpu) = (measured / began.elapsed().as_secs_f64(), (cpu_seconds() - cpu) / measured * 1e6);
        let memory = memory_bytes("VmHWM") / 1e6;
        values.close().await;
        let began = Instant::now();
        let values = Values::open(directory.path())?;
        let replay = began.elapsed().as_secs_f64();
        let began = Instant::now();
        values.settle().await?;
        let settled = began.elapsed().as_secs_f64();
        values.close().await;
        let bytes = file_bytes(directory.path()) / total as f64;
        println!("{rate} {cpu} {memory} {bytes} {settled} {replay}");
        Ok(())
    })
}

fn make(names: &[Box<str>], list: u64, round: u64) -> Vec<(Box<str>, i64, f64)> {
    let paths = list * LIST..(list + 1) * LIST;
    paths.map(|path| (names[path as usize].clone(), time(path, round), value(path, round))).collect()
}

fn plain(directory: &Path) -> Result<Connection, Error> {
    let db = Connection::open(directory.join("plain.sqlite3"))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "cache_size", -16_384)?;
    db.execute_batch(
        "CREATE TABLE paths (id INTEGER PRIMARY KEY, account INTEGER, path TEXT, UNIQUE (account, path));
         CREATE TABLE points (path INTEGER, t INTEGER, v REAL, PRIMARY KEY (path, t)) WITHOUT ROWID;",
    )?;
    Ok(db)
}

fn put_list(
    db: &Connection,
    ids: &mut HashMap<Box<str>, i64>,
    list: Vec<(Box<str>, i64, f64)>,
) -> Result<(), Error> {
    let transaction = db.unchecked_transaction()?;
    let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO points VALUES (?1, ?2, ?3)")?;
    for (path, time, value) in list {
        let id = match ids.get(&path) {
            Some(id) => *id,
            None => {
                let mut make =
                    transaction.prepare_cached("INSERT INTO paths (account, path) VALUES (?1, ?2)")?;
                let id = make.insert((ACCOUNT, &path))?;
                ids.insert(path, id);
                id
            }
        };
        put.execute((id, time, value))?;
    }
    drop(put);
    Ok(transaction.commit()?)
}

fn put_plain(paths: u64, total: u64) -> Result<(), Error> {
    let directory = tempfile::tempdir()?;
    let db = plain(directory.path())?;
    let names: Vec<Box<str>> = (0..paths).map(name).collect();
    let mut ids = HashMap::new();
    let lists = paths / LIST;
    for list in 0..lists {
        put_list(&db, &mut ids, make(&names, list, 0))?;
    }
    let (began, cpu) = (Instant::now(), cpu_seconds());
    for n in lists..total / LIST {
        put_list(&db, &mut ids, make(&names, n % lists, n / lists))?;
    }
    let measured = (total - paths) as f64;
    let (rate, cpu) = (measured / began.elapsed().as_secs_f64(), (cpu_seconds() - cpu) / measured * 1e6);
    db.close().map_err(|(_, error)| error)?;
    println!("{rate} {cpu} {} {}", memory_bytes("VmHWM") / 1e6, file_bytes(directory.path()) / total as f64);
    Ok(())
}

fn year() -> Result<(), Error> {
    println!("\na path of a year at 60 s: {YEAR} values, median of {READS} reads, ms");
    println!("| | hours: 8,760 buckets | nines of hours: 974 | 100,000 raw | the same with JSON |");
    println!("|---|---:|---:|---:|---:|");
    for (title, part) in [("hub", "year-ours"), ("a plain table", "year-plain")] {
        let [hours, nines, raw, json] = measured(&[part])?;
        println!("| {title} | {hours:.2} | {nines:.2} | {raw:.2} | {json:.2} |");
    }
    Ok(())
}

fn json(points: &[(i64, f64)]) -> Result<usize, Error> {
    #[derive(serde::Serialize)]
    struct Value {
        t: f64,
        v: f64,
    }
    let values: Vec<Value> = points.iter().map(|(t, v)| Value { t: *t as f64 / 1e6, v: *v }).collect();
    Ok(serde_json::to_vec(&values)?.len())
}

fn year_of(path: u64) -> impl Iterator<Item = Vec<(Box<str>, i64, f64)>> {
    let name = name(path);
    let rounds: Vec<u64> = (0..YEAR).collect();
    let lists: Vec<Vec<u64>> = rounds.chunks(10_000).map(<[u64]>::to_vec).collect();
    lists.into_iter().map(move |rounds| {
        rounds.into_iter().map(|round| (name.clone(), time(path, round), value(path, round))).collect()
    })
}

fn year_ours() -> Result<(), Error> {
    let directory = tempfile::tempdir()?;
    Runtime::new()?.block_on(async {
        let values = Values::open(directory.path())?;
        // A rate, which takes the most room.
        for list in year_of(2) {
            values.put(ACCOUNT, list).await?;
        }
        values.settle().await?;
        let path = name(2);
        let mut times = [const { Vec::new() }; 4];
        for _ in 0..READS {
            for (at, times) in times.iter_mut().enumerate() {
                let began = Instant::now();
                let found = match at {
                    0 => values.rollup(ACCOUNT, &path, 0).await?.len(),
                    1 => values.rollup(ACCOUNT, &path, 2).await?.len(),
                    2 => values.read(ACCOUNT, &path, 100_000).await?.len(),
                    _ => json(&values.read(ACCOUNT, &path, 100_000).await?)?,
                };
                times.push(began.elapsed().as_secs_f64() * 1e3);
                assert!(found >= 900, "{found}");
            }
        }
        print_medians(&mut times);
        values.close().await;
        Ok(())
    })
}

fn print_medians(times: &mut [Vec<f64>]) {
    let medians: Vec<String> = times.iter_mut().map(|times| median(times).to_string()).collect();
    println!("{}", medians.join(" "));
}

fn year_plain() -> Result<(), Error> {
    let directory = tempfile::tempdir()?;
    let db = plain(directory.path())?;
    let mut ids = HashMap::new();
    for list in year_of(2) {
        put_list(&db, &mut ids, list)?;
    }
    let rollup = |hours: i64| -> Result<usize, Error> {
        let mut find = db.prepare_cached(
            "SELECT t / ?1 AS bucket, avg(v), min(v), max(v) FROM points WHERE path = 1 GROUP BY bucket",
        )?;
        let rows = find.query_map([hours * 60 * MINUTE], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, f64>(1)?, row.get::<_, f64>(2)?, row.get::<_, f64>(3)?))
        })?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?.len())
    };
    let raw = || -> Result<Vec<(i64, f64)>, Error> {
        let mut find = db.prepare_cached("SELECT t, v FROM points WHERE path = 1 ORDER BY t LIMIT 100000")?;
        let rows = find.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..READS {
        for (at, times) in times.iter_mut().enumerate() {
            let began = Instant::now();
            let found = match at {
                0 => rollup(1)?,
                1 => rollup(9)?,
                2 => raw()?.len(),
                _ => json(&raw()?)?,
            };
            times.push(began.elapsed().as_secs_f64() * 1e3);
            assert!(found >= 900, "{found}");
        }
    }
    print_medians(&mut times);
    Ok(())
}

fn top() -> Result<(), Error> {
    println!("\n{TOP_PATHS} paths, of which {TOP_MATCHING} match, 10 values each; median of {READS}, ms");
    println!("| | top 10 | top 10 of all | the first after a start | newest values of 4,000 paths |");
    println!("|---|---:|---:|---:|---:|");
    for (title, part) in [("hub", "top-ours"), ("a plain table", "top-plain")] {
        let [matching, all, first, last] = measured(&[part])?;
        println!("| {title} | {matching:.2} | {all:.1} | {first:.1} | {last:.2} |");
    }
    Ok(())
}

fn talker(path: u64) -> String {
    let (entity, ip) = (path / TOP_MATCHING, path % TOP_MATCHING);
    format!("netflow.1min.ingress.entity.{entity}.topip.10%2e0%2e{}%2e{}", ip / 256, ip % 256)
}

fn talkers(round: u64) -> impl Iterator<Item = Vec<(Box<str>, i64, f64)>> {
    (0..TOP_PATHS / LIST).map(move |list| {
        let paths = list * LIST..(list + 1) * LIST;
        let of = |path| {
            (talker(path).into(), BEGIN + round as i64 * MINUTE, (scatter(path + round) % 100_000) as f64)
        };
        paths.map(of).collect()
    })
}

fn top_ours() -> Result<(), Error> {
    let directory = tempfile::tempdir()?;
    Runtime::new()?.block_on(async {
        let values = Values::open(directory.path())?;
        for round in 0..10 {
            for list in talkers(round) {
                values.put(ACCOUNT, list).await?;
            }
        }
        values.settle().await?;
        values.close().await;
        let values = Values::open(directory.path())?;
        let filter = "netflow.1min.ingress.entity.5.topip.?";
        let began = Instant::now();
        assert_eq!(values.top(ACCOUNT, filter, 10).await?.1, 10);
        let first = began.elapsed().as_secs_f64() * 1e3;
        let paths: Vec<String> = (0..TOP_MATCHING).map(|n| talker(5 * TOP_MATCHING + n)).collect();
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..READS {
            for (at, times) in times.iter_mut().enumerate() {
                let began = Instant::now();
                let found = match at {
                    0 => values.top(ACCOUNT, filter, 10).await?.1,
                    1 => values.top(ACCOUNT, "netflow.1min.ingress.*", 10).await?.1,
                    _ => values.last(ACCOUNT, &paths).await?,
                };
                times.push(began.elapsed().as_secs_f64() * 1e3);
                assert!(found >= 10);
            }
        }
        let [matching, all, last] = &mut times;
        println!("{} {} {first} {}", median(matching), median(all), median(last));
        values.close().await;
        Ok(())
    })
}

fn top_plain() -> Result<(), Error> {
    let directory = tempfile::tempdir()?;
    let db = plain(directory.path())?;
    let mut ids = HashMap::new();
    for round in 0..10 {
        for list in talkers(round) {
            put_list(&db, &mut ids, list)?;
        }
    }
    let top = |prefix: &str| -> Result<usize, Error> {
        let mut find = db.prepare_cached(
            "WITH matching AS (SELECT id, path FROM paths WHERE account = ?1 AND path >= ?2 AND path < ?2 || '~'),
                  newest AS (SELECT id, path, (SELECT max(t) FROM points WHERE points.path = id) AS t FROM matching),
                  moment AS (SELECT max(t) AS t FROM newest)
             SELECT newest.path, points.v FROM moment JOIN newest USING (t)
             JOIN points ON points.path = newest.id AND points.t = newest.t ORDER BY points.v DESC",
        )?;
        let rows =
            find.query_map((ACCOUNT, prefix), |row| Ok((row.get::<_, String>(0)?, row.get::<_, f64>(1)?)))?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?.len().min(10))
    };
    let paths: Vec<String> = (0..TOP_MATCHING).map(|n| talker(5 * TOP_MATCHING + n)).collect();
    let last = || -> Result<usize, Error> {
        let mut find = db.prepare_cached(
            "SELECT t, v FROM points WHERE path = (SELECT id FROM paths WHERE account = ?1 AND path = ?2)
             ORDER BY t DESC LIMIT 1",
        )?;
        let mut found = 0;
        for path in &paths {
            let point: (i64, f64) = find.query_row((ACCOUNT, path), |row| Ok((row.get(0)?, row.get(1)?)))?;
            found += usize::from(point.0 > 0);
        }
        Ok(found)
    };
    let prefix = "netflow.1min.ingress.entity.5.topip.";
    let began = Instant::now();
    assert_eq!(top(prefix)?, 10);
    let first = began.elapsed().as_secs_f64() * 1e3;
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..READS {
        for (at, times) in times.iter_mut().enumerate() {
            let began = Instant::now();
            let found = match at {
                0 => top(prefix)?,
                1 => top("netflow.1min.ingress.")?,
                _ => last()?,
            };
            times.push(began.elapsed().as_secs_f64() * 1e3);
            assert!(found >= 10);
        }
    }
    let [matching, all, last] = &mut times;
    println!("{} {} {first} {}", median(matching), median(all), median(last));
    Ok(())
}
