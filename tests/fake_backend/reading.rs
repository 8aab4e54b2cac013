//! Identity, lists, records, and the entities that a bot writes.

use grafoleancollector::testing::{FakeBackend, RecordKind};
use serde_json::{Value, json};

use crate::client::{ask, get, raw, with_token};

const FORBIDDEN: &str = "Access to resource denied, insufficient permissions";

#[tokio::test]
async fn the_status_needs_no_token() {
    let backend = FakeBackend::start().await;
    let reply = raw(&backend, "GET", "/api/status/info", "", "").unwrap();
    assert_eq!(reply.status, 200);
    let expected = json!({"alive": true, "db_migration_needed": false, "db_version": 30, "user_exists": true,
        "cors_domains": [], "mqtt_ws_hostname": "", "mqtt_ws_port": "", "enable_signup": false});
    assert_eq!(reply.json(), expected);
}

#[tokio::test]
async fn while_a_migration_is_due_it_is_unknown_whether_there_is_a_user() {
    let backend = FakeBackend::start().await;
    backend.set_migration_needed(true);
    let status = get(&backend, "/status/info").json();
    assert_eq!((&status["db_migration_needed"], &status["user_exists"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn the_profile_is_that_of_the_token() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    let token = backend.add_bot("snmp");
    backend.restrict_bot(&token, &[account]);
    let profile = with_token(&backend, &token, "GET", "/profile", "").unwrap().json();
    assert_eq!(profile["user_id"], json!(backend.bot_id(&token)));
    assert_eq!(profile["user_type"], "bot");
    assert_eq!(profile["record"]["id"], profile["user_id"]);
    assert_eq!(profile["record"]["name"], "snmp bot");
    assert_eq!(profile["record"]["protocol"], "snmp");
    assert_eq!(profile["record"]["tied_to_account"], account);
    assert_eq!(profile["record"]["config"], Value::Null);
    assert!(profile["record"]["insert_time"].is_u64() && profile["record"]["last_login"].is_u64());
}

#[tokio::test]
async fn an_unknown_malformed_missing_or_revoked_token_is_denied() {
    let backend = FakeBackend::start().await;
    let revoked = backend.add_bot("ping");
    backend.revoke(&revoked);
    let unknown = "00000000-0000-4000-8000-000000000000";
    for query in ["", "?b=", "?b=no-uuid", &format!("?b={unknown}"), &format!("?b={revoked}"), "?c=1"] {
        let reply = raw(&backend, "GET", &format!("/api/accounts{query}"), "", "").unwrap();
        assert_eq!((reply.status, reply.text()), (401, "Access denied"), "{query}");
    }
}

#[tokio::test]
async fn what_is_not_granted_is_forbidden() {
    let backend = FakeBackend::start().await;
    let (mine, other) = (backend.add_account("mine"), backend.add_account("other"));
    let token = backend.add_bot("ping");
    backend.restrict_bot(&token, &[mine]);
    for account in [other, 999_999] {
        let reply =
            with_token(&backend, &token, "GET", &format!("/accounts/{account}/entities"), "").unwrap();
        assert_eq!((reply.status, reply.text()), (403, FORBIDDEN));
    }
    let list = with_token(&backend, &token, "GET", "/accounts", "").unwrap().json();
    assert_eq!(list, json!({"list": [{"id": mine, "name": "mine"}]}));
}

#[tokio::test]
async fn a_forbidden_method_on_a_path_is_forbidden_there_only() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    backend.forbid("PUT", &format!("accounts/{account}/values"));
    let values = format!("/accounts/{account}/values");
    let reply = ask(&backend, "PUT", &values, r#"[{"p":"a","v":1,"t":1}]"#);
    assert_eq!((reply.status, reply.text()), (403, FORBIDDEN));
    assert_eq!(ask(&backend, "POST", &values, r#"[{"p":"a","v":1}]"#).status, 204);
    backend.allow_all();
    assert_eq!(ask(&backend, "PUT", &values, r#"[{"p":"a","v":1,"t":1}]"#).status, 204);
}

#[tokio::test]
async fn a_trailing_slash_makes_no_difference() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    for path in ["/accounts".to_owned(), "/profile".to_owned(), format!("/accounts/{account}/sensors")] {
        let (with, without) = (get(&backend, &format!("{path}/")), get(&backend, &path));
        assert_eq!((with.status, with.body), (200, without.body));
    }
    assert_eq!(
        ask(&backend, "POST", &format!("/accounts/{account}/values/"), r#"[{"p":"a","v":1}]"#).status,
        204
    );
}

#[tokio::test]
async fn a_device_comes_back_whole_from_the_list_and_alone() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    let credential = backend.add_credential(account, "ping", json!({}));
    let sensor = backend.add_sensor(account, "ping", None, json!({}));
    let bot = backend.bot_id(backend.token()).unwrap();
    let device = backend
        .device(account, "localhost")
        .detail("ipv4", "127.0.0.1")
        .protocol("ping", credential, &[sensor])
        .interval(sensor, 30)
        .bot(bot)
        .add();
    let interface = backend.device(account, "eth0").interface_of(device).add();
    let expected = json!({
        "id": device, "name": "localhost", "entity_type": "device", "parent": null,
        "details": {"ipv4": "127.0.0.1"},
        "protocols": {"ping": {"credential": credential, "bot": bot,
            "sensors": [{"sensor": sensor, "interval": 30}]}},
    });
    let list = get(&backend, &format!("/accounts/{account}/entities?parent=1&entity_type=nonsense")).json();
    assert_eq!(list["list"][0], expected);
    assert_eq!(list["list"][1]["id"], interface);
    assert_eq!(list["list"][1]["parent"], device);
    assert_eq!(get(&backend, &format!("/accounts/{account}/entities/{device}")).json(), expected);
}

#[tokio::test]
async fn an_unknown_entity_is_not_found() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    let reply = get(&backend, &format!("/accounts/{account}/entities/12345"));
    assert_eq!((reply.status, reply.json()), (404, json!({"detail": "No such entity"})));
}

#[tokio::test]
async fn a_new_account_starts_with_the_default_credentials_and_sensors() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    let list = |kind| get(&backend, &format!("/accounts/{account}/{kind}")).json()["list"].clone();
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap().to_owned()).collect()
    };
    let credentials = list("credentials");
    assert_eq!(
        names(&credentials),
        [
            "Default ICMP ping credential (3 packets)",
            "Default SNMP credential (SNMPv2c, 'public')",
            "Default NetFlow credential",
        ]
    );
    let ping = json!({"n_packets": "3", "sleep_packets": "1.0", "timeout": "1.0", "retry": "0"});
    assert_eq!(credentials[0]["details"], ping);
    let sensors = list("sensors");
    assert_eq!(
        names(&sensors),
        [
            "Default ICMP ping sensor",
            "Default NetFlow sensor",
            "Traffic IN [bps]",
            "Traffic OUT [bps]",
            "Linux lmsensors - temperature [°C]",
        ]
    );
    assert_eq!(sensors[0]["default_interval"], 60);
    assert_eq!(sensors[1]["default_interval"], Value::Null);
    assert_eq!(sensors[2]["details"]["output_path"], "if.in-octets.{$index}.{$1}");
    let id = sensors[0]["id"].as_u64().unwrap();
    assert_eq!(get(&backend, &format!("/accounts/{account}/sensors/{id}")).json(), sensors[0]);
    let id = credentials[0]["id"].as_u64().unwrap();
    assert_eq!(get(&backend, &format!("/accounts/{account}/credentials/{id}")).json(), credentials[0]);
}

#[tokio::test]
async fn an_account_without_defaults_starts_empty() {
    let backend = FakeBackend::start().await;
    backend.without_account_defaults();
    let account = backend.add_account("one");
    for kind in ["entities", "credentials", "sensors"] {
        assert_eq!(get(&backend, &format!("/accounts/{account}/{kind}")).text(), r#"{"list":[]}"#);
    }
}

#[tokio::test]
async fn records_can_be_planted_broken_edited_and_removed() {
    let backend = FakeBackend::start().await;
    backend.without_account_defaults();
    let account = backend.add_account("one");
    let kind = RecordKind::Sensors;
    let sensor = backend.add_record(account, kind, json!({"name": "good"}));
    let list = || get(&backend, &format!("/accounts/{account}/sensors")).json()["list"].clone();
    assert_eq!(list(), json!([{"id": sensor, "name": "good"}]));
    backend.plant(account, kind, &json!(["not", "an", "object"]));
    assert!(backend.edit(account, kind, sensor, |record| record["default_interval"] = json!("soon")));
    let edited = json!({"id": sensor, "name": "good", "default_interval": "soon"});
    assert_eq!(list(), json!([edited, ["not", "an", "object"]]));
    assert!(backend.remove(account, kind, sensor));
    assert!(!backend.remove(account, kind, sensor));
    assert_eq!(list(), json!([["not", "an", "object"]]));
}

#[tokio::test]
async fn a_bot_creates_changes_and_deletes_an_entity() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    let device = backend.device(account, "switch").add();
    let entities = format!("/accounts/{account}/entities");
    let new = json!({"name": "eth0", "entity_type": "interface", "parent": device,
        "details": {"snmp_index": "2", "speed_bps": "1000000000"}});
    let reply = ask(&backend, "POST", &entities, &new.to_string());
    assert_eq!(reply.status, 201);
    let id = reply.json()["id"].as_u64().unwrap();
    let one = format!("{entities}/{id}");
    assert_eq!(get(&backend, &one).json()["details"]["snmp_index"], "2");

    let change =
        json!({"name": "lan0", "entity_type": "interface", "parent": 1, "details": {"snmp_index": "3"}});
    assert_eq!(ask(&backend, "PUT", &one, &change.to_string()).status, 204);
    let changed = get(&backend, &one).json();
    assert_eq!((&changed["name"], &changed["parent"]), (&json!("lan0"), &json!(device)));
    assert_eq!(changed["details"], json!({"snmp_index": "3"}));

    assert_eq!(ask(&backend, "DELETE", &one, "").status, 204);
    assert_eq!(ask(&backend, "DELETE", &one, "").status, 404);
    assert_eq!(get(&backend, &one).status, 404);
}

#[tokio::test]
async fn changing_an_entity_requires_name_type_and_details() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    let device = backend.device(account, "switch").add();
    let whole = json!({"name": "x", "entity_type": "device", "details": {}});
    for missing in ["name", "entity_type", "details"] {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(missing);
        let reply =
            ask(&backend, "PUT", &format!("/accounts/{account}/entities/{device}"), &body.to_string());
        assert_eq!(reply.status, 400, "{missing}");
    }
}

#[tokio::test]
async fn an_unknown_resource_is_not_found_and_a_wrong_method_not_allowed() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    assert_eq!(get(&backend, "/nonsense").status, 404);
    assert_eq!(get(&backend, &format!("/accounts/{account}/nonsense")).status, 404);
    assert_eq!(ask(&backend, "DELETE", &format!("/accounts/{account}/sensors/1"), "").status, 405);
    assert_eq!(raw(&backend, "GET", "/accounts", "", "").unwrap().status, 404, "the URL includes /api");
}
