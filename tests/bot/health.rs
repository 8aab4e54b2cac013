//! What the health endpoint says.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use grafoleancollector::testing::FakeBackend;
use grafoleancollector::{Runner, Settings, Stop};

use crate::scripted::{Does, Script, job};

/// A port that is free now. Another program may take it before we do, which has not been seen to happen.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    let path = path.to_owned();
    let ask = move || -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        Ok((status, body))
    };
    tokio::task::spawn_blocking(ask).await.unwrap().unwrap_or((0, String::new()))
}

async fn until(addr: SocketAddr, path: &str, wanted: impl Fn(u16, &str) -> bool) -> String {
    let mut last = (0, String::new());
    for _ in 0..400 {
        last = get(addr, path).await;
        if wanted(last.0, &last.1) {
            return last.1;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{path} still says {last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_ready_from_waiting_and_which_jobs_fail_since_when_and_why() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("First account");
    backend.down();
    let script = Script::new(account, vec![job("good", &[1], Does::Measure), job("bad", &[1], Does::Fail)]);
    let (addr, stop) = (free_address(), Stop::new());
    let runner = Runner::new(script, Settings::new(backend.url(), backend.token())).health(addr);
    let running = tokio::spawn(runner.run_until(stop.clone()));

    until(addr, "/readyz", |status, body| status == 503 && body.contains("waiting for the backend: GET"))
        .await;
    assert_eq!(get(addr, "/healthz").await.0, 200, "waiting is not being sick");
    assert_eq!(get(addr, "/jobs").await.0, 503);

    backend.up();
    until(addr, "/readyz", |status, _| status == 200).await;
    until(addr, "/metrics", |_, body| {
        let failed =
            body.lines().find_map(|line| line.strip_prefix("grafolean_runs_total{result=\"failed\"} "));
        failed.is_some_and(|n| n.parse::<f64>().unwrap() >= 2.0) && body.contains("grafolean_jobs 2")
    })
    .await;
    let jobs: serde_json::Value = serde_json::from_str(&get(addr, "/jobs").await.1).unwrap();
    assert_eq!((&jobs["total"], &jobs["failing"]), (&2.into(), &1.into()));
    let bad = &jobs["jobs"][0];
    assert_eq!(
        (bad["id"].as_str(), bad["failing"]["error"].as_str()),
        (Some("bad"), Some("the script says so"))
    );
    assert!(bad["failing"]["since"].as_str().unwrap().starts_with("20"));
    let failing: serde_json::Value = serde_json::from_str(&get(addr, "/jobs?failing").await.1).unwrap();
    assert_eq!(failing["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(get(addr, "/jobs?limit=x").await.0, 400);

    let token = backend.token().to_owned();
    backend.revoke(&token);
    let why = until(addr, "/readyz", |status, _| status == 503).await;
    assert!(!why.contains(&token), "{why}");
    until(addr, "/readyz", |status, body| status == 503 && body.contains("token")).await;
    stop.now();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_to_store_makes_the_bot_not_ready_and_says_which() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("First account");
    backend.forbid("PUT", &format!("accounts/{account}/values"));
    let script = Script::new(account, vec![job("a", &[1], Does::Measure)]);
    let (addr, stop) = (free_address(), Stop::new());
    let runner = Runner::new(script, Settings::new(backend.url(), backend.token())).health(addr);
    let running = tokio::spawn(runner.grace(Duration::from_millis(100)).run_until(stop.clone()));
    let why = until(addr, "/readyz", |status, body| status == 503 && body.contains("PUT")).await;
    assert!(why.contains(&format!("accounts/{account}/values")), "{why}");
    stop.now();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_never_read_makes_the_bot_not_ready() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("First account");
    backend.on("/entities").fail_all(Some(500));
    let (addr, stop) = (free_address(), Stop::new());
    let runner =
        Runner::new(crate::configuration::Bot::default(), Settings::new(backend.url(), backend.token()));
    let running = tokio::spawn(runner.health(addr).run_until(stop.clone()));
    let named = format!("account {account} (First account) cannot be read");
    until(addr, "/readyz", |status, body| status == 503 && body.contains(&named)).await;
    backend.on("/entities").fail_all(None);
    until(addr, "/readyz", |status, _| status == 200).await;
    stop.now();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_failed_in_part_delivers_its_values_and_counts_as_failed() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("First account");
    let script = Script::new(account, vec![job("half", &[1], Does::MeasureButFail)]);
    let (addr, stop) = (free_address(), Stop::new());
    let runner = Runner::new(script, Settings::new(backend.url(), backend.token())).health(addr);
    let running = tokio::spawn(runner.run_until(stop.clone()));
    let jobs = until(addr, "/jobs", |_, body| body.contains("half of it did not answer")).await;
    let jobs: serde_json::Value = serde_json::from_str(&jobs).unwrap();
    assert_eq!((&jobs["failing"], &jobs["jobs"][0]["last_run"]["samples"]), (&1.into(), &1.into()));
    stop.now();
    running.await.unwrap().unwrap();
    assert!(!backend.values(account)["half.value"].is_empty());
}
