//! Files that are not what they should be, and disks that do not take them.

use std::fs;

use proptest::prelude::*;
use rusqlite::{Connection, OpenFlags};

use super::*;
use crate::telemetry::logged;

/// Leaves a file in which 2,000 keys are remembered.
async fn leave_behind(directory: &Path) {
    let state = open(directory);
    let table = state.table("a");
    for n in 0..2_000 {
        table.put(format!("{n}").as_bytes(), vec![b'v'; 300]);
    }
    state.close().await;
}

/// A bot goes on with a file that is damaged: says so once, and remembers what it is told from then on.
async fn goes_on(directory: &Path, reason: &str) {
    logged();
    let state = open(directory);
    let table = state.table("a");
    assert_eq!(table.load().await, [], "{reason}");
    table.put(b"x", b"1".into());
    table.load().await;
    let said = said(&state).await;
    let (now, aside) = (file(directory), beside(directory, ".damaged"));
    let expected = format!(
        "WARN {} is damaged ({reason}): it is now {}, and the bot begins anew without what it remembered",
        now.display(),
        aside.display()
    );
    assert_eq!(said, [expected]);
    state.close().await;
    let state = open(directory);
    assert_eq!(all(&state.table("a")).await, pairs([("x", "1")]));
    state.close().await;
}

#[tokio::test]
async fn what_is_no_database_is_set_aside() {
    let random: Vec<u8> = (0..5_000).map(|_| fastrand::u8(..)).collect();
    let text = "no database, but quite some text\n".repeat(300).into_bytes();
    for content in [random, text, vec![0; 4_096], b"short".to_vec()] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(file(directory.path()), &content).unwrap();
        goes_on(directory.path(), "file is not a database").await;
        assert_eq!(fs::read(beside(directory.path(), ".damaged")).unwrap(), content);
    }
}

#[tokio::test]
async fn a_directory_in_the_place_of_the_file_is_set_aside_and_makes_room_when_it_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let _ = fs::remove_file(file(directory.path()));
        fs::create_dir(file(directory.path())).unwrap();
        goes_on(directory.path(), "it is not a file").await;
        assert!(beside(directory.path(), ".damaged").is_dir());
    }
}

#[tokio::test]
async fn a_truncated_file_is_set_aside() {
    // Within the header, behind it, in the middle of all pages.
    for kept in [60, 1_000, 2_048, 100_000, 400_001] {
        let directory = tempfile::tempdir().unwrap();
        leave_behind(directory.path()).await;
        let cut = fs::File::options().write(true).open(file(directory.path())).unwrap();
        cut.set_len(kept).unwrap();
        goes_on(directory.path(), "database disk image is malformed").await;
        assert_eq!(beside(directory.path(), ".damaged").metadata().unwrap().len(), kept);
    }
}

#[tokio::test]
async fn an_empty_file_is_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(file(directory.path()), "").unwrap();
    let state = open(directory.path());
    state.table("a").put(b"x", b"1".into());
    assert_eq!(all(&state.table("a")).await, pairs([("x", "1")]));
    assert!(!beside(directory.path(), ".damaged").exists());
}

#[tokio::test]
async fn another_programs_database_is_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let foreign = Connection::open(file(directory.path())).unwrap();
    foreign.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").unwrap();
    drop(foreign);
    goes_on(directory.path(), "no such table: meta").await;
    let aside = Connection::open(beside(directory.path(), ".damaged")).unwrap();
    assert_eq!(aside.query_row("SELECT x FROM theirs", [], |row| row.get(0)), Ok(1));
}

#[tokio::test]
async fn what_the_file_says_of_itself_is_not_trusted() {
    for sql in [
        "DELETE FROM meta WHERE key = 'schema_version'",
        "UPDATE meta SET value = 'two' WHERE key = 'schema_version'",
        "UPDATE tables SET keys = -1",
        "UPDATE tables SET bytes = 'many'",
        "DROP TABLE entry",
        "ALTER TABLE entry DROP COLUMN value",
        "UPDATE entry SET value = 1.5 WHERE id = 1000",
    ] {
        logged();
        let directory = tempfile::tempdir().unwrap();
        leave_behind(directory.path()).await;
        Connection::open(file(directory.path())).unwrap().execute_batch(sql).unwrap();
        let state = open(directory.path());
        assert_eq!(state.table("a").load().await, [], "{sql}");
        assert!(said(&state).await[0].contains(" is damaged ("), "{sql}");
        assert!(beside(directory.path(), ".damaged").exists(), "{sql}");
    }
    // A number that is merely wrong does no harm.
    let directory = tempfile::tempdir().unwrap();
    leave_behind(directory.path()).await;
    let lie = "UPDATE tables SET keys = 9223372036854775807, bytes = 0";
    Connection::open(file(directory.path())).unwrap().execute_batch(lie).unwrap();
    let state = open(directory.path());
    assert_eq!(state.table("a").load().await.len(), 2_000);
    state.table("a").remove(b"1");
    assert_eq!(state.table("a").load().await.len(), 1_999);
}

