//! The faults do what they say.

use std::{
    io::{Read, Write},
    time::{Duration, SystemTime},
};

use grafoleancollector::testing::FakeBackend;

use crate::client::{ask, connect, get, raw, with_token};

const VALUE: &str = r#"[{"p":"a.b","v":1,"t":1}]"#;

fn put(backend: &FakeBackend, account: u64) -> Option<u16> {
    let path = format!("/accounts/{account}/values");
    with_token(backend, backend.token(), "PUT", &path, VALUE).map(|reply| reply.status)
}

#[tokio::test]
async fn while_it_is_down_nothing_is_answered_and_nothing_stored() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    backend.down();
    assert_eq!(put(&backend, account), None);
    assert_eq!(backend.value_count(), 0);
    backend.up();
    assert_eq!(put(&backend, account), Some(204));
}

#[tokio::test]
async fn planned_statuses_come_in_order_and_leave_nothing_behind() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    backend.fail_next(503);
    backend.fail_next_n(2, 429);
    let statuses: Vec<_> = (0..3).map(|_| put(&backend, account)).collect();
    assert_eq!(statuses, [Some(503), Some(429), Some(429)]);
    assert_eq!(backend.value_count(), 0);
    assert_eq!(put(&backend, account), Some(204));
}

#[tokio::test]
async fn every_request_fails_until_told_otherwise() {
    let backend = FakeBackend::start().await;
    backend.fail_all(Some(500));
    assert_eq!([get(&backend, "/accounts").status, get(&backend, "/profile").status], [500, 500]);
    backend.fail_all(Some(401));
    let reply = get(&backend, "/accounts");
    assert_eq!((reply.status, reply.text()), (401, "Access denied"));
    backend.fail_all(None);
    assert_eq!(get(&backend, "/accounts").status, 200);
}

#[tokio::test]
async fn a_fault_can_concern_some_paths_only() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    backend.on("/values").fail_next(503);
    assert_eq!(get(&backend, "/accounts").status, 200);
    assert_eq!(put(&backend, account), Some(503));
    assert_eq!(put(&backend, account), Some(204));
}

#[tokio::test]
async fn a_planned_status_says_when_to_come_back() {
    let backend = FakeBackend::start().await;
    backend.with_retry_after(Some(7));
    backend.fail_next(429);
    assert_eq!(get(&backend, "/accounts").header("retry-after"), Some("7"));
    assert_eq!(get(&backend, "/accounts").header("retry-after"), None);
}

#[tokio::test]
async fn a_slow_answer_has_its_effect_at_once() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    backend.on("/values").slow_next(Duration::from_secs(3600));
    let mut stream = connect(&backend);
    let path = format!("/api/accounts/{account}/values?b={}", backend.token());
    let length = VALUE.len();
    write!(stream, "PUT {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{VALUE}").unwrap();
    assert!(backend.wait_until(|b| b.value_count() == 1, Duration::from_secs(10)).await);
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(stream.read(&mut [0; 1]).is_err(), "there must be no answer yet");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the delay is real time, on a real socket")]
async fn every_answer_is_delayed_until_told_otherwise() {
    let backend = FakeBackend::start().await;
    backend.answer_after(Duration::from_millis(80));
    let start = std::time::Instant::now();
    get(&backend, "/accounts");
    get(&backend, "/accounts");
    assert!(start.elapsed() >= Duration::from_millis(160));
    backend.answer_after(Duration::ZERO);
    assert_eq!(get(&backend, "/accounts").status, 200);
}

#[tokio::test]
async fn half_an_answer_is_shorter_than_it_says() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    let whole = get(&backend, "/accounts").body;
    backend.half_answers(2);
    let half = get(&backend, "/accounts");
    assert_eq!(half.header("content-length"), Some(whole.len().to_string().as_str()));
    assert_eq!(half.body, whole[..whole.len() / 2]);
    // An answer without a body has no half: the value is stored, and its sender does not learn it.
    assert_eq!(put(&backend, account), None);
    assert_eq!(backend.value_count(), 1);
    assert_eq!(get(&backend, "/accounts").body, whole);
}

