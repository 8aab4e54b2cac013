//! Accounts, entities, credentials and sensors.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Served, Who};

async fn create(hub: &Served, who: &Who, path: &str, body: Value) -> i64 {
    hub.ask(who, "POST", path, body).await.expect(201).json()["id"].as_i64().unwrap()
}

async fn credential(hub: &Served, who: &Who, account: i64, protocol: &str, name: &str) -> i64 {
    let body =
        json!({"name": name, "protocol": protocol, "details": {"snmpv12_community": "s3cret", "port": 161}});
    create(hub, who, &format!("accounts/{account}/credentials"), body).await
}

async fn sensor(hub: &Served, who: &Who, account: i64, protocol: &str, name: &str) -> i64 {
    let body = json!({"name": name, "protocol": protocol, "default_interval": 60, "details": {}});
    create(hub, who, &format!("accounts/{account}/sensors"), body).await
}

#[tokio::test]
async fn an_entity_is_as_it_was_written_until_it_is_deleted() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let account = hub.account();
    let bot = hub.local("snmp").id;
    let credential = credential(&hub, &admin, account, "snmp", "c").await;
    let (one, other) = (
        sensor(&hub, &admin, account, "snmp", "s1").await,
        sensor(&hub, &admin, account, "snmp", "s2").await,
    );
    let entities = format!("accounts/{account}/entities");
    let protocols = json!({"snmp": {"credential": credential, "bot": bot, "sensors": [
        {"sensor": other, "interval": 300}, {"sensor": one, "interval": null},
    ]}});
    let mut entity = json!({
        "name": "My \"first\" device", "entity_type": "device", "parent": null,
        "details": {"ipv4": "1.1.1.1"}, "protocols": protocols,
    });
    let id = create(&hub, &admin, &entities, entity.clone()).await;
    let path = format!("{entities}/{id}");
    entity["id"] = id.into();
    assert_eq!(hub.get(&admin, &path).await.expect(200).json(), entity);
    let list = hub.get(&admin, &entities).await.json();
    assert_eq!(list["list"][1], entity);
    // Numbers may come as texts, as forms write them.
    let texts = json!({"name": "n", "entity_type": "teapot", "details": {}, "protocols": {"snmp": {
        "credential": credential.to_string(), "bot": bot.to_string(), "sensors": [{"sensor": one.to_string()}],
    }}});
    hub.ask(&admin, "PUT", &path, texts).await.expect(204);
    let got = hub.get(&admin, &path).await.json();
    assert_eq!(got["protocols"]["snmp"]["sensors"], json!([{"sensor": one, "interval": null}]));
    assert_eq!(got["entity_type"], "teapot");
    // What is left out is measured no longer.
    hub.ask(&admin, "PUT", &path, r#"{"name":"n","entity_type":"device","details":{}}"#).await.expect(204);
    assert_eq!(hub.get(&admin, &path).await.json()["protocols"], json!({}));
    hub.ask(&admin, "DELETE", &path, "").await.expect(204);
    hub.get(&admin, &path).await.expect(404);
}

