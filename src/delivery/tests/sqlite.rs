//! The outbox in a file: real time, as its thread does not follow a simulated one.

use super::*;
use crate::delivery::{OutboxError, Status};
use crate::error::Chain;
use crate::telemetry::MetricsText;

/// The samples here are of the year 1970.
const FOREVER: Duration = Duration::from_secs(1 << 40);

fn open_error(outbox: Outbox, url: &str) -> OutboxError {
    outbox.open(url, Arc::new(SystemClock)).unwrap_err()
}

fn file(directory: &std::path::Path) -> rusqlite::Connection {
    rusqlite::Connection::open(directory.join("outbox.sqlite")).unwrap()
}

/// Accepts samples while the backend is away, and stops.
async fn leave_behind(directory: &std::path::Path, samples: Vec<Sample>) {
    let api = Model::new();
    api.fail(503);
    let delivery = start(&api, Outbox::sqlite(directory));
    delivery.accept(ACCOUNT, samples).await.unwrap();
    delivery.stop().await;
}

fn fast() -> DeliveryOptions {
    DeliveryOptions { backlog_per_second: 1_000_000, ..DeliveryOptions::default() }
}

#[tokio::test]
async fn what_waits_is_delivered_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    leave_behind(directory.path(), run("a", 2_500, 5)).await;
    let api = Model::new();
    let delivery = start_with(&api, Outbox::sqlite(directory.path()), fast());
    assert_eq!(delivery.state().waiting, 2_500);
    assert_eq!(delivery.state().oldest, Some(Timestamp::from_secs(5)));
    delivery.accept(OTHER, run("b", 10, 6)).await.unwrap();
    let state = delivery.wait_for(empty).await;
    assert_eq!((state.stored, api.stored().len(), api.repeated()), (2_510, 2_510, 0));
    assert_eq!((state.bytes, state.oldest), (0, None));
    delivery.stop().await;
    let delivery = start(&api, Outbox::sqlite(directory.path()));
    assert_eq!(delivery.state().waiting, 0);
}

#[tokio::test]
async fn a_drain_says_where_samples_wait() {
    let directory = tempfile::tempdir().unwrap();
    let api = Model::new();
    api.fail(403);
    let delivery = start(&api, Outbox::sqlite(directory.path()));
    delivery.accept(ACCOUNT, run("a", 20, 5)).await.unwrap();
    let drained = delivery.drain(Duration::from_secs(5)).await;
    let file = directory.path().join("outbox.sqlite");
    let expected = format!(
        "20 samples wait in {} for the next start: the bot lacks the permission PUT on accounts/7/values: PUT accounts/7/values: the backend answered 403: words of the backend",
        file.display()
    );
    assert_eq!(drained.to_string(), expected);
}

#[tokio::test]
async fn a_drain_without_a_backend_gives_up_soon_where_samples_are_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let api = Model::new();
    api.behave(|_, _| Answer::Fail(broken()));
    let delivery = start(&api, Outbox::sqlite(directory.path()).keep_for(FOREVER));
    delivery.accept(ACCOUNT, run("a", 50, 1)).await.unwrap();
    let began = tokio::time::Instant::now();
    let drained = delivery.drain(Duration::from_secs(60)).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!((drained.on_disk, drained.in_memory), (50, 0));
}

#[tokio::test]
async fn only_the_refused_samples_leave_a_parcel_otherwise_kept() {
    let directory = tempfile::tempdir().unwrap();
    let api = Model::new();
    api.refuse(["a.3"]);
    let mut requests = 0;
    api.behave(move |_, samples| {
        requests += 1;
        // The first half is stored with the bad one set aside; then the backend goes away.
        if samples.iter().any(|s| s.path.as_str() == "a.9") && requests > 1 {
            Answer::Fail(answer(503))
        } else {
            Answer::Honest
        }
    });
    let delivery = start(&api, Outbox::sqlite(directory.path()));
    delivery.accept(ACCOUNT, run("a", 10, 5)).await.unwrap();
    delivery.wait_for(|state| matches!(state.accounts[0].status, Status::BackingOff { .. })).await;
    let state = delivery.state();
    assert_eq!((state.stored, state.set_aside["refused"]), (4, 1));
    assert_eq!(state.waiting, 5);
    delivery.stop().await;
    let api = Model::new();
    let delivery = start(&api, Outbox::sqlite(directory.path()));
    delivery.wait_for(empty).await;
    assert_eq!(api.stored().len(), 5);
}