#[tokio::test]
async fn a_value_whose_answer_was_lost_and_that_is_sent_again_is_stored_once() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    backend.lose_answers(1);
    assert_eq!(put(&backend, account), None);
    assert_eq!(put(&backend, account), Some(204));
    assert_eq!(backend.stored_writes(account)["a.b"], [(1_000_000, 2)]);
}

#[tokio::test]
async fn a_page_can_come_in_place_of_json() {
    let backend = FakeBackend::start().await;
    backend.html_instead_of_json(1);
    let reply = get(&backend, "/accounts");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/html")));
    assert!(reply.text().starts_with("<!DOCTYPE html>"));
    assert_eq!(get(&backend, "/accounts").header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_huge_body_is_sent_without_being_held() {
    let backend = FakeBackend::start().await;
    backend.huge_body(1, 1 << 30);
    let mut stream = connect(&backend);
    write!(stream, "GET /api/accounts?b={} HTTP/1.1\r\nhost: x\r\n\r\n", backend.token()).unwrap();
    let (mut buffer, mut read) = (vec![0; 1 << 20], 0);
    while read < 64 << 20 {
        read += stream.read(&mut buffer).unwrap();
    }
    drop(stream);
    let small = {
        backend.huge_body(1, 100_000);
        get(&backend, "/accounts")
    };
    assert_eq!(small.status, 200);
    assert!(small.body.len() >= 100_000 && small.body.len() < 110_000, "{}", small.body.len());
}

#[tokio::test]
async fn a_list_with_a_refused_path_is_refused_whole() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    backend.refuse_paths("poison");
    let path = format!("/accounts/{account}/values");
    let reply = ask(&backend, "PUT", &path, r#"[{"p":"a","v":1,"t":1},{"p":"poison.x","v":1,"t":1}]"#);
    let text = "Input validation failed: Invalid PathInputValue format: poison.x";
    assert_eq!((reply.status, reply.text()), (400, text));
    assert_eq!(backend.value_count(), 0);
    assert_eq!(put(&backend, account), Some(204));
    backend.accept_paths();
    assert_eq!(ask(&backend, "PUT", &path, r#"[{"p":"poison.x","v":1,"t":1}]"#).status, 204);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "compared with the fake backend's own, real clock")]
async fn a_skew_moves_the_date_and_the_stamps() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    let ours = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let theirs = |backend: &FakeBackend| {
        let date = httpdate::parse_http_date(get(backend, "/accounts").header("date").unwrap()).unwrap();
        date.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
    };
    assert!((theirs(&backend) - ours()).abs() < 60.0);
    backend.skew(-3600.0);
    assert!((theirs(&backend) + 3600.0 - ours()).abs() < 60.0);
    ask(&backend, "POST", &format!("/accounts/{account}/values"), r#"[{"p":"a","v":1}]"#);
    assert!((backend.values(account)["a"][0].0 + 3600.0 - ours()).abs() < 60.0);
}

#[tokio::test]
async fn a_large_list_is_compressed_for_those_who_accept_it() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    for i in 0..100 {
        backend.device(account, &format!("device {i}")).add();
    }
    let target = format!("/api/accounts/{account}/entities?b={}", backend.token());
    let ask = |more| raw(&backend, "GET", &target, more, "").unwrap();
    let (plain, packed) = (ask(""), ask("accept-encoding: gzip\r\n"));
    assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), (None, Some("gzip")));
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
    // A change is seen in both forms.
    backend.device(account, "one more").add();
    assert_ne!(ask("accept-encoding: gzip\r\n").body, packed.body);
    assert_ne!(ask("").body, plain.body);
}

#[tokio::test]
async fn a_fault_can_concern_one_method_only() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    backend.on(&format!("POST /accounts/{account}/entities")).lose_answers(1);
    let entities = format!("/accounts/{account}/entities");
    assert_eq!(get(&backend, &entities).json()["list"].as_array().unwrap().len(), 0);
    let new = r#"{"name":"eth0","entity_type":"interface","details":{}}"#;
    assert!(with_token(&backend, backend.token(), "POST", &entities, new).is_none());
    assert_eq!(get(&backend, &entities).json()["list"].as_array().unwrap().len(), 1, "it has its effect");
}
