//! Changes as they happen.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Served, Who};

/// Somebody who listens.
struct Listener {
    response: reqwest::Response,
    text: String,
}

impl Listener {
    async fn start(hub: &Served, who: &Who, query: &str) -> Self {
        let response = hub.request("GET", &format!("changes?{query}"), who).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut listener = Self { response, text: String::new() };
        assert_eq!(listener.next().await, Some(("hello".to_owned(), json!({}))));
        listener
    }

    /// The next event; none when the connection has ended.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if event.starts_with(':') {
                    continue;
                }
                let (name, data) = event.split_once('\n').unwrap();
                let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
                return Some((name.strip_prefix("event: ").unwrap().to_owned(), data));
            }
            let chunk =
                timeout(Duration::from_secs(20), self.response.chunk()).await.expect("no event in time");
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }

    async fn changed(&mut self) -> (String, Value) {
        let (name, data) = self.next().await.unwrap();
        assert_eq!(name, "changed", "{data}");
        (data["topic"].as_str().unwrap().to_owned(), data["id"].clone())
    }
}

#[tokio::test]
async fn who_listens_hears_what_changes_and_only_what_they_may_see() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let account = hub.account();
    let other = hub.ask(&admin, "POST", "accounts", r#"{"name":"other"}"#).await.json()["id"].clone();
    let bot = hub.bot("ping");
    hub.get(&bot, "profile").await.expect(200);
    let mut all = Listener::start(&hub, &admin, "").await;
    let mut of_account = Listener::start(&hub, &bot, "").await;
    let mut entities =
        Listener::start(&hub, &admin, &format!("topics=accounts/{account}/entities,persons")).await;
    let device = json!({"name": "x", "entity_type": "device", "details": {}});
    hub.ask(&admin, "POST", &format!("accounts/{other}/entities"), &device).await.expect(201);
    let sensor = json!({"name": "x", "protocol": "p", "default_interval": null, "details": {}});
    hub.ask(&admin, "POST", &format!("accounts/{account}/sensors"), &sensor).await.expect(201);
    let id = hub
        .ask(&admin, "POST", &format!("accounts/{account}/entities"), &device)
        .await
        .expect(201)
        .json()["id"]
        .clone();
    let topic = |account: &dyn std::fmt::Display, kind: &str| format!("accounts/{account}/{kind}");
    assert_eq!(all.changed().await.0, topic(&other, "entities"));
    assert_eq!(all.changed().await.0, topic(&account, "sensors"));
    assert_eq!(all.changed().await, (topic(&account, "entities"), id.clone()));
    assert_eq!(of_account.changed().await.0, topic(&account, "sensors"));
    assert_eq!(of_account.changed().await, (topic(&account, "entities"), id.clone()));
    assert_eq!(entities.changed().await, (topic(&account, "entities"), id));
}

#[tokio::test]
async fn values_are_told_together_to_who_asked_for_them() {
    let hub = Served::start().await;
    let (bot, account) = (hub.bot("ping"), hub.account());
    let mut listener =
        Listener::start(&hub, &bot, &format!("topics=none&account={account}&values=a.*,b")).await;
    let put = async |body: &str| {
        hub.ask(&bot, "PUT", &format!("accounts/{account}/values"), body).await.expect(204)
    };
    put(r#"[{"p":"a.x","v":1,"t":1700000000.5},{"p":"c","v":2,"t":1700000000}]"#).await;
    put(r#"[{"p":"b","v":3,"t":1700000001}]"#).await;
    let (name, data) = listener.next().await.unwrap();
    assert_eq!(name, "values");
    let mut values = data["values"].as_array().unwrap().clone();
    if values.len() == 1 {
        values.extend(listener.next().await.unwrap().1["values"].as_array().unwrap().clone());
    }
    assert_eq!(data["account"], account);
    assert_eq!(
        values,
        [
            json!({"p": "a.x", "t": 1_700_000_000.5, "v": 1.0}),
            json!({"p": "b", "t": 1_700_000_001.0, "v": 3.0})
        ]
    );
    for wrong in ["values=a", "values=a..b&account=1", "account=x&values=a"] {
        hub.get(&bot, &format!("changes?{wrong}")).await.expect(400);
    }
    let admin = hub.admin().await;
    let other = hub.ask(&admin, "POST", "accounts", r#"{"name":"other"}"#).await.json()["id"].clone();
    hub.get(&bot, &format!("changes?values=a&account={other}")).await.expect(403);
}

#[tokio::test]
async fn who_may_no_longer_hears_no_more() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let account = hub.account();
    let grant = json!({"resource_prefix": format!("accounts/{account}"), "methods": ["GET"]});
    let (nora, who) = hub.person("nora", &[grant]).await;
    let mut bot = Listener::start(&hub, &hub.bot("ping"), "").await;
    let mut listener = Listener::start(&hub, &who, "").await;
    let id = hub.get(&admin, &format!("persons/{nora}/permissions")).await.json()["list"][0]["id"].clone();
    hub.ask(&admin, "DELETE", &format!("persons/{nora}/permissions/{id}"), "").await.expect(204);
    assert_eq!(listener.changed().await, ("profile".to_owned(), json!(nora)));
    let sensor = json!({"name": "x", "protocol": "p", "default_interval": null, "details": {}});
    hub.ask(&admin, "POST", &format!("accounts/{account}/sensors"), &sensor).await.expect(201);
    hub.hub.remove_user("nora").await.unwrap();
    assert_eq!(listener.next().await, None);
    // A token that was replaced is as good as none.
    while bot.changed().await.0 != format!("accounts/{account}/sensors") {}
    hub.hub.new_bot_token(hub.local("ping").id).await.unwrap();
    hub.ask(&admin, "DELETE", &format!("accounts/{account}/sensors/1"), "").await.expect(204);
    assert_eq!(bot.next().await, None);
}

#[tokio::test]
async fn who_is_too_slow_is_told_so_and_the_hub_does_not_wait() {
    let hub = Served::start().await;
    let (bot, account) = (hub.bot("ping"), hub.account());
    let mut listener = Listener::start(&hub, &bot, &format!("account={account}&values=*")).await;
    // A history that is filled in is more than a page shows.
    let values: Vec<_> = (0..12_000).map(|i| json!({"p": "a", "v": 1, "t": 1_500_000_000 + i})).collect();
    hub.ask(&bot, "PUT", &format!("accounts/{account}/values"), json!(values)).await.expect(204);
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != "lost") {
        names.push(listener.next().await.unwrap().0);
    }
}

#[tokio::test]
async fn listeners_are_let_go_when_the_hub_stops() {
    let hub = Served::start().await;
    let mut listener = Listener::start(&hub, &hub.bot("ping"), "").await;
    let stopping = tokio::spawn(hub.stop());
    while listener.next().await.is_some() {}
    timeout(Duration::from_secs(8), stopping).await.expect("the hub stops in time").unwrap();
}

#[tokio::test]
async fn a_bot_that_comes_is_told() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let mut listener = Listener::start(&hub, &admin, "").await;
    hub.get(&hub.bot("snmp"), "profile").await.expect(200);
    let expected = (format!("accounts/{}/bots", hub.account()), json!(hub.local("snmp").id));
    assert_eq!(listener.changed().await, expected);
}
