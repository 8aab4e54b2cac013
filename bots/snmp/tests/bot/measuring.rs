//! What sensors deliver.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::stage::{IF_DESCR, IF_IN_OCTETS, SYS_UP_TIME, Stage, objects};
use crate::support::ber::Var;

#[tokio::test(flavor = "multi_thread")]
async fn gets_and_walks_of_all_due_sensors_become_values_at_their_paths() {
    let stage = Stage::new(objects([
        (SYS_UP_TIME, Var::TimeTicks(12_345)),
        ("1.3.6.1.2.1.2.2.1.2.1", Var::text("lo")),
        ("1.3.6.1.2.1.2.2.1.2.4", Var::text("Gi 0/4")),
        ("1.3.6.1.2.1.2.2.1.5.1", Var::Gauge(10_000_000)),
        ("1.3.6.1.2.1.2.2.1.5.4", Var::Gauge(1_000_000_000)),
        ("1.3.6.1.4.1.9.7.0", Var::text(" 0.25 ")),
    ]))
    .await;
    let sensors = [
        stage.sensor(1, &["=1.3.6.1.2.1.1.3.0"], "$1 / 100", "uptime"),
        stage.sensor(1, &[IF_DESCR, "1.3.6.1.2.1.2.2.1.5"], "$2 / 10^6", "if.{$index}.{$1}.speed"),
        stage.sensor(1, &["=1.3.6.1.4.1.9.7.0", "1.3.6.1.2.1.2.2.1.5"], "$1 * $2", "share.{$index}"),
        stage.sensor(1, &["=1.3.6.1.4.1.9.99.0"], "$1", "absent"),
    ];
    let entity = stage.device([127, 0, 0, 1], &sensors);
    let running = stage.start(|bot| bot);
    stage.wait_for(entity, "uptime", 2).await;
    running.stop().await;
    let values = stage.values(entity);
    let latest = |tail: &str| values.get(tail).map(|values| values[0].1);
    assert_eq!(latest("uptime"), Some(123.45));
    assert_eq!((latest("if.1.lo.speed"), latest("if.4.Gi-0-4.speed")), (Some(10.0), Some(1_000.0)));
    assert_eq!((latest("share.1"), latest("share.4")), (Some(2_500_000.0), Some(250_000_000.0)));
    assert_eq!(values.len(), 5, "{values:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_becomes_a_rate_per_second() {
    let octets = Arc::new(AtomicU64::new(0));
    let (counter, started) = (octets.clone(), tokio::time::Instant::now());
    let stage = Stage::new(objects([
        (
            SYS_UP_TIME,
            Var::Live(Arc::new(move |_: Ipv4Addr| {
                Var::TimeTicks(u32::try_from(started.elapsed().as_millis() / 10).unwrap())
            })),
        ),
        ("1.3.6.1.2.1.2.2.1.2.1", Var::text("lo")),
        (
            "1.3.6.1.2.1.2.2.1.10.1",
            Var::Live(Arc::new(move |_: Ipv4Addr| {
                // 1,000 a second by the same clock.
                counter.store(started.elapsed().as_millis() as u64, Relaxed);
                Var::Counter32(u32::try_from(started.elapsed().as_millis()).unwrap())
            })),
        ),
    ]))
    .await;
    let sensor = stage.sensor(1, &[IF_DESCR, IF_IN_OCTETS], "$2", "in.{$1}");
    let entity = stage.device([127, 0, 0, 1], &[sensor]);
    let running = stage.start(|bot| bot.with_stats(true));
    let rates = stage.wait_for(entity, "in.lo", 2).await;
    stage.wait_for(entity, "poll.requests", 3).await;
    running.stop().await;
    assert!(rates.iter().all(|(_, rate)| (800.0..1_200.0).contains(rate)), "{rates:?}");
    let polls = stage.values(entity);
    assert!(polls["poll.ok"].len() > polls["in.lo"].len(), "the first poll has no rate");
}
