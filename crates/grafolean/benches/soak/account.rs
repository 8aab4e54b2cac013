//! What a person sets up: the devices, what is measured of them, and the bots.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bots::PROTOCOLS;
use crate::devices::Devices;
use crate::hub::Hub;

/// Requests at one time.
const AT_ONCE: usize = 16;
const PASSWORD: &str = "a long enough passphrase";

pub(crate) struct Account {
    client: reqwest::Client,
    api: String,
    /// It ends after a while.
    authorization: RefCell<String>,
    id: u64,
    bots: Vec<(&'static str, u64, String)>,
}

impl Account {
    /// The first person, an account, and a bot for each protocol.
    pub(crate) async fn create(hub: &Hub) -> Self {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().expect("a client");
        let api = format!("http://{}/api", hub.address());
        let first = json!({"name": "Admin", "username": "admin", "email": "admin@example.org",
            "password": PASSWORD, "setup": hub.setup_token()});
        let answer = client
            .post(format!("{api}/admin/first"))
            .header("content-type", "application/json")
            .body(first.to_string())
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap_or_default());
        let mut account = Self { client, api, authorization: RefCell::default(), id: 0, bots: Vec::new() };
        let made = account.ask(Method::POST, "/accounts", json!({"name": "Soak"})).await;
        account.id = made["id"].as_u64().expect("an id");
        for protocol in PROTOCOLS {
            let bot = json!({"name": format!("{protocol} bot"), "protocol": protocol});
            let bot = account.within(Method::POST, "/bots", bot).await;
            let (id, token) = (bot["id"].as_u64().expect("an id"), bot["token"].as_str().expect("a token"));
            let granted = json!({"resource_prefix": format!("accounts/{}", account.id), "methods": null});
            account.within(Method::POST, &format!("/bots/{id}/permissions"), granted).await;
            account.bots.push((protocol, id, token.to_owned()));
        }
        account
    }

    /// An entity for each device. All are pinged and asked by SNMP; routers send flows as well.
    pub(crate) async fn configure(&self, devices: &Devices) {
        let credential = json!({"name": "simulated", "protocol": "snmp", "details":
            {"version": "snmpv2c", "snmpv12_community": "public", "port": devices.snmp_port(), "accept_any_source": true}});
        let snmp_credential = self.within(Method::POST, "/credentials", credential).await["id"].clone();
        let sensor = json!({"name": "uptime", "protocol": "snmp", "default_interval": 60, "details":
            {"oids": [{"oid": "1.3.6.1.2.1.1.3.0", "fetch_method": "get"}], "expression": "$1", "output_path": "uptime"}});
        let snmp_sensor = self.within(Method::POST, "/sensors", sensor).await["id"].clone();
        let protocol = |credential: Value, sensor: Value, bot: &str| json!({"credential": credential, "bot": self.bot(bot), "sensors": [{"sensor": sensor, "interval": null}]});
        let (ping, flows) = (self.defaults("ping").await, self.defaults("netflow").await);
        let all: Vec<Value> = (0..devices.count())
            .map(|n| {
                let mut protocols = json!({
                    "ping": protocol(ping.0.clone(), ping.1.clone(), "ping"),
                    "snmp": protocol(snmp_credential.clone(), snmp_sensor.clone(), "snmp"),
                });
                if devices.is_router(n) {
                    protocols["netflow"] = protocol(flows.0.clone(), flows.1.clone(), "netflow");
                }
                json!({"name": format!("device {n}"), "entity_type": "device", "parent": null,
                    "details": {"ipv4": devices.address(n).to_string()}, "protocols": protocols})
            })
            .collect();
        stream::iter(all)
            .map(|entity| self.within(Method::POST, "/entities", entity))
            .buffer_unordered(AT_ONCE)
            .for_each(|_| async {})
            .await;
    }

    /// No entity has a protocol any more.
    pub(crate) async fn measure_no_more(&self) {
        let listed = self.within(Method::GET, "/entities", Value::Null).await;
        let all = listed["list"].as_array().expect("a list").clone();
        let devices = all.into_iter().filter(|entity| entity["entity_type"] == "device");
        stream::iter(devices)
            .map(|entity| async move {
                let changed = json!({"name": entity["name"], "entity_type": "device",
                    "details": entity["details"], "protocols": {}});
                self.within(Method::PUT, &format!("/entities/{}", entity["id"]), changed).await
            })
            .buffer_unordered(AT_ONCE)
            .for_each(|_| async {})
            .await;
    }

    /// The number of a protocol's bot.
    fn bot(&self, protocol: &str) -> u64 {
        self.bots.iter().find(|bot| bot.0 == protocol).expect("a bot").1
    }

    pub(crate) fn token(&self, protocol: &str) -> &str {
        &self.bots.iter().find(|bot| bot.0 == protocol).expect("a bot").2
    }

    /// The credential and the sensor that each account begins with.
    async fn defaults(&self, protocol: &str) -> (Value, Value) {
        let mut found = Vec::new();
        for list in ["/credentials", "/sensors"] {
            let listed = self.within(Method::GET, list, Value::Null).await;
            let of = listed["list"].as_array().expect("a list").iter().find(|r| r["protocol"] == protocol);
            found.push(of.expect("a default")["id"].clone());
        }
        (found[0].clone(), found[1].clone())
    }

    /// A request below the account.
    pub(crate) async fn within(&self, method: Method, path: &str, body: Value) -> Value {
        self.ask(method, &format!("/accounts/{}{path}", self.id), body).await
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        let mut answer = self.try_to_ask(method.clone(), path, &body).await;
        if answer.status() == 401 {
            self.log_in().await;
            answer = self.try_to_ask(method, path, &body).await;
        }
        let (status, text) = (answer.status(), answer.text().await.expect("the rest of it"));
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    async fn try_to_ask(&self, method: Method, path: &str, body: &Value) -> reqwest::Response {
        let request = self.client.request(method, format!("{}{path}", self.api));
        let request = request.header("authorization", self.authorization.borrow().clone());
        let request = if body.is_null() {
            request
        } else {
            request.header("content-type", "application/json").body(body.to_string())
        };
        request.send().await.expect("an answer")
    }

    async fn log_in(&self) {
        let login = json!({"username": "admin", "password": PASSWORD}).to_string();
        let request = self.client.post(format!("{}/auth/login", self.api));
        let answer = request.header("content-type", "application/json").body(login).send().await;
        let answer = answer.expect("an answer");
        self.authorization.replace(answer.headers()["x-jwt-token"].to_str().expect("a token").to_owned());
    }
}