#[tokio::test]
async fn an_entity_refers_only_to_what_is_of_its_account_and_protocol() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let account = hub.account();
    let other = create(&hub, &admin, "accounts", json!({"name": "other"})).await;
    let (snmp, ping) = (hub.local("snmp").id, hub.local("ping").id);
    let c = credential(&hub, &admin, account, "snmp", "c").await;
    let s = sensor(&hub, &admin, account, "snmp", "s").await;
    let (c_ping, s_ping) = (
        credential(&hub, &admin, account, "ping", "cp").await,
        sensor(&hub, &admin, account, "ping", "sp").await,
    );
    let (c_other, s_other) =
        (credential(&hub, &admin, other, "snmp", "c").await, sensor(&hub, &admin, other, "snmp", "s").await);
    let b_other = hub.hub.add_bot(other, "b", "snmp").await.unwrap().0;
    let entities = format!("accounts/{account}/entities");
    let entity = |credential: i64, bot: Value, sensors: Value| json!({"name": "x", "entity_type": "device", "details": {}, "protocols": {"snmp": {"credential": credential, "bot": bot, "sensors": sensors}}});
    let id = create(&hub, &admin, &entities, entity(c, snmp.into(), json!([{"sensor": s}]))).await;
    for (wrong, text) in [
        (entity(c_ping, snmp.into(), json!([])), "Invalid credential"),
        (entity(c_other, snmp.into(), json!([])), "Invalid credential"),
        (entity(424_242, snmp.into(), json!([])), "Invalid credential"),
        (entity(c, ping.into(), json!([])), "Invalid bot for this protocol"),
        (entity(c, b_other.into(), json!([])), "Invalid bot for this account"),
        (entity(c, snmp.into(), json!([{"sensor": s_ping}])), "Invalid sensor"),
        (entity(c, snmp.into(), json!([{"sensor": s_other}])), "Invalid sensor"),
        (entity(c, snmp.into(), json!([{"sensor": s}, {"sensor": s}])), "twice"),
        (entity(c, snmp.into(), json!([s])), "not an object"),
        (entity(c, snmp.into(), json!([{"sensor": s, "interval": 0}])), "'interval'"),
        (
            json!({"name": "x", "entity_type": "device", "details": {}, "protocols": {"snmp": {"credential": c, "sensors": []}}}),
            "'bot' is a required property",
        ),
        (json!({"name": "x", "entity_type": "device", "details": []}), "'details' is not an object"),
        (json!({"name": "x", "entity_type": "device", "details": {}, "id": 5}), "'id' was unexpected"),
        (json!([]), "not an object"),
    ] {
        for (method, path) in [("POST", entities.clone()), ("PUT", format!("{entities}/{id}"))] {
            let got = hub.ask(&admin, method, &path, &wrong).await.expect(400);
            assert!(got.text.contains(text), "{wrong}: {}", got.text);
        }
    }
    let orphan = json!({"name": "x", "entity_type": "interface", "parent": 424_242, "details": {}});
    hub.ask(&admin, "POST", &entities, orphan).await.expect(400);
    let foreign = create(
        &hub,
        &admin,
        &format!("accounts/{other}/entities"),
        json!({"name": "x", "entity_type": "device", "details": {}}),
    )
    .await;
    hub.get(&admin, &format!("{entities}/{foreign}")).await.expect(404);
    hub.ask(&admin, "DELETE", &format!("{entities}/{foreign}"), "").await.expect(404);
}

