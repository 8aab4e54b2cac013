//! A bot that is told to stop while devices have not answered yet.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::stage::{IF_DESCR, IF_SPEED, SYS_UP_TIME, Stage, oid, until};
use crate::support::agent::{Behaviour, Mib};
use crate::support::ber::Var;

const SPEEDS: &str = "speed.{$index}";

/// A table of 1,000 rows, and the uptime.
fn long_table() -> Mib {
    let rows = (1..=1_000).flat_map(|n| {
        [(format!("{IF_DESCR}.{n}"), Var::text("x")), (format!("{IF_SPEED}.{n}"), Var::Gauge(n))]
    });
    let rows = rows.map(|(name, var)| (oid(&name), var));
    Mib::new(rows.chain([(oid(SYS_UP_TIME), Var::TimeTicks(4_711))]))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_a_stop_is_delivered() {
    let stage = Stage::new(long_table()).await;
    let sensors = [
        stage.sensor(1, &[&format!("={SYS_UP_TIME}")], "$1", "uptime"),
        stage.sensor(1, &[IF_SPEED], "$1", SPEEDS),
    ];
    let patient = stage.credential(json!({"timeout": 30, "retries": 0}));
    let slow = |last, delay| {
        let heard = stage.behave([127, 9, 0, last], Behaviour { delay, ..Behaviour::default() });
        (stage.host(&format!("127.9.0.{last}"), patient, &sensors, |device| device), heard)
    };
    // 41 requests: one device answers all of them before the bot has to go, the other one some.
    let (soon, heard_soon) = slow(1, Duration::from_millis(50));
    let (late, heard_late) = slow(2, Duration::from_millis(1_500));
    let (never, heard_never) = slow(3, Duration::from_secs(600));
    let running = stage.start(|bot| bot);
    let begun = || [&heard_soon, &heard_late, &heard_never].iter().all(|heard| heard.load(Relaxed) > 1);
    until("polls under way", || begun().then_some(())).await;
    let began = Instant::now();
    running.stop().await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());

    assert_eq!(stage.values(soon).len(), 1 + 1_000);
    let read = stage.values(late).len();
    assert!((2..1_000).contains(&read), "{read}");
    assert_eq!(stage.at(late, "speed.1")[0].1, 1.0);
    assert!(stage.values(never).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_stop_does_not_wait_for_any_device() {
    let stage = Stage::new(long_table()).await;
    let sensor = stage.sensor(1, &[IF_SPEED], "$1", SPEEDS);
    let patient = stage.credential(json!({"timeout": 30, "retries": 0}));
    let mut heard = Vec::new();
    for n in 1..=20 {
        heard.push(stage.behave([127, 9, 1, n], Behaviour { silent: true, ..Behaviour::default() }));
        stage.host(&format!("127.9.1.{n}"), patient, &[sensor], |device| device);
    }
    let running = stage.start(|bot| bot);
    until("polls under way", || heard.iter().all(|heard| heard.load(Relaxed) > 0).then_some(())).await;
    running.stop.now();
    running.stop.now();
    timeout(Duration::from_secs(6), running.stop()).await.unwrap();
}
