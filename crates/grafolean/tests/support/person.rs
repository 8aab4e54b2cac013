//! The API, as people use it without the page.
#![allow(dead_code, reason = "each test uses a part of it")]

use reqwest::Method;
use serde_json::{Value, json};

use crate::program::{LIMIT, Running};
use crate::scene::setup_link;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// Somebody who is logged in.
pub(crate) struct Person {
    client: reqwest::Client,
    api: String,
    authorization: String,
}

impl Person {
    /// The first person, by the link that is printed.
    pub(crate) async fn first(running: &Running) -> Self {
        let link = setup_link(running).unwrap();
        let (address, token) = link.split_once("/#/setup/").unwrap();
        let client = client();
        let first = json!({"name": "Admin", "username": "admin", "email": "admin@example.org",
            "password": PASSWORD, "setup": token});
        let made =
            client.post(format!("{address}/api/admin/first")).header("content-type", "application/json");
        let answer = made.body(first.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
        Self::log_in(address, "admin", PASSWORD).await
    }

    /// The only account that there is.
    pub(crate) async fn account(&self) -> u64 {
        let accounts = self.ask(Method::GET, "/accounts", Value::Null).await;
        accounts["list"][0]["id"].as_u64().unwrap()
    }

    pub(crate) async fn log_in(address: &str, username: &str, password: &str) -> Self {
        let client = client();
        let api = format!("{address}/api");
        let body = json!({"username": username, "password": password}).to_string();
        let login = client.post(format!("{api}/auth/login")).header("content-type", "application/json");
        let answer = login.body(body).send().await.unwrap();
        let authorization = answer.headers()["x-jwt-token"].to_str().unwrap().to_owned();
        Self { client, api, authorization }
    }

    /// The answer to a request that must go well.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self.client.request(method, format!("{}{path}", self.api));
        let request = request.header("authorization", &self.authorization);
        let request = if body.is_null() {
            request
        } else {
            request.header("content-type", "application/json").body(body.to_string())
        };
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

/// For requests to this machine.
pub(crate) fn client() -> reqwest::Client {
    // It fails where another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(LIMIT).build().unwrap()
}