#[tokio::test]
async fn what_is_deleted_leaves_nothing_that_refers_to_it() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let account = hub.account();
    let at = |path: &str| format!("accounts/{account}/{path}");
    let (bot, token) = hub.hub.add_bot(account, "second", "snmp").await.unwrap();
    let c = credential(&hub, &admin, account, "snmp", "c").await;
    let (one, other) = (
        sensor(&hub, &admin, account, "snmp", "s1").await,
        sensor(&hub, &admin, account, "snmp", "s2").await,
    );
    let device = json!({"name": "x", "entity_type": "device", "details": {}, "protocols": {"snmp": {
        "credential": c, "bot": bot, "sensors": [{"sensor": one}, {"sensor": other}],
    }}});
    let id = create(&hub, &admin, &at("entities"), device).await;
    let child = create(
        &hub,
        &admin,
        &at("entities"),
        json!({"name": "eth0", "entity_type": "interface", "parent": id, "details": {}}),
    )
    .await;
    let snmp =
        async || hub.get(&admin, &at(&format!("entities/{id}"))).await.json()["protocols"]["snmp"].clone();
    hub.ask(&admin, "DELETE", &at(&format!("sensors/{one}")), "").await.expect(204);
    assert_eq!(snmp().await["sensors"], json!([{"sensor": other, "interval": null}]));
    hub.ask(&admin, "DELETE", &at(&format!("bots/{bot}")), "").await.expect(204);
    assert_eq!(snmp().await["bot"], Value::Null);
    hub.get(&Who::Bot(token), "profile").await.expect(401);
    hub.ask(&admin, "DELETE", &at(&format!("credentials/{c}")), "").await.expect(204);
    assert_eq!(snmp().await, Value::Null);
    hub.ask(&admin, "DELETE", &at(&format!("entities/{id}")), "").await.expect(204);
    hub.get(&admin, &at(&format!("entities/{child}"))).await.expect(404);

    let grant = json!({"resource_prefix": format!("accounts/{account}"), "methods": ["GET"]});
    let (nora, who) = hub.person("nora", &[grant]).await;
    let ping = hub.bot("ping");
    hub.ask(&ping, "POST", &at("values"), r#"[{"p":"a","v":1}]"#).await.expect(204);
    hub.ask(&admin, "DELETE", &format!("accounts/{account}"), "").await.expect(204);
    hub.get(&ping, "profile").await.expect(401);
    hub.get(&who, &at("entities")).await.expect(403);
    hub.get(&admin, &at("entities")).await.expect(404);
    assert_eq!(hub.get(&admin, &format!("persons/{nora}/permissions")).await.json(), json!({"list": []}));
    assert_eq!(hub.get(&admin, "accounts").await.json(), json!({"list": []}));
    // The number is not given to another one, whose values it would show.
    assert!(create(&hub, &admin, "accounts", json!({"name": "new"})).await > account);
}

#[tokio::test]
async fn credentials_and_sensors_are_created_changed_and_deleted() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let account = hub.account();
    for (kind, extra) in [("credentials", json!({})), ("sensors", json!({"default_interval": 60}))] {
        let path = format!("accounts/{account}/{kind}");
        let mut new =
            json!({"name": "res 1", "protocol": "snmp", "details": {"b": "1", "a": [1, 2.5, null]}});
        new.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let id = create(&hub, &admin, &path, new.clone()).await;
        let one = format!("{path}/{id}");
        hub.ask(&admin, "POST", &path, &new).await.expect(400);
        new["id"] = id.into();
        assert_eq!(hub.get(&admin, &one).await.expect(200).json(), new);
        let listed = hub.get(&admin, &path).await.json()["list"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(listed, new);
        new.as_object_mut().unwrap().remove("id");
        (new["name"], new["protocol"], new["details"]) = (json!("res 2"), json!("wmi"), json!({"c": {}}));
        if kind == "sensors" {
            new["default_interval"] = Value::Null;
        }
        hub.ask(&admin, "PUT", &one, &new).await.expect(204);
        new["id"] = id.into();
        assert_eq!(hub.get(&admin, &one).await.json(), new);
        hub.ask(&admin, "PUT", &one, r#"{"name":"x","protocol":"snmp"}"#).await.expect(400);
        hub.ask(&admin, "DELETE", &one, "").await.expect(204);
        for method in ["GET", "DELETE"] {
            hub.ask(&admin, method, &one, "").await.expect(404);
        }
    }
    let got = hub
        .ask(
            &admin,
            "POST",
            &format!("accounts/{account}/sensors"),
            r#"{"name":"x","protocol":"p","details":{}}"#,
        )
        .await
        .expect(400);
    assert!(got.text.contains("'default_interval' is a required property"));
}

#[tokio::test]
async fn secrets_are_for_the_bot_that_needs_them_and_for_who_may_change_them() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let account = hub.account();
    let at = |path: &str| format!("accounts/{account}/{path}");
    let c = credential(&hub, &admin, account, "snmp", "c").await;
    let reader = json!({"resource_prefix": format!("accounts/{account}"), "methods": ["GET"]});
    let (_, reader) = hub.person("reader", &[reader]).await;
    let path = at(&format!("credentials/{c}"));
    let sees = async |who: &Who| {
        let one = hub.get(who, &path).await.expect(200).json();
        let list = hub.get(who, &at("credentials")).await.json();
        let listed = list["list"].as_array().unwrap().iter().find(|one| one["id"] == c).unwrap();
        assert_eq!(&one, listed);
        assert_eq!(one["details"]["port"], 161);
        let hidden = one["secrets_hidden"] == true;
        assert_eq!(one["details"].get("snmpv12_community").is_none(), hidden);
        !hidden
    };
    let (snmp, ping) = (hub.bot("snmp"), hub.bot("ping"));
    assert!(sees(&admin).await);
    assert!(!sees(&reader).await);
    assert!(!sees(&snmp).await);
    let device = |bot: Value| json!({"name": "x", "entity_type": "device", "details": {}, "protocols": {"snmp": {"credential": c, "bot": bot, "sensors": []}}});
    let id = create(&hub, &admin, &at("entities"), device(hub.local("snmp").id.into())).await;
    assert!(sees(&snmp).await);
    let (_, second) = hub.hub.add_bot(account, "second", "snmp").await.unwrap();
    let second = Who::Bot(second);
    assert!(!sees(&second).await);
    // Assigned to nobody: any bot of the protocol measures it.
    hub.ask(&admin, "PUT", &at(&format!("entities/{id}")), device(Value::Null)).await.expect(204);
    assert!(sees(&second).await);
    assert!(!sees(&ping).await);
    assert!(!sees(&reader).await);
    // Who was not shown it does not have to know it.
    hub.ask(
        &admin,
        "PUT",
        &path,
        r#"{"name":"c","protocol":"snmp","details":{"port":161,"version":"snmpv1"}}"#,
    )
    .await
    .expect(204);
    let got = hub.get(&admin, &path).await.json();
    assert_eq!(got["details"], json!({"port": 161, "version": "snmpv1", "snmpv12_community": "s3cret"}));
}

