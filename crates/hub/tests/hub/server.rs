//! Connections, limits, headers, TLS.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use grafolean_hub::{Hub, HubError, HubOptions, TlsFiles};
use serde_json::json;

use crate::support::{Served, Who, client};

#[tokio::test]
async fn the_page_is_served_with_a_strict_policy_and_kept_by_the_browser() {
    let hub = Served::start().await;
    let page = |etag: &str| client().get(hub.listening.url()).header("if-none-match", etag.to_owned());
    let got = hub.send(page("x")).await.expect(200);
    assert!(got.header("content-type").starts_with("text/html"));
    assert!(got.header("content-security-policy").starts_with("default-src 'none'; script-src 'self'"));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(got.header(name), value);
    }
    hub.send(page(got.header("etag"))).await.expect(304);
    hub.send(client().get(format!("{}/nothing", hub.listening.url()))).await.expect(404);
    hub.send(client().get(format!("{}/..%2f..%2fCargo.toml", hub.listening.url()))).await.expect(404);
    let got = hub.get(&Who::Nobody, "status/info").await;
    assert_eq!((got.header("x-content-type-options"), got.header("cache-control")), ("nosniff", "no-store"));
}

#[tokio::test]
async fn the_head_of_everything_that_can_be_read_is_told() {
    let hub = Served::start().await;
    let bot = hub.bot("ping");
    let whole = hub.get(&bot, "profile").await.expect(200);
    let head = hub.ask(&bot, "HEAD", "profile", "").await.expect(200);
    assert_eq!(
        (head.text.as_str(), head.header("content-length")),
        ("", whole.text.len().to_string().as_str())
    );
    hub.ask(&bot, "HEAD", "persons", "").await.expect(403);
}

#[tokio::test]
async fn large_answers_are_compressed_for_who_takes_it() {
    let hub = Served::start().await;
    // One that shows what came as it came.
    let plain = reqwest::Client::builder().no_proxy().no_gzip().build().unwrap();
    let ask = |coding: &str| plain.get(hub.url("openapi.json")).header("accept-encoding", coding.to_owned());
    let bytes = ask("gzip").send().await.unwrap();
    let headers = bytes.headers();
    assert_eq!(
        (&headers["content-encoding"], &headers["vary"]),
        (&"gzip".parse().unwrap(), &"Accept-Encoding".parse().unwrap())
    );
    let packed = bytes.bytes().await.unwrap();
    let whole = hub.send(ask("identity")).await.expect(200);
    assert_eq!(whole.header("content-encoding"), "");
    assert!(whole.text.len() > 10_000 && packed.len() < 10_000, "{} {}", whole.text.len(), packed.len());
    // What is small is sent as it is.
    let small = plain.get(hub.url("status/info")).header("accept-encoding", "gzip");
    assert_eq!(hub.send(small).await.header("content-encoding"), "");
}

