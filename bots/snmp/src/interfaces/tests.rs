use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::poll::PollStats;
use crate::poll::{Index, Row, Stop};

#[derive(Clone)]
struct Table(HashMap<Oid, Column>);

impl Table {
    fn new() -> Self {
        Self(HashMap::new())
    }

    fn with(mut self, column: impl AsRef<[u32]>, rows: &[(u32, Value)]) -> Self {
        let oid = Oid::new(column);
        let received = Instant::now();
        let row = |(index, value): &(u32, Value)| Row {
            index: Index::from_slice(&[*index]),
            value: value.clone(),
            received,
        };
        let column = Column { oid: oid.clone(), rows: rows.iter().map(row).collect(), partial: None };
        self.0.insert(oid, column);
        self
    }

    fn partial(mut self) -> Self {
        self.0.get_mut(&Oid::new(IF_DESCR)).unwrap().partial = Some(Stop::TimeUp);
        self
    }

    fn polled(&self) -> Polled {
        Polled {
            scalars: HashMap::new(),
            columns: self.0.clone(),
            uptime: None,
            restarted: false,
            stats: PollStats::default(),
            problems: Vec::new(),
            gone: None,
        }
    }

    fn compare(&self, children: &[Child]) -> Changes {
        compare(&self.polled(), children)
    }
}

fn named(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}

fn details(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(map) => map,
        other => panic!("{other}"),
    }
}

fn child(id: u64, name: &str, json: Json) -> Child {
    Child { id: EntityId::new(id), name: name.into(), details: details(json) }
}

fn wish(name: &str, json: Json) -> Wish {
    Wish { name: name.into(), details: details(json) }
}

/// eth0 and eth1 with a hundred megabits each.
fn two() -> Table {
    Table::new()
        .with(IF_DESCR, &[(1, named("eth0")), (2, named("eth1"))])
        .with(IF_SPEED, &[(1, Value::Gauge(100_000_000)), (2, Value::Gauge(100_000_000))])
}

fn two_children() -> [Child; 2] {
    [
        child(11, "eth0", json!({"snmp_index": "1", "speed_bps": "100000000"})),
        child(12, "eth1", json!({"snmp_index": "2", "speed_bps": "100000000"})),
    ]
}

#[test]
fn new_interfaces_are_created_as_the_python_bot_created_them() {
    let changes = two().compare(&[]);
    assert_eq!(changes.create[0], wish("eth0", json!({"snmp_index": "1", "speed_bps": "100000000"})));
    assert_eq!(changes.create.len(), 2);
    assert_eq!((changes.update, changes.delete), (vec![], vec![]));
}

#[test]
fn nothing_is_written_when_nothing_has_changed() {
    assert_eq!(two().compare(&two_children()), Changes::default());
    let as_numbers = [
        child(11, "eth0", json!({"snmp_index": 1, "speed_bps": 100_000_000})),
        child(12, "eth1", json!({"snmp_index": 2, "speed_bps": "100000000 ", "note": "uplink"})),
    ];
    assert_eq!(two().compare(&as_numbers), Changes::default());
}

#[test]
fn an_interface_is_updated_once_whatever_changed_and_keeps_what_others_wrote() {
    let mut children = two_children();
    children[1].details.insert("note".into(), json!("uplink"));
    let table = two()
        .with(IF_DESCR, &[(1, named("eth0")), (2, named("wan"))])
        .with(IF_SPEED, &[(1, Value::Gauge(100_000_000)), (2, Value::Gauge(10_000_000))])
        .with(IF_ALIAS, &[(1, named("")), (2, named("to the provider"))]);
    let expected = json!({
        "snmp_index": "2", "speed_bps": "10000000", "if_alias": "to the provider", "note": "uplink",
    });
    let changes = table.compare(&children);
    assert_eq!(changes.update, [(EntityId::new(12), wish("wan", expected))]);
    assert_eq!((changes.create, changes.delete), (vec![], vec![]));
}

#[test]
fn an_alias_that_was_removed_on_the_device_is_removed_here_and_one_that_was_not_read_is_kept() {
    let mut children = two_children();
    children[0].details.insert("if_alias".into(), json!("uplink"));
    assert_eq!(two().compare(&children), Changes::default());
    let changes = two().with(IF_ALIAS, &[(1, named("")), (2, named(""))]).compare(&children);
    let expected = json!({"snmp_index": "1", "speed_bps": "100000000"});
    assert_eq!(changes.update, [(EntityId::new(11), wish("eth0", expected))]);
}