#[tokio::test]
async fn a_device_that_a_bot_found_is_a_suggestion_until_a_person_takes_it() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let (bot, account) = (hub.bot("netflow"), hub.account());
    let entities = format!("accounts/{account}/entities");
    let found = json!({"name": "192.0.2.1 (NetFlow exporter)", "entity_type": "device", "details": {"ipv4": "192.0.2.1"}});
    let id = create(&hub, &bot, &entities, found.clone()).await;
    let path = format!("{entities}/{id}");
    let suggested = async |flag: &str| {
        hub.get(&admin, &format!("{entities}?suggested={flag}")).await.json()["list"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((suggested("true").await, suggested("false").await), (1, 1));
    assert_eq!(hub.get(&admin, &path).await.json()["suggested_by"], hub.local("netflow").id);
    hub.ask(&bot, "PUT", &path, &found).await.expect(204);
    assert_eq!(suggested("true").await, 1);
    let overview = hub.get(&admin, &format!("accounts/{account}/overview")).await.json();
    assert_eq!(overview["suggested"][0]["id"], id);
    assert_eq!(overview["devices"].as_array().unwrap().len(), 1);
    hub.ask(&admin, "PUT", &path, &found).await.expect(204);
    assert_eq!(suggested("true").await, 0);
    assert_eq!(hub.get(&admin, &path).await.json().get("suggested_by"), None);
}

#[tokio::test]
async fn lists_are_filtered_by_parent_and_type() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let entities = format!("accounts/{}/entities", hub.account());
    let device =
        create(&hub, &admin, &entities, json!({"name": "d", "entity_type": "device", "details": {}})).await;
    for name in ["eth0", "eth1"] {
        create(
            &hub,
            &admin,
            &entities,
            json!({"name": name, "entity_type": "interface", "parent": device, "details": {}}),
        )
        .await;
    }
    let names = async |query: &str| -> Vec<String> {
        let list = hub.get(&admin, &format!("{entities}?{query}")).await.expect(200).json();
        list["list"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&format!("parent={device}")).await, ["eth0", "eth1"]);
    assert_eq!(names(&format!("parent={device}&entity_type=device")).await, [""; 0]);
    assert_eq!(names("entity_type=device").await, ["localhost", "d"]);
    assert_eq!(names("").await, ["localhost", "d", "eth0", "eth1"]);
    hub.get(&admin, &format!("{entities}?parent=x")).await.expect(400);
}