#[tokio::test]
async fn a_second_bot_in_one_directory_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let delivery = start(&Model::new(), Outbox::sqlite(directory.path()));
    let error = open_error(Outbox::sqlite(directory.path()), URL);
    assert!(matches!(error, OutboxError::InUse { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "{} is in use by another bot: give each bot a directory of its own",
            directory.path().display()
        )
    );
    delivery.stop().await;
    Outbox::sqlite(directory.path()).open(URL, Arc::new(SystemClock)).unwrap();
}

#[tokio::test]
async fn a_newer_format_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    leave_behind(directory.path(), run("a", 1, 5)).await;
    file(directory.path()).execute("UPDATE meta SET value = '2' WHERE key = 'schema_version'", []).unwrap();
    let error = open_error(Outbox::sqlite(directory.path()), URL);
    assert!(matches!(error, OutboxError::Newer { found: 2, known: 1, .. }), "{error}");
}

#[tokio::test]
async fn samples_never_go_to_another_backend() {
    let directory = tempfile::tempdir().unwrap();
    leave_behind(directory.path(), run("a", 3, 5)).await;
    let error = open_error(Outbox::sqlite(directory.path()), "https://other.example.org/api");
    assert!(
        error.to_string().starts_with(&format!("3 samples for another backend, {URL}, wait in ")),
        "{error}"
    );
    // A slash more is the same backend, and an empty outbox serves any.
    let same = Outbox::sqlite(directory.path()).open(&format!("{URL}/"), Arc::new(SystemClock)).unwrap();
    let api = Model::new();
    let delivery = Delivery::start(Arc::<Model>::clone(&api), Arc::new(SystemClock), same, fast());
    delivery.wait_for(empty).await;
    delivery.stop().await;
    Outbox::sqlite(directory.path()).open("https://other.example.org/api", Arc::new(SystemClock)).unwrap();
}

#[test]
fn a_file_that_is_no_database_is_named_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("outbox.sqlite"), "no database, but quite some text".repeat(300))
        .unwrap();
    let error = open_error(Outbox::sqlite(directory.path()), URL);
    assert!(matches!(error, OutboxError::Damaged { .. }), "{error:?}");
    let text = Chain(&error).to_string();
    assert!(text.contains("is damaged: move it away") && !text.contains('\n'), "{text}");
}

