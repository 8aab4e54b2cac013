use std::collections::BTreeMap;

use grafoleancollector::AccountId;

use super::*;
use crate::aggregate::Level;

const END: Timestamp = Timestamp::from_secs(1_700_006_460);

fn count(bytes: u64) -> Count {
    Count { bytes, packets: 1 }
}

fn totals(bytes: u64) -> Totals {
    Totals { bytes, packets: 1, flows: 1 }
}

fn ip(text: &str) -> Ip {
    Ip::from(text.parse::<std::net::IpAddr>().unwrap())
}

fn interface(bytes: u64) -> InterfaceReport {
    InterfaceReport {
        totals: totals(bytes),
        ips: vec![(ip("10.0.0.1"), count(bytes))],
        protocols: vec![(6, count(bytes))],
        ..InterfaceReport::default()
    }
}

fn side(bytes: u64) -> Side {
    Side {
        totals: totals(bytes),
        ips: vec![(ip("10.0.0.1"), count(bytes - 1)), (ip("2001:db8::1"), count(1))],
        protocols: vec![(6, count(bytes - 2)), (124, count(1)), (200, count(1))],
        connections: vec![((ip("10.0.0.1"), ip("::1")), count(bytes))],
        ports: vec![(443, count(bytes)), (53, count(0))],
        interfaces: vec![(0, interface(bytes - 7)), (u32::MAX, interface(7))],
        error: 0,
    }
}

fn exporter(address: &str, ingress: Side, egress: Side) -> ExporterReport {
    ExporterReport { exporter: ExporterKey::from(ip(address)), sampling: 1, ingress, egress }
}

fn owner(entity: u64, addresses: &[&str]) -> Owner {
    let exporters = addresses.iter().map(|address| ExporterKey::from(ip(address))).collect();
    Owner { entity: EntityId::new(entity), exporters, boundary: BTreeSet::new() }
}

fn values(exporters: Vec<ExporterReport>, owners: &[Owner], top_n: usize) -> BTreeMap<String, f64> {
    let mut samples = Samples::for_account(AccountId::new(1));
    let report = Report { level: Level::Minute, end: END, exporters };
    let owners = Owners::new(owners.to_vec());
    owners.parts().for_each(|part| deliver(&report, &owners, part, top_n, &mut samples));
    assert!(samples.unfit().is_empty(), "{:?}", samples.unfit());
    samples.iter().map(|(path, value)| (path.to_string(), value)).collect()
}

#[test]
fn values_have_the_paths_of_the_bot_before() {
    let values =
        values(vec![exporter("192.0.2.1", side(1_000), Side::default())], &[owner(7, &["192.0.2.1"])], 10);
    let expected: BTreeMap<_, _> = [
        ("netflow.1min.ingress", 1_000.0),
        ("netflow.1min.ingress.entity.7", 1_000.0),
        ("netflow.1min.ingress.entity.7.topip.10%2e0%2e0%2e1", 999.0),
        ("netflow.1min.ingress.entity.7.topip.2001%3adb8%3a%3a1", 1.0),
        ("netflow.1min.ingress.entity.7.topprotocol.TCP", 998.0),
        ("netflow.1min.ingress.entity.7.topprotocol.IS-IS-over-IPv4", 1.0),
        ("netflow.1min.ingress.entity.7.topprotocol.proto200", 1.0),
        ("netflow.1min.ingress.entity.7.topconn.10%2e0%2e0%2e1.%3a%3a1", 1_000.0),
        ("netflow.1min.ingress.entity.7.topdstports.443", 1_000.0),
        ("netflow.1min.ingress.entity.7.if.0", 993.0),
        ("netflow.1min.ingress.entity.7.if.0.topip.10%2e0%2e0%2e1", 993.0),
        ("netflow.1min.ingress.entity.7.if.0.topprotocol.TCP", 993.0),
        ("netflow.1min.ingress.entity.7.if.4294967295", 7.0),
        ("netflow.1min.ingress.entity.7.if.4294967295.topip.10%2e0%2e0%2e1", 7.0),
        ("netflow.1min.ingress.entity.7.if.4294967295.topprotocol.TCP", 7.0),
    ]
    .into_iter()
    .map(|(path, value)| (path.to_owned(), value))
    .collect();
    assert_eq!(values, expected);
}