#[test]
fn columns_are_joined_by_index() {
    let table = Table::new()
        .with(IF_DESCR, &[(1, named("lo")), (5, named("eth0")), (7, named("eth1"))])
        .with(IF_SPEED, &[(5, Value::Gauge(5)), (6, Value::Gauge(6)), (7, Value::Gauge(7))])
        .with(IF_NAME, &[(1, named("l")), (7, named("e1"))]);
    let read = read(&table.polled());
    assert_eq!(read.iter().map(|i| i.speed_bps).collect::<Vec<_>>(), [None, Some(5), Some(7)]);
    assert_eq!(read.iter().map(|i| i.if_name.as_deref()).collect::<Vec<_>>(), [Some("l"), None, Some("e1")]);
}

#[test]
fn high_speed_speaks_where_speed_is_saturated_zero_or_absent() {
    for (speed, high, expected) in [
        (Some(u64::from(u32::MAX)), Some(10_000), Some(10_000_000_000)),
        (Some(0), Some(40_000), Some(40_000_000_000)),
        (None, Some(100), Some(100_000_000)),
        (Some(1_544_000), Some(2), Some(1_544_000)),
        (Some(u64::from(u32::MAX)), None, Some(4_294_967_295)),
        (Some(0), Some(0), Some(0)),
        (None, None, None),
    ] {
        assert_eq!(bits_per_second(speed, high, true), expected);
    }
}

#[test]
fn a_high_speed_that_was_not_read_is_not_replaced_by_a_saturated_one() {
    let children = [child(11, "eth0", json!({"snmp_index": "1", "speed_bps": "10000000000"}))];
    let table =
        Table::new().with(IF_DESCR, &[(1, named("eth0"))]).with(IF_SPEED, &[(1, Value::Gauge(u32::MAX))]);
    assert_eq!(table.compare(&children), Changes::default());
    assert_eq!(table.with(IF_HIGH_SPEED, &[]).compare(&children).update.len(), 1, "it has none");
}

#[test]
fn what_is_gone_is_deleted_but_never_after_a_partial_or_empty_walk() {
    let one = Table::new().with(IF_DESCR, &[(1, named("eth0"))]);
    assert_eq!(one.compare(&two_children()).delete, [EntityId::new(12)]);
    for table in [one.clone().partial(), Table::new().with(IF_DESCR, &[]), Table::new()] {
        let changes = table.compare(&two_children());
        assert_eq!(changes.delete, []);
        assert!(changes.spared > 0);
    }
    let still_has_a_speed = one.with(IF_SPEED, &[(2, Value::Gauge(5))]);
    assert_eq!(still_has_a_speed.compare(&two_children()).delete, []);
}

#[test]
fn a_partial_walk_still_creates_and_updates() {
    let changes = two().partial().compare(&[child(11, "old", json!({"snmp_index": "1"}))]);
    assert_eq!((changes.create.len(), changes.update.len()), (1, 1));
}

#[test]
fn children_that_are_not_ours_are_left_alone() {
    let foreign = [child(21, "by hand", json!({})), child(22, "x", json!({"snmp_index": "many"}))];
    let changes = two().compare(&[&foreign[..], &two_children()].concat());
    assert_eq!(changes, Changes::default());
}

#[test]
fn of_two_children_for_one_index_the_older_one_is_kept_up_to_date() {
    let mut children = two_children().to_vec();
    children.insert(0, child(99, "eth0 again", json!({"snmp_index": "1"})));
    assert_eq!(two().compare(&children), Changes::default());
}

proptest! {
    #[test]
    fn what_was_written_is_not_written_again(
        before in prop::collection::btree_map(1..8u32, ("[a-c]{0,2}", 0..3u32, "[a-b]{0,1}"), 0..8),
        after in prop::collection::btree_map(1..8u32, ("[a-c]{0,2}", 0..3u32, "[a-b]{0,1}"), 0..8),
        partial: bool,
    ) {
        let mut children: Vec<Child> = Vec::new();
        let mut next_id = 100;
        for rows in [before, after] {
            let column = |pick: fn(&(String, u32, String)) -> Value| -> Vec<(u32, Value)> {
                rows.iter().map(|(index, row)| (*index, pick(row))).collect()
            };
            let mut table = Table::new()
                .with(IF_DESCR, &column(|row| named(&row.0)))
                .with(IF_SPEED, &column(|row| Value::Gauge(row.1)))
                .with(IF_ALIAS, &column(|row| named(&row.2)));
            if partial {
                table = table.partial();
            }
            let changes = table.compare(&children);
            prop_assert!(!partial || changes.delete.is_empty());
            for (id, wish) in changes.update {
                let child = children.iter_mut().find(|child| child.id == id).unwrap();
                (child.name, child.details) = (wish.name, wish.details);
            }
            for wish in changes.create {
                next_id += 1;
                children.push(Child { id: EntityId::new(next_id), name: wish.name, details: wish.details });
            }
            children.retain(|child| !changes.delete.contains(&child.id));
            let again = table.compare(&children);
            prop_assert_eq!((again.create.len(), again.update.len(), again.delete.len()), (0, 0, 0));
        }
    }
}
