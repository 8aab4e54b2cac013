//! Who may do what: every route, asked by everybody.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{Served, Who};

/// In the order of the marks in [`EXPECTED`].
const ROLES: [&str; 7] = [
    "nobody",
    "a person without rights",
    "a reader of the account",
    "the administrator",
    "a bot of another account",
    "the account's ping bot",
    "a bot of the whole system, for all accounts",
];

/// Routes below an account by who may: `+` may, `-` may not.
const READ: &str = "--++-++";
const WRITE: &str = "---+--+";
const ADMIN: &str = "---+---";
const ANY_USER: &str = "-++++++";
const PUBLIC: &str = "+++++++";

#[rustfmt::skip]
const EXPECTED: &[(&str, &str, &str)] = &[
    ("GET", "status/info", PUBLIC),
    ("GET", "openapi.json", PUBLIC),
    ("POST", "admin/migratedb", PUBLIC),
    ("POST", "admin/first", PUBLIC),
    ("POST", "auth/login", PUBLIC),
    ("POST", "auth/refresh", PUBLIC),
    ("GET", "profile", ANY_USER),
    ("GET", "profile/permissions", ANY_USER),
    ("PUT", "profile/problems", "----+++"),
    ("GET", "changes", ANY_USER),
    ("GET", "admin/accounts", ADMIN),
    ("POST", "admin/accounts", ADMIN),
    ("GET", "accounts", ANY_USER),
    ("POST", "accounts", WRITE),
    ("GET", "accounts/{account}", READ),
    ("PUT", "accounts/{account}", WRITE),
    ("GET", "accounts/{account}/overview", READ),
    ("GET", "accounts/{account}/problems", READ),
    ("GET", "accounts/{account}/bots", READ),
    ("POST", "accounts/{account}/bots", WRITE),
    ("GET", "accounts/{account}/bots/{bot}", READ),
    ("PUT", "accounts/{account}/bots/{bot}", WRITE),
    ("DELETE", "accounts/{account}/bots/{bot}", WRITE),
    ("GET", "accounts/{account}/bots/{bot}/token", READ),
    ("POST", "accounts/{account}/bots/{bot}/token", WRITE),
    ("GET", "accounts/{account}/bots/{bot}/permissions", READ),
    ("POST", "accounts/{account}/bots/{bot}/permissions", WRITE),
    ("DELETE", "accounts/{account}/bots/{bot}/permissions/{permission}", WRITE),
    ("GET", "accounts/{account}/entities", READ),
    ("POST", "accounts/{account}/entities", WRITE),
    ("GET", "accounts/{account}/entities/{entity}", READ),
    ("PUT", "accounts/{account}/entities/{entity}", WRITE),
    ("DELETE", "accounts/{account}/entities/{entity}", WRITE),
    ("GET", "accounts/{account}/credentials", READ),
    ("POST", "accounts/{account}/credentials", WRITE),
    ("GET", "accounts/{account}/credentials/{credential}", READ),
    ("PUT", "accounts/{account}/credentials/{credential}", WRITE),
    ("DELETE", "accounts/{account}/credentials/{credential}", WRITE),
    ("GET", "accounts/{account}/sensors", READ),
    ("POST", "accounts/{account}/sensors", WRITE),
    ("GET", "accounts/{account}/sensors/{sensor}", READ),
    ("PUT", "accounts/{account}/sensors/{sensor}", WRITE),
    ("DELETE", "accounts/{account}/sensors/{sensor}", WRITE),
    // The ping bot stores values; everything else it only reads.
    ("PUT", "accounts/{account}/values", "---+-++"),
    ("POST", "accounts/{account}/values", "---+-++"),
    ("GET", "accounts/{account}/values/{path}", READ),
    // Questions, though they are asked by POST.
    ("POST", "accounts/{account}/getvalues", READ),
    ("POST", "accounts/{account}/getaggrvalues", READ),
    ("GET", "accounts/{account}/topvalues", READ),
    ("GET", "accounts/{account}/last", READ),
    ("GET", "accounts/{account}/paths", READ),
    ("GET", "accounts/{account}/paths/{path}", READ),
    ("PUT", "accounts/{account}/paths/{path}", WRITE),
    ("DELETE", "accounts/{account}/paths/{path}", WRITE),
    ("GET", "bots", ANY_USER),
    ("POST", "bots", ADMIN),
    ("GET", "bots/{bot}", ADMIN),
    ("PUT", "bots/{bot}", ADMIN),
    ("DELETE", "bots/{bot}", ADMIN),
    ("GET", "bots/{bot}/token", ADMIN),
    ("POST", "bots/{bot}/token", ADMIN),
    ("GET", "bots/{user}/permissions", ADMIN),
    ("POST", "bots/{user}/permissions", ADMIN),
    ("DELETE", "bots/{user}/permissions/{permission}", ADMIN),
    ("GET", "persons", ADMIN),
    ("POST", "persons", ADMIN),
    ("GET", "persons/{user}", ADMIN),
    ("PUT", "persons/{user}", ADMIN),
    ("DELETE", "persons/{user}", ADMIN),
    ("POST", "persons/{user}/password", ADMIN),
    ("GET", "persons/{user}/permissions", ADMIN),
    ("POST", "persons/{user}/permissions", ADMIN),
    ("DELETE", "persons/{user}/permissions/{permission}", ADMIN),
    ("GET", "users/{user}", ADMIN),
    ("GET", "users/{user}/permissions", ADMIN),
    ("POST", "users/{user}/permissions", ADMIN),
    ("DELETE", "users/{user}/permissions/{permission}", ADMIN),
    // These end what the others need.
    ("DELETE", "accounts/{account}", WRITE),
    ("POST", "auth/logout", ANY_USER),
];

