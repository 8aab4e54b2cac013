//! What bots ask a Grafolean backend for, and the answers that were observed.

use serde_json::{Value, json};

use crate::support::{Served, Who};

#[tokio::test]
async fn a_hub_is_ready_as_soon_as_it_has_an_account() {
    let hub = Served::fresh().await;
    for path in ["status/info", "status/info/"] {
        let status = hub.get(&Who::Nobody, path).await.expect(200).json();
        assert_eq!(status["alive"], true);
        assert_eq!(status["db_migration_needed"], false);
        assert_eq!(status["user_exists"], true);
        assert_eq!(status["setup_needed"], true);
        assert_eq!(status["features"], json!(["changes", "problems"]));
    }
}

#[tokio::test]
async fn a_bot_learns_who_it_is_and_what_it_is_to_do() {
    let hub = Served::start().await;
    let (bot, account) = (hub.bot("ping"), hub.account());
    let profile = hub.get(&bot, "profile").await.expect(200).json();
    let id = hub.local("ping").id;
    assert_eq!((&profile["user_id"], &profile["user_type"]), (&json!(id), &json!("bot")));
    let record = &profile["record"];
    assert_eq!(record["tied_to_account"], account);
    assert_eq!(record["protocol"], "ping");
    assert!(record["insert_time"].is_i64() && record["last_login"].is_i64());

    let accounts = hub.get(&bot, "accounts/").await.expect(200).json();
    assert_eq!(accounts["list"][0]["id"], account);
    let entities = hub.get(&bot, &format!("accounts/{account}/entities")).await.expect(200).json();
    let localhost = &entities["list"][0];
    assert_eq!(localhost["name"], "localhost");
    assert_eq!(localhost["details"], json!({"ipv4": "127.0.0.1"}));
    assert_eq!(localhost["parent"], Value::Null);
    assert_eq!(localhost["protocols"]["ping"]["bot"], id);
    assert_eq!(localhost["protocols"]["ping"]["sensors"][0]["interval"], Value::Null);
    let one = hub.get(&bot, &format!("accounts/{account}/entities/{}", localhost["id"])).await.expect(200);
    assert_eq!(&one.json(), localhost);
    for (path, what) in [("entities", "entity"), ("credentials", "credential"), ("sensors", "sensor")] {
        let got = hub.get(&bot, &format!("accounts/{account}/{path}/999999/")).await.expect(404);
        assert_eq!(got.text, format!("{{\"detail\":\"No such {what}\"}}"));
    }
}

#[tokio::test]
async fn a_new_account_starts_with_the_same_credentials_and_sensors() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let account = hub.account();
    let names = |list: Value| -> Vec<String> {
        let list = list["list"].as_array().unwrap().clone();
        list.iter()
            .map(|one| format!("{} {}", one["protocol"].as_str().unwrap(), one["name"].as_str().unwrap()))
            .collect()
    };
    let credentials = hub.get(&admin, &format!("accounts/{account}/credentials")).await.json();
    assert_eq!(credentials["list"][0]["details"]["n_packets"], "3");
    assert_eq!(credentials["list"][1]["details"]["snmpv12_community"], "public");
    assert_eq!(
        names(credentials),
        [
            "ping Default ICMP ping credential (3 packets)",
            "snmp Default SNMP credential (SNMPv2c, 'public')",
            "netflow Default NetFlow credential"
        ]
    );
    let sensors = hub.get(&admin, &format!("accounts/{account}/sensors")).await.json();
    assert_eq!(sensors["list"][1]["details"]["output_path"], "if.in-octets.{$index}.{$1}");
    assert_eq!(sensors["list"][4]["default_interval"], Value::Null);
    assert_eq!(
        names(sensors),
        [
            "ping Default ICMP ping sensor",
            "snmp Traffic IN [bps]",
            "snmp Traffic OUT [bps]",
            "snmp Linux lmsensors - temperature [°C]",
            "netflow Default NetFlow sensor"
        ]
    );
}

#[tokio::test]
async fn an_unknown_or_malformed_token_is_refused_and_a_known_one_where_nothing_is_granted() {
    let hub = Served::start().await;
    for token in ["", "nonsense", "00000000-0000-4000-8000-000000000000"] {
        let got = hub.get(&Who::Bot(token.to_owned()), "profile").await.expect(401);
        assert_eq!(got.text, "Access denied");
    }
    let got = hub.get(&Who::Nobody, "accounts").await.expect(401);
    assert_eq!(got.text, "Access denied");
    let got = hub.get(&hub.bot("ping"), "persons").await.expect(403);
    assert_eq!(got.text, "Access to resource denied, insufficient permissions");
    // Upper case is the same token.
    let token = hub.local("ping").token.to_uppercase();
    hub.get(&Who::Bot(token), "profile").await.expect(200);
}

