//! Settings that are missing or wrong: all are named at once, nothing secret is repeated.

use std::fs;

use crate::program::{Ended, Program, bot};
use crate::scene::Scene;

const URL: &str = "http://127.0.0.1:1/api";

/// The variables that the lines on standard error name.
#[track_caller]
fn named(ended: &Ended) -> Vec<&str> {
    assert_eq!(ended.stdout, "");
    ended
        .stderr
        .lines()
        .map(|line| {
            let problem = line.strip_prefix("grafolean-ping-bot: ").unwrap_or_else(|| panic!("{line}"));
            problem.split(':').next().unwrap()
        })
        .collect()
}

fn good() -> Program {
    bot(&["run"]).env("BACKEND_URL", URL).token("t0ken-t0ken").env("DATA_DIR", "none")
}

#[test]
fn with_nothing_set_all_that_is_needed_is_named_at_once() {
    for arguments in [&[][..], &["run"], &["once"]] {
        let ended = bot(arguments).run().with(78);
        assert_eq!(named(&ended), ["BACKEND_URL", "BOT_TOKEN", "DATA_DIR"]);
        assert!(ended.stderr.lines().all(|line| line.contains("expected")), "{}", ended.stderr);
    }
}

#[test]
fn each_wrong_value_is_named_with_what_was_expected() {
    for (name, value, expected) in [
        ("BACKEND_URL", "grafolean.example.org/api", "https://grafolean.example.org/api"),
        ("BACKEND_URL", "ftp://grafolean.example.org/api", "https://grafolean.example.org/api"),
        ("BACKEND_URL", "http://grafolean.example.org/api?b=1", "https://grafolean.example.org/api"),
        ("JOBS_REFRESH_INTERVAL", "abc", "whole seconds from 1 to 86400"),
        ("JOBS_REFRESH_INTERVAL", "0", "whole seconds from 1 to 86400"),
        ("HEALTH_ADDR", "9100", "127.0.0.1:9100"),
        ("HEALTH_ADDR", "localhost:9100", "127.0.0.1:9100"),
        ("DELIVERY", "get", "put or post"),
        ("LOG", "loud", "error, warn, info, debug, trace"),
        ("LOG_FORMAT", "xml", "text or json"),
        ("PING_SUMMARY", "maybe", "0 or 1"),
        ("PING_RATE", "0", "from 1 to"),
        ("PING_RATE", "fast", "from 1 to"),
        ("MAX_CONCURRENT_RUNS", "0", "a whole number from 1"),
        ("MAX_CONCURRENT_RUNS", "-3", "a whole number from 1"),
    ] {
        let ended = good().env(name, value).run().with(78);
        assert_eq!(named(&ended), [name], "{}", ended.stderr);
        assert!(ended.only_line().contains(expected), "{}", ended.stderr);
        // The address may hold a password.
        assert!(
            name == "BACKEND_URL" || ended.stderr.contains(&format!("got {value:?}")),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn problems_of_the_bot_and_of_logging_come_with_the_others() {
    let ended = bot(&[])
        .env("DATA_DIR", "none")
        .env("JOBS_REFRESH_INTERVAL", "often")
        .env("LOG", "loud")
        .env("LOG_FORMAT", "xml")
        .env("PING_SUMMARY", "maybe")
        .env("PING_RATE", "0")
        .run()
        .with(78);
    let all = [
        "BACKEND_URL",
        "BOT_TOKEN",
        "JOBS_REFRESH_INTERVAL",
        "LOG",
        "LOG_FORMAT",
        "PING_SUMMARY",
        "PING_RATE",
    ];
    assert_eq!(named(&ended), all);
}

#[test]
fn a_token_with_a_newline_in_it_is_refused_and_not_repeated() {
    let ended = good().env("BOT_TOKEN", "first\nsecond").secret("first").secret("second").run().with(78);
    assert!(ended.only_line().contains("BOT_TOKEN: the token has white space in it"), "{}", ended.stderr);
}

#[test]
fn a_token_file_may_end_with_a_newline() {
    let (scene, _) = Scene::with_one();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, format!("{}\r\n", scene.backend.token())).unwrap();
    let program = bot(&["check"]).env("BACKEND_URL", scene.backend.url()).env("DATA_DIR", "none");
    program.secret(scene.backend.token()).env("BOT_TOKEN_FROM_FILE", &file).run().with(0);
}

#[test]
fn a_token_file_that_is_missing_or_empty_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty");
    fs::write(&empty, "\n").unwrap();
    for (file, why) in [(empty, "is empty"), (directory.path().join("missing"), "No such file")] {
        let program = bot(&[]).env("BACKEND_URL", URL).env("DATA_DIR", "none");
        let ended = program.env("BOT_TOKEN_FROM_FILE", &file).run().with(78);
        let line = ended.only_line();
        assert!(line.starts_with("grafolean-ping-bot: BOT_TOKEN_FROM_FILE: "), "{line}");
        assert!(line.contains(file.to_str().unwrap()) && line.contains(why), "{line}");
    }
}

#[test]
fn settings_come_from_a_file_in_the_working_directory_too() {
    let (scene, _) = Scene::with_one();
    let directory = tempfile::tempdir().unwrap();
    let (url, token) = (scene.backend.url(), scene.backend.token());
    let text = format!(
        "# the bot's settings\nBACKEND_URL={url}\nexport BOT_TOKEN='{token}'\n\nDATA_DIR=/nowhere/at/all\n"
    );
    fs::write(directory.path().join(".env"), text).unwrap();
    // The process's own environment comes first.
    let program = bot(&["once"]).env("DATA_DIR", "none").working_in(directory.path()).secret(token);
    assert!(program.run().with(0).stdout.contains("127.0.0.1") || scene.backend.request_count() > 0);
}

#[test]
fn a_broken_line_of_the_file_is_named_and_not_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let text = "# the bot's settings\nBACKEND_URL=http://127.0.0.1:1/api\n\nBOT_TOKEN s3cret\nLOG=info\n";
    fs::write(directory.path().join(".env"), text).unwrap();
    for command in ["run", "once"] {
        let program = bot(&[command]).env("DATA_DIR", "none").working_in(directory.path()).secret("s3cret");
        let ended = program.run().with(78);
        assert_eq!(ended.only_line(), "grafolean-ping-bot: .env: line 4 is not NAME=value");
    }
    let ended =
        bot(&["check"]).env("DATA_DIR", "none").working_in(directory.path()).secret("s3cret").run().with(1);
    assert!(ended.stdout.contains("FAIL  settings      .env: line 4 is not NAME=value"), "{}", ended.stdout);
}
