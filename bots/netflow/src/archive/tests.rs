//! What was kept is there, and what can go wrong costs no more than it must.

use std::fs::File;
use std::net::IpAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use grafoleancollector::Timestamp;
use grafoleancollector::testing::TestClock;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::{Field, Row};

use super::batch::BATCH;
use super::file::{FOOTER, OpenFile, PART, create_new, recover, with};
use super::*;
use crate::{Direction, Event, Flow, Has, Ip, Origin, Version};

const TEN: Timestamp = Timestamp::from_secs(1_795_298_400); // 2026-11-21T22:00:00Z

fn ip(text: &str) -> Ip {
    text.parse::<IpAddr>().unwrap().into()
}

fn origin(received: Timestamp) -> Origin {
    let source = ip("10.0.0.1");
    Origin { source, reported: Ip::NONE, domain: 7, version: Version::V9, received }
}

fn flow(n: u64) -> Flow {
    let all = [Has::PROTOCOL, Has::SRC_PORT, Has::DST_PORT, Has::INPUT, Has::OUTPUT];
    Flow {
        src: Ip::v4(0x0a00_0000 + u32::try_from(n % 20_000).unwrap()),
        dst: ip("2001:db8::7"),
        bytes: n,
        packets: 1,
        dst_port: 443,
        protocol: 6,
        has: all.into_iter().fold(Has::default(), Has::with),
        ..Flow::default()
    }
}

fn after(seconds: u64) -> Timestamp {
    TEN.plus(Duration::from_secs(seconds))
}