#[test]
fn a_directory_that_cannot_be_made_or_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    std::fs::write(&plain, "a file").unwrap();
    let error = open_error(Outbox::sqlite(plain.join("below")), URL);
    assert!(matches!(error, OutboxError::Create { .. }), "{error:?}");
    assert!(error.to_string().ends_with("plain/below"), "{error}");
    // A directory stands where the file should be: nobody, root neither, can write that.
    std::fs::create_dir(directory.path().join("outbox.lock")).unwrap();
    let error = open_error(Outbox::sqlite(directory.path()), URL);
    assert!(matches!(error, OutboxError::NotWritable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_damaged_parcel_is_set_aside_and_the_others_are_delivered() {
    let directory = tempfile::tempdir().unwrap();
    leave_behind(directory.path(), run("a", 2_500, 5)).await;
    let damage = "UPDATE parcel SET blob = x'0102' WHERE seq = (SELECT max(seq) - 1 FROM parcel)";
    assert_eq!(file(directory.path()).execute(damage, []).unwrap(), 1);
    let api = Model::new();
    let delivery = start_with(&api, Outbox::sqlite(directory.path()), fast());
    let state = delivery.wait_for(empty).await;
    assert_eq!((state.stored, state.set_aside["damaged"]), (1_500, 1_000));
}

#[tokio::test]
async fn while_the_disk_is_full_samples_are_held_in_memory_and_delivered() {
    let directory = tempfile::tempdir().unwrap();
    let api = Model::new();
    api.fail(503);
    let outbox = Outbox::sqlite(directory.path()).max_pages(20).max_samples(30_000).keep_for(FOREVER);
    let delivery = start_with(&api, outbox, fast());
    for n in 0..20 {
        delivery.accept(ACCOUNT, run("a", 1_000, n)).await.unwrap();
    }
    let state = delivery.state();
    assert_eq!(state.waiting, 20_000);
    assert!(state.in_memory >= 10_000, "{}", state.in_memory);
    assert!(state.file_trouble.unwrap().contains("full"));
    let mut out = MetricsText::default();
    delivery.write_metrics(&mut out);
    assert!(out.as_str().contains("grafolean_outbox_file_trouble 1\n"));
    // The memory in its place is bounded.
    for n in 20..40 {
        delivery.accept(ACCOUNT, run("a", 1_000, n)).await.unwrap();
    }
    let state = delivery.state();
    assert!(state.in_memory <= 30_000 && state.dropped["overflow"] > 0);
    assert_eq!(state.waiting + usize::try_from(state.dropped["overflow"]).unwrap(), 40_000);
    // There is space again: all is written down with the next samples.
    delivery.0.core.outbox.set_max_pages(100_000).await;
    delivery.accept(ACCOUNT, run("a", 10, 41)).await.unwrap();
    let state = delivery.wait_for(|state| state.file_trouble.is_none()).await;
    delivery.0.core.outbox.sweep().await;
    let waiting = state.waiting;
    let drained = delivery.drain(Duration::from_secs(5)).await;
    assert_eq!(drained.on_disk, waiting, "{drained}");
    delivery.stop().await;
    let api = Model::new();
    let delivery = start_with(&api, Outbox::sqlite(directory.path()).keep_for(FOREVER), fast());
    assert_eq!(delivery.state().waiting, waiting);
    delivery.wait_for(empty).await;
    assert_eq!(api.stored().len(), waiting);
}

#[tokio::test]
async fn a_stop_lost_what_was_held_in_memory_although_the_disk_could_be_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let api = Model::new();
    api.fail(503);
    let outbox = Outbox::sqlite(directory.path()).max_pages(20).keep_for(FOREVER);
    let delivery = start_with(&api, outbox, fast());
    for n in 0..20 {
        delivery.accept(ACCOUNT, run("a", 1_000, n)).await.unwrap();
    }
    assert!(delivery.state().in_memory > 0);
    delivery.0.core.outbox.set_max_pages(100_000).await;
    delivery.stop().await;
    assert_eq!(delivery.state().in_memory, 0);
    let delivery = start_with(&api, Outbox::sqlite(directory.path()).keep_for(FOREVER), fast());
    assert_eq!(delivery.state().waiting, 20_000);
}

#[tokio::test]
async fn a_stop_lost_what_was_on_its_way_and_nowhere_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let api = Model::new();
    api.take(Duration::from_secs(600));
    let outbox = Outbox::sqlite(directory.path()).keep_for(FOREVER);
    let delivery = start_with(&api, outbox, fast());
    delivery.0.core.outbox.set_max_pages(1).await;
    delivery.accept(ACCOUNT, run("a", 5_000, 1)).await.unwrap();
    assert!(delivery.state().file_trouble.is_some());
    let in_hand = || 5_000 - delivery.state().in_memory;
    while in_hand() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    delivery.0.core.outbox.set_max_pages(100_000).await;
    delivery.stop().await;
    let delivery = start_with(&api, Outbox::sqlite(directory.path()).keep_for(FOREVER), fast());
    assert_eq!(delivery.state().waiting, 5_000);
}

