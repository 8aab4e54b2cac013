//! `grafolean` on a new machine: an empty directory, free ports, and what it prints.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// What a test waits for comes within this even on a slow machine; it is the end of a test, never a measure.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
pub(crate) const PASSWORD: &str = "correct horse battery";

/// The program, running.
pub(crate) struct Grafolean {
    child: Child,
    said: Arc<Mutex<String>>,
    directory: tempfile::TempDir,
}

impl Grafolean {
    /// With these arguments, at free ports.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), arguments)
    }

    /// The same where there was one before.
    pub(crate) fn start_in(directory: tempfile::TempDir, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_grafolean"));
        command.args(arguments).args(["--listen", "127.0.0.1:0", "--data-dir"]);
        command.arg(directory.path().join("data"));
        if arguments.is_empty() {
            command.args(["--netflow-listen", "127.0.0.1:0"]);
        }
        let mut child = command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::<Mutex<String>>::default();
        listen(child.stdout.take().unwrap(), &said);
        listen(child.stderr.take().unwrap(), &said);
        Self { child, said, directory }
    }

    /// All that it has printed so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// The one-time link, as it is printed.
    pub(crate) async fn setup_link(&self) -> String {
        let began = Instant::now();
        loop {
            let said = self.said();
            let link =
                said.split_whitespace().find(|word| word.starts_with("http") && word.contains("/#/setup/"));
            if let Some(link) = link {
                return link.to_owned();
            }
            assert!(began.elapsed() < LIMIT, "no link:\n{said}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The page's address.
    pub(crate) async fn address(&self) -> String {
        let link = self.setup_link().await;
        link.split_once("/#").unwrap().0.to_owned()
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }
}

impl Drop for Grafolean {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = kill(pid, Signal::SIGTERM);
        for _ in 0..200 {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(pipe: impl Read + Send + 'static, said: &Arc<Mutex<String>>) {
    let said = said.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut said = said.lock().unwrap();
            said.push_str(&line);
            said.push('\n');
        }
    });
}

/// The API, as a person uses it without the page.
pub(crate) struct Person {
    client: reqwest::Client,
    api: String,
    authorization: String,
}

impl Person {
    /// The first person, by the link that is printed.
    pub(crate) async fn first(grafolean: &Grafolean) -> Self {
        let link = grafolean.setup_link().await;
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

/// Says that a test is not run, and fails where all of them have to run.
pub(crate) fn skip(test: &str, why: &str) {
    #[allow(clippy::disallowed_methods, reason = "a test has no settings to look this up in")]
    let ci = std::env::var_os("CI").is_some();
    assert!(!ci, "{test}: {why}");
    eprintln!("skipped: {test}: {why}");
}

/// For requests to this machine.
pub(crate) fn client() -> reqwest::Client {
    // It fails where another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(LIMIT).build().unwrap()
}
