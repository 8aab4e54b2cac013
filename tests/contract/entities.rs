//! Entities that a bot writes.

use reqwest::Method;
use serde_json::{Value, json};

use crate::peer::Peer;

/// Creates an entity, and gives its id.
pub(crate) async fn create(peer: &Peer, entity: &Value) -> u64 {
    let created = peer.in_account(Method::POST, "entities", entity.to_string()).await.with(201).json();
    created["id"].as_u64().unwrap_or_else(|| panic!("no id: {created}"))
}

pub(crate) async fn delete(peer: &Peer, id: u64) -> u16 {
    peer.in_account(Method::DELETE, &format!("entities/{id}"), "").await.status
}

async fn read(peer: &Peer, id: u64) -> Value {
    peer.in_account(Method::GET, &format!("entities/{id}"), "").await.with(200).json()
}

pub(crate) async fn an_interface_is_created_changed_and_deleted(peer: &Peer) {
    let device = create(peer, &json!({"name": "contract", "entity_type": "device", "details": {}})).await;
    let details = json!({"snmp_index": "2", "speed_bps": "1000000000"});
    let interface = json!({"name": "eth0", "entity_type": "interface", "parent": device, "details": details});
    let id = create(peer, &interface).await;
    let found = read(peer, id).await;
    for field in ["name", "entity_type", "parent", "details"] {
        assert_eq!(found[field], interface[field], "{field}");
    }
    assert_eq!((&found["id"], &found["protocols"]), (&json!(id), &json!({})));
    // The parent is accepted, and ignored.
    let changed = json!({"name": "eth1", "entity_type": "interface", "parent": null, "details": {"a": 1}});
    let answer = peer.in_account(Method::PUT, &format!("entities/{id}"), changed.to_string()).await.with(204);
    assert_eq!(answer.text, "");
    let found = read(peer, id).await;
    assert_eq!((&found["name"], &found["details"]), (&changed["name"], &changed["details"]));
    assert_eq!(found["parent"], json!(device));
    assert_eq!((delete(peer, id).await, delete(peer, id).await), (204, 404));
    assert_eq!(delete(peer, device).await, 204);
    let gone = peer.in_account(Method::PUT, &format!("entities/{id}"), changed.to_string()).await.with(404);
    assert_eq!(gone.detail(), "No such entity");
}

pub(crate) async fn an_entity_without_its_name_type_or_details_is_refused(peer: &Peer) {
    let whole = json!({"name": "contract", "entity_type": "device", "details": {}});
    let before = peer.list("entities").await.len();
    for field in ["name", "entity_type", "details"] {
        let mut part = whole.clone();
        part.as_object_mut().unwrap().remove(field);
        let answer = peer.in_account(Method::POST, "entities", part.to_string()).await;
        assert_eq!(answer.status, 400, "without {field}: {}", answer.text);
    }
    assert_eq!(peer.list("entities").await.len(), before);
}

pub(crate) async fn a_device_with_a_protocol_is_listed_with_it(peer: &Peer) {
    let Some(protocols) = ping(peer).await else {
        return eprintln!("skipped: the account has no credential and sensor for ping");
    };
    let device = json!({
        "name": "contract", "entity_type": "device", "details": {"ipv4": "127.0.0.1"}, "protocols": protocols,
    });
    let id = create(peer, &device).await;
    let listed = peer.list("entities").await.into_iter().find(|entity| entity["id"] == json!(id)).unwrap();
    assert_eq!(listed["parent"], Value::Null);
    let (found, wanted) = (&listed["protocols"]["ping"], &protocols["ping"]);
    assert_eq!((&found["credential"], &found["sensors"]), (&wanted["credential"], &wanted["sensors"]));
    assert_eq!(found["bot"], Value::Null, "any bot of the protocol serves it");
    assert_eq!(delete(peer, id).await, 204);
}

/// Ping with the first credential and sensor that the account has for it.
pub(crate) async fn ping(peer: &Peer) -> Option<Value> {
    let first = |records: Vec<Value>| {
        records.into_iter().find(|record| record["protocol"] == "ping").map(|record| record["id"].clone())
    };
    let credential = first(peer.list("credentials").await)?;
    let sensor = first(peer.list("sensors").await)?;
    let sensors = [json!({"sensor": sensor, "interval": 1})];
    Some(json!({"ping": {"credential": credential, "bot": null, "sensors": sensors}}))
}
