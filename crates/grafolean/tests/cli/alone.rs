//! The parts alone.

use std::fs;

use grafoleancollector::testing::FakeBackend;
use serde_json::json;

use crate::program::bot;
use crate::scene::{Scene, get, url};

#[test]
fn the_hub_alone_runs_no_bot_and_leaves_tokens_that_stay_for_bots_elsewhere() {
    let scene = Scene::new();
    let mut before = String::new();
    for _ in 0..2 {
        let running = scene.grafolean(&["hub", "--listen", "127.0.0.1:0"]).start();
        let url = url(&running);
        let token = scene.token("ping");
        let profile = get(&format!("{url}/api/profile?b={token}"));
        assert_eq!(profile["user_type"], "bot", "{profile}");
        assert!(before.is_empty() || before == token, "a bot elsewhere would be locked out");
        before = token;
        let elsewhere = bot(&["bot", "ping", "once"])
            .env("BACKEND_URL", format!("{url}/api"))
            .env("BOT_TOKEN_FROM_FILE", scene.dir.join("tokens/ping-bot.token"))
            .env("DATA_DIR", "none");
        assert!(elsewhere.run().with(0).stdout.contains("ping.success"));
        assert_eq!(running.terminated().with(0).count("jobs"), 0);
    }
}

#[test]
fn a_token_file_that_no_bot_can_use_is_written_again_and_one_that_is_refused_is_named() {
    let scene = Scene::new();
    let works = |url: &str, protocol: &str| {
        get(&format!("{url}/api/profile?b={}", scene.token(protocol)))["user_type"] == "bot"
    };
    let hub = || scene.grafolean(&["hub", "--listen", "127.0.0.1:0"]).start();
    let running = hub();
    url(&running);
    running.terminated().with(0);
    let file = |protocol: &str| scene.dir.join(format!("tokens/{protocol}-bot.token"));
    fs::write(file("ping"), "").unwrap();
    fs::write(file("snmp"), "\n").unwrap();
    fs::write(file("netflow"), "00000000-0000-4000-8000-000000000000\n").unwrap();
    let running = hub();
    let url = url(&running);
    assert!(works(&url, "ping") && works(&url, "snmp"), "an empty file stayed for ever");
    assert!(!works(&url, "netflow"), "somebody may use another one");
    assert!(running.line("is not a token of any bot").contains("netflow-bot.token"));
    running.terminated().with(0);
}

#[test]
fn whoever_is_killed_between_two_tokens_leaves_none_that_is_refused() {
    let scene = Scene::new();
    let running = scene.everything().start();
    url(&running);
    running.terminated().with(0);
    // The first thing that is written after the tokens were changed is in the way.
    let tokens = scene.dir.join("tokens");
    for protocol in ["ping", "snmp", "netflow"] {
        fs::create_dir(tokens.join(format!("{protocol}-bot.new"))).unwrap();
    }
    scene.everything().run().with(78);
    for protocol in ["ping", "snmp", "netflow"] {
        fs::remove_dir(tokens.join(format!("{protocol}-bot.new"))).unwrap();
    }
    let running = scene.grafolean(&["hub", "--listen", "127.0.0.1:0"]).start();
    let url = url(&running);
    for protocol in ["ping", "snmp", "netflow"] {
        let profile = get(&format!("{url}/api/profile?b={}", scene.token(protocol)));
        assert_eq!(profile["user_type"], "bot", "{protocol}: its old token stayed, and was refused for ever");
    }
    running.terminated().with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_alone_is_the_bot_of_its_own_binary() {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("First account");
    let credential = backend.add_credential(account, "ping", json!({"n_packets": 1}));
    let sensor = backend.add_sensor(account, "ping", Some(60), json!({}));
    backend.device(account, "x").detail("ipv4", "127.0.0.1").protocol("ping", credential, &[sensor]).add();
    let backend = std::sync::Arc::new(backend);
    let own = backend.clone();
    let ended = tokio::task::spawn_blocking(move || bot(&["bot", "ping", "once"]).serving(&own).run());
    assert!(ended.await.unwrap().with(0).stdout.contains("ping.success"));
}

#[test]
fn a_bot_alone_keeps_its_state_where_its_own_binary_does() {
    let help = bot(&["bot", "snmp", "--help"]).env("HOME", "/home/x").run().with(0).stdout;
    assert!(help.contains("Usage: grafolean bot snmp"), "{help}");
    assert!(help.contains("$XDG_STATE_HOME/grafolean-snmp-bot"), "{help}");
    let missing = bot(&["bot", "netflow"]).env("DATA_DIR", "none").run().with(78);
    assert!(missing.stderr.starts_with("grafolean bot netflow: BACKEND_URL: not set"), "{}", missing.stderr);
    assert!(bot(&["bot"]).run().with(2).stderr.contains("netflow"));
}

#[test]
fn a_backup_is_a_hub_of_its_own_and_is_made_while_the_hub_runs() {
    let scene = Scene::new();
    let running = scene.everything().start();
    url(&running);
    let copy = Scene::new();
    fs::create_dir(&copy.dir).unwrap();
    let file = copy.dir.join("hub.sqlite3");
    scene.grafolean(&["backup", file.to_str().unwrap()]).run().with(0);
    let again = scene.grafolean(&["backup", file.to_str().unwrap()]).run().with(1);
    assert!(again.only_line().contains(file.to_str().unwrap()), "{again:?}");
    running.terminated().with(0);
    let running = copy.everything().start();
    let url = url(&running);
    let token = copy.token("ping");
    let entities = get(&format!("{url}/api/accounts/1/entities?b={token}"));
    assert_eq!(entities["list"][0]["name"], "localhost");
    running.terminated().with(0);
}

#[test]
fn help_is_worth_reading() {
    let help = bot(&["--help"]).run().with(0).stdout;
    for part in
        ["127.0.0.1:8080", "backup", "bot-token", "--netflow-listen", "DATA_DIR", "Exit code", "Examples"]
    {
        assert!(help.contains(part), "{part}: {help}");
    }
    assert!(bot(&["--version"]).run().with(0).stdout.starts_with("grafolean "));
    assert!(bot(&["--nonsense"]).run().with(2).stderr.contains("--nonsense"));
}
