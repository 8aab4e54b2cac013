//! `check`: a line per finding, and an exit code.

use serde_json::json;

use crate::program::{Ended, Program, bot};
use crate::scene::Scene;

fn check(scene: &Scene) -> Program {
    bot(&["check"]).serving(&scene.backend)
}

/// The line about something, without the words that begin it.
#[track_caller]
fn about<'a>(ended: &'a Ended, verdict: &str, about: &str) -> &'a str {
    let begins = format!("{verdict:<4}  {about:<12}  ");
    let line = ended.stdout.lines().find_map(|line| line.strip_prefix(begins.as_str()));
    line.unwrap_or_else(|| panic!("no line begins with {begins:?} in\n{}", ended.stdout))
}

#[track_caller]
fn last(ended: &Ended) -> &str {
    ended.stdout.lines().last().unwrap()
}

#[test]
fn a_bot_that_can_work_is_told_so() {
    let (scene, _) = Scene::with_one();
    let directory = tempfile::tempdir().unwrap();
    let ended = check(&scene).env("DATA_DIR", directory.path()).run().with(0);
    assert_eq!(ended.stderr, "");
    assert!(about(&ended, "ok", "settings").contains(&scene.backend.url()));
    assert!(about(&ended, "ok", "data").contains("can be written"));
    assert!(about(&ended, "ok", "icmp").contains("IPv4: "));
    about(&ended, "ok", "backend");
    about(&ended, "ok", "clock");
    assert!(about(&ended, "ok", "token").contains("protocol ping"));
    assert!(about(&ended, "ok", "account").contains("Main Street"));
    assert!(about(&ended, "ok", "jobs").starts_with("1 "));
    assert_eq!(last(&ended), "all is well");
    assert_eq!(scene.backend.value_count(), 0);
}

#[test]
fn a_wrong_token_is_said_to_be_one() {
    let scene = Scene::new();
    let ended = check(&scene).token("0bad0bad-0bad-4bad-8bad-0bad0bad0bad").run().with(1);
    assert!(about(&ended, "FAIL", "token").contains("BOT_TOKEN"));
    assert_eq!(last(&ended), "1 to mend before the bot can work");
}

#[test]
fn a_missing_permission_is_named_with_the_account() {
    let (scene, _) = Scene::with_one();
    let path = |what: &str| format!("accounts/{}/{what}", scene.account);
    scene.backend.forbid("PUT", &path("values"));
    let ended = check(&scene).run().with(1);
    let line = about(&ended, "FAIL", "account");
    assert!(line.contains("Main Street") && line.contains("PUT"), "{line}");
    assert!(!line.contains("POST"), "only what this bot needs: {line}");
    scene.backend.allow_all();
    scene.backend.forbid("GET", &path("sensors"));
    let ended = check(&scene).run().with(1);
    assert!(about(&ended, "FAIL", "account").contains("read sensors (GET)"));
}

#[test]
fn a_bot_without_jobs_or_accounts_is_told_so() {
    let scene = Scene::new();
    let ended = check(&scene).run().with(0);
    about(&ended, "warn", "jobs");
    scene.backend.remove_account(scene.account);
    let ended = check(&scene).run().with(1);
    about(&ended, "FAIL", "accounts");
}

#[test]
fn a_backend_that_is_away_is_said_to_be() {
    let scene = Scene::new();
    scene.backend.down();
    let ended = check(&scene).run().with(1);
    about(&ended, "FAIL", "backend");
    scene.backend.up();
    scene.backend.html_instead_of_json(1);
    let ended = check(&scene).run().with(1);
    assert!(about(&ended, "FAIL", "backend").contains("BACKEND_URL"), "{}", ended.stdout);
}

#[test]
fn a_broken_entity_is_named_and_the_others_are_counted() {
    let (scene, _) = Scene::with_one();
    let broken = scene.entity_with(json!("127.0.0.1"), json!({"n_packets": 0}));
    let ended = check(&scene).run().with(0);
    let line = about(&ended, "warn", "config");
    assert!(line.contains(&format!("entity {broken}")) && line.contains("n_packets"), "{line}");
    assert!(about(&ended, "ok", "jobs").starts_with("1 "));
    // That it is skipped is said once: in the report, not in a log as well.
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_clock_that_is_off_is_said_to_be() {
    let (scene, _) = Scene::with_one();
    scene.backend.skew(90.0);
    let ended = check(&scene).run().with(0);
    assert!(about(&ended, "warn", "clock").contains("90 s"), "{}", ended.stdout);
}

#[test]
fn wrong_settings_are_all_in_the_report() {
    let ended = bot(&["check"])
        .env("BACKEND_URL", "grafolean.example.org")
        .env("DATA_DIR", "none")
        .env("LOG", "loud")
        .env("LOG_FORMAT", "xml")
        .env("PING_RATE", "0")
        .run()
        .with(1);
    for name in ["BACKEND_URL", "BOT_TOKEN", "LOG", "LOG_FORMAT", "PING_RATE"] {
        assert!(ended.stdout.contains(&format!("FAIL  settings      {name}: ")), "{name}\n{}", ended.stdout);
    }
    assert_eq!(last(&ended), "5 to mend before the bot can work");
    assert_eq!(ended.stderr, "");
}
