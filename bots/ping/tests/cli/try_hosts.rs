//! `try`: pings without any backend, as fping prints them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use crate::program::{bot, bot_in_namespace, skip};

/// The text with every time and the spaces around it made alike.
fn without_times(text: &str) -> String {
    let word = |word: &str| {
        let inner = word.trim_start_matches('(');
        let is_time = |part: &str| part.contains('.') && part.parse::<f64>().is_ok();
        if inner.split('/').all(is_time) {
            word.replace(|c: char| c.is_ascii_digit() || c == '.', "")
        } else {
            word.to_owned()
        }
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn it_prints_what_fping_prints() {
    let name = "it_prints_what_fping_prints";
    let hosts = ["127.0.0.1", "::1", "localhost"];
    for options in [&["-c", "1"][..], &["-q", "-c", "2", "-p", "20"]] {
        let Ok(fping) = Command::new("fping").args(options).args(hosts).output() else {
            return skip(name, "it needs fping");
        };
        let arguments = [&["try"], options, &hosts].concat();
        let ours = bot(&arguments).run().with(0);
        // fping writes the summary to standard error.
        let theirs = [fping.stdout, fping.stderr].concat();
        let sorted = |text: &str| {
            let mut lines: Vec<_> = without_times(text).lines().map(str::to_owned).collect();
            // Hosts answer in any order.
            lines.sort();
            lines
        };
        assert_eq!(sorted(&ours.stdout), sorted(&String::from_utf8_lossy(&theirs)));
        assert_eq!(ours.stderr, "");
    }
}

#[test]
fn json_gives_each_packet_and_each_host() {
    let ended = bot(&["try", "--json", "-c", "2", "-p", "10", "127.0.0.1", "::1"]).run().with(0);
    let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().filter(|line| line["packet"].is_u64() && line["rtt"].is_f64()).count(), 4);
    assert_eq!(lines.iter().filter(|line| line["sent"] == 2 && line["loss"] == 0.0).count(), 2);
    let quiet = bot(&["try", "--json", "-q", "-c", "1", "127.0.0.1"]).run().with(0);
    assert_eq!(quiet.stdout.lines().count(), 1);
}

#[test]
fn an_unknown_name_is_said_and_the_others_are_pinged() {
    let ended = bot(&["try", "-q", "-c", "1", "x.invalid", "127.0.0.1", "10.0.0.256"]).run().with(2);
    assert!(ended.stdout.starts_with("127.0.0.1 : xmt/rcv/%loss = 1/1/0%"), "{ended:#?}");
    assert_eq!(ended.stderr.lines().count(), 2, "{ended:#?}");
    assert!(ended.stderr.starts_with("x.invalid: "), "{ended:#?}");
    assert!(
        ended.stderr.contains("10.0.0.256: expected an IPv4 or IPv6 address or a host name"),
        "{ended:#?}"
    );
}

/// A place where any user may run the binary from.
fn open_to_all() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = directory.path().join("bot");
    fs::copy(env!("CARGO_BIN_EXE_grafolean-ping-bot"), &copy).unwrap();
    let copy = copy.to_str().unwrap().to_owned();
    (directory, copy)
}

fn as_nobody(
    test: &str,
    groups: &str,
    arguments: &[&str],
) -> Option<(tempfile::TempDir, crate::program::Program)> {
    let (directory, copy) = open_to_all();
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    let script = format!(
        "ip link set lo up; echo {groups} >/proc/sys/net/ipv4/ping_group_range; shift; exec {nobody} {copy} \"$@\""
    );
    Some((directory, bot_in_namespace(test, "--net", &script, arguments)?))
}

#[test]
fn without_permission_one_line_says_how_to_get_it() {
    let name = "without_permission_one_line_says_how_to_get_it";
    let Some((_directory, program)) = as_nobody(name, "1 0", &["try", "127.0.0.1"]) else { return };
    let ended = program.run().with(4);
    let line = ended.only_line();
    assert!(line.contains("net.ipv4.ping_group_range") && line.contains("cap_net_raw"), "{line}");
}

#[test]
fn the_service_without_permission_says_so_and_ends() {
    let name = "the_service_without_permission_says_so_and_ends";
    let Some((_directory, program)) = as_nobody(name, "1 0", &["run"]) else { return };
    let program = program.env("BACKEND_URL", "http://127.0.0.1:1/api").token("t0ken-t0ken");
    let ended = program.env("DATA_DIR", "none").run().with(78);
    assert!(ended.only_line().contains("net.ipv4.ping_group_range"), "{ended:#?}");
}

#[test]
fn an_unprivileged_user_may_ping_where_the_kernel_lets_him() {
    let name = "an_unprivileged_user_may_ping_where_the_kernel_lets_him";
    let arguments = ["try", "-q", "-c", "1", "127.0.0.1", "::1"];
    let Some((_directory, program)) = as_nobody(name, "0 2147483647", &arguments) else { return };
    assert_eq!(program.run().with(0).stdout.lines().count(), 2);
}
