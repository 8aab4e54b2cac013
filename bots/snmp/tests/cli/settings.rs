//! Settings that are missing or wrong: all are named at once.

use crate::program::bot;
use crate::scene::Scene;

#[test]
fn all_that_is_wrong_is_named_at_once() {
    let program = || bot(&["run"]).env("DATA_DIR", "none");
    let ended = program()
        .env("BACKEND_URL", "ftp://grafolean.example.org")
        .env("LOG", "loud")
        .env("SNMP_STATS", "maybe")
        .env("SNMP_INTERFACES", "perhaps")
        .env("MAX_CONCURRENT_RUNS", "0")
        .run()
        .with(78);
    let named: Vec<&str> = ended
        .stderr
        .lines()
        .map(|line| {
            let problem = line.strip_prefix("grafolean-snmp-bot: ").unwrap_or_else(|| panic!("{line}"));
            problem.split(':').next().unwrap()
        })
        .collect();
    let all = ["BACKEND_URL", "BOT_TOKEN", "MAX_CONCURRENT_RUNS", "LOG", "SNMP_STATS", "SNMP_INTERFACES"];
    assert_eq!((named.as_slice(), ended.stdout.as_str()), (&all[..], ""));
    for (name, value) in [("SNMP_STATS", ""), ("SNMP_STATS", "2"), ("SNMP_INTERFACES", "on")] {
        let scene = Scene::new();
        let ended = bot(&["once"]).serving(&scene.backend).env(name, value).run();
        match ended.code {
            // An empty variable is one that is not set.
            Some(0) => assert_eq!(value, "", "{ended:#?}"),
            _ => assert_eq!(
                ended.with(78).only_line(),
                format!("grafolean-snmp-bot: {name}: expected 0 or 1, got {value:?}")
            ),
        }
    }
}
