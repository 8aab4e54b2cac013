//! The answers are as the description says.

use serde_json::{Value, json};

use crate::support::{Served, Who};

/// What a value breaks of a schema, if anything.
fn broken(document: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document.pointer(name.trim_start_matches('#'))?;
        return broken(document, schema, value, at);
    }
    if let Some(one_of) = schema["enum"].as_array() {
        return (!one_of.contains(value)).then(|| format!("{at}: {value} is none of {schema}"));
    }
    let fits = |kind: &str| match kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Null => return None,
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        other => panic!("{other}"),
    };
    if !kinds.iter().any(|kind| fits(kind)) {
        return Some(format!("{at}: {value} is no {kinds:?}"));
    }
    if schema["minimum"].as_i64().is_some_and(|least| value.as_i64().is_some_and(|value| value < least)) {
        return Some(format!("{at}: {value} is too small"));
    }
    if let Some(list) = value.as_array() {
        for (bound, holds) in
            [("minItems", |a, b| a >= b), ("maxItems", |a, b| a <= b)] as [(&str, fn(u64, u64) -> bool); 2]
        {
            if schema[bound].as_u64().is_some_and(|bound| !holds(list.len() as u64, bound)) {
                return Some(format!("{at}: {} items", list.len()));
            }
        }
        let mut items = list.iter().enumerate();
        return items.find_map(|(i, item)| broken(document, &schema["items"], item, &format!("{at}[{i}]")));
    }
    let object = value.as_object()?;
    for required in schema["required"].as_array().into_iter().flatten() {
        if !object.contains_key(required.as_str().unwrap()) {
            return Some(format!("{at}: {required} is missing"));
        }
    }
    object.iter().find_map(|(key, member)| {
        let at = format!("{at}.{key}");
        match (&schema["properties"][key], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => Some(format!("{at} is too much")),
            (Value::Null, Value::Null) => None,
            (Value::Null, others) => broken(document, others, member, &at),
            (schema, _) => broken(document, schema, member, &at),
        }
    })
}

#[test]
fn the_judge_of_this_test_sees_what_is_broken() {
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": ["integer", "null"]}, "l": {"type": "array", "items": {"type": "string"}}},
        "required": ["a"],
        "additionalProperties": false,
    });
    for (value, expected) in [
        (json!({"a": 1}), true),
        (json!({"a": null, "l": ["x"]}), true),
        (json!({"a": 1.5}), false),
        (json!({"l": []}), false),
        (json!({"a": 1, "b": 1}), false),
        (json!({"a": 1, "l": [1]}), false),
        (json!([]), false),
    ] {
        assert_eq!(broken(&json!({}), &schema, &value, "value").is_none(), expected, "{value}");
    }
}