#[tokio::test]
async fn every_route_is_expected_and_nothing_else() {
    let hub = Served::start().await;
    let document = hub.get(&Who::Nobody, "openapi.json").await.expect(200).json();
    let mut there = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            there.insert((method.to_uppercase(), path.trim_start_matches("/api/").to_owned()));
        }
    }
    let expected: BTreeSet<_> =
        EXPECTED.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(there, expected);
}

#[tokio::test]
async fn everybody_may_what_the_table_says() {
    for (role, name) in ROLES.into_iter().enumerate() {
        // A hub of its own, for some of these requests delete what others ask for.
        let hub = Served::start().await;
        let admin = hub.admin().await;
        let account = hub.account();
        let other = hub.ask(&admin, "POST", "accounts", r#"{"name":"other"}"#).await.expect(201).json();
        let reader = json!({"resource_prefix": format!("accounts/{account}"), "methods": ["GET"]});
        let who = match role {
            0 => Who::Nobody,
            1 => hub.person("nora", &[]).await.1,
            2 => hub.person("rita", &[reader]).await.1,
            3 => admin.clone(),
            4 => Who::Bot(hub.hub.add_bot(other["id"].as_i64().unwrap(), "other", "ping").await.unwrap().1),
            5 => hub.bot("ping"),
            _ => {
                let bot = hub
                    .ask(&admin, "POST", "bots", r#"{"name":"all","protocol":"ping"}"#)
                    .await
                    .expect(201)
                    .json();
                let grant = json!({"resource_prefix": "accounts", "methods": null});
                hub.ask(&admin, "POST", &format!("bots/{}/permissions", bot["id"]), grant).await.expect(201);
                Who::Bot(bot["token"].as_str().unwrap().to_owned())
            }
        };
        for (method, pattern, marks) in EXPECTED {
            let path = pattern.replace("{account}", &account.to_string()).replace("{path}", "424242");
            let path: Vec<_> =
                path.split('/').map(|part| if part.starts_with('{') { "424242" } else { part }).collect();
            let response = hub.request(method, &path.join("/"), &who).send().await.unwrap();
            let status = response.status().as_u16();
            // What goes on for ever is not waited for.
            let text = if *pattern == "changes" && status == 200 {
                String::new()
            } else {
                response.text().await.unwrap()
            };
            let refused = (status == 401 && text == "Access denied")
                || (status == 403 && text == "Access to resource denied, insufficient permissions");
            let may = marks.as_bytes()[role] == b'+';
            assert_eq!(!refused, may, "{name}: {method} {pattern} -> {status} {text}");
            if refused {
                assert_eq!(status, if role == 0 { 401 } else { 403 }, "{name}: {method} {pattern}");
            }
            assert_ne!(status, 500, "{name}: {method} {pattern} -> {text}");
        }
        hub.stop().await;
    }
}

#[tokio::test]
async fn a_person_sees_and_changes_themself_and_nobody_else() {
    let hub = Served::start().await;
    let (id, who) = hub.person("nora", &[]).await;
    let (other, _) = hub.person("otto", &[]).await;
    hub.get(&who, &format!("persons/{id}")).await.expect(200);
    hub.get(&who, &format!("persons/{other}")).await.expect(403);
    hub.ask(&who, "PUT", &format!("persons/{id}"), r#"{"name":"Nora"}"#).await.expect(204);
    hub.ask(&who, "PUT", &format!("persons/{other}"), r#"{"name":"Nora"}"#).await.expect(403);
    hub.ask(&who, "DELETE", &format!("persons/{id}"), "").await.expect(403);
    hub.get(&who, &format!("persons/{id}/permissions")).await.expect(403);
    // A bot whose id is the same number is somebody else.
    hub.get(&hub.bot("ping"), &format!("persons/{}", hub.local("ping").id)).await.expect(403);
}

#[tokio::test]
async fn what_there_is_not_is_told_to_who_may_only() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    for path in ["nothing", "accounts/x", "accounts/1/nothing", "accounts//1", ""] {
        hub.get(&Who::Nobody, path).await.expect(401);
        hub.get(&hub.bot("ping"), &format!("persons/{path}")).await.expect(403);
        let got = hub.get(&admin, path).await.expect(404);
        assert_eq!(got.text, r#"{"detail":"Not Found"}"#, "{path}");
    }
    let got = hub.ask(&admin, "PATCH", "accounts", "").await.expect(405);
    assert_eq!(got.header("allow"), "GET, POST");
    hub.ask(&Who::Nobody, "PATCH", "accounts", "").await.expect(401);
    for path in ["accounts/424242/entities", "accounts/424242", "accounts/424242/overview"] {
        let got = hub.get(&admin, path).await.expect(404);
        assert_eq!(got.text, r#"{"detail":"No such account"}"#);
    }
    // A number that is written otherwise is the same account, for permissions too.
    hub.get(&hub.bot("ping"), &format!("accounts/00{}", hub.account())).await.expect(200);
}
