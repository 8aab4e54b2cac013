//! What a test sees of what happened.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use grafoleancollector::testing::FakeBackend;

use crate::client::{address, ask, connect, get, with_token};

#[tokio::test]
async fn requests_are_remembered_without_the_token() {
    let backend = FakeBackend::start().await;
    get(&backend, "/accounts?x=1");
    backend.down();
    assert!(with_token(&backend, "t", "PUT", "/accounts/1/values", "[]").is_none());
    let seen: Vec<_> = backend.requests().into_iter().map(|r| (r.method, r.path, r.status)).collect();
    let expected = [
        ("GET".to_owned(), "/accounts".to_owned(), Some(200)),
        ("PUT".to_owned(), "/accounts/1/values".to_owned(), None),
    ];
    assert_eq!(seen, expected);
    assert!(!format!("{:?} {backend:?}", backend.requests()).contains(backend.token()));
    assert_eq!(backend.request_count(), 2);
    backend.clear_requests();
    assert_eq!((backend.request_count(), backend.requests().len()), (0, 0));
}

#[tokio::test]
async fn the_log_of_requests_is_bounded_and_their_count_is_not() {
    let backend = FakeBackend::start().await;
    let mut stream = connect(&backend);
    let request = format!("GET /api/accounts?b={} HTTP/1.1\r\nhost: x\r\n\r\n", backend.token());
    let mut answers = stream.try_clone().unwrap();
    let reader = std::thread::spawn(move || std::io::copy(&mut answers, &mut std::io::sink()));
    for _ in 0..101 {
        stream.write_all(request.repeat(100).as_bytes()).unwrap();
    }
    assert!(backend.wait_until(|b| b.request_count() == 10_100, Duration::from_secs(30)).await);
    assert_eq!(backend.requests().len(), 10_000);
    stream.shutdown(std::net::Shutdown::Both).unwrap();
    let _ = reader.join().unwrap();
}

#[tokio::test]
async fn waiting_ends_when_the_condition_holds_or_the_time_is_up() {
    let backend = FakeBackend::start().await;
    assert!(!backend.wait_until(|b| b.request_count() > 0, Duration::from_millis(20)).await);
    let handle = backend.handle();
    let waiting =
        tokio::spawn(
            async move { handle.wait_until(|b| b.request_count() == 2, Duration::from_secs(30)).await },
        );
    get(&backend, "/accounts");
    get(&backend, "/accounts");
    assert!(waiting.await.unwrap());
}

#[tokio::test]
async fn values_can_be_judged_and_counted_without_being_kept() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    backend.count_values_only();
    let path = format!("/accounts/{account}/values");
    assert_eq!(ask(&backend, "PUT", &path, r#"[{"p":"a","v":1,"t":1},{"p":"b","v":1,"t":1}]"#).status, 204);
    assert_eq!(ask(&backend, "PUT", &path, r#"[{"p":"bad path!","v":1,"t":1}]"#).status, 400);
    assert_eq!((backend.value_count(), backend.values(account).len()), (2, 0));
}

#[tokio::test]
async fn several_requests_are_answered_on_one_connection() {
    let backend = FakeBackend::start().await;
    let mut stream = connect(&backend);
    for _ in 0..3 {
        write!(stream, "GET /api/status/info HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let (mut answer, mut buffer) = (String::new(), [0; 4096]);
        while !answer.contains("enable_signup") {
            let n = stream.read(&mut buffer).unwrap();
            assert!(n > 0, "the connection was closed");
            answer.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
        }
    }
}

#[tokio::test]
async fn it_stops_when_dropped_even_while_a_request_is_delayed() {
    let backend = FakeBackend::start().await;
    let address = address(&backend);
    backend.answer_after(Duration::from_secs(3600));
    let mut stream = connect(&backend);
    write!(stream, "GET /api/status/info HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert!(backend.wait_until(|b| b.request_count() == 1, Duration::from_secs(10)).await);
    drop(backend);
    assert!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)));
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
#[should_panic(expected = "the fake backend has no account 77")]
async fn naming_an_account_that_is_not_there_fails_the_test_at_that_line() {
    let backend = FakeBackend::start().await;
    backend.device(77, "nowhere").add();
}