#[tokio::test]
async fn a_list_that_has_not_changed_is_not_sent_again() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let account = hub.account();
    for kind in ["entities", "credentials", "sensors"] {
        let path = format!("accounts/{account}/{kind}");
        let etag = hub.get(&admin, &path).await.expect(200).header("etag").to_owned();
        assert!(!etag.is_empty());
        let again = async |path: &str, who: &Who, etag: &str| {
            hub.send(hub.request("GET", path, who).header("if-none-match", etag)).await
        };
        let got = again(&path, &admin, &etag).await.expect(304);
        assert!(got.text.is_empty() && got.header("etag") == etag);
        // Another question, and where secrets are hidden another person, has another answer.
        if kind == "entities" {
            again(&format!("{path}?entity_type=device"), &admin, &etag).await.expect(200);
        }
        if kind == "credentials" {
            again(&path, &hub.bot("ping"), &etag).await.expect(200);
        }
        let new = match kind {
            "entities" => json!({"name": "n", "entity_type": "device", "details": {}}),
            "credentials" => json!({"name": "n", "protocol": "x", "details": {}}),
            _ => json!({"name": "n", "protocol": "x", "default_interval": null, "details": {}}),
        };
        let id = create(&hub, &admin, &path, new.clone()).await;
        let etag = again(&path, &admin, &etag).await.expect(200).header("etag").to_owned();
        hub.ask(&admin, "PUT", &format!("{path}/{id}"), new).await.expect(204);
        let etag = again(&path, &admin, &etag).await.expect(200).header("etag").to_owned();
        hub.ask(&admin, "DELETE", &format!("{path}/{id}"), "").await.expect(204);
        again(&path, &admin, &etag).await.expect(200);
    }
}

#[tokio::test]
async fn lists_that_are_made_anew_each_time_are_not_sent_again_either() {
    let hub = Served::start().await;
    let (admin, account) = (hub.admin().await, hub.account());
    let lists = [
        "accounts",
        "bots",
        "persons",
        "accounts/A/bots",
        "accounts/A/problems",
        "accounts/A/paths?filter=*",
    ];
    for list in lists.map(|list| list.replace('A', &account.to_string())) {
        let etag = hub.get(&admin, &list).await.expect(200).header("etag").to_owned();
        let again =
            hub.send(hub.request("GET", &list, &admin).header("if-none-match", &etag)).await.expect(304);
        assert!(again.text.is_empty() && again.header("etag") == etag, "{list}");
    }
    let etag = hub.get(&admin, "accounts").await.expect(200).header("etag").to_owned();
    create(&hub, &admin, "accounts", json!({"name": "another"})).await;
    hub.send(hub.request("GET", "accounts", &admin).header("if-none-match", &etag)).await.expect(200);
}

