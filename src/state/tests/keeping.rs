//! What is put is there, in this life and the next.

use super::*;

#[tokio::test]
async fn what_was_put_is_there_in_the_next_life() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let (a, b) = (state.table("a"), state.table("b"));
    assert_eq!(a.load().await, []);
    a.put(b"x", b"1".into());
    a.put(b"y", b"2".into());
    a.put(b"x", b"3".into());
    b.put(b"x", b"4".into());
    assert_eq!(all(&a).await, pairs([("x", "3"), ("y", "2")]));
    a.remove(b"y");
    a.remove(b"never there");
    state.close().await;
    let state = open(directory.path());
    assert_eq!(all(&state.table("a")).await, pairs([("x", "3")]));
    assert_eq!(all(&state.table("b")).await, pairs([("x", "4")]));
    assert_eq!(state.table("c").load().await, []);
}

#[tokio::test]
async fn whoever_waits_for_it_knows_that_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    state.table("a").put(b"x", b"1".into());
    assert!(state.written().await);
    let other = rusqlite::Connection::open(file(directory.path())).unwrap();
    let in_file = || other.query_row("SELECT value FROM entry", [], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    assert_eq!(in_file(), b"1");
    misfits::set(&state, "query_only", 1).await;
    state.table("a").put(b"x", b"2".into());
    assert!(!state.written().await);
    misfits::set(&state, "query_only", 0).await;
    assert!(state.written().await);
    assert_eq!(in_file(), b"2");
    state.close().await;
    assert!(!state.written().await && !State::memory().written().await);
}

#[tokio::test]
async fn memory_remembers_as_long_as_one_of_its_clones_lives() {
    let state = State::memory();
    let table = state.table("a");
    table.put(b"x", b"1".into());
    table.put(b"x", b"2".into());
    table.put(b"y", b"3".into());
    table.remove(b"y");
    table.put(b"", b"".into());
    let again = state.clone();
    state.close().await;
    drop((state, table));
    assert_eq!(all(&again.table("a")).await, pairs([("", ""), ("x", "2")]));
    assert_eq!(remembered(&again, "a"), (2, 2));
}

#[tokio::test]
async fn what_was_put_is_written_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    state.table("a").put(b"x", b"1".into());
    let written = async {
        while metric(&state, "grafolean_state_written_total") == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), written).await.unwrap();
    // Others may read the file meanwhile.
    let other = rusqlite::Connection::open(file(directory.path())).unwrap();
    let value: Vec<u8> = other.query_row("SELECT value FROM entry", [], |row| row.get(0)).unwrap();
    assert_eq!((value, pending(&state, "a")), (b"1".to_vec(), 0));
}

#[tokio::test]
async fn a_put_waits_for_nothing_and_a_key_that_changes_often_is_written_once() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let table = state.table("a");
    let held = hold(&state);
    for n in 0..1_000 {
        table.put(format!("{}", n % 10).as_bytes(), format!("{n}").into_bytes());
    }
    assert_eq!(pending(&state, "a"), 10);
    drop(held);
    assert_eq!(table.load().await.len(), 10);
    assert_eq!(metric(&state, "grafolean_state_written_total"), 10);
    assert_eq!((remembered(&state, "a"), pending(&state, "a")), ((10, 40), 0));
}

#[tokio::test]
async fn what_was_put_is_written_when_all_handles_are_dropped() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).table("a").put(b"x", b"1".into());
    let state = open_when_free(directory.path()).await;
    assert_eq!(all(&state.table("a")).await, pairs([("x", "1")]));
}

#[tokio::test]
async fn large_values_and_any_bytes_come_back_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let table = state.table("a");
    let any: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..5_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    table.put(&any, any.clone());
    for key in [b"1", b"2", b"3", b"4", b"5", b"6"] {
        table.put(key, large.clone());
    }
    state.close().await;
    let remembered = open(directory.path()).table("a").load().await;
    assert_eq!(remembered.len(), 7);
    for (key, value) in remembered {
        assert!(*value == *if key.len() == 1 { &large } else { &any });
    }
}

#[tokio::test]
async fn a_bot_that_remembers_nothing_leaves_no_file_and_no_metrics() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    assert_eq!(metrics(&state), "");
    state.close().await;
    assert!(!file(directory.path()).exists());
}

#[tokio::test]
async fn a_second_bot_in_one_directory_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let error = State::sqlite(directory.path(), URL).unwrap_err();
    assert!(matches!(error, StateError::InUse { .. }));
    let expected = "is in use by another bot: give each bot a directory of its own";
    assert_eq!(error.to_string(), format!("{} {expected}", directory.path().display()));
    state.close().await;
    open(directory.path());
}

#[test]
fn a_directory_that_cannot_be_made_or_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    std::fs::write(&plain, "a file").unwrap();
    let error = State::sqlite(plain.join("below"), URL).unwrap_err();
    assert!(matches!(error, StateError::Create { .. }), "{error:?}");
    assert!(error.to_string().ends_with("plain/below"), "{error}");
    // A directory stands where the file should be: nobody, root neither, can write that.
    std::fs::create_dir(directory.path().join("state.lock")).unwrap();
    let error = State::sqlite(directory.path(), URL).unwrap_err();
    assert!(matches!(error, StateError::NotWritable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_thread_that_dies_leaves_a_bot_that_remembers_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let table = state.table("a");
    table.put(b"x", b"1".into());
    let dies = Command::Test(Box::new(|_| panic!("a bug")));
    state.keeper.as_ref().unwrap().send(dies).unwrap();
    // It holds the lock as long as it lives.
    drop(open_when_free(directory.path()).await);
    table.put(b"y", b"2".into());
    assert_eq!(all(&table).await, pairs([("x", "1"), ("y", "2")]));
    state.close().await;
}
