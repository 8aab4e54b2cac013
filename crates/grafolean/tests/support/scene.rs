//! A data directory, and what runs in it.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::program::{Program, Running, bot};

/// A data directory of a test's own.
pub(crate) struct Scene {
    _parent: tempfile::TempDir,
    pub(crate) dir: PathBuf,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        Self { _parent: parent, dir }
    }

    /// `grafolean` with these arguments, for this directory.
    pub(crate) fn grafolean(&self, arguments: &[&str]) -> Program {
        let dir = self.dir.to_str().unwrap();
        bot(&[&["--data-dir", dir], arguments].concat()).env("HOME", "/nowhere")
    }

    /// All of it, at free ports.
    pub(crate) fn everything(&self) -> Program {
        self.grafolean(&["--listen", "127.0.0.1:0", "--netflow-listen", "127.0.0.1:0"])
    }

    pub(crate) fn token(&self, protocol: &str) -> String {
        let file = self.dir.join("tokens").join(format!("{protocol}-bot.token"));
        fs::read_to_string(file).unwrap_or_default().trim().to_owned()
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let file = self.dir.parent().unwrap().join(name);
        fs::write(&file, content).unwrap();
        file.to_str().unwrap().to_owned()
    }
}

/// Where the page is, once that is said.
pub(crate) fn url(running: &Running) -> String {
    let mut url = None;
    running.until("the address", || {
        let text = running.stdout();
        url = text
            .lines()
            .find_map(|line| Some(line.split_once(" is at ")?.1.to_owned()))
            .filter(|_| text.contains("Ctrl-C"));
        url.is_some()
    });
    url.unwrap()
}

/// The link for the first login, if one was shown.
pub(crate) fn setup_link(running: &Running) -> Option<String> {
    url(running);
    let text = running.stdout();
    text.split_whitespace().find(|word| word.contains("/#/setup/")).map(str::to_owned)
}

/// Asks the API; the status and what was answered.
pub(crate) fn ask(method: reqwest::Method, url: &str, body: Option<&Value>) -> (u16, Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // One that is there already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    runtime.block_on(async {
        let client =
            reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build().unwrap();
        let mut request = client.request(method, url);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let Ok(answer) = request.send().await else { return (0, Value::Null) };
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap_or_default()).unwrap_or_default())
    })
}

pub(crate) fn get(url: &str) -> Value {
    ask(reqwest::Method::GET, url, None).1
}

/// The newest values of the first account, as a bot of this directory sees them.
pub(crate) fn last_values(scene: &Scene, url: &str, filter: &str) -> Vec<Value> {
    let token = scene.token("ping");
    let list = get(&format!("{url}/api/accounts/1/last?f={filter}&b={token}"));
    list["list"].as_array().cloned().unwrap_or_default()
}

/// Whether nobody but the owner may use a file.
pub(crate) fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode().trailing_zeros() >= 6
}
