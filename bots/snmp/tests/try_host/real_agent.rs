//! Against net-snmp's snmpd.

use std::net::UdpSocket;

use serde_json::{Value, json};

use crate::program::{Ended, try_host, try_with};
use crate::support::snmpd::Snmpd;

const CONFIG: &str = "\
sysName core-switch
sysLocation rack 7
sysContact noc@example.org
rocommunity public 127.0.0.1
createUser carol SHA-256 authentic-secret AES private-secret
rouser carol priv
createUser dave MD5 authentic-secret
rouser dave auth
createUser erin
rouser erin noauth
";
const CAROL: [&str; 10] =
    ["-u", "carol", "-a", "SHA-256", "-A", "authentic-secret", "-x", "AES", "-X", "private-secret"];

async fn snmpd(test: &str) -> Option<(Snmpd, String)> {
    let snmpd = Snmpd::start(test, CONFIG).await?;
    let address = snmpd.address.to_string();
    Some((snmpd, address))
}

/// A portrait of the device at that address, not looked at for long.
fn portrait(address: &str, arguments: &[&str]) -> Ended {
    try_host(&[&[address, "--interval", "1"], arguments].concat())
}

#[tokio::test]
async fn it_draws_the_portrait_of_a_device() {
    let Some((_snmpd, address)) = snmpd("it_draws_the_portrait_of_a_device").await else { return };
    for arguments in [&[][..], &CAROL] {
        let ended = portrait(&address, arguments).with(0);
        let version = if arguments.is_empty() { "SNMPv2c" } else { "SNMPv3" };
        assert!(ended.stdout.starts_with(&format!("{address} answers {version}\n\nsystem\n")), "{ended:#?}");
        let ended = ended
            .says("\n  sysName      core-switch\n  sysLocation  rack 7\n")
            .says("\n  sysObjectID  1.3.6.1.4.1.8072.3.2.")
            .says("\n  engine          80001f88")
            .says(", booted once, up 0:0")
            .says("\n  GETBULK         yes; best max-repetitions 100 (128 asked for: 100 came)\n")
            .says(" ms (10 requests)\n")
            .says("; hrSystemDate is ")
            .says("\n  64-bit counters there\n")
            .says("\n  index  name")
            .says("  up/up  ");
        let lo = ended.stdout.lines().find(|line| line.split_whitespace().nth(1) == Some("lo")).unwrap();
        assert!(lo.ends_with("0/0") && lo.matches("b/s").count() == 3, "{lo}");
        let versions = if arguments.is_empty() {
            "SNMPv1 and SNMPv2c answered with this community; an SNMPv3 engine is there"
        } else {
            "SNMPv3 is answered; others were not asked for"
        };
        ended.says(versions);
    }
    portrait(&address, &["-v", "1"]).with(0).says("SNMPv1 has none").says("SNMPv1 cannot carry them");
}

#[tokio::test]
async fn the_portrait_is_there_as_json_too() {
    let Some((_snmpd, address)) = snmpd("the_portrait_is_there_as_json_too").await else { return };
    let portrait = portrait(&address, &["--json"]).with(0).json();
    assert_eq!(portrait["version"], "SNMPv2c");
    assert_eq!(portrait["address"], address);
    assert_eq!(portrait["system"]["sysName"], "core-switch");
    assert!(portrait["system"]["sysUpTime"].is_u64() && portrait["system"]["sysObjectID"].is_string());
    let agent = &portrait["agent"];
    assert_eq!(agent["versions"].as_array().unwrap().len(), 3);
    assert!(agent["versions"].as_array().unwrap().iter().all(|version| version["answers"] == true));
    assert_eq!(agent["getbulk"]["rows_in_one_answer"], 100);
    assert_eq!((&agent["engine"]["boots"], &agent["counters_64_bit"]), (&json!(1), &json!(true)));
    assert_eq!((&agent["round_trip"]["requests"], &agent["round_trip"]["lost"]), (&json!(10), &json!(0)));
    assert!(agent["date"]["ahead"].as_f64().unwrap().abs() < 60.0, "{agent}");
    let lo = portrait["interfaces"].as_array().unwrap().iter().find(|line| line["name"] == "lo").unwrap();
    assert!(lo["in_bps"].is_f64() && lo["in_errors"].is_u64(), "{lo}");
    assert_eq!((&lo["oper"], &lo["counter_bits"]), (&json!("up"), &json!(64)));
}

