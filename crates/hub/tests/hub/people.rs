//! People, bots, tokens, and what they are granted.

use serde_json::{Value, json};

use crate::support::{PASSWORD, Served, Who};

#[tokio::test]
async fn people_are_created_changed_and_deleted() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let new = json!({"name": "Person 1", "username": "person1", "email": "test@example.org", "password": "hello hello"});
    let id = hub.ask(&admin, "POST", "persons", &new).await.expect(201).json()["id"].clone();
    let got = hub.ask(&admin, "POST", "persons", &new).await.expect(400);
    assert!(got.text.contains("username exists"), "{}", got.text);
    let path = format!("persons/{id}");
    let mut expected = json!({
        "user_id": id, "name": "Person 1", "username": "person1", "email": "test@example.org",
        "timezone": "UTC", "email_confirmed": true,
    });
    assert_eq!(hub.get(&admin, "persons").await.json()["list"][1], expected);
    expected["permissions"] = json!([]);
    assert_eq!(hub.get(&admin, &path).await.expect(200).json(), expected);
    let change = json!({"name": "Person 1 - altered", "username": "person1b", "email": "test2@example.org"});
    hub.ask(&admin, "PUT", &path, &change).await.expect(204);
    let got = hub.get(&admin, &path).await.json();
    assert_eq!((&got["username"], &got["email"]), (&json!("person1b"), &json!("test2@example.org")));
    hub.ask(&admin, "PUT", &path, r#"{"username":"admin"}"#).await.expect(400);
    hub.ask(&admin, "PUT", &path, r#"{"password":"x"}"#).await.expect(400);
    hub.ask(&admin, "DELETE", &path, "").await.expect(204);
    for method in ["GET", "DELETE"] {
        hub.ask(&admin, method, &path, "").await.expect(404);
    }
    hub.ask(&admin, "PUT", &path, &change).await.expect(404);
    let me = hub.get(&admin, "profile").await.json()["user_id"].clone();
    let got = hub.ask(&admin, "DELETE", &format!("persons/{me}"), "").await.expect(403);
    assert!(got.text.contains("Can't delete yourself"));
    for (key, wrong) in [
        ("email", json!("nobody")),
        ("name", json!("")),
        ("password", json!("short")),
        ("username", json!(5)),
    ] {
        let mut new = new.clone();
        new[key] = wrong;
        hub.ask(&admin, "POST", "persons", &new).await.expect(400);
    }
}

#[tokio::test]
async fn nobody_grants_what_they_do_not_have_or_to_themself() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let me = hub.get(&admin, "profile").await.json()["user_id"].clone();
    let grant = json!({"resource_prefix": "accounts/123/", "methods": ["GET", "POST"]});
    let got = hub.ask(&admin, "POST", &format!("persons/{me}/permissions"), &grant).await.expect(403);
    assert!(got.text.contains("to yourself"));
    let (nora, who) = hub
        .person(
            "nora",
            &[
                json!({"resource_prefix": "accounts/123", "methods": ["GET", "POST"]}),
                json!({"resource_prefix": "persons", "methods": null}),
            ],
        )
        .await;
    let (otto, _) = hub.person("otto", &[]).await;
    let path = format!("persons/{otto}/permissions");
    for (prefix, methods) in [
        (json!(null), json!(["GET"])),
        (json!("accounts"), json!(["GET"])),
        (json!("accounts/1234"), json!(["GET"])),
        (json!("accounts/123"), json!(null)),
        (json!("accounts/123"), json!(["GET", "PUT"])),
    ] {
        let got = hub
            .ask(&who, "POST", &path, json!({"resource_prefix": prefix, "methods": methods}))
            .await
            .expect(403);
        assert_eq!(got.text, r#"{"detail":"Can't grant permission you don't have"}"#);
    }
    let id = hub
        .ask(&who, "POST", &path, json!({"resource_prefix": "accounts/123/values", "methods": ["GET"]}))
        .await
        .expect(201)
        .json()["id"]
        .clone();
    let list = hub.get(&who, &path).await.json();
    assert_eq!(
        list["list"],
        json!([{"id": id, "resource_prefix": "accounts/123/values", "methods": ["GET"]}])
    );
    // Nor does anybody take what they do not have, or their own.
    let own = hub.get(&admin, &format!("persons/{nora}/permissions")).await.json()["list"][0]["id"].clone();
    hub.ask(&who, "DELETE", &format!("persons/{nora}/permissions/{own}"), "").await.expect(403);
    let all = hub.get(&admin, &format!("persons/{me}/permissions")).await.json()["list"][0]["id"].clone();
    hub.ask(&who, "DELETE", &format!("persons/{me}/permissions/{all}"), "").await.expect(403);
    hub.ask(&who, "DELETE", &format!("{path}/{id}"), "").await.expect(204);
    hub.ask(&who, "DELETE", &format!("{path}/{id}"), "").await.expect(403);
    for wrong in [
        json!({"resource_prefix": null}),
        json!({"resource_prefix": null, "methods": []}),
        json!({"resource_prefix": null, "methods": ["GET", "GET"]}),
        json!({"resource_prefix": null, "methods": ["PATCH"]}),
        json!({"resource_prefix": 5, "methods": null}),
        json!({"resource_prefix": null, "methods": null, "x": 1}),
    ] {
        hub.ask(&admin, "POST", &path, wrong).await.expect(400);
    }
    hub.ask(&admin, "POST", "persons/424242/permissions", &grant).await.expect(404);
    // A bot is no person.
    hub.get(&admin, &format!("persons/{}/permissions", hub.local("ping").id)).await.expect(404);
    hub.get(&admin, &format!("users/{}/permissions", hub.local("ping").id)).await.expect(200);
}

#[tokio::test]
async fn another_persons_password_is_set_by_who_may_all_that_they_may() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let (nora, _) = hub.person("nora", &[]).await;
    let (_, manager) = hub.person("manager", &[json!({"resource_prefix": "persons", "methods": null})]).await;
    let new = json!({"new_password": "given to her"});
    hub.ask(&manager, "POST", &format!("persons/{nora}/password"), &new).await.expect(204);
    hub.login("nora", "given to her").await;
    let me = hub.get(&admin, "profile").await.json()["user_id"].clone();
    hub.ask(&manager, "POST", &format!("persons/{me}/password"), &new).await.expect(403);
    hub.login("admin", PASSWORD).await;
}