#[tokio::test]
async fn damage_that_shows_while_the_bot_runs_costs_what_was_written_but_not_what_waits() {
    logged();
    let directory = tempfile::tempdir().unwrap();
    leave_behind(directory.path()).await;
    let state = open(directory.path());
    assert_eq!(state.table("b").load().await, []);
    let size = file(directory.path()).metadata().unwrap().len();
    let mut bytes = fs::read(file(directory.path())).unwrap();
    bytes[4_096..].fill(0xaa);
    fs::write(file(directory.path()), &bytes).unwrap();
    let table = state.table("a");
    table.put(b"7", b"1".into());
    table.put(b"new", b"2".into());
    write(&state).await;
    assert_eq!(all(&table).await, pairs([("7", "1"), ("new", "2")]));
    let said = said(&state).await;
    assert!(said.len() == 1 && said[0].contains(" is damaged ("), "{said:?}");
    assert!(beside(directory.path(), ".damaged").metadata().unwrap().len() >= size);
    state.close().await;
    assert_eq!(all(&open(directory.path()).table("a")).await, pairs([("7", "1"), ("new", "2")]));
}

#[tokio::test]
async fn the_log_of_a_damaged_file_goes_with_it_and_one_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    for content in ["first", "second"] {
        for suffix in ["", "-wal", "-shm"] {
            fs::write(beside(directory.path(), suffix), content.repeat(100)).unwrap();
        }
        goes_on(directory.path(), "file is not a database").await;
        let aside = fs::read_to_string(beside(directory.path(), ".damaged")).unwrap();
        assert_eq!(aside, content.repeat(100));
        fs::remove_file(file(directory.path())).unwrap();
    }
    fs::write(file(directory.path()), "third").unwrap();
    goes_on(directory.path(), "file is not a database").await;
    assert!(!beside(directory.path(), ".damaged-wal").exists(), "it belonged to the second");
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_alone_and_memory_takes_its_place() {
    logged();
    let directory = tempfile::tempdir().unwrap();
    leave_behind(directory.path()).await;
    let newer = "UPDATE meta SET value = '2' WHERE key = 'schema_version'; ALTER TABLE entry RENAME TO thing";
    Connection::open(file(directory.path())).unwrap().execute_batch(newer).unwrap();
    let bytes = fs::read(file(directory.path())).unwrap();
    for _ in 0..2 {
        let state = open(directory.path());
        let table = state.table("a");
        table.put(b"early", b"1".into());
        table.remove(b"5");
        assert_eq!(all(&table).await, pairs([("early", "1")]));
        table.put(b"late", b"2".into());
        table.remove(b"early");
        assert_eq!(all(&table).await, pairs([("late", "2")]));
        write(&state).await;
        assert_eq!((remembered(&state, "a"), pending(&state, "a")), ((1, 5), 0));
        let expected = format!(
            "WARN {} has format version 2, this program knows 1: it is left as it is, and what the bot is to \
             remember is kept in memory only",
            file(directory.path()).display()
        );
        assert_eq!(said(&state).await, [expected]);
        state.close().await;
    }
    assert!(fs::read(file(directory.path())).unwrap() == bytes);
    let mut names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["state.lock", "state.sqlite"]);
}

#[tokio::test]
async fn the_state_of_another_backend_is_set_aside() {
    logged();
    let directory = tempfile::tempdir().unwrap();
    leave_behind(directory.path()).await;
    // A slash more is the same backend.
    let state = State::sqlite(directory.path(), &format!("{URL}/")).unwrap();
    assert_eq!(state.table("a").load().await.len(), 2_000);
    state.close().await;
    let state = State::sqlite(directory.path(), "https://other.example.org/api").unwrap();
    state.table("a").put(b"x", b"1".into());
    assert_eq!(all(&state.table("a")).await, pairs([("x", "1")]));
    let aside = beside(directory.path(), ".other-backend");
    let expected = format!(
        "WARN {} has the state of another backend, {URL}, which means nothing to this one: it is now {}, and the \
         bot begins anew",
        file(directory.path()).display(),
        aside.display()
    );
    assert_eq!(said(&state).await, [expected]);
    let entries: u64 = Connection::open(aside)
        .unwrap()
        .query_row("SELECT count(*) FROM entry", [], |row| row.get(0))
        .unwrap();
    assert_eq!(entries, 2_000);
}

