//! A headless Chromium, by the WebDriver protocol that `chromedriver` speaks.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::person::client;
use crate::program::{LIMIT, skip};

/// How the protocol calls a reference to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub(crate) struct Browser {
    driver: Child,
    client: reqwest::Client,
    session: String,
    _profile: tempfile::TempDir,
}

/// An element of the page.
pub(crate) struct Element(String);

impl Browser {
    /// A window of this size. None where there is no browser, which is said, and an error under CI.
    pub(crate) async fn start(test: &str, width: u32, height: u32) -> Option<Self> {
        let driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn();
        let Ok(mut driver) = driver else {
            skip(test, "it needs chromium and chromedriver (scripts/install-peers)");
            return None;
        };
        let output = BufReader::new(driver.stdout.take().unwrap());
        let mut lines = output.lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let port = port.expect("chromedriver says its port");
        // It must not be stopped by a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let client = client();
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let url = format!("http://127.0.0.1:{port}/session");
        let answer: Value = serde_json::from_str(
            &client.post(&url).body(capabilities.to_string()).send().await.unwrap().text().await.unwrap(),
        )
        .unwrap();
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {answer}"));
        let session = format!("{url}/{id}");
        Some(Self { driver, client, session, _profile: profile })
    }

    async fn post(&self, command: &str, body: Value) -> Result<Value, String> {
        let url = format!("{}/{command}", self.session);
        let answer = self.client.post(url).body(body.to_string()).send().await.map_err(|e| e.to_string())?;
        let is_good = answer.status().is_success();
        let answer: Value = serde_json::from_str(&answer.text().await.map_err(|e| e.to_string())?)
            .map_err(|e| e.to_string())?;
        if is_good { Ok(answer["value"].clone()) } else { Err(answer["value"]["message"].to_string()) }
    }

    pub(crate) async fn open(&self, url: &str) {
        self.post("url", json!({ "url": url })).await.unwrap();
    }

    /// What a piece of JavaScript, `return …`, gives.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", json!({"script": script, "args": []})).await.unwrap()
    }

    /// The first element of this XPath that is shown, as soon as there is one.
    pub(crate) async fn find(&self, xpath: &str) -> Element {
        let began = Instant::now();
        loop {
            if let Some(element) = self.shown(xpath).await {
                return element;
            }
            if began.elapsed() > LIMIT {
                let page = self.run("return document.body.innerText").await;
                let log = self.console().await;
                panic!("there is no {xpath} on the page:\n{}\n{log:?}", page.as_str().unwrap_or_default());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The first element of this XPath that is shown now.
    pub(crate) async fn shown(&self, xpath: &str) -> Option<Element> {
        let found = self.post("elements", json!({"using": "xpath", "value": xpath})).await.ok()?;
        for element in found.as_array()? {
            let id = element[ELEMENT].as_str()?;
            let url = format!("{}/element/{id}/displayed", self.session);
            let answer = self.client.get(url).send().await.ok()?.text().await.ok()?;
            if serde_json::from_str::<Value>(&answer).ok()?["value"] == true {
                return Some(Element(id.to_owned()));
            }
        }
        None
    }

    /// Waits for an element and clicks it. Pages are made anew now and then, so that it may have gone meanwhile.
    pub(crate) async fn click(&self, xpath: &str) {
        self.insist(xpath, "click", json!({})).await;
    }

    /// Waits for a field, and puts this into it instead of what it holds.
    pub(crate) async fn fill(&self, xpath: &str, text: &str) {
        self.insist(xpath, "clear", json!({})).await;
        self.insist(xpath, "value", json!({ "text": text })).await;
    }

    async fn insist(&self, xpath: &str, act: &str, body: Value) {
        let began = Instant::now();
        loop {
            let Element(id) = self.find(xpath).await;
            match self.post(&format!("element/{id}/{act}"), body.clone()).await {
                Ok(_) => return,
                Err(error) => assert!(began.elapsed() < LIMIT, "{act} {xpath}: {error}"),
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the page shows this text.
    pub(crate) async fn see(&self, text: &str) {
        let began = Instant::now();
        loop {
            let page = self.run("return document.body.innerText").await;
            let page = page.as_str().unwrap_or_default();
            if page.contains(text) {
                return;
            }
            assert!(
                began.elapsed() < LIMIT,
                "the page does not say {text:?}:\n{page}\n{:?}",
                self.console().await
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a piece of JavaScript gives true.
    pub(crate) async fn until(&self, script: &str) {
        let began = Instant::now();
        while self.run(script).await != true {
            assert!(began.elapsed() < LIMIT, "never true: {script}\n{:?}", self.console().await);
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Errors that the page made, since this was asked last: exceptions, and what its own policy forbids.
    pub(crate) async fn console(&self) -> Vec<String> {
        let log = self.post("se/log", json!({"type": "browser"})).await.unwrap_or_default();
        let entries = log.as_array().into_iter().flatten().filter(|entry| entry["level"] == "SEVERE");
        let messages = entries.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned());
        // The browser notes every such answer; the page asks in this way whether somebody is logged in.
        messages.filter(|message| !message.contains("status of 401")).collect()
    }
}

/// The button that says this.
pub(crate) fn button(says: &str) -> String {
    format!("//button[normalize-space()='{says}']")
}

/// The field with this label.
pub(crate) fn field(label: &str) -> String {
    format!("//*[@id = //label[normalize-space()='{label}']/@for]")
}

/// What is in the dialog that is open.
pub(crate) fn in_dialog(xpath: &str) -> String {
    format!("//dialog[@open]{xpath}")
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser when it is asked to; a killed one would leave it behind.
        let (_, rest) = self.session.split_once("://").unwrap_or_default();
        let (host, path) = rest.split_once('/').unwrap_or_default();
        if let Ok(mut stream) = TcpStream::connect(host) {
            let _ = stream.set_read_timeout(Some(LIMIT));
            let _ = write!(stream, "DELETE /{path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
            // The answer begins when the browser has ended.
            let _ = stream.read(&mut [0; 1]);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