#[tokio::test]
async fn a_failure_says_why() {
    let Some((_snmpd, address)) = snmpd("a_failure_says_why").await else { return };
    let secret = ["-A", "authentic-secret"];
    let with = |options: &[&str]| try_host(&[&[&*address, "-t", "0.5", "-r", "1"], options].concat()).with(1);
    with(&["-c", "wrong"])
        .complains(&format!("{address}: no answer to SNMPv2c within 1."))
        .complains(" s (2 tries)\n")
        .complains(
            "an SNMPv3 engine answers there, so the agent runs and can be reached: the community is wrong",
        );
    with(&["-u", "bob"])
        .complains(" s (2 tries): unknown user\n")
        .complains("the agent has no such user: see -u");
    with(&[&["-u", "bob", "-a", "SHA"], &secret[..]].concat())
        .complains(" s (2 tries): unknown user\n")
        .complains("the agent has no such user: see -u");
    with(&["-u", "dave", "-a", "MD5", "-A", "wrong-secret"])
        .complains(": wrong authentication key\n")
        .complains("see -A and -a");
    with(&[&["-u", "dave", "-a", "SHA"], &secret[..]].concat()).complains(": wrong authentication key\n");
    with(&[&CAROL[..8], &["-X", "wrong-secret"]].concat())
        .complains(": wrong privacy key")
        .complains("see -X and -x");
    with(&[&["-u", "dave", "-a", "MD5", "-x", "AES", "-X", "private-secret"], &secret[..]].concat())
        .complains(": unsupported security level\n")
        .complains("see -l");
    with(&["-u", "carol", "-l", "noAuthNoPriv"])
        .complains("the agent answers authorizationError\n")
        .complains("the agent knows who asks, but lets it read nothing at this level (-l)");
    let failure = with(&["-c", "wrong", "--json"]).json();
    assert!(failure["error"].as_str().unwrap().starts_with("no answer to SNMPv2c within 1."), "{failure}");
    assert_eq!(failure["notes"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_closed_port_is_told_at_once() {
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let port = address.port();
    let closed = format!("port {port} is closed: nothing answers SNMP there\n");
    for arguments in [&[][..], &["-v", "1"], &CAROL] {
        let ended = try_host(&[&[&*address.to_string()][..], arguments].concat()).with(1);
        assert_eq!(ended.stderr, format!("{address}: {closed}"));
    }
    try_host(&["localhost", "-p", &port.to_string()]).with(1).complains("localhost (").complains(&closed);
}

#[tokio::test]
async fn a_name_is_asked_at_the_address_where_the_agent_listens() {
    let name = "a_name_is_asked_at_the_address_where_the_agent_listens";
    let Some((snmpd, address)) = snmpd(name).await else { return };
    // Its first address is ::1 on many hosts, and snmpd is not there.
    let host = format!("localhost:{}", snmpd.address.port());
    let ended = try_host(&[&host, "--get", "sysName"]).with(0).says("::sysName.0 = STRING: core-switch\n");
    let moved = format!("where the bot would ask it, but at {address}");
    assert!(ended.stderr.is_empty() || ended.stderr.contains(&moved), "{ended:#?}");
}

#[test]
fn an_unknown_name_is_a_matter_of_the_arguments() {
    try_host(&["x.invalid"]).with(2).complains("x.invalid: ");
    let failure: Value = try_host(&["x.invalid", "--json"]).with(2).json();
    assert_eq!((&failure["host"], &failure["address"]), (&json!("x.invalid"), &Value::Null));
    try_host(&["10.0.0.256"]).with(2).complains("expected an IPv4 or IPv6 address or a host name");
    try_host(&[]).with(2).complains("<HOST>");
    try_host(&["--help"]).with(0).says("Exit code: 0 all well, 1 no answer, refused,");
}

#[tokio::test]
async fn secrets_need_not_be_arguments() {
    let Some((_snmpd, address)) = snmpd("secrets_need_not_be_arguments").await else { return };
    let phrases = [("SNMP_AUTH_PASSPHRASE", "authentic-secret"), ("SNMP_PRIV_PASSPHRASE", "private-secret")];
    let carol = [&address, "-u", "carol", "-a", "SHA-256", "-x", "AES", "--get", "sysName"];
    try_with(&phrases, &carol).with(0).says("core-switch");
    let erin = [&address, "-u", "erin", "--get", "sysName"];
    try_with(&phrases, &erin).with(0).says("core-switch");
    let wrong = [("SNMP_COMMUNITY", "secret")];
    try_with(&wrong, &[&address, "-t", "0.2", "-r", "0"]).with(1).complains("no answer");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("community");
    std::fs::write(&file, "public\n").unwrap();
    let from_file = [&address, "--community-file", file.to_str().unwrap(), "--get", "sysName"];
    try_with(&wrong, &from_file).with(0).says("core-switch");
}