#[tokio::test]
async fn the_description_and_the_answers_agree() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let document = hub.get(&Who::Nobody, "openapi.json").await.expect(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    let account = hub.account();
    let at = |rest: &str| format!("accounts/{account}/{rest}");
    let (ping, snmp) = (hub.bot("ping"), hub.bot("snmp"));

    // Something of everything.
    let values = json!([
        {"p": "entity.1.ping.success", "v": 1}, {"p": "entity.1.ping.p0.rtt", "v": 0.01},
        {"p": "entity.1.snmp.if.in-octets.1.eth0", "v": 10},
    ]);
    hub.ask(&ping, "POST", &at("values"), values).await.expect(204);
    let found = json!({"name": "found", "entity_type": "device", "details": {"ipv4": "192.0.2.1"}});
    hub.ask(&snmp, "POST", &at("entities"), found).await.expect(201);
    let problem = json!({"list": [{"account": account, "entity": 1, "protocol": "snmp", "since": 1.5, "error": "no answer"}]});
    hub.ask(&snmp, "PUT", "profile/problems", problem).await.expect(204);
    let path =
        hub.get(&admin, &at("paths?filter=entity.*")).await.json()["paths"]["entity.*"][0]["id"].clone();
    let ping_id = hub.local("ping").id;
    let grant = r#"{"resource_prefix":"accounts/1","methods":["GET","PUT"]}"#;
    let person = r#"{"username":"nora","password":"long enough","name":"Nora","email":"nora@example.org"}"#;
    let nora = hub.ask(&admin, "POST", "persons", person).await.expect(201).json()["id"].clone();
    let system = hub.ask(&admin, "POST", "bots", r#"{"name":"all"}"#).await.expect(201).json()["id"].clone();

    let asked: Vec<(&Who, &str, String, String, &str)> = vec![
        (&Who::Nobody, "GET", "status/info".into(), "".into(), "status/info"),
        (
            &Who::Nobody,
            "POST",
            "auth/login".into(),
            r#"{"username":"nora","password":"long enough"}"#.into(),
            "auth/login",
        ),
        (&admin, "POST", "auth/refresh".into(), "".into(), "auth/refresh"),
        (&admin, "GET", "profile".into(), "".into(), "profile"),
        (&ping, "GET", "profile".into(), "".into(), "profile"),
        (&ping, "GET", "profile/permissions".into(), "".into(), "profile/permissions"),
        (&admin, "GET", "admin/accounts".into(), "".into(), "admin/accounts"),
        (&ping, "GET", "accounts".into(), "".into(), "accounts"),
        (&admin, "POST", "accounts".into(), r#"{"name":"x"}"#.into(), "accounts"),
        (&ping, "GET", format!("accounts/{account}"), "".into(), "accounts/{account}"),
        (&ping, "GET", at("overview"), "".into(), "accounts/{account}/overview"),
        (&ping, "GET", at("problems"), "".into(), "accounts/{account}/problems"),
        (&ping, "GET", at("bots"), "".into(), "accounts/{account}/bots"),
        (
            &admin,
            "POST",
            at("bots"),
            r#"{"name":"b","protocol":"ping","config":"{\"a\":1}"}"#.into(),
            "accounts/{account}/bots",
        ),
        (&admin, "GET", at(&format!("bots/{ping_id}")), "".into(), "accounts/{account}/bots/{bot}"),
        (
            &admin,
            "GET",
            at(&format!("bots/{ping_id}/token")),
            "".into(),
            "accounts/{account}/bots/{bot}/token",
        ),
        (
            &admin,
            "GET",
            at(&format!("bots/{ping_id}/permissions")),
            "".into(),
            "accounts/{account}/bots/{bot}/permissions",
        ),
        (
            &admin,
            "POST",
            at(&format!("bots/{ping_id}/permissions")),
            grant.into(),
            "accounts/{account}/bots/{bot}/permissions",
        ),
        (&ping, "GET", at("entities"), "".into(), "accounts/{account}/entities"),
        (&ping, "GET", at("entities/1"), "".into(), "accounts/{account}/entities/{entity}"),
        (&ping, "GET", at("credentials"), "".into(), "accounts/{account}/credentials"),
        (&ping, "GET", at("credentials/2"), "".into(), "accounts/{account}/credentials/{credential}"),
        (&admin, "GET", at("credentials/2"), "".into(), "accounts/{account}/credentials/{credential}"),
        (&ping, "GET", at("sensors"), "".into(), "accounts/{account}/sensors"),
        (&ping, "GET", at("sensors/1"), "".into(), "accounts/{account}/sensors/{sensor}"),
        (
            &ping,
            "GET",
            at("values/entity.1.ping.success?limit=1"),
            "".into(),
            "accounts/{account}/values/{path}",
        ),
        (
            &admin,
            "POST",
            at("getvalues"),
            r#"{"p":"entity.1.ping.success,x"}"#.into(),
            "accounts/{account}/getvalues",
        ),
        (
            &admin,
            "POST",
            at("getaggrvalues"),
            r#"{"p":"entity.1.ping.success","a":0}"#.into(),
            "accounts/{account}/getaggrvalues",
        ),
        (&ping, "GET", at("topvalues?f=*"), "".into(), "accounts/{account}/topvalues"),
        (&ping, "GET", at("last?f=*"), "".into(), "accounts/{account}/last"),
        (&ping, "GET", at("paths?filter=*"), "".into(), "accounts/{account}/paths"),
        (&ping, "GET", at("paths?filter=e&failover_trailing=true"), "".into(), "accounts/{account}/paths"),
        (&ping, "GET", at(&format!("paths/{path}")), "".into(), "accounts/{account}/paths/{path}"),
        (&ping, "GET", "bots".into(), "".into(), "bots"),
        (&admin, "GET", format!("bots/{system}"), "".into(), "bots/{bot}"),
        (&admin, "POST", format!("bots/{system}/token"), "".into(), "bots/{bot}/token"),
        (&admin, "POST", format!("bots/{system}/permissions"), grant.into(), "bots/{user}/permissions"),
        (&admin, "GET", "persons".into(), "".into(), "persons"),
        (&admin, "GET", format!("persons/{nora}"), "".into(), "persons/{user}"),
        (&admin, "POST", format!("persons/{nora}/permissions"), grant.into(), "persons/{user}/permissions"),
        (&admin, "GET", format!("users/{nora}"), "".into(), "users/{user}"),
    ];
    let mut compared = 0;
    for (who, method, path, body, pattern) in asked {
        let got = hub.ask(who, method, &path, body).await;
        let responses = &document["paths"][format!("/api/{pattern}")][method.to_lowercase()]["responses"];
        let response = &responses[got.status.to_string()];
        assert!(response.is_object(), "{method} {pattern}: {} is not described: {}", got.status, got.text);
        let schema = &response["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {pattern}: {} {}", got.status, got.text);
        assert_eq!(got.header("content-type"), "application/json");
        assert_eq!(broken(&document, schema, &got.json(), pattern), None, "{method} {pattern}");
        compared += 1;
    }
    assert!(compared > 35);
}