#[tokio::test]
async fn a_bot_writes_entities_below_a_device() {
    let hub = Served::start().await;
    let (bot, account) = (hub.bot("snmp"), hub.account());
    let entities = format!("accounts/{account}/entities");
    let parent = hub.get(&bot, &entities).await.json()["list"][0]["id"].clone();
    let eth0 =
        json!({"name": "eth0", "entity_type": "interface", "parent": parent, "details": {"snmp_index": "2"}});
    let id = hub.ask(&bot, "POST", &entities, &eth0).await.expect(201).json()["id"].clone();
    let path = format!("{entities}/{id}");
    let got = hub.get(&bot, &path).await.json();
    assert_eq!((&got["parent"], &got["protocols"]), (&parent, &json!({})));
    assert_eq!(got.get("suggested_by"), None);
    let renamed =
        json!({"name": "eth1", "entity_type": "interface", "parent": null, "details": {"snmp_index": "2"}});
    hub.ask(&bot, "PUT", &path, &renamed).await.expect(204);
    let got = hub.get(&bot, &path).await.json();
    assert_eq!((&got["name"], &got["parent"]), (&json!("eth1"), &parent));
    for missing in ["name", "entity_type", "details"] {
        let mut incomplete = renamed.clone();
        incomplete.as_object_mut().unwrap().remove(missing);
        let got = hub.ask(&bot, "PUT", &path, &incomplete).await.expect(400);
        assert!(got.text.contains(&format!("'{missing}' is a required property")), "{}", got.text);
    }
    hub.ask(&bot, "DELETE", &path, "").await.expect(204);
    hub.ask(&bot, "DELETE", &path, "").await.expect(404);
}

#[tokio::test]
async fn values_are_taken_and_refused_as_observed() {
    let hub = Served::start().await;
    let (bot, account) = (hub.bot("ping"), hub.account());
    let values = format!("accounts/{account}/values");
    hub.ask(&bot, "POST", &values, r#"[{"p":"entity.1.ping.p0.ok","v":1.0}]"#).await.expect(204);
    let at = r#"[{"p":"x.y","v":3.5,"t":1700000000.25},{"p":"x.y","v":"4.5","t":"1700000001.000001"}]"#;
    for _ in 0..2 {
        hub.ask(&bot, "PUT", &format!("{values}/"), at).await.expect(204);
    }
    let got = hub.get(&bot, &format!("{values}/x.y?t0=1700000000&t1=1700000002")).await.expect(200);
    let expected = r#"{"paths":{"x.y":{"next_data_point":null,"data":[{"t":1700000000.25,"v":3.5},{"t":1700000001.000001,"v":4.5}]}}}"#;
    assert_eq!(got.text, expected);
    for (method, body, text) in [
        ("POST", "[]", r#"{"detail":"Missing data"}"#),
        (
            "POST",
            r#"[{"p":"a","v":1,"t":5}]"#,
            r#"{"detail":"Parameter 't' shouldn't be specified with POST"}"#,
        ),
        ("PUT", r#"[{"p":"a","v":1}]"#, "there is no time 't'"),
        ("PUT", r#"{"p":"a"}"#, "a list was expected"),
        ("PUT", "", "a list was expected"),
        ("PUT", "no json", "a list was expected"),
        ("POST", r#"[{"p":"ok","v":1},{"p":"bad path!","v":1}]"#, "Invalid PathInputValue format: bad path!"),
        (
            "POST",
            r#"[{"p":"ok","v":1},{"p":"ok","v":2}]"#,
            "value 1 of the list (ok): the same path and time",
        ),
        ("PUT", r#"[{"p":"ok","v":1,"t":1},{"p":"ok","v":2,"t":"1.0"}]"#, "the same path and time"),
        (
            "POST",
            r#"[{"p":"ok","v":1},{"p":"b","v":null}]"#,
            "value 1 of the list (b): the value 'v' is null",
        ),
        ("POST", r#"[{"p":"ok","v":1},{"p":"b","v":"nan"}]"#, "not a number"),
        ("POST", r#"[{"p":"ok","v":1},{"p":"system.x","v":1}]"#, "system."),
    ] {
        let got = hub.ask(&bot, method, &values, body).await.expect(400);
        assert!(got.text.contains(text), "{body}: {}", got.text);
    }
    // Nothing of a list that was refused is stored.
    let got = hub.get(&bot, &format!("{values}/ok")).await.expect(200);
    assert_eq!(got.text, r#"{"paths":{"ok":{"next_data_point":null,"data":[]}}}"#);
}

#[tokio::test]
async fn one_value_can_be_posted_without_a_body() {
    let hub = Served::start().await;
    let (bot, account) = (hub.bot("ping"), hub.account());
    hub.ask(&bot, "POST", &format!("accounts/{account}/values?p=a.b&v=2.5"), "").await.expect(204);
    hub.ask(&bot, "POST", &format!("accounts/{account}/values?p=a.b&v=2.5&t=5"), "").await.expect(400);
    hub.ask(&bot, "POST", &format!("accounts/{account}/values?p=a.b&v=x"), "").await.expect(400);
    let got = hub.get(&bot, &format!("accounts/{account}/values/a.b")).await.json();
    assert_eq!(got["paths"]["a.b"]["data"][0]["v"], 2.5);
}