fn start(directory: &Path) -> Archive {
    let options = ArchiveOptions::new(Duration::from_secs(86_400));
    Archive::start(directory, &options, Arc::new(TestClock::at(TEN))).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn read(path: &Path) -> Vec<Row> {
    let file = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    file.get_row_iter(None).unwrap().map(Result::unwrap).collect()
}

fn bytes_of(path: &Path) -> Vec<u64> {
    read(path)
        .iter()
        .map(|row| field(row, "bytes"))
        .map(|field| match field {
            Field::ULong(bytes) => bytes,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn field(row: &Row, name: &str) -> Field {
    row.get_column_iter().find(|(column, _)| *column == name).unwrap().1.clone()
}

#[test]
fn every_field_is_read_back_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let archive = start(directory.path());
    let mut feed = archive.feed();
    let full = Flow {
        src: ip("192.0.2.1"),
        bytes: u64::MAX,
        packets: 1 << 63,
        start: 1_795_298_000_123,
        end: 1_795_298_001_456,
        input: u32::MAX,
        output: 3,
        sampling: 1_000,
        src_port: 65_535,
        direction: Direction::Egress,
        event: Event::Delete,
        tcp_flags: 0xff,
        tos: 0xb8,
        ..flow(0)
    };
    feed.offer(&origin(after(1)), &[full]);
    let reported =
        Origin { reported: ip("::1"), domain: u32::MAX, version: Version::Sflow, ..origin(after(2)) };
    feed.offer(&reported, &[Flow::default()]);
    drop(feed);
    archive.close();

    assert_eq!(names(directory.path()), ["flows-2026-11-21T22.parquet"]);
    let rows = read(&directory.path().join("flows-2026-11-21T22.parquet"));
    let text = |text: &str| Field::Str(text.to_owned());
    let expected = [
        ("received", Field::TimestampMillis(1_795_298_401_000), Field::TimestampMillis(1_795_298_402_000)),
        ("exporter", text("10.0.0.1"), text("10.0.0.1")),
        ("reported", Field::Null, text("::1")),
        ("domain", Field::UInt(7), Field::UInt(u32::MAX)),
        ("version", text("v9"), text("sflow")),
        ("src", text("192.0.2.1"), Field::Null),
        ("dst", text("2001:db8::7"), Field::Null),
        ("src_port", Field::UShort(65_535), Field::Null),
        ("dst_port", Field::UShort(443), Field::Null),
        ("protocol", Field::UByte(6), Field::Null),
        ("bytes", Field::ULong(u64::MAX), Field::ULong(0)),
        ("packets", Field::ULong(1 << 63), Field::ULong(0)),
        ("sampling", Field::UInt(1_000), Field::Null),
        ("ended", Field::TimestampMillis(1_795_298_001_456), Field::Null),
        ("duration_ms", Field::Long(1_333), Field::Null),
        ("input", Field::UInt(u32::MAX), Field::Null),
        ("output", Field::UInt(3), Field::Null),
        ("direction", text("egress"), Field::Null),
        ("event", text("delete"), Field::Null),
        ("tcp_flags", Field::UByte(0xff), Field::UByte(0)),
        ("tos", Field::UByte(0xb8), Field::UByte(0)),
    ];
    assert_eq!(rows[0].len(), expected.len());
    for (name, first, second) in expected {
        assert_eq!((field(&rows[0], name), field(&rows[1], name)), (first, second), "{name}");
    }
}

#[test]
fn nothing_is_lost_between_many_threads_and_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let archive = start(directory.path());
    let counts = Arc::clone(archive.counts());
    std::thread::scope(|scope| {
        for thread in 0..3_u64 {
            let mut feed = archive.feed();
            scope.spawn(move || {
                for run in 0..4_000 {
                    let flows: Vec<Flow> = (0..25).map(|n| flow(thread * 100_000 + run * 25 + n)).collect();
                    feed.offer(&origin(after(run / 100)), &flows);
                }
            });
        }
    });
    archive.close();
    assert_eq!(counts.offered.get(), 300_000);
    assert_eq!(counts.dropped_disk.get(), 0);
    assert_eq!(counts.written.get() + counts.dropped_queue.get(), 300_000, "what is not there was counted");
    let mut kept = bytes_of(&directory.path().join("flows-2026-11-21T22.parquet"));
    assert_eq!(kept.len() as u64, counts.written.get());
    kept.sort_unstable();
    kept.dedup();
    assert_eq!(kept.len() as u64, counts.written.get());
}

#[test]
fn an_hour_has_a_file_and_a_restart_overwrites_none() {
    let directory = tempfile::tempdir().unwrap();
    for life in 0..2 {
        let archive = start(directory.path());
        let mut feed = archive.feed();
        for (second, bytes) in [(0, 1), (3_599, 2), (3_600, 3), (3_599, 4), (7_200, 5)] {
            feed.offer(&origin(after(second)), &[flow(bytes + 10 * life)]);
            feed.flush();
        }
        drop(feed);
        archive.close();
    }
    let expected = [
        ("T22-2", vec![11, 12]),
        ("T22", vec![1, 2]),
        // A thread that lagged behind does not bring back the hour before.
        ("T23-2", vec![13, 14]),
        ("T23", vec![3, 4]),
    ];
    for (name, bytes) in expected {
        assert_eq!(bytes_of(&directory.path().join(format!("flows-2026-11-21{name}.parquet"))), bytes);
    }
    assert_eq!(bytes_of(&directory.path().join("flows-2026-11-22T00-2.parquet")), [15]);
    assert_eq!(names(directory.path()).len(), 6);
}

fn batch(bytes: std::ops::Range<u64>) -> Batch {
    let mut batch = Batch::default();
    batch.add(&origin(TEN), &bytes.map(flow).collect::<Vec<_>>());
    batch
}

#[test]
fn a_killed_life_keeps_what_was_saved() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flows-2026-11-21T22.parquet");
    let mut columns = Columns::new().unwrap();
    let mut file = OpenFile::create(path.clone(), create_new).unwrap();
    file.write(&mut columns, &batch(0..1_000)).unwrap();
    file.write(&mut columns, &batch(1_000..1_500)).unwrap();
    assert_eq!(file.save().unwrap(), 1_500);
    assert!(!file.has_unsaved());
    file.write(&mut columns, &batch(1_500..9_000)).unwrap();
    // A file that is forgotten is closed by nobody, as when its process is killed.
    std::mem::forget(file);
    assert_eq!(names(directory.path()).len(), 2);

    start(directory.path()).close();
    assert_eq!(names(directory.path()), ["flows-2026-11-21T22.parquet"]);
    assert_eq!(bytes_of(&path), (0..1_500).collect::<Vec<_>>());
}

#[test]
fn a_life_that_was_killed_while_it_finished_a_file_does_not_harm_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flows-2026-11-21T22.parquet");
    let mut file = OpenFile::create(path.clone(), create_new).unwrap();
    file.write(&mut Columns::new().unwrap(), &batch(0..100)).unwrap();
    file.save().unwrap();
    let footer = fs::read(with(&path, FOOTER)).unwrap();
    assert_eq!(file.finish().unwrap(), 0);
    // The new name was there, but the footer beside it not gone yet.
    fs::write(with(&path, FOOTER), &footer).unwrap();
    start(directory.path()).close();
    assert_eq!(names(directory.path()), ["flows-2026-11-21T22.parquet"]);
    assert_eq!(bytes_of(&path).len(), 100);
    // The end was there, but not the new name.
    fs::rename(&path, with(&path, PART)).unwrap();
    fs::write(with(&path, FOOTER), &footer).unwrap();
    start(directory.path()).close();
    assert_eq!(bytes_of(&path).len(), 100);
}

