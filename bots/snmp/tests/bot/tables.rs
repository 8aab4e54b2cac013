//! From tables to values: joins, holes, indexes, texts, paths.

use std::collections::BTreeMap;

use serde_json::json;

use crate::stage::{IF_DESCR, IF_SPEED, SYS_UP_TIME, Stage, latest, objects};
use crate::support::ber::Var;

/// The values of a device's sensors after some polls.
async fn measured(stage: &Stage, entity: u64, last: &str) -> BTreeMap<String, f64> {
    stage.wait_for(entity, last, 3).await;
    let values = stage.values(entity);
    values.keys().map(|tail| (tail.clone(), latest(&values, tail).unwrap())).collect()
}

fn expected<const N: usize>(values: [(&str, f64); N]) -> BTreeMap<String, f64> {
    values.into_iter().map(|(tail, value)| (tail.to_owned(), value)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_joined_by_index_and_what_is_missing_is_a_hole() {
    let stage = Stage::new(objects([
        (SYS_UP_TIME, Var::TimeTicks(1)),
        // The columns of this table have a row each that the other lacks.
        ("1.3.6.1.2.1.2.2.1.2.1", Var::text("one")),
        ("1.3.6.1.2.1.2.2.1.2.3", Var::text("three")),
        ("1.3.6.1.2.1.2.2.1.2.1000000", Var::text("million")),
        ("1.3.6.1.2.1.2.2.1.5.2", Var::Gauge(2)),
        ("1.3.6.1.2.1.2.2.1.5.3", Var::Gauge(3)),
        ("1.3.6.1.2.1.2.2.1.5.1000000", Var::Gauge(1_000_000)),
        // An index of several numbers, as the rows of a list of addresses have.
        ("1.3.6.1.4.1.9.1.1.10.0.0.1.7", Var::Integer(-5)),
        ("1.3.6.1.4.1.9.1.1.10.0.0.2.7", Var::Integer(5)),
        ("1.3.6.1.4.1.9.1.2.10.0.0.1.7", Var::text("a")),
        ("1.3.6.1.4.1.9.1.2.10.0.0.2.7", Var::text("b")),
        ("1.3.6.1.4.1.9.2.0", Var::Gauge(10)),
        ("1.3.6.1.4.1.9.3.0", Var::Float(0.5)),
        ("1.3.6.1.4.1.9.4.0", Var::Double(-2.25)),
        ("1.3.6.1.4.1.9.5.0", Var::text(" 0.12\n")),
        ("1.3.6.1.4.1.9.6.0", Var::text("12 %")),
    ]))
    .await;
    let get = |oid: &str| format!("=1.3.6.1.4.1.9.{oid}");
    let [factor, float, double, text, no_number, absent] =
        ["2.0", "3.0", "4.0", "5.0", "6.0", "7.0"].map(get);
    let walk = |oid: &str| format!("1.3.6.1.4.1.9.1.{oid}");
    let [signed, letter, no_table] = ["1", "2", "3"].map(walk);
    let sensors = [
        stage.sensor(1, &[IF_DESCR, IF_SPEED], "$2", "speed.{$1}"),
        stage.sensor(1, &[IF_SPEED, IF_DESCR], "$1", "by-index.{$index}"),
        stage.sensor(1, &[&signed, &letter], "$1", "address.{$index}.{$2}"),
        stage.sensor(1, &[&factor, &signed], "$1 * $2", "product.{$index}"),
        stage.sensor(1, &[&signed, &factor], "$1 * $2", "same-product.{$index}"),
        stage.sensor(1, &[&factor, &float, &double], "$1 + $2 + $3", "sum"),
        stage.sensor(1, &[&text], "100 * $1", "text"),
        stage.sensor(1, &[&no_number], "$1", "no-number"),
        stage.sensor(1, &[&absent], "$1", "absent"),
        stage.sensor(1, &[&absent, &factor], "$1 + $2", "half-absent"),
        stage.sensor(1, &[&no_table], "$1", "no-table.{$index}"),
        // A walk of a scalar, and a GET of a column.
        stage.sensor(1, &["1.3.6.1.4.1.9.2"], "$1", "walked"),
        stage.sensor(1, &["=1.3.6.1.2.1.2.2.1.5"], "$1", "column"),
    ];
    let entity = stage.device([127, 0, 0, 1], &sensors);
    let running = stage.start(|bot| bot);
    let values = measured(&stage, entity, "sum").await;
    running.stop().await;
    let all = expected([
        ("speed.three", 3.0),
        ("speed.million", 1_000_000.0),
        // What neither the expression nor the path needs may be missing.
        ("by-index.2", 2.0),
        ("by-index.3", 3.0),
        ("by-index.1000000", 1_000_000.0),
        ("address.10-0-0-1-7.a", -5.0),
        ("address.10-0-0-2-7.b", 5.0),
        ("product.10-0-0-1-7", -50.0),
        ("product.10-0-0-2-7", 50.0),
        ("same-product.10-0-0-1-7", -50.0),
        ("same-product.10-0-0-2-7", 50.0),
        ("sum", 8.25),
        ("text", 12.0),
        ("walked", 10.0),
    ]);
    assert_eq!(values, all);
    // What gives nothing at all is said, with its sensor, once in three polls.
    for tail in ["no-number", "absent", "half-absent", "no-table.{$index}", "column"] {
        let said = stage.said(&format!("sensor \"sensor of {tail}\""));
        assert_eq!(said.len(), 1, "{tail}: {said:#?}");
    }
    assert_eq!(stage.said("").len(), 5, "{:#?}", stage.said(""));
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_repeat_or_are_not_valid_cost_their_rows_only_and_name_the_sensor() {
    let stage = Stage::new(objects([
        ("1.3.6.1.2.1.2.2.1.2.1", Var::text("lo")),
        ("1.3.6.1.2.1.2.2.1.2.2", Var::text("same")),
        ("1.3.6.1.2.1.2.2.1.2.3", Var::text("same")),
        ("1.3.6.1.2.1.2.2.1.2.4", Var::text("..")),
        ("1.3.6.1.2.1.2.2.1.2.5", Var::text("")),
        ("1.3.6.1.2.1.2.2.1.2.6", Var::Text(vec![b'x'; 300])),
        ("1.3.6.1.2.1.2.2.1.2.7", Var::text("Ünïcode 0/7")),
        ("1.3.6.1.2.1.2.2.1.5.1", Var::Gauge(1)),
        ("1.3.6.1.2.1.2.2.1.5.2", Var::Gauge(2)),
        ("1.3.6.1.2.1.2.2.1.5.3", Var::Gauge(3)),
        ("1.3.6.1.2.1.2.2.1.5.4", Var::Gauge(4)),
        ("1.3.6.1.2.1.2.2.1.5.5", Var::Gauge(5)),
        ("1.3.6.1.2.1.2.2.1.5.6", Var::Gauge(6)),
        ("1.3.6.1.2.1.2.2.1.5.7", Var::Gauge(7)),
    ]))
    .await;
    let sensors = [
        stage.sensor(1, &[IF_DESCR, IF_SPEED], "$2", "speed.{$1}"),
        stage.sensor(1, &[IF_SPEED], "$1", "every-row-the-same"),
        stage.sensor(1, &[IF_SPEED], "$1 * 10", "shared.{$index}"),
        stage.sensor(1, &[IF_SPEED, IF_DESCR], "$1 * 100", "shared.{$index}"),
    ];
    let entity = stage.device([127, 0, 0, 1], &sensors);
    // The figures about polls are not to be had by a sensor.
    let figure = stage.sensor(1, &["=1.3.6.1.2.1.2.2.1.5.7"], "$1", "poll.ok");
    let other = stage.device([127, 0, 0, 2], &[figure]);
    let running = stage.start(|bot| bot.with_stats(true));
    let values = measured(&stage, entity, "every-row-the-same").await;
    stage.wait_for(other, "poll.ok", 3).await;
    let delivered = stage.job(other).await;
    running.stop().await;
    let mut all = expected([
        ("speed.lo", 1.0),
        ("speed.same", 2.0),
        ("speed.Unicode-0-7", 7.0),
        ("every-row-the-same", 1.0),
    ]);
    all.extend((1..=7).map(|n| (format!("shared.{n}"), f64::from(n) * 10.0)));
    let values: BTreeMap<_, _> = values.into_iter().filter(|(tail, _)| !tail.starts_with("poll.")).collect();
    let long = values.keys().find(|tail| tail.starts_with("speed.xxx")).cloned();
    all.extend(long.map(|tail| (tail, 6.0)));
    assert_eq!(values, all);
    let about = |tail: &str, part: &str| {
        let sensor = format!("\"sensor of {tail}\"");
        stage.said(part).into_iter().filter(|line| line.contains(&sensor)).count()
    };
    assert_eq!(about("speed.{$1}", "a path that another row has"), 1, "{:#?}", stage.said(""));
    assert_eq!(about("speed.{$1}", "a path that is not valid"), 1, "{:#?}", stage.said(""));
    assert_eq!(about("every-row-the-same", "left out 6 rows"), 1, "{:#?}", stage.said(""));
    assert_eq!(about("shared.{$index}", "left out 7 values: sensor "), 1, "{:#?}", stage.said(""));
    assert!(stage.at(other, "poll.ok").iter().all(|(_, ok)| *ok == 1.0), "{:?}", stage.values(other));
    assert_eq!(about("poll.ok", "left out"), 1, "{:#?}", stage.said(""));
    assert_eq!(delivered["unfit"], json!(null), "{delivered}");
}
