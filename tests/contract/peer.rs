//! A backend to talk to, and a way to talk to it that hides nothing.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use grafolean_hub::{FirstStart, Hub, HubOptions, Listening};
use grafoleancollector::testing::FakeBackend;
use grafoleancollector::{Clock as _, SystemClock};
use reqwest::Method;
use serde_json::Value;

/// Whose ways a backend has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The original, and what imitates it.
    Original,
    Hub,
}

/// A backend, and a bot that may do there what bots do.
pub(crate) struct Peer {
    pub(crate) kind: Kind,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) account: u64,
    /// What it offers beyond the original.
    pub(crate) features: Vec<String>,
    /// Whether nothing else has ever used it.
    pub(crate) is_fresh: bool,
    client: reqwest::Client,
    held: Held,
}

/// What has to live as long as the backend.
enum Held {
    Fake { _backend: Box<FakeBackend> },
    Hub { hub: Hub, listening: Listening, _dir: tempfile::TempDir },
    Elsewhere,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It has this status.
    #[track_caller]
    pub(crate) fn with(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// A refusal in the words of the original.
    #[track_caller]
    pub(crate) fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap_or_else(|| panic!("no detail: {self:?}")).to_owned()
    }
}

pub(crate) async fn fake() -> Option<Peer> {
    let backend = FakeBackend::start().await;
    backend.offer_changes();
    backend.offer_problems();
    backend.add_account("First account");
    let (url, token) = (backend.url(), backend.token().to_owned());
    // It imitates the original, whatever it offers beyond that.
    Some(Peer {
        kind: Kind::Original,
        ..peer(url, token, Held::Fake { _backend: Box::new(backend) }, true).await
    })
}

pub(crate) async fn hub() -> Option<Peer> {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::open(HubOptions::new(dir.path())).await.unwrap();
    let started = hub.first_start(&FirstStart::default()).await.unwrap();
    let listening = hub.listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let url = format!("{}/api", listening.url());
    // The one that may write entities as well.
    let token = started.bots.iter().find(|bot| bot.protocol == "snmp").unwrap().token.clone();
    Some(peer(url, token, Held::Hub { hub, listening, _dir: dir }, true).await)
}

/// The one that somebody named, if somebody did.
pub(crate) async fn given() -> Option<Peer> {
    #[allow(clippy::disallowed_methods, reason = "a test has no settings to look this up in")]
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some(url) = variable("CONTRACT_URL") else {
        eprintln!("skipped: CONTRACT_URL names no backend");
        return None;
    };
    let token = variable("CONTRACT_TOKEN").expect("CONTRACT_TOKEN: the token of a bot at CONTRACT_URL");
    Some(peer(url.trim_end_matches('/').to_owned(), token, Held::Elsewhere, false).await)
}

async fn peer(url: String, token: String, held: Held, is_fresh: bool) -> Peer {
    // One that is there already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().build().unwrap();
    let mut peer =
        Peer { kind: Kind::Original, url, token, account: 0, features: Vec::new(), is_fresh, client, held };
    let status = peer.get("status/info").await.json();
    let features = status["features"].as_array().cloned().unwrap_or_default();
    peer.features = features.iter().filter_map(|one| Some(one.as_str()?.to_owned())).collect();
    if !peer.features.is_empty() {
        peer.kind = Kind::Hub;
    }
    let accounts = peer.get("accounts").await.with(200).json();
    peer.account = accounts["list"][0]["id"].as_u64().expect("the bot sees an account");
    peer
}

impl Peer {
    /// Asks as the bot.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: impl Into<String>) -> Answer {
        self.ask_as(&self.token, method, path, body).await
    }

    pub(crate) async fn ask_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: impl Into<String>,
    ) -> Answer {
        let joint = if path.contains('?') { '&' } else { '?' };
        let url = format!("{}/{path}{joint}b={token}", self.url);
        let request = self.client.request(method, url).header("content-type", "application/json");
        let answer = request.body(body.into()).send().await.unwrap();
        Answer { status: answer.status().as_u16(), text: answer.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, "").await
    }

    /// Asks below the account.
    pub(crate) async fn in_account(&self, method: Method, path: &str, body: impl Into<String>) -> Answer {
        self.ask(method, &format!("accounts/{}/{path}", self.account), body).await
    }

    /// The records of a list of the account.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let list = self.in_account(Method::GET, path, "").await.with(200).json();
        list["list"].as_array().cloned().unwrap_or_else(|| panic!("no list: {list}"))
    }

    /// The values at a path, times and numbers, oldest first; nothing where there is no such path.
    pub(crate) async fn values(&self, path: &str) -> Vec<(f64, f64)> {
        // A path's own percent signs are escaped once more on their way.
        let url = format!("values/{}?t0=0&t1=4000000000&sort=asc", path.replace('%', "%25"));
        let answer = self.in_account(Method::GET, &url, "").await.with(200).json();
        let data = answer["paths"][path]["data"].as_array().cloned().unwrap_or_default();
        let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("no number: {value}"));
        data.iter().map(|point| (number(&point["t"]), number(&point["v"]))).collect()
    }

    /// A path that nobody has used, on a backend that others use too.
    pub(crate) fn new_path(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let now = SystemClock.now().as_micros();
        format!("contract.{}-{now}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed))
    }

    pub(crate) fn offers(&self, feature: &str) -> bool {
        self.features.iter().any(|offered| offered == feature)
    }

    /// The scenario is over.
    pub(crate) async fn leave(self) {
        match self.held {
            Held::Fake { .. } | Held::Elsewhere => {}
            Held::Hub { hub, listening, _dir } => {
                drop(self.client);
                listening.stop().await;
                hub.close().await;
            }
        }
    }
}