#[tokio::test]
async fn bots_of_the_whole_system_are_kept_apart_from_those_of_accounts() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let account = hub.account();
    let created = hub.ask(&admin, "POST", "bots", r#"{"name":"Bot 1"}"#).await.expect(201).json();
    let id = created["id"].clone();
    assert_eq!(created["token"].as_str().unwrap().len(), 36);
    let listed = hub.get(&admin, "bots").await.expect(200).json()["list"][0].clone();
    let expected = json!({
        "id": id, "tied_to_account": null, "name": "Bot 1", "protocol": null,
        "insert_time": listed["insert_time"], "last_login": null,
    });
    assert_eq!(listed, expected);
    let path = format!("bots/{id}");
    let mut expected = expected;
    expected["config"] = Value::Null;
    assert_eq!(hub.get(&admin, &path).await.json(), expected);
    hub.ask(&admin, "PUT", &path, r#"{"name":"Bot 1 - altered","protocol":"ping"}"#).await.expect(204);
    assert_eq!(hub.get(&admin, &path).await.json()["name"], "Bot 1 - altered");
    hub.ask(&admin, "PUT", &path, r#"{"name":"x","config":"{}"}"#).await.expect(400);

    let of_account = format!("accounts/{account}/bots");
    let ping = hub.local("ping").id;
    for (path, status) in [
        (format!("{of_account}/{id}"), 404),
        (format!("bots/{ping}"), 404),
        (format!("{of_account}/{ping}"), 200),
    ] {
        hub.get(&admin, &path).await.expect(status);
    }
    hub.ask(&admin, "DELETE", &format!("bots/{ping}"), "").await.expect(404);
    let update = json!({"name": "renamed", "protocol": "ping", "config": "{\"a\": 123}"});
    hub.ask(&admin, "PUT", &format!("{of_account}/{ping}"), &update).await.expect(204);
    assert_eq!(hub.get(&admin, &format!("{of_account}/{ping}")).await.json()["config"], json!({"a": 123}));
    hub.ask(&admin, "PUT", &format!("{of_account}/{ping}"), r#"{"name":"x","config":"{"}"#).await.expect(400);

    hub.ask(&admin, "DELETE", &path, "").await.expect(204);
    hub.get(&admin, &path).await.expect(404);
    assert_eq!(hub.get(&admin, "bots").await.json(), json!({"list": []}));
}

#[tokio::test]
async fn a_token_is_shown_once_and_a_new_one_ends_it() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let bot = hub.ask(&admin, "POST", "bots", r#"{"name":"b"}"#).await.expect(201).json();
    let old = Who::Bot(bot["token"].as_str().unwrap().to_owned());
    let path = format!("bots/{}/token", bot["id"]);
    hub.get(&old, "profile").await.expect(200);
    let got = hub.get(&admin, &path).await.expect(410);
    assert!(got.text.contains("POST here makes a new one"));
    let new = hub.ask(&admin, "POST", &path, "").await.expect(200).json();
    hub.get(&old, "profile").await.expect(401);
    hub.get(&Who::Bot(new["token"].as_str().unwrap().to_owned()), "profile").await.expect(200);
    hub.ask(&admin, "POST", "bots/424242/token", "").await.expect(404);
}

#[tokio::test]
async fn nobody_gets_the_token_of_a_bot_that_may_more_than_they() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let account = hub.account();
    let grant = json!({"resource_prefix": format!("accounts/{account}"), "methods": null});
    let (_, owner) = hub.person("owner", &[grant]).await;
    let bot = hub
        .ask(&owner, "POST", &format!("accounts/{account}/bots"), r#"{"name":"b"}"#)
        .await
        .expect(201)
        .json();
    let path = format!("accounts/{account}/bots/{}/token", bot["id"]);
    hub.ask(&owner, "POST", &path, "").await.expect(200);
    let more = json!({"resource_prefix": "persons", "methods": ["GET"]});
    hub.ask(&admin, "POST", &format!("accounts/{account}/bots/{}/permissions", bot["id"]), more)
        .await
        .expect(201);
    let got = hub.ask(&owner, "POST", &path, "").await.expect(403);
    assert!(got.text.contains("Not enough permissions"), "{}", got.text);
    let reader = json!({"resource_prefix": format!("accounts/{account}"), "methods": ["GET"]});
    let (_, reader) = hub.person("reader", &[reader]).await;
    hub.get(&reader, &path).await.expect(403);
}

#[tokio::test]
async fn a_bot_is_granted_by_its_account_and_uses_that_at_once() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let account = hub.account();
    let bots = format!("accounts/{account}/bots");
    let bot = hub.ask(&admin, "POST", &bots, r#"{"name":"b","protocol":"x"}"#).await.expect(201).json();
    let who = Who::Bot(bot["token"].as_str().unwrap().to_owned());
    let values = format!("accounts/{account}/values");
    hub.ask(&who, "POST", &values, r#"[{"p":"a","v":1}]"#).await.expect(403);
    let permissions = format!("{bots}/{}/permissions", bot["id"]);
    let grant = json!({"resource_prefix": format!("{values}/"), "methods": ["POST"]});
    let granted = hub.ask(&admin, "POST", &permissions, grant).await.expect(201).json();
    assert_eq!((&granted["user_id"], &granted["resource_prefix"]), (&bot["id"], &json!(values)));
    hub.ask(&who, "POST", &values, r#"[{"p":"a","v":1}]"#).await.expect(204);
    hub.ask(&who, "PUT", &values, r#"[{"p":"a","v":1,"t":1}]"#).await.expect(403);
    hub.get(&who, &format!("{values}/a")).await.expect(403);
    hub.ask(&admin, "DELETE", &format!("{permissions}/{}", granted["id"]), "").await.expect(204);
    hub.ask(&who, "POST", &values, r#"[{"p":"a","v":1}]"#).await.expect(403);
    hub.ask(&admin, "DELETE", &format!("{permissions}/{}", granted["id"]), "").await.expect(404);
}

#[tokio::test]
async fn everybody_sees_the_accounts_that_they_may_see() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let ids = async |who: &Who| -> Vec<i64> {
        let list = hub.get(who, "accounts").await.expect(200).json()["list"].clone();
        list.as_array().unwrap().iter().map(|one| one["id"].as_i64().unwrap()).collect()
    };
    let (nora, who) = hub.person("nora", &[]).await;
    assert_eq!(ids(&who).await, [0; 0]);
    let other =
        hub.ask(&admin, "POST", "admin/accounts", r#"{"name":"Another"}"#).await.expect(201).json()["id"]
            .as_i64()
            .unwrap();
    // By name.
    assert_eq!(ids(&admin).await, [other, hub.account()]);
    let grant = json!({"resource_prefix": format!("accounts/{other}/values"), "methods": ["GET"]});
    hub.ask(&admin, "POST", &format!("persons/{nora}/permissions"), grant).await.expect(201);
    assert_eq!(ids(&who).await, [other]);
}

#[tokio::test]
async fn who_manages_people_does_not_lock_out_who_may_more() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let me = hub.get(&admin, "profile").await.json()["user_id"].clone();
    let manages = json!({"resource_prefix": "persons", "methods": null});
    let (id, manager) = hub.person("mona", &[manages]).await;
    let (nora, _) = hub.person("nora", &[]).await;
    hub.ask(&manager, "PUT", &format!("persons/{me}"), r#"{"username":"nobody"}"#).await.expect(403);
    hub.ask(&manager, "DELETE", &format!("persons/{me}"), "").await.expect(403);
    hub.ask(&manager, "PUT", &format!("persons/{id}"), r#"{"name":"Mona"}"#).await.expect(204);
    hub.ask(&manager, "PUT", &format!("persons/{nora}"), r#"{"name":"Nora"}"#).await.expect(204);
    hub.ask(&manager, "DELETE", &format!("persons/{nora}"), "").await.expect(204);
    hub.ask(&manager, "DELETE", "persons/424242", "").await.expect(404);
    hub.get(&admin, "profile").await.expect(200);
}