#[test]
fn an_account_has_the_sum_of_its_own_entities_and_nothing_of_others() {
    let exporters = vec![
        exporter("192.0.2.1", side(1_000), side(50)),
        exporter("192.0.2.2", side(300), Side::default()),
        exporter("192.0.2.3", side(9_999), side(9_999)),
    ];
    let values = values(exporters, &[owner(7, &["192.0.2.1"]), owner(8, &["192.0.2.2"])], 10);
    assert_eq!(values["netflow.1min.ingress"], 1_300.0);
    assert_eq!(values["netflow.1min.egress"], 50.0);
    assert_eq!(values["netflow.1min.ingress.entity.8"], 300.0);
    assert!(!values.contains_key("netflow.1min.egress.entity.8"));
}

#[test]
fn an_entity_with_several_exporters_has_their_sum_and_the_biggest_of_all() {
    let exporters =
        vec![exporter("192.0.2.1", side(100), Side::default()), exporter("::7", side(10), Side::default())];
    let values = values(exporters, &[owner(7, &["192.0.2.1", "::7"])], 1);
    assert_eq!(values["netflow.1min.ingress"], 110.0);
    assert_eq!(values["netflow.1min.ingress.entity.7.topip.10%2e0%2e0%2e1"], 108.0);
    assert_eq!(values["netflow.1min.ingress.entity.7.if.0"], 96.0);
    assert_eq!(values.keys().filter(|path| path.contains("entity.7.topip")).count(), 1);
}

#[test]
fn only_the_interfaces_at_the_boundary_count_for_the_account_where_some_are_named() {
    let mut boundary = owner(7, &["192.0.2.1"]);
    boundary.boundary.insert(u32::MAX);
    let exporters = vec![exporter("192.0.2.1", side(1_000), Side::default())];
    let values = values(exporters, &[boundary], 10);
    assert_eq!((values["netflow.1min.ingress"], values["netflow.1min.ingress.entity.7"]), (7.0, 1_000.0));
}

#[test]
fn a_window_without_flows_of_an_account_has_no_values() {
    assert!(
        values(vec![exporter("192.0.2.9", side(10), side(10))], &[owner(7, &["192.0.2.1"])], 10).is_empty()
    );
}

#[test]
fn the_entities_of_a_large_account_come_in_parts_and_each_once() {
    let address = |n: u64| format!("10.1.{}.{}", n / 200, n % 200);
    let exporters = (1..=1_000).map(|n| exporter(&address(n), side(1_000), Side::default())).collect();
    let owners: Vec<_> = (1..=1_000).map(|n| owner(n, &[&address(n)])).collect();
    assert_eq!(Owners::new(owners.clone()).parts(), 0..32);
    let values = values(exporters, &owners, 10);
    assert_eq!(values["netflow.1min.ingress"], 1_000_000.0);
    assert!((1..=1_000).all(|n| values.contains_key(&format!("netflow.1min.ingress.entity.{n}"))));
}

/// "No flow counted twice in a total."
#[test]
fn an_exporter_that_two_entities_have_counts_once_for_their_account() {
    let exporters = vec![exporter("192.0.2.1", side(1_000), Side::default())];
    let values = values(exporters, &[owner(7, &["192.0.2.1"]), owner(8, &["192.0.2.1"])], 10);
    assert_eq!(values["netflow.1min.ingress"], 1_000.0);
    assert_eq!(values["netflow.1min.ingress.entity.7"], 1_000.0);
    assert_eq!(values["netflow.1min.ingress.entity.8"], 1_000.0);
}

#[test]
fn an_entity_without_a_domain_owns_those_that_no_other_of_its_account_has() {
    let domain = |domain, bytes| {
        let mut of = exporter("192.0.2.1", side(bytes), Side::default());
        of.exporter.domain = domain;
        of
    };
    // Domain 5 is kept apart by somebody, domain 6 by another account.
    let exporters = vec![domain(None, 100), domain(Some(5), 50), domain(Some(6), 30)];
    let whole = owner(7, &["192.0.2.1"]);
    let mut five = owner(8, &["192.0.2.1"]);
    five.exporters[0].domain = Some(5);
    let values = values(exporters, &[whole, five], 10);
    assert_eq!(values["netflow.1min.ingress.entity.7"], 130.0);
    assert_eq!(values["netflow.1min.ingress.entity.8"], 50.0);
    assert_eq!(values["netflow.1min.ingress"], 180.0);
}
