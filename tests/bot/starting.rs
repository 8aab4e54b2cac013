//! What a bot says when it cannot start.

use std::time::Duration;

use grafoleancollector::testing::FakeBackend;
use grafoleancollector::{Outbox, Runner, Settings, StartError, Stop};

use crate::scripted::Script;

async fn start(settings: Settings, outbox: Outbox) -> Result<(), StartError> {
    let runner = Runner::new(Script::new(1, vec![]), settings).outbox(outbox);
    tokio::time::timeout(Duration::from_secs(20), runner.run_until(Stop::new()))
        .await
        .expect("it ends by itself")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_ends_the_start_with_78_and_is_not_repeated() {
    let backend = FakeBackend::start().await;
    let error = start(Settings::new(backend.url(), "wr0ng-token"), Outbox::memory()).await.unwrap_err();
    assert_eq!(error.exit_code(), 78);
    let mut text = format!("{error} {error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text += &format!("{error} {error:?}");
        source = error.source();
    }
    assert!(text.contains("BOT_TOKEN") && !text.contains("wr0ng-token"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_bot_on_a_data_directory_says_so() {
    let backend = FakeBackend::start().await;
    let dir = tempfile::tempdir().unwrap();
    let stop = Stop::new();
    let first = Runner::new(Script::new(1, vec![]), Settings::new(backend.url(), backend.token()))
        .outbox(Outbox::sqlite(dir.path()));
    let running = tokio::spawn(first.run_until(stop.clone()));
    assert!(backend.wait_until(|b| b.request_count() > 0, Duration::from_secs(10)).await);
    let second = start(Settings::new(backend.url(), backend.token()), Outbox::sqlite(dir.path())).await;
    let error = second.unwrap_err();
    assert_eq!(error.exit_code(), 78);
    assert!(format!("{error:?}").contains("InUse"), "{error:?}");
    stop.now();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let below_a_file = file.path().join("state");
    let error =
        start(Settings::new("http://127.0.0.1:1/api", "t"), Outbox::sqlite(&below_a_file)).await.unwrap_err();
    assert_eq!(error.exit_code(), 78);
    let source = std::error::Error::source(&error).expect("it says why").to_string();
    assert!(source.contains(below_a_file.to_str().unwrap()), "{source}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = Settings::new("http://127.0.0.1:1/api", "t");
    settings.health_addr = Some(taken.local_addr().unwrap());
    let error = start(settings, Outbox::memory()).await.unwrap_err();
    assert!(error.to_string().contains(&taken.local_addr().unwrap().to_string()), "{error}");
}