#[test]
fn what_cannot_be_completed_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flows-2026-11-21T22.parquet");
    let (part, footer) = (with(&path, PART), with(&path, FOOTER));
    let nonsense: [(&[u8], &[u8]); 4] = [
        (b"PAR1", b""),
        (b"PAR1", &[9; 4]),
        (b"PAR1", &[9; 40]),
        (b"PAR1PAR1", b"\x04\0\0\0\0\0\0\0 this is no footer PAR1"),
    ];
    for (begun, saved) in nonsense {
        fs::write(&part, begun).unwrap();
        fs::write(&footer, saved).unwrap();
        assert_eq!(recover(&part).unwrap(), 0);
        assert!(names(directory.path()).is_empty());
    }
    fs::write(&part, "PAR1").unwrap();
    start(directory.path()).close();
    assert!(names(directory.path()).is_empty());
}

#[test]
fn a_full_disk_is_survived_and_counted() {
    static FULL: AtomicBool = AtomicBool::new(true);
    fn open(path: &Path) -> io::Result<File> {
        if FULL.load(SeqCst) { File::options().write(true).open("/dev/full") } else { create_new(path) }
    }
    let directory = tempfile::tempdir().unwrap();
    let options = ArchiveOptions::new(Duration::from_secs(86_400));
    let clock = Arc::new(TestClock::at(TEN));
    let archive =
        Archive::start_with(directory.path(), &options, Arc::clone(&clock) as Arc<dyn Clock>, open).unwrap();
    let counts = Arc::clone(archive.counts());
    let mut feed = archive.feed();
    // Each hour that begins makes the writer write what it has.
    let mut hour = 0;
    let mut until = |done: &dyn Fn() -> bool| {
        for _ in 0..2_000 {
            if done() {
                return;
            }
            hour += 1;
            clock.jump(Duration::from_secs(3_600));
            feed.offer(&origin(after(hour * 3_600)), &[flow(hour)]);
            feed.flush();
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("not within 10 s");
    };
    until(&|| counts.dropped_disk.get() > 3);
    assert_eq!(counts.written.get(), 0);
    FULL.store(false, SeqCst);
    until(&|| counts.written.get() > 3);
    drop(feed);
    archive.close();
    assert_eq!(
        counts.offered.get(),
        counts.written.get() + counts.dropped_disk.get() + counts.dropped_queue.get()
    );
    assert!(names(directory.path()).iter().all(|name| name.ends_with(".parquet")));
}

#[test]
fn a_slow_disk_keeps_nobody_waiting() {
    let (to, messages) = sync_channel(2);
    let counts = Arc::<Counts>::default();
    let mut feed =
        Feed { batch: Batch::default(), to, empties: Empties::default(), counts: Arc::clone(&counts) };
    let flows: Vec<Flow> = (0..BATCH as u64).map(flow).collect();
    for _ in 0..10 {
        feed.offer(&origin(TEN), &flows);
    }
    assert_eq!(counts.offered.get(), 10 * BATCH as u64);
    assert_eq!(counts.dropped_queue.get(), 8 * BATCH as u64);
    drop(messages);
    feed.offer(&origin(TEN), &flows);
    assert_eq!(counts.dropped_queue.get(), 9 * BATCH as u64);
}

#[test]
fn a_directory_that_cannot_be_made_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let taken = directory.path().join("flows");
    fs::write(&taken, "a file").unwrap();
    let options = ArchiveOptions::new(Duration::from_secs(86_400));
    let error = Archive::start(&taken, &options, Arc::new(TestClock::at(TEN))).unwrap_err();
    assert!(error.to_string().contains("cannot be used"), "{error}");
}

