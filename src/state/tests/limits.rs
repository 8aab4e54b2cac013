//! What does not fit is refused, counted and said, and nothing else suffers.

use super::*;
use crate::telemetry::logged;

#[tokio::test]
async fn keys_and_values_beyond_all_measure_are_refused() {
    let log = logged();
    let state = State::memory();
    let table = state.table("a");
    table.put(&[1; 1_024], vec![2; 16 << 20]);
    assert_eq!(dropped(&state, "too_large"), 0);
    table.put(&[1; 1_025], Vec::new());
    table.put(b"x", vec![2; (16 << 20) + 1]);
    assert_eq!((dropped(&state, "too_large"), table.load().await.len()), (2, 1));
    let words = "a key of more than 1 KiB or a value of more than 16 MiB is not remembered";
    assert_eq!(log.lines(), [format!("WARN {words} table=\"a\" changes=1")], "it is said once");
}

#[tokio::test]
async fn a_table_that_is_full_takes_no_new_keys_but_changes_those_it_has() {
    logged();
    let directory = tempfile::tempdir().unwrap();
    let state = State::sqlite_of(directory.path(), URL, MAX_WAITING_BYTES, 100).unwrap();
    let (table, other) = (state.table("a"), state.table("b"));
    for n in 0..20 {
        table.put(format!("{n:02}").as_bytes(), b"12345678".into());
    }
    assert_eq!(table.load().await.len(), 10);
    assert_eq!((dropped(&state, "full"), remembered(&state, "a")), (10, (10, 100)));
    assert_eq!(metric(&state, "grafolean_state_written_total"), 10);
    let has = table.load().await.swap_remove(0).0;
    table.put(&has, b"changed!".into());
    other.put(b"elsewhere", b"1".into());
    table.put(&has, b"changed?".into());
    assert!(table.load().await.contains(&(has.clone(), Box::from(*b"changed?"))));
    table.put(&has, b"longer than before".into());
    assert!(table.load().await.contains(&(has.clone(), Box::from(*b"changed?"))));
    assert_eq!(dropped(&state, "full"), 11);
    table.remove(&has);
    write(&state).await;
    table.put(b"new", b"1234567".into());
    assert_eq!(table.load().await.len(), 10);
    assert_eq!((dropped(&state, "full"), remembered(&state, "a")), (11, (10, 100)));
    assert_eq!(all(&other).await, pairs([("elsewhere", "1")]));
    let words = "the state has reached its size limit: new keys are not remembered";
    assert_eq!(said(&state).await, [format!("WARN {words} table=\"a\" changes=10")], "it is said once");
}

#[tokio::test]
async fn what_waits_for_the_file_is_bounded() {
    let log = logged();
    let directory = tempfile::tempdir().unwrap();
    // Each entry counts 100 bytes more than it has.
    let state = State::sqlite_of(directory.path(), URL, 1_100, MAX_TABLE_BYTES).unwrap();
    let table = state.table("a");
    let held = hold(&state);
    for n in 0..20 {
        table.put(format!("{n:02}").as_bytes(), b"12345678".into());
    }
    assert_eq!((dropped(&state, "overflow"), pending(&state, "a")), (10, 10));
    table.put(b"03", b"changed!".into());
    table.remove(b"04");
    assert_eq!((dropped(&state, "overflow"), pending(&state, "a")), (10, 10));
    assert_eq!(log.lines().len(), 1, "it is said once");
    drop(held);
    assert_eq!(table.load().await.len(), 9);
    table.put(b"99", b"12345678".into());
    assert_eq!((table.load().await.len(), dropped(&state, "overflow")), (10, 10));
}

#[tokio::test]
async fn memory_is_bounded() {
    let state = State::memory_of(1_100);
    let table = state.table("a");
    for n in 0..20 {
        table.put(format!("{n:02}").as_bytes(), b"12345678".into());
    }
    assert_eq!((dropped(&state, "full"), remembered(&state, "a")), (10, (10, 100)));
    table.remove(b"00");
    table.put(b"99", b"12345678".into());
    assert_eq!((dropped(&state, "full"), remembered(&state, "a")), (10, (10, 100)));
}

#[tokio::test]
async fn much_at_once_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let state = open(directory.path());
    let table = state.table("a");
    let held = hold(&state);
    for n in 0..60 {
        table.put(&[n], vec![n; 1 << 20]);
    }
    drop(held);
    state.close().await;
    let state = open(directory.path());
    let remembered = state.table("a").load().await;
    assert_eq!(remembered.len(), 60);
    assert!(remembered.iter().all(|(key, value)| value.len() == 1 << 20 && value[0] == key[0]));
}