#[tokio::test]
async fn nobody_noticed_that_the_thread_of_the_outbox_file_had_died() {
    let directory = tempfile::tempdir().unwrap();
    let delivery = start(&Model::new(), Outbox::sqlite(directory.path()));
    assert_eq!(delivery.state().stopped_because().count(), 0);
    delivery.0.core.outbox.die().await;
    let because = async {
        loop {
            if let Some(why) = delivery.state().stopped_because().next() {
                return why;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let why = tokio::time::timeout(Duration::from_secs(5), because).await.unwrap();
    assert!(why.ends_with("until the bot is started again: a bug"), "{why}");
    delivery.accept(ACCOUNT, run("a", 1, 1)).await.unwrap_err();
    delivery.stop().await;
}

#[tokio::test]
async fn an_absurd_account_number_raised_a_false_alarm_about_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let api = Model::new();
    api.fail(503);
    let delivery = start_with(&api, Outbox::sqlite(directory.path()).keep_for(FOREVER), fast());
    delivery.accept(AccountId::new(u64::MAX), run("a", 10, 1)).await.unwrap();
    delivery.accept(ACCOUNT, run("a", 100, 1)).await.unwrap();
    let state = delivery.state();
    assert_eq!((state.waiting, state.in_memory, state.file_trouble), (100, 0, None));
    assert_eq!((state.accepted, state.set_aside["no_account"]), (110, 10));
    assert!(state.set_aside_last[0].words.starts_with("no backend has an account 18446744073709551615"));
    let last = AccountId::new(i64::MAX.unsigned_abs());
    delivery.accept(last, run("a", 10, 1)).await.unwrap();
    assert_eq!((delivery.state().waiting, delivery.state().file_trouble), (110, None));
}

#[tokio::test]
async fn a_disk_that_hangs_held_up_the_stop_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let delivery = start(&Model::new(), Outbox::sqlite(directory.path()));
    delivery.0.core.outbox.block(Duration::from_secs(3)).await;
    let began = tokio::time::Instant::now();
    assert!(!delivery.stop_within(Duration::from_millis(500)).await);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(delivery.stop_within(Duration::from_secs(30)).await, "it can be tried again");
}

#[tokio::test]
async fn a_full_disk_stops_no_delivery() {
    let directory = tempfile::tempdir().unwrap();
    let api = Model::new();
    let delivery = start_with(&api, Outbox::sqlite(directory.path()).max_pages(20), fast());
    for n in 0..50 {
        delivery.accept(ACCOUNT, run("a", 1_000, n)).await.unwrap();
    }
    delivery.wait_for(empty).await;
    assert_eq!(api.stored().len(), 50_000);
}

#[tokio::test]
async fn above_its_size_limit_the_oldest_are_dropped_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let api = Model::new();
    api.fail(503);
    let delivery = start_with(&api, Outbox::sqlite(directory.path()).max_bytes(100_000), fast());
    for n in 0..30 {
        delivery.accept(ACCOUNT, run("a", 1_000, n)).await.unwrap();
    }
    let state = delivery.state();
    assert!(state.bytes <= 100_000 && state.bytes > 50_000, "{} bytes", state.bytes);
    assert_eq!(state.waiting as u64 + state.dropped["size"], 30_000);
    api.behave_well();
    let state = delivery.wait_for(empty).await;
    assert_eq!(state.stored + state.dropped["size"], 30_000);
    assert!(api.stored().keys().any(|(_, _, time)| *time == 29_000_000), "the newest are kept");
}

