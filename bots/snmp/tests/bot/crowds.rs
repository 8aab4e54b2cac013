//! A lot of everything: sensors, rows.

use std::sync::Arc;

use crate::stage::{SYS_UP_TIME, Stage, longest_gap, objects, oid};
use crate::support::agent::Mib;
use crate::support::ber::Var;

const CELL: &str = "1.3.6.1.4.1.9.1.1";

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_sensors_on_one_entity_are_one_poll() {
    let scalars = (0..2_000).map(|n| (oid(&format!("1.3.6.1.4.1.9.2.{n}.0")), Var::Gauge(n)));
    let rows = (1..=3).map(|n| (oid(&format!("{CELL}.{n}")), Var::Gauge(n)));
    let stage =
        Stage::new(Mib::new(scalars.chain(rows).chain([(oid(SYS_UP_TIME), Var::TimeTicks(1))]))).await;
    let sensor = |n: u32| {
        let scalar = format!("=1.3.6.1.4.1.9.2.{}.0", n % 2_000);
        match n % 4 {
            0 => stage.sensor(3, &[CELL, &scalar], "$1 + $2", &format!("s{n}.{{$index}}")),
            _ => stage.sensor(3, &[&scalar], &format!("$1 + {n}"), &format!("s{n}")),
        }
    };
    let sensors: Vec<u64> = (0..10_000).map(sensor).collect();
    let crowded = stage.device([127, 8, 0, 1], &sensors);
    let uptime = stage.sensor(1, &[&format!("={SYS_UP_TIME}")], "$1", "uptime");
    let neighbours: Vec<u64> = (2..=10).map(|n| stage.device([127, 8, 0, n], &[uptime])).collect();
    let running = stage.start(|bot| bot.with_stats(true));
    stage.wait_for(crowded, "s9999", 1).await;
    running.stop().await;
    let values = stage.values(crowded);
    let polls = values["poll.ok"].len();
    assert_eq!(values.len(), 7_500 + 3 * 2_500 + 3);
    assert!(values.values().all(|values| values.len() == polls));
    assert_eq!((values["s9999"][0].1, values["s8.3"][0].1), (1_999.0 + 9_999.0, 3.0 + 8.0));
    // 2,000 objects, 10 in a request, the uptime at first, and the table.
    assert!(values["poll.requests"].iter().all(|(_, requests)| *requests <= 203.0), "{values:?}");
    for neighbour in neighbours {
        assert!(longest_gap(&stage.at(neighbour, "uptime")) < 5.0, "{:?}", stage.at(neighbour, "uptime"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_table_without_an_end_the_beginning_is_read_and_the_neighbours_notice_nothing() {
    let endless = |var: fn(u32) -> Var| {
        let cell = oid(CELL);
        Arc::new(Mib::After(Box::new(move |after| {
            let row = match after.strip_prefix(&*cell) {
                Some([row, ..]) => row.checked_add(1)?,
                Some([]) => 1,
                None if after < &*cell => 1,
                None => return None,
            };
            Some(([&*cell, &[row]].concat(), var(row)))
        })))
    };
    let mibs = [
        Arc::new(objects([("1.3.6.1.4.1.9.1.1.1", Var::Gauge(7))])),
        endless(Var::Gauge),
        // Each row is a counter to be remembered.
        endless(Var::Counter32),
    ];
    let stage = Stage::with_devices(move |address| mibs[usize::from(address.octets()[2])].clone()).await;
    // Of these rows only some have a value: to deliver 100,000 values is another matter.
    let last_rows = stage.sensor(3, &[CELL], "ifElse($1 > 99990, $1, log(0) * $1)", "row.{$index}");
    let device = |kind| {
        stage.device_with([127, 8, kind, 1], &[last_rows], |device| device.detail("max_repetitions", 1_000))
    };
    let endless = [device(1), device(2)];
    let cell = stage.sensor(1, &[CELL], "$1", "row.{$index}");
    let neighbours: Vec<u64> = (2..=11).map(|n| stage.device([127, 8, 0, n], &[cell])).collect();
    let running = stage.start(|bot| bot.with_stats(true));
    for entity in endless {
        stage.wait_for(entity, "poll.ok", 2).await;
    }
    running.stop().await;
    for entity in endless {
        let warned = stage.said(&format!("entity {entity} "));
        assert_eq!(
            warned.iter().filter(|line| line.contains("walked only 100000 rows")).count(),
            1,
            "{warned:?}"
        );
    }
    let rows = stage.values(endless[0]);
    assert_eq!(rows.keys().filter(|tail| tail.starts_with("row.")).count(), 10, "{rows:?}");
    assert_eq!(rows["row.100000"][0].1, 100_000.0);
    for neighbour in neighbours {
        assert!(longest_gap(&stage.at(neighbour, "row.1")) < 5.0, "{:?}", stage.at(neighbour, "row.1"));
    }
}