/// Sets a pragma of the open file.
async fn set(state: &State, pragma: &'static str, value: u32) {
    on_thread(state, move |keeper| {
        let Store::Open(connection) = &keeper.store else { panic!("the file is not open") };
        connection.pragma_update(None, pragma, value).unwrap();
    })
    .await;
}

#[tokio::test]
async fn while_the_disk_is_full_what_was_put_waits_in_memory_and_is_written_when_there_is_space() {
    logged();
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let table = state.table("a");
    table.put(b"before", b"1".into());
    write(&state).await;
    set(&state, "max_page_count", 30).await;
    for n in 0..1_000 {
        table.put(format!("{n}").as_bytes(), vec![b'v'; 300]);
    }
    for _ in 0..3 {
        write(&state).await;
    }
    table.remove(b"before");
    assert_eq!(table.load().await.len(), 1_000, "what waits is remembered as well");
    assert_eq!((pending(&state, "a"), metric(&state, "grafolean_state_file_trouble")), (1_001, 1));
    assert_eq!(metric(&state, "grafolean_state_write_errors_total"), 4);
    assert_eq!(metric(&state, "grafolean_state_written_total"), 1);
    set(&state, "max_page_count", 100_000).await;
    write(&state).await;
    assert_eq!((pending(&state, "a"), metric(&state, "grafolean_state_file_trouble")), (0, 0));
    let said = said(&state).await;
    let cannot = format!(
        "WARN {} cannot be used: what the bot is to remember waits in memory until it can: database or disk is full",
        file(directory.path()).display()
    );
    assert_eq!((said.len(), &said[0]), (2, &cannot), "{said:?}");
    assert!(said[1].starts_with("INFO the state file can be written again"), "{said:?}");
    state.close().await;
    assert_eq!(open(directory.path()).table("a").load().await.len(), 1_000);
}