#[tokio::test]
async fn an_account_is_renamed_and_keeps_values_as_long_as_it_says() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let account = hub.account();
    let path = format!("accounts/{account}");
    let got = hub.get(&admin, &path).await.expect(200).json();
    assert_eq!(got, json!({"id": account, "name": "My network", "raw_days": 90}));
    hub.ask(&admin, "PUT", &path, r#"{"name":"asdf123"}"#).await.expect(204);
    hub.ask(&admin, "PUT", &path, r#"{"raw_days":30}"#).await.expect(204);
    assert_eq!(
        hub.get(&admin, &path).await.json(),
        json!({"id": account, "name": "asdf123", "raw_days": 30})
    );
    for wrong in
        [r#"{}"#, r#"{"name":""}"#, r#"{"name":5}"#, r#"{"name":"x","raw_days":0}"#, r#"{"name":"x","y":1}"#]
    {
        hub.ask(&admin, "PUT", &path, wrong).await.expect(400);
    }
    hub.ask(&admin, "PUT", "accounts/424242", r#"{"name":"x"}"#).await.expect(404);
    // Two accounts may have one name.
    create(&hub, &admin, "accounts", json!({"name": "asdf123"})).await;
}

#[tokio::test]
async fn problems_that_a_bot_tells_are_shown_until_it_tells_others() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let (bot, account) = (hub.bot("snmp"), hub.account());
    let other = create(&hub, &admin, "accounts", json!({"name": "other"})).await;
    let problem = |account: i64| json!({"account": account, "entity": 1, "protocol": "snmp", "since": 1.5e9, "error": "no answer"});
    hub.ask(&bot, "PUT", "profile/problems", json!({"list": [problem(account), problem(other)]}))
        .await
        .expect(204);
    let got = hub.get(&admin, &format!("accounts/{account}/problems")).await.expect(200).json();
    let expected = json!({"list": [{"bot": hub.local("snmp").id, "entity": 1, "protocol": "snmp", "since": 1.5e9, "error": "no answer"}]});
    assert_eq!(got, expected);
    // Of an account that it may not see it has nothing to tell.
    assert_eq!(hub.get(&admin, &format!("accounts/{other}/problems")).await.json(), json!({"list": []}));
    let overview = hub.get(&admin, &format!("accounts/{account}/overview")).await.json();
    assert_eq!(overview["devices"][0]["problem"], "snmp: no answer");
    assert_eq!(overview["devices"][0]["state"], "warning");
    hub.ask(&bot, "PUT", "profile/problems", json!({"list": []})).await.expect(204);
    assert_eq!(hub.get(&admin, &format!("accounts/{account}/problems")).await.json(), json!({"list": []}));
    hub.ask(&bot, "PUT", "profile/problems", "[]").await.expect(400);
    hub.ask(&bot, "PUT", "profile/problems", r#"{"list":[{"entity":1}]}"#).await.expect(400);
}

#[tokio::test]
async fn the_overview_shows_what_was_measured_last_also_after_a_restart() {
    let hub = Served::start().await;
    let (bot, account) = (hub.bot("ping"), hub.account());
    let body = json!([
        {"p": "entity.1.ping.success", "v": 1}, {"p": "entity.1.ping.p0.rtt", "v": 0.25},
        {"p": "entity.1.snmp.if.in-octets.2.eth0", "v": 1_000}, {"p": "entity.1.snmp.if.out-octets.2.eth0", "v": 10},
    ]);
    hub.ask(&bot, "POST", &format!("accounts/{account}/values"), body).await.expect(204);
    let check = |overview: Value| {
        let device = &overview["devices"][0];
        device["state"] == "ok"
            && device["address"] == "127.0.0.1"
            && device["ping"]["rtt"] == 0.25
            && device["ping"]["rtts"].as_array().unwrap().iter().any(|one| *one == json!(0.25))
            && device["traffic"]["in"] == 8_000.0
            && device["last_seen"].is_number()
    };
    let overview = hub.get(&bot, &format!("accounts/{account}/overview")).await.expect(200).json();
    assert_eq!(overview["bots"].as_array().unwrap().iter().filter(|bot| bot["online"] == true).count(), 1);
    assert!(check(overview));
    let Served { hub: open, listening, directory, .. } = hub;
    listening.stop().await;
    open.close().await;
    let mut hub = Served::fresh().await;
    hub.hub = grafolean_hub::Hub::open(grafolean_hub::HubOptions::new(directory.path())).await.unwrap();
    hub.listening = hub.hub.listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let admin = hub.admin().await;
    let end = tokio::time::Instant::now() + Duration::from_secs(10);
    while !check(hub.get(&admin, &format!("accounts/{account}/overview")).await.expect(200).json()) {
        assert!(tokio::time::Instant::now() < end, "the overview stays empty");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(directory);
}

#[tokio::test]
async fn a_bot_that_measures_otherwise_sees_other_secrets_in_an_account_that_is_not_its_own() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let account = hub.account();
    let other =
        hub.ask(&admin, "POST", "accounts", r#"{"name":"other"}"#).await.json()["id"].as_i64().unwrap();
    let (id, token) = hub.hub.add_bot(other, "guest", "ping").await.unwrap();
    let grant = json!({"resource_prefix": format!("accounts/{account}"), "methods": ["GET"]});
    hub.ask(&admin, "POST", &format!("bots/{id}/permissions"), grant).await.expect(201);
    let list = hub.get(&admin, &format!("accounts/{account}/credentials")).await.json();
    let snmp = list["list"].as_array().unwrap().iter().find(|one| one["protocol"] == "snmp").unwrap();
    let device = json!({"name": "a", "entity_type": "device", "details": {}, "protocols": {
        "snmp": {"credential": snmp["id"], "bot": null, "sensors": []}}});
    hub.ask(&admin, "POST", &format!("accounts/{account}/entities"), device).await.expect(201);
    let (guest, path) = (Who::Bot(token), format!("accounts/{account}/credentials"));
    let hidden = hub.get(&guest, &path).await.expect(200);
    assert!(!hidden.text.contains("snmpv12_community"), "{}", hidden.text);
    let change = r#"{"name":"guest","protocol":"snmp"}"#;
    hub.ask(&admin, "PUT", &format!("accounts/{other}/bots/{id}"), change).await.expect(204);
    let again = hub.request("GET", &path, &guest).header("if-none-match", hidden.header("etag"));
    let shown = hub.send(again).await.expect(200);
    assert!(shown.text.contains("snmpv12_community"), "{}", shown.text);
}

#[tokio::test]
async fn a_bot_does_not_assign_itself_a_credential_to_read_its_secrets() {
    let hub = Served::start().await;
    let (admin, account) = (hub.admin().await, hub.account());
    let secret = credential(&hub, &admin, account, "snmp", "core routers").await;
    let seen = credential(&hub, &admin, account, "snmp", "access switches").await;
    // This one may write entities, for it finds interfaces.
    let (bot, id) = (hub.bot("snmp"), hub.local("snmp").id);
    let (other, _) = hub.hub.add_bot(account, "another", "snmp").await.unwrap();
    let measured = |credential: i64, bot: i64| {
        json!({"name": "a", "entity_type": "device", "details": {}, "protocols": {
            "snmp": {"credential": credential, "bot": bot, "sensors": []}}})
    };
    let entities = format!("accounts/{account}/entities");
    let core = create(&hub, &admin, &entities, measured(secret, other)).await;
    let access = create(&hub, &admin, &entities, measured(seen, id)).await;
    hub.ask(&bot, "POST", &entities, measured(secret, id)).await.expect(403);
    hub.ask(&bot, "PUT", &format!("{entities}/{access}"), measured(secret, id)).await.expect(403);
    let got = hub.ask(&bot, "PUT", &format!("{entities}/{core}"), measured(secret, id)).await.expect(403);
    assert!(got.text.contains("cannot assign credential"), "{}", got.text);
    let got = hub.get(&bot, &format!("accounts/{account}/credentials/{secret}")).await.expect(200).json();
    assert_eq!(got["details"], json!({"port": 161}));
    let mut to_any = measured(secret, id);
    to_any["protocols"]["snmp"]["bot"] = Value::Null;
    hub.ask(&bot, "POST", &entities, to_any).await.expect(403);
    // What it sees it may assign, and what stays as it is it may send.
    hub.ask(&bot, "POST", &entities, measured(seen, id)).await.expect(201);
    hub.ask(&bot, "PUT", &format!("{entities}/{core}"), measured(secret, other)).await.expect(204);
    let got = hub.get(&bot, &format!("accounts/{account}/credentials/{secret}")).await.expect(200).json();
    assert_eq!(got["details"], json!({"port": 161}));
}
