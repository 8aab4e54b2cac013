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
    assert_eq!(sorted(a.load().await), pairs([("x", "3"), ("y", "2")]));
    a.remove(b"y");
    state.close().await;
    let state = open(directory.path());
    assert_eq!(sorted(state.table("a").load().await), pairs([("x", "3")]));
    assert_eq!(sorted(state.table("b").load().await), pairs([("x", "4")]));
    assert_eq!(state.table("c").load().await, []);
}