#[tokio::test]
async fn samples_too_old_are_dropped_but_not_because_the_clock_jumps() {
    let directory = tempfile::tempdir().unwrap();
    let api = Model::new();
    api.fail(503);
    let clock = Hand::at(1_000_000);
    let outbox = Outbox::sqlite(directory.path()).keep_for(Duration::from_secs(3_600));
    let outbox = outbox.open(URL, Arc::<Hand>::clone(&clock)).unwrap();
    let api: Arc<dyn Api> = api;
    let delivery = Delivery::start(api, Arc::<Hand>::clone(&clock), outbox, fast());
    delivery.accept(ACCOUNT, run("a", 10, 1_000_000 - 3_700)).await.unwrap();
    delivery.accept(ACCOUNT, run("a", 10, 1_000_000 - 100)).await.unwrap();
    let sweep = async || {
        delivery.0.core.outbox.sweep().await;
        delivery.state()
    };
    for _ in 0..10 {
        assert_eq!(sweep().await.waiting, 20, "the clock is not trusted yet");
    }
    let state = sweep().await;
    assert_eq!((state.waiting, state.dropped["age"]), (10, 10));
    clock.set(1_000_000 + 7_200);
    for _ in 0..5 {
        assert_eq!(sweep().await.waiting, 10, "an hour forward, in no time");
    }
    clock.set(1_000_000);
    for _ in 0..20 {
        assert_eq!(sweep().await.waiting, 10, "and back");
    }
}

#[tokio::test]
async fn a_start_with_a_wrong_clock_emptied_the_outbox() {
    let directory = tempfile::tempdir().unwrap();
    leave_behind(directory.path(), run("a", 100, 1_790_000_000)).await;
    let api = Model::new();
    api.fail(503);
    // It begins a month ahead, and is set after some minutes.
    let clock = Hand::at(1_790_000_000 + 30 * 86_400);
    let outbox = Outbox::sqlite(directory.path()).open(URL, Arc::<Hand>::clone(&clock)).unwrap();
    let api: Arc<dyn Api> = api;
    let delivery = Delivery::start(api, Arc::<Hand>::clone(&clock), outbox, fast());
    for _ in 0..5 {
        delivery.0.core.outbox.sweep().await;
    }
    clock.set(1_790_000_000);
    for _ in 0..20 {
        delivery.0.core.outbox.sweep().await;
    }
    assert_eq!(delivery.state().waiting, 100);
}

#[tokio::test]
async fn a_deleted_account_made_the_bot_not_ready_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let api = Model::new();
    api.fail(404);
    let clock = Hand::at(1_000_000);
    let outbox = Outbox::sqlite(directory.path()).keep_for(Duration::from_secs(3_600));
    let outbox = outbox.open(URL, Arc::<Hand>::clone(&clock)).unwrap();
    let api: Arc<dyn Api> = api;
    let delivery = Delivery::start(api, Arc::<Hand>::clone(&clock), outbox, fast());
    delivery.accept(ACCOUNT, run("a", 10, 1_000_000 - 3_700)).await.unwrap();
    delivery.wait_for(|state| matches!(state.accounts[0].status, Status::Stopped { .. })).await;
    assert_eq!(delivery.state().stopped_because().count(), 1);
    for _ in 0..12 {
        delivery.0.core.outbox.sweep().await;
    }
    let state = delivery.state();
    assert_eq!((state.waiting, state.stopped_because().count()), (0, 0));
    // The next attempt would be in a minute: a drain begins one at once.
    delivery.drain(Duration::from_secs(5)).await;
    delivery.wait_for(|state| matches!(state.accounts[0].status, Status::Delivering)).await;
}

#[tokio::test]
async fn after_an_outage_the_file_shrinks_again() {
    let directory = tempfile::tempdir().unwrap();
    let api = Model::new();
    api.fail(503);
    let delivery = start_with(&api, Outbox::sqlite(directory.path()).keep_for(FOREVER), fast());
    for n in 0..200 {
        // Paths that have little in common, so that they take much space.
        let spread = |i: u64| (i + n * 1_000).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let samples = (0..1_000).map(|i| sample(format_args!("{:016x}.{i}", spread(i)), 1)).collect();
        delivery.accept(ACCOUNT, samples).await.unwrap();
    }
    let pages = || -> u64 {
        file(directory.path()).pragma_query_value(None, "page_count", |row| row.get(0)).unwrap()
    };
    api.behave_well();
    delivery.wait_for(empty).await;
    let before = pages();
    assert!(before > 1_200, "{before} pages");
    for _ in 0..5 {
        delivery.0.core.outbox.sweep().await;
    }
    assert!(pages() <= 1_100, "{} of {before} pages", pages());
}
