//! A bot that is killed at any moment remembers all that it was told up to shortly before, and nothing else.
//!
//! The test runs itself as another process, which puts and removes in a known order, and kills it. What the next one
//! finds must be what there was at one moment.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::unwrap_used, reason = "clippy takes only functions marked #[test] for tests")]

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use grafoleancollector::State;

const KILLS: u64 = 20;
const URL: &str = "https://grafolean.example.org/api";
const KEYS: u64 = 997;
const LAST: &[u8] = b"last";

/// Step `step` removes its key, or puts its own number there.
fn removes(step: u64) -> bool {
    step % 7 == 3
}

/// Changes are large, so that writing them takes a while in which it may be killed.
fn value(step: u64) -> Vec<u8> {
    step.to_le_bytes().repeat(500)
}

fn start(directory: &Path, part: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", part])
        .current_dir(directory)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(!status.success() && status.code().is_none(), "it ended by itself: {status}");
}

/// Waits until something is so; long, as the machine may be busy.
fn wait_until(mut holds: impl FnMut() -> bool) {
    assert!((0..60 * 20).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        holds()
    }));
}

/// How far a process has come.
fn progress(directory: &Path) -> u64 {
    let bytes = std::fs::read(directory.join("progress")).unwrap_or_default();
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[test]
fn a_bot_that_is_killed_remembers_one_moment_shortly_before() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    for generation in 0..KILLS {
        let child = start(directory, "remembers_until_it_is_killed");
        // From before the file is open to well after it was written a first time.
        std::thread::sleep(Duration::from_millis(15 + 83 * generation));
        kill(child);
    }
    let before = progress(directory);
    let child = start(directory, "remembers_until_it_is_killed");
    wait_until(|| progress(directory) > before);
    let reached = progress(directory);
    // It should take a second: the machine may be busy.
    std::thread::sleep(Duration::from_secs(15));
    kill(child);
    // One more, which looks at what that one left, says so, and has time for it.
    let looks = |directory: &Path| std::fs::read_to_string(directory.join("found")).unwrap().lines().count();
    let before = looks(directory);
    let child = start(directory, "remembers_until_it_is_killed");
    wait_until(|| looks(directory) > before);
    kill(child);
    let found = std::fs::read_to_string(directory.join("found")).unwrap();
    let found: Vec<u64> = found.lines().map(|line| line.parse().unwrap()).collect();
    assert!(found.is_sorted(), "{found:?}");
    assert!(*found.last().unwrap() >= reached, "{found:?}, {reached}");
}

/// The other process.
#[test]
#[ignore = "the test above runs it, and kills it"]
fn remembers_until_it_is_killed() {
    let directory = std::env::current_dir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let state = State::sqlite(&directory, URL).unwrap();
    let table = state.table("steps");
    let found: HashMap<_, _> = runtime.block_on(table.load()).into_iter().collect();
    let number = |value: &[u8]| u64::from_le_bytes(*value.first_chunk().unwrap());
    let last = found.get(LAST).map_or(0, |value| number(value));
    for key in 0..KEYS {
        let expected = |last: u64| {
            let step = (last + KEYS - key) / KEYS * KEYS + key;
            let step = step.checked_sub(KEYS).filter(|step| *step > 0 && !removes(*step));
            step.map(value)
        };
        let found = found.get(&key.to_le_bytes()[..]).map(|value| value.to_vec());
        // The step that was under way at that moment may be there without having been counted.
        assert!(found == expected(last) || found == expected(last + 1), "key {key} after step {last}");
    }
    assert!(!directory.join("state.sqlite.damaged").exists());
    writeln!(File::options().create(true).append(true).open("found").unwrap(), "{last}").unwrap();
    let mut progress = File::options().create(true).truncate(false).write(true).open("progress").unwrap();
    for step in last + 1.. {
        let key = (step % KEYS).to_le_bytes();
        if removes(step) {
            table.remove(&key);
        } else {
            table.put(&key, value(step));
        }
        table.put(LAST, step.to_le_bytes().into());
        progress.rewind().unwrap();
        progress.write_all(&step.to_le_bytes()).unwrap();
        if step % 100 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

const TABLES: [&str; 3] = ["third", "second", "first"];
/// With [`LARGE`] values more than is written at once by itself, so that a flush takes long enough to be killed in it.
const LARGE_KEYS: u64 = 150;
const LARGE: usize = 128 << 10;
const LARGE_KILLS: u64 = 12;

/// Much that is written at once was written in several transactions, table by table, in no order.
#[test]
fn a_bot_that_is_killed_while_it_writes_much_finds_all_tables_as_they_were_at_one_moment() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let mut before = 0;
    for generation in 0..LARGE_KILLS {
        let child = start(directory, "puts_in_turn_into_several_tables_until_it_is_killed");
        // It has looked at what it found, and puts.
        wait_until(|| progress(directory) > before);
        std::thread::sleep(Duration::from_millis(300 + 211 * generation));
        kill(child);
        before = progress(directory);
    }
    let child = start(directory, "puts_in_turn_into_several_tables_until_it_is_killed");
    wait_until(|| progress(directory) > before);
    kill(child);
    let found = std::fs::read_to_string(directory.join("found")).unwrap();
    let found: Vec<u64> = found.lines().map(|line| line.parse().unwrap()).collect();
    assert!(found.is_sorted() && *found.last().unwrap() > 3 * LARGE_KEYS, "{found:?}");
}

/// The other process.
#[test]
#[ignore = "the test above runs it, and kills it"]
fn puts_in_turn_into_several_tables_until_it_is_killed() {
    let directory = std::env::current_dir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let state = State::sqlite(&directory, URL).unwrap();
    // They come to be in this order, and each step puts in the other one.
    let tables = TABLES.map(|name| state.table(name));
    let mut found = Vec::new();
    for (place, table) in tables.iter().rev().enumerate() {
        for (key, value) in runtime.block_on(table.load()) {
            let step = u64::from_le_bytes(*value.first_chunk().unwrap());
            assert_eq!(step % LARGE_KEYS, u64::from_le_bytes(*key.first_chunk().unwrap()));
            found.push(3 * step + place as u64);
        }
    }
    found.sort_unstable();
    // The first is that of step 1; of all that came, only the last of each key is left.
    let last = found.last().copied().unwrap_or(2);
    let left = (last - 2).min(3 * LARGE_KEYS);
    assert!(found.iter().copied().eq(last + 1 - left..=last), "{found:?} is of several moments");
    writeln!(File::options().create(true).append(true).open("found").unwrap(), "{last}").unwrap();
    let mut progress = File::options().create(true).truncate(false).write(true).open("progress").unwrap();
    for step in (last / 3).max(1).. {
        for table in tables.iter().rev() {
            table.put(&(step % LARGE_KEYS).to_le_bytes(), step.to_le_bytes().repeat(LARGE / 8));
        }
        progress.rewind().unwrap();
        progress.write_all(&step.to_le_bytes()).unwrap();
        std::thread::sleep(Duration::from_micros(500));
    }
}