/// Sends bytes and reads until the other side closes.
fn raw(hub: &Served, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(hub.listening.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut got = Vec::new();
    let mut buffer = [0; 4_096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        got.extend_from_slice(&buffer[..count]);
        if got.ends_with(b"}") {
            break;
        }
    }
    String::from_utf8_lossy(&got).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_large_is_refused_before_it_is_sent() {
    let hub = Served::start().await;
    let token = &hub.local("ping").token;
    let account = hub.account();
    let head = format!(
        "PUT /api/accounts/{account}/values?b={token} HTTP/1.1\r\nhost: x\r\ncontent-length: 16777217\r\n\r\n"
    );
    let got = raw(&hub, head.as_bytes());
    assert!(got.starts_with("HTTP/1.1 413"), "{got}");
    assert!(got.contains("larger than 16777216 bytes"), "{got}");
    // Nobody makes us read much by asking for something small.
    let head = "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 2000000\r\n\r\n";
    assert!(raw(&hub, head.as_bytes()).starts_with("HTTP/1.1 413"));
    // Nor does who may not.
    let head =
        format!("PUT /api/accounts/{account}/values HTTP/1.1\r\nhost: x\r\ncontent-length: 16000000\r\n\r\n");
    assert!(raw(&hub, format!("{head}x").as_bytes()).starts_with("HTTP/1.1 401"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_in_pieces_is_cut_off_at_the_limit_and_a_compressed_one_not_taken() {
    let hub = Served::start().await;
    let bot = hub.bot("ping");
    let path = format!("accounts/{}/values", hub.account());
    let got = hub.send(hub.request("PUT", &path, &bot).header("content-encoding", "gzip").body("x")).await;
    assert_eq!(got.status, 415);
    let piece = vec![b' '; 1 << 20];
    let body = reqwest::Body::from([&b"["[..], &piece.repeat(17)].concat());
    let got = hub.request("PUT", &path, &bot).header("transfer-encoding", "chunked").body(body).send().await;
    // The answer may be lost when the client is still sending; it must not be taken, in any case.
    if let Ok(got) = got {
        assert_eq!(got.status(), 413);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http_does_no_harm() {
    let hub = Served::start().await;
    for bytes in [
        &b"\x16\x03\x01\x00\xa5\x01\x00"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n",
    ] {
        let got = raw(&hub, bytes);
        assert!(got.is_empty() || got.starts_with("HTTP/1.1 400"), "{got}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(100_000));
    let got = raw(&hub, long.as_bytes());
    assert!(got.starts_with("HTTP/1.1 4") || got.is_empty(), "{got}");
    hub.get(&Who::Nobody, "status/info").await.expect(200);
}

#[tokio::test]
async fn a_port_in_use_and_a_directory_in_use_are_told_in_one_line() {
    let hub = Served::start().await;
    let error = hub.hub.listen(hub.listening.address(), None).await.unwrap_err().to_string();
    assert!(error.contains("another program has this port") && error.lines().count() == 1, "{error}");
    let error = Hub::open(HubOptions::new(hub.directory.path())).await.unwrap_err();
    assert!(matches!(error, HubError::Open(_)));
    assert!(error.to_string().contains("in use by another process"), "{error}");
}

#[tokio::test]
async fn missing_tls_files_are_named() {
    let hub = Served::start().await;
    let files = TlsFiles { certificate: "/nowhere/cert.pem".into(), key: "/nowhere/key.pem".into() };
    let error = hub.hub.listen("127.0.0.1:0".parse().unwrap(), Some(&files)).await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/cert.pem"), "{error}");
}

#[tokio::test]
async fn a_hub_answers_over_tls_and_its_cookies_stay_there() {
    let hub = Served::start().await;
    let directory = tempfile::tempdir().unwrap();
    let files =
        TlsFiles { certificate: directory.path().join("cert.pem"), key: directory.path().join("key.pem") };
    std::fs::write(&files.certificate, include_str!("tls/cert.pem")).unwrap();
    std::fs::write(&files.key, include_str!("tls/key.pem")).unwrap();
    let listening = hub.hub.listen("127.0.0.1:0".parse().unwrap(), Some(&files)).await.unwrap();
    assert!(listening.url().starts_with("https://127.0.0.1:"));
    drop(client());
    let trusting = reqwest::Client::builder().no_proxy().danger_accept_invalid_certs(true).build().unwrap();
    let body = json!({"username": "admin", "password": crate::support::PASSWORD}).to_string();
    let got =
        hub.send(trusting.post(format!("{}/api/auth/login", listening.url())).body(body)).await.expect(200);
    assert!(got.header("set-cookie").contains("; Secure"));
    assert!(got.header("strict-transport-security").contains("max-age"));
    // Who does not trust it does not get far, and who speaks no TLS neither.
    assert!(client().get(listening.url()).send().await.is_err());
    assert!(client().get(listening.url().replace("https", "http")).send().await.is_err());
    listening.stop().await;
}

/// Sends a request and goes without waiting for the answer.
fn send_and_go(hub: &Served, method: &str, path: &str, header: &str, body: &str) {
    let mut stream = TcpStream::connect(hub.listening.address()).unwrap();
    let head = format!(
        "{method} /api/{path} HTTP/1.1\r\nhost: x\r\nauthorization: {header}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_comes_to_its_end_when_who_asked_for_it_has_gone() {
    let hub = Served::start().await;
    let Who::Bearer(header) = hub.admin().await else { panic!("no header") };
    let admin = Who::Bearer(header.clone());
    let entities = format!("accounts/{}/entities", hub.account());
    for i in 0..10 {
        let (id, who) = hub.person(&format!("nora{i}"), &[]).await;
        let etag = hub.get(&admin, &entities).await.expect(200).header("etag").to_owned();
        let new = json!({"name": format!("device {i}"), "entity_type": "device", "details": {}}).to_string();
        send_and_go(&hub, "DELETE", &format!("persons/{id}"), &header, "");
        send_and_go(&hub, "POST", &entities, &header, &new);
        tokio::time::sleep(Duration::from_millis(200)).await;
        // Both may have been noticed too late to be done. What is done is seen by everybody.
        if !hub.hub.users().await.unwrap().iter().any(|user| user.id == id) {
            hub.get(&who, "accounts").await.expect(401);
        }
        let list = hub.get(&admin, &entities).await.expect(200);
        if list.text.contains(&format!("device {i}\"")) {
            let request = hub.request("GET", &entities, &admin).header("if-none-match", etag);
            hub.send(request).await.expect(200);
        }
    }
}

#[tokio::test]
async fn who_is_not_known_cannot_fill_the_memory_for_bodies() {
    let hub = Served::start().await;
    let large = json!({"username": "admin", "password": "x".repeat(20_000)});
    hub.ask(&Who::Nobody, "POST", "auth/login", large).await.expect(413);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stored_for_an_account_that_went_while_the_values_were_sent() {
    let hub = Served::start().await;
    let Who::Bearer(header) = hub.admin().await else { panic!("no header") };
    let admin = Who::Bearer(header.clone());
    let id =
        hub.ask(&admin, "POST", "accounts", r#"{"name":"short"}"#).await.expect(201).json()["id"].clone();
    let body = r#"[{"p":"a.b","v":1,"t":1700000000}]"#;
    let head = format!(
        "PUT /api/accounts/{id}/values HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: {header}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(hub.listening.address()).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    hub.ask(&admin, "DELETE", &format!("accounts/{id}"), "").await.expect(204);
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}