/// A large flush was written piece by piece, table by table: what was put first could be missing for ever when the next
/// piece failed, or the bot was killed between two.
#[tokio::test]
async fn of_changes_that_do_not_fit_on_the_disk_together_none_is_written() {
    logged();
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    // The order of the tables is not the one in which things are put.
    let (late, early) = (state.table("late"), state.table("early"));
    late.put(b"window", b"open".into());
    write(&state).await;
    let in_file = || -> Vec<String> {
        let look = Connection::open(file(directory.path())).unwrap();
        let mut rows = look.prepare("SELECT CAST(key AS TEXT) FROM entry ORDER BY key").unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(in_file(), ["window"]);
    // Room for one of the two.
    set(&state, "max_page_count", (24 << 20) / 2_048).await;
    let held = hold(&state);
    early.put(b"report", vec![1; 15 << 20]);
    late.put(b"closed", vec![2; 15 << 20]);
    late.remove(b"window");
    drop(held);
    write(&state).await;
    assert_eq!(in_file(), ["window"]);
    set(&state, "max_page_count", 100_000).await;
    write(&state).await;
    assert_eq!(in_file(), ["closed", "report"]);
    assert_eq!(dropped(&state, "overflow"), 0);
}

#[tokio::test]
async fn what_could_not_be_written_in_the_end_is_said() {
    logged();
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let table = state.table("a");
    table.put(b"x", b"1".into());
    write(&state).await;
    set(&state, "query_only", 1).await;
    table.put(b"x", b"2".into());
    table.put(b"y", b"3".into());
    let last = on_thread(&state, |keeper| {
        keeper.write_a_last_time();
        crate::telemetry::logged().lines().pop()
    });
    let expected = format!(
        "WARN {} was not written: the last 2 changes are forgotten",
        file(directory.path()).display()
    );
    assert_eq!(last.await, Some(expected));
    state.close().await;
    assert_eq!(all(&open(directory.path()).table("a")).await, pairs([("x", "1")]));
}

#[tokio::test]
async fn a_file_that_could_only_be_read_is_written_once_it_may_be() {
    let directory = tempfile::tempdir().unwrap();
    leave_behind(directory.path()).await;
    let state = open(directory.path());
    let table = state.table("a");
    let path = file(directory.path());
    // SQLite opens a file like this by itself when its permissions say so, but they say nothing to root.
    on_thread(&state, |keeper| {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        keeper.store = Store::Open(connection);
    })
    .await;
    table.put(b"new", b"1".into());
    on_thread(&state, |keeper| {
        keeper.write();
        assert!(matches!(keeper.store, Store::Closed));
    })
    .await;
    assert_eq!((pending(&state, "a"), metric(&state, "grafolean_state_file_trouble")), (1, 1));
    write(&state).await;
    assert_eq!((pending(&state, "a"), metric(&state, "grafolean_state_file_trouble")), (0, 0));
    assert_eq!(table.load().await.len(), 2_001);
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_yet_is_opened_later() {
    logged();
    let directory = tempfile::tempdir().unwrap();
    leave_behind(directory.path()).await;
    // Neither can the log be opened, nor is it a reason to set the file aside.
    fs::create_dir(beside(directory.path(), "-wal")).unwrap();
    let state = open(directory.path());
    let table = state.table("a");
    assert_eq!(table.load().await, []);
    table.put(b"new", b"1".into());
    assert_eq!(all(&table).await, pairs([("new", "1")]));
    assert_eq!((said(&state).await.len(), metric(&state, "grafolean_state_file_trouble")), (1, 1));
    fs::remove_dir(beside(directory.path(), "-wal")).unwrap();
    assert_eq!(table.load().await.len(), 2_001);
    assert_eq!(metric(&state, "grafolean_state_file_trouble"), 0);
}

#[tokio::test]
async fn a_damaged_file_that_cannot_be_set_aside_is_trouble_not_a_loop() {
    logged();
    let directory = tempfile::tempdir().unwrap();
    fs::write(file(directory.path()), "no database").unwrap();
    // Nobody wants to see this removed.
    let in_the_way = beside(directory.path(), ".damaged");
    fs::create_dir(&in_the_way).unwrap();
    fs::write(in_the_way.join("theirs"), "precious").unwrap();
    let state = open(directory.path());
    let table = state.table("a");
    table.put(b"x", b"1".into());
    for _ in 0..3 {
        assert_eq!(all(&table).await, pairs([("x", "1")]));
    }
    let said = said(&state).await;
    assert!(said.len() == 1 && said[0].contains("cannot rename"), "{said:?}");
    assert_eq!(fs::read_to_string(in_the_way.join("theirs")).unwrap(), "precious");
    fs::remove_dir_all(&in_the_way).unwrap();
    write(&state).await;
    assert_eq!((pending(&state, "a"), metric(&state, "grafolean_state_file_trouble")), (0, 0));
}

/// Does damage at random places: bytes that changed, or a page full of others.
fn damage(bytes: &mut [u8], places: Vec<(usize, u8, bool)>) {
    let length = bytes.len();
    for (place, byte, whole_page) in places {
        let place = place % length;
        if whole_page {
            let page = place / 2_048 * 2_048;
            bytes[page..(page + 2_048).min(length)].fill(byte);
        } else {
            bytes[place] ^= byte;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_damaged_the_bot_goes_on_and_remembers_what_it_is_told_then(
        places in prop::collection::vec((any::<usize>(), any::<u8>(), any::<bool>()), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            leave_behind(directory.path()).await;
            let mut bytes = fs::read(file(directory.path())).unwrap();
            damage(&mut bytes, places);
            fs::write(file(directory.path()), bytes).unwrap();
            // A number that has become a larger one is no damage that can be seen.
            let version = "SELECT value FROM meta WHERE key = 'schema_version' AND value > '1'";
            let look = Connection::open(file(directory.path())).unwrap();
            if look.query_row(version, [], |_| Ok(())).is_ok() {
                return;
            }
            drop(look);
            for life in ["first", "second"] {
                let state = open(directory.path());
                let table = state.table("a");
                for (key, value) in table.load().await {
                    let key = String::from_utf8(key.into()).unwrap();
                    let was_put = *value == [b'v'; 300] || *value == *format!("first {key}").as_bytes();
                    assert!(was_put && key.parse::<u32>().unwrap() < 2_100, "{key}: {value:?}");
                }
                for n in 0..2_100 {
                    table.put(format!("{n}").as_bytes(), format!("{life} {n}").into_bytes());
                }
                state.close().await;
                let state = open(directory.path());
                let found: std::collections::HashMap<_, _> =
                    state.table("a").load().await.into_iter().collect();
                for n in 0..2_100 {
                    let (key, value) = (format!("{n}"), format!("{life} {n}"));
                    let found = found.get(key.as_bytes()).map(|value| String::from_utf8_lossy(value));
                    assert_eq!(found.as_deref(), Some(&*value));
                }
                state.close().await;
            }
        });
    }
}