/// Real readers, where this machine has them: `PYTHON_WITH_READERS` names an interpreter with duckdb, pyarrow,
/// pandas and chdb.
#[test]
fn duckdb_pyarrow_pandas_and_clickhouse_read_the_files() {
    let python = python_with_readers();
    let has = |module: &str| {
        Command::new(&python)
            .args(["-c", &format!("import {module}")])
            .output()
            .is_ok_and(|run| run.status.success())
    };
    let directory = tempfile::tempdir().unwrap();
    let archive = start(directory.path());
    let mut feed = archive.feed();
    for n in 0..50_000 {
        feed.offer(
            &origin(after(n / 100)),
            &[Flow { start: 1_795_298_000_123, end: 1_795_298_000_223, ..flow(n) }, Flow::default()],
        );
    }
    drop(feed);
    archive.close();
    let checks = [
        ("duckdb", "
import duckdb
sql = lambda text: duckdb.sql(text).fetchall()
files = f\"'{folder}/flows-*.parquet'\"
assert sql(f'select count(*), sum(bytes), count(src), min(dst), max(dst_port) from {files}') == [(100000, 1249975000, 50000, '2001:db8::7', 443)]
assert sql(f'select src, sum(bytes * coalesce(sampling, 1)) as b from {files} where src is not null group by src order by b desc, src limit 1')[0][0] == '10.0.39.15'
types = dict((row[0], row[1]) for row in sql(f'describe select * from {files}'))
assert types['received'] == 'TIMESTAMP WITH TIME ZONE' and types['bytes'] == 'UBIGINT' and types['src'] == 'VARCHAR' and types['src_port'] == 'USMALLINT', types
assert sql(f'select epoch_ms(min(received)), epoch_ms(min(ended)), max(duration_ms) from {files}') == [(1795298400000, 1795298000223, 100)]
"),
        ("pyarrow", "
import pyarrow.parquet, glob
table = pyarrow.parquet.read_table(glob.glob(folder + '/flows-*.parquet')[0])
assert table.num_rows == 100000 and str(table.schema.field('received').type) == 'timestamp[ms, tz=UTC]'
assert str(table.schema.field('bytes').type) == 'uint64' and table['src'].null_count == 50000
assert table['src'][2].as_py() == '10.0.0.1'
"),
        ("pandas", "
import pandas, glob
frame = pandas.read_parquet(glob.glob(folder + '/flows-*.parquet')[0])
assert len(frame) == 100000 and frame['bytes'].sum() == 1249975000
"),
        // ClickHouse in a process.
        ("chdb", "
import chdb
asked = 'select count(), sum(bytes), countIf(src is not null), max(dst_port), any(version)'
answer = str(chdb.query(f\"{asked} from file('{folder}/flows-*.parquet')\")).strip()
assert answer == '100000,1249975000,50000,443,\"v9\"', answer
"),
    ];
    for (module, code) in checks {
        if !has(module) {
            println!("skipped: no {module} here");
            continue;
        }
        let code = format!("folder = {:?}\n{code}", directory.path());
        let run = Command::new(&python).args(["-c", &code]).output().unwrap();
        assert!(run.status.success(), "{module}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "which interpreter to use is a matter of the machine that tests"
)]
fn python_with_readers() -> String {
    std::env::var("PYTHON_WITH_READERS").unwrap_or_else(|_| "python3".to_owned())
}
