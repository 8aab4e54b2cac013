//! What the command line offers, and refuses.

use crate::program::bot;

#[test]
fn help_names_every_variable_and_command() {
    let help = bot(&["--help"]).run().with(0).stdout;
    for word in [
        "run",
        "check",
        "once",
        "try",
        "BACKEND_URL",
        "BOT_TOKEN",
        "BOT_TOKEN_FROM_FILE",
        "JOBS_REFRESH_INTERVAL",
        "DATA_DIR",
        "HEALTH_ADDR",
        "MAX_CONCURRENT_RUNS",
        "DELIVERY",
        "LOG",
        "LOG_FORMAT",
        "PING_SUMMARY",
        "PING_RATE",
    ] {
        assert!(help.split_whitespace().any(|found| found == word), "{word} is not in\n{help}");
    }
    // Whoever reads it wants to know what holds for this bot, not for bots.
    assert!(help.contains("[4096]") && help.contains("$XDG_STATE_HOME/grafolean-ping-bot"), "{help}");
    assert_eq!(bot(&["help"]).run().with(0).stdout, help);
}

#[test]
fn the_version_is_a_line() {
    let version = format!("grafolean-ping-bot {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(bot(&["--version"]).run().with(0).stdout, version);
    assert_eq!(bot(&["-V"]).run().with(0).stdout, version);
}

#[test]
fn unknown_commands_and_options_are_refused() {
    for (arguments, named) in [
        (&["frobnicate"][..], "'frobnicate'"),
        (&["--frobnicate"], "'--frobnicate'"),
        (&["check", "--json"], "'--json'"),
        (&["run", "now"], "'now'"),
        (&["try"], "<HOST>"),
        (&["try", "--count", "0", "127.0.0.1"], "--count"),
    ] {
        let ended = bot(arguments).run().with(2);
        assert!(ended.stderr.contains(named) && ended.stdout.is_empty(), "{ended:#?}");
    }
}

#[test]
fn a_commands_own_help_tells_how_to_call_it() {
    for (command, words) in [
        ("try", &["grafolean-ping-bot try", "--count", "--json", "Exit code"][..]),
        ("once", &["grafolean-ping-bot once", "--json"]),
        ("check", &["grafolean-ping-bot check", "Exit code"]),
    ] {
        let help = bot(&[command, "--help"]).run().with(0).stdout;
        assert!(words.iter().all(|word| help.contains(word)), "{help}");
        assert_eq!(bot(&["help", command]).run().with(0).stdout, help, "{command}");
    }
}
