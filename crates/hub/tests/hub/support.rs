//! A hub on a port of its own, and somebody who asks it.

use std::sync::Once;

use grafolean_hub::{FirstStart, Hub, HubOptions, Listening, LocalBot, NewUser, Started};
use reqwest::{Client, Method, header::HeaderMap};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A hub with a first account, its bots, and an administrator.
pub(crate) struct Served {
    pub(crate) hub: Hub,
    pub(crate) listening: Listening,
    pub(crate) started: Started,
    pub(crate) directory: TempDir,
    client: Client,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    Nobody,
    Bot(String),
    /// The whole header.
    Bearer(String),
}

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Got {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status must be this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

pub(crate) fn client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::builder().no_proxy().build().unwrap()
}

impl Served {
    /// Without an administrator.
    pub(crate) async fn fresh() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let hub = Hub::open(HubOptions::new(directory.path())).await.unwrap();
        let started = hub.first_start(&FirstStart::default()).await.unwrap();
        let listening = hub.listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
        Self { hub, listening, started, directory, client: client() }
    }

    pub(crate) async fn start() -> Self {
        let served = Self::fresh().await;
        served.hub.add_user(NewUser::new("admin", PASSWORD).admin()).await.unwrap();
        served
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/api/{path}", self.listening.url())
    }

    pub(crate) fn account(&self) -> i64 {
        self.started.account.unwrap()
    }

    pub(crate) fn local(&self, protocol: &str) -> &LocalBot {
        self.started.bots.iter().find(|bot| bot.protocol == protocol).unwrap()
    }

    pub(crate) fn bot(&self, protocol: &str) -> Who {
        Who::Bot(self.local(protocol).token.clone())
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Got {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Got { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) fn request(&self, method: &str, path: &str, who: &Who) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut url = self.url(path);
        if let Who::Bot(token) = who {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&format!("b={token}"));
        }
        let request = self.client.request(method, url);
        match who {
            Who::Bearer(header) => request.header("authorization", header),
            _ => request,
        }
    }

    pub(crate) async fn ask(&self, who: &Who, method: &str, path: &str, body: impl ToString) -> Got {
        let body = body.to_string();
        let mut request = self.request(method, path, who);
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body);
        }
        self.send(request).await
    }

    pub(crate) async fn get(&self, who: &Who, path: &str) -> Got {
        self.ask(who, "GET", path, "").await
    }

    pub(crate) async fn login(&self, username: &str, password: &str) -> Who {
        let body = serde_json::json!({"username": username, "password": password});
        let got = self.ask(&Who::Nobody, "POST", "auth/login", body).await.expect(200);
        Who::Bearer(got.header("x-jwt-token").to_owned())
    }

    pub(crate) async fn admin(&self) -> Who {
        self.login("admin", PASSWORD).await
    }

    /// A person of this name, with these permissions.
    pub(crate) async fn person(&self, username: &str, permissions: &[Value]) -> (i64, Who) {
        let id = self.hub.add_user(NewUser::new(username, PASSWORD)).await.unwrap();
        let admin = self.admin().await;
        for permission in permissions {
            self.ask(&admin, "POST", &format!("persons/{id}/permissions"), permission).await.expect(201);
        }
        (id, self.login(username, PASSWORD).await)
    }

    pub(crate) async fn stop(self) {
        self.listening.stop().await;
        self.hub.close().await;
    }
}
