//! A client that sees what a decent one hides: broken answers and raw bodies.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use grafoleancollector::testing::FakeBackend;
use serde_json::Value;

/// What came back on a connection of its own.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &'_ str| line.to_lowercase().starts_with(&format!("{name}:"));
        self.head.lines().find(|line| named(line)).and_then(|line| line.split_once(": ")).map(|(_, v)| v)
    }
}

pub(crate) fn address(backend: &FakeBackend) -> String {
    backend.url().trim_start_matches("http://").trim_end_matches("/api").to_owned()
}

pub(crate) fn connect(backend: &FakeBackend) -> TcpStream {
    let stream = TcpStream::connect(address(backend)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends a request to a raw target, without any token but that in it; `None` without an answer.
pub(crate) fn raw(
    backend: &FakeBackend,
    method: &str,
    target: &str,
    more: &str,
    body: &str,
) -> Option<Reply> {
    let mut stream = connect(backend);
    let length = body.len();
    let head = format!("{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}");
    write!(stream, "{head}content-length: {length}\r\n\r\n{body}").unwrap();
    let mut all = Vec::new();
    // A reset after the answer is no concern of these tests.
    let _ = stream.read_to_end(&mut all);
    let end = all.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Reply { status, head, body: all[end + 4..].to_vec() })
}

/// Sends a request with a token.
pub(crate) fn with_token(
    backend: &FakeBackend,
    token: &str,
    method: &str,
    path: &str,
    body: &str,
) -> Option<Reply> {
    let joint = if path.contains('?') { '&' } else { '?' };
    raw(backend, method, &format!("/api{path}{joint}b={token}"), "", body)
}

/// Sends a request with the default token and expects an answer.
pub(crate) fn ask(backend: &FakeBackend, method: &str, path: &str, body: &str) -> Reply {
    with_token(backend, backend.token(), method, path, body).unwrap()
}

pub(crate) fn get(backend: &FakeBackend, path: &str) -> Reply {
    ask(backend, "GET", path, "")
}
