//! What the command line says, checked.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::names;
use super::target::Target;
use crate::poll::{FetchMethod, Source};
use crate::sensor::{Expression, OutputPath};
use crate::wire::{Credential, Tuning};

/// A version of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Version {
    V1,
    V2c,
    V3,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "SNMPv1",
            Self::V2c => "SNMPv2c",
            Self::V3 => "SNMPv3",
        })
    }
}

/// How the device is asked.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    pub(super) version: Version,
    pub(super) credential: Arc<Credential>,
    /// In which other ways it might answer, to be told to the user; with few tries.
    pub(super) others: Vec<(Version, Arc<Credential>)>,
}

/// The sensor whose values are to be shown.
#[derive(Clone, Debug)]
pub(super) struct Sensor {
    pub(super) expression: Expression,
    pub(super) expression_text: String,
    pub(super) path: OutputPath,
}

#[derive(Clone, Debug)]
pub(super) struct Options {
    /// As it was typed.
    pub(super) host: String,
    pub(super) target: Target,
    pub(super) asking: Asking,
    /// What to get and to walk: `$1`, `$2`, … Nothing: a portrait of the device.
    pub(super) sources: Vec<Source>,
    pub(super) sensor: Option<Sensor>,
    pub(super) interval: Duration,
    pub(super) numeric: bool,
    pub(super) json: bool,
}

/// Why there is nothing to do.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Help is one too.
    Usage(clap::Error),
    Problem(String),
}

impl From<String> for Refusal {
    fn from(problem: String) -> Self {
        Self::Problem(problem)
    }
}

/// Gives the value of a variable of the environment.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Result<Option<String>, String>;

const COMMUNITY: &str = "SNMP_COMMUNITY";
const AUTH_PHRASE: &str = "SNMP_AUTH_PASSPHRASE";
const PRIV_PHRASE: &str = "SNMP_PRIV_PASSPHRASE";
/// A file much larger than a community is another file.
const MOST_COMMUNITY_FILE: u64 = 4_096;
/// Whom no agent knows: one that says so is there.
const NOBODY: &str = "grafolean-try";
/// Options that only one kind of version has.
const OF_COMMUNITIES: [&str; 2] = ["community", "community-file"];
const OF_USERS: [&str; 7] =
    ["user", "level", "auth-protocol", "auth-phrase", "priv-protocol", "priv-phrase", "context"];

pub(super) fn parse(arguments: Vec<OsString>, environment: Lookup<'_>) -> Result<Options, Refusal> {
    let matches = command().try_get_matches_from(arguments).map_err(Refusal::Usage)?;
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let host = text("host").unwrap_or_default().to_owned();
    let target: Target = host.parse().map_err(|error: super::target::TargetError| error.to_string())?;
    let port = matches.get_one::<u16>("port").copied();
    if port.is_some() && target.port().is_some() {
        return Err("the port is given twice: with the host, and with --port".to_owned().into());
    }
    let tuning = Tuning {
        port: port.or(target.port()),
        timeout: matches.get_one::<f64>("timeout").copied(),
        retries: matches.get_one::<u32>("retries").copied(),
        max_repetitions: matches.get_one::<u32>("max-repetitions").copied(),
        context: text("context").map(str::to_owned),
        accept_any_source: Some(matches.get_flag("accept-any-source")),
        any_order: Some(matches.get_flag("any-order")),
    };
    let asking = asking(&matches, &tuning, environment).map_err(|problem| in_options(&problem))?;
    let sources = sources(&matches)?;
    let sensor = match (text("expression"), text("output-path")) {
        (Some(expression), Some(path)) => Some(Sensor {
            expression: Expression::compile(expression, sources.len())
                .map_err(|error| format!("--expression: {error}"))?,
            expression_text: expression.to_owned(),
            path: OutputPath::compile(path, sources.len())
                .map_err(|error| format!("--output-path: {error}"))?,
        }),
        _ => None,
    };
    let interval = matches.get_one::<Duration>("interval").copied().unwrap_or_default();
    let (numeric, json) = (matches.get_flag("numeric"), matches.get_flag("json"));
    Ok(Options { host, target, asking, sources, sensor, interval, numeric, json })
}

fn asking(matches: &ArgMatches, tuning: &Tuning, environment: Lookup<'_>) -> Result<Asking, String> {
    let given = |names: &[&'static str]| names.iter().find(|name| matches.contains_id(name)).copied();
    let version = match matches.get_one::<String>("version").map(String::as_str) {
        Some("1") => Version::V1,
        Some("2c") => Version::V2c,
        Some(_) => Version::V3,
        None if matches.contains_id("user") => Version::V3,
        None => Version::V2c,
    };
    let foreign = if version == Version::V3 { given(&OF_COMMUNITIES) } else { given(&OF_USERS) };
    if let Some(name) = foreign {
        let needs = if version == Version::V3 { "-v 1 or 2c" } else { "-v 3" };
        return Err(format!("--{name} needs {needs}, not {version}"));
    }
    let once_more = Tuning { retries: Some(tuning.retries.unwrap_or(1).min(1)), ..tuning.clone() };
    let others = |others: Vec<(Version, Credential)>| {
        let tuned = |(version, credential): (Version, Credential)| {
            Ok::<_, String>((version, Arc::new(credential.tuned(&once_more)?)))
        };
        others.into_iter().map(tuned).collect::<Result<Vec<_>, _>>()
    };
    let (credential, others) = if version == Version::V3 {
        (user(matches, environment)?, Vec::new())
    } else {
        let community = community(matches, environment)?;
        let nobody = || Credential::v3(NOBODY, None, None);
        let (v1, v2c) = (Credential::v1(community.clone())?, Credential::v2c(community)?);
        if version == Version::V1 {
            (v1, others(vec![(Version::V2c, v2c), (Version::V3, nobody()?)])?)
        } else {
            (v2c, others(vec![(Version::V1, v1), (Version::V3, nobody()?)])?)
        }
    };
    Ok(Asking { version, credential: Arc::new(credential.tuned(tuning)?), others })
}

fn community(matches: &ArgMatches, environment: Lookup<'_>) -> Result<String, String> {
    if let Some(community) = matches.get_one::<String>("community") {
        return Ok(community.clone());
    }
    let Some(path) = matches.get_one::<String>("community-file") else {
        return Ok(environment(COMMUNITY)?.unwrap_or_else(|| "public".to_owned()));
    };
    let problem = |why: &dyn fmt::Display| format!("--community-file {path}: {why}");
    let mut text = String::new();
    let file = File::open(path).map_err(|error| problem(&error))?;
    let length = file.take(MOST_COMMUNITY_FILE + 1).read_to_string(&mut text);
    if length.map_err(|error| problem(&error))? as u64 > MOST_COMMUNITY_FILE {
        return Err(problem(&format_args!("expected at most {MOST_COMMUNITY_FILE} bytes")));
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn user(matches: &ArgMatches, environment: Lookup<'_>) -> Result<Credential, String> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let phrase = |name: &str, variable: &str| match text(name) {
        Some(phrase) => Ok(Some(phrase)),
        None => environment(variable),
    };
    let level = match text("level") {
        Some(level) => level.to_ascii_lowercase(),
        // As much as there are options for.
        None if ["priv-protocol", "priv-phrase"].iter().any(|name| matches.contains_id(name)) => {
            "authpriv".to_owned()
        }
        None if ["auth-protocol", "auth-phrase"].iter().any(|name| matches.contains_id(name)) => {
            "authnopriv".to_owned()
        }
        None => String::new(),
    };
    let (mut auth, mut privacy) = (None, None);
    let (auth_protocol, priv_protocol) = (text("auth-protocol"), text("priv-protocol"));
    if level.starts_with("auth") {
        let phrase = phrase("auth-phrase", AUTH_PHRASE)?.unwrap_or_default();
        auth = Some((auth_protocol.as_deref().unwrap_or_default(), phrase));
    }
    if level == "authpriv" {
        let phrase = phrase("priv-phrase", PRIV_PHRASE)?.unwrap_or_default();
        privacy = Some((priv_protocol.as_deref().unwrap_or_default(), phrase));
    }
    Credential::v3(text("user").unwrap_or_default(), auth, privacy)
}

/// The same problem, with the option in the place of Grafolean's field.
fn in_options(problem: &str) -> String {
    const OPTIONS: [(&str, &str); 12] = [
        ("snmpv12_community", "-c"),
        ("snmpv3_securityName", "-u"),
        ("snmpv3_securityLevel", "-l"),
        ("snmpv3_authProtocol", "-a"),
        ("snmpv3_authKey", "-A"),
        ("snmpv3_privProtocol", "-x"),
        ("snmpv3_privKey", "-X"),
        ("port", "-p"),
        ("timeout", "-t"),
        ("retries", "-r"),
        ("max_repetitions", "--max-repetitions"),
        ("context", "-n"),
    ];
    let known = OPTIONS.iter().find_map(|(field, option)| {
        let rest = problem.strip_prefix(field)?.strip_prefix(": ")?;
        Some(format!("{option}: {rest}"))
    });
    known.unwrap_or_else(|| problem.to_owned())
}

/// What to get and to walk, in the order in which it was typed: `$1`, `$2`, …
fn sources(matches: &ArgMatches) -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    for (name, fetch) in [("get", FetchMethod::Get), ("walk", FetchMethod::Walk)] {
        let places = matches.indices_of(name).into_iter().flatten();
        for (place, typed) in places.zip(matches.get_many::<String>(name).into_iter().flatten()) {
            let oid = names::resolve(typed, fetch).map_err(|error| format!("--{name}: {error}"))?;
            sources.push((place, Source { oid, fetch }));
        }
    }
    sources.sort_by_key(|(place, _)| *place);
    Ok(sources.into_iter().map(|(_, source)| source).collect())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|seconds| (0.1..=3_600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "expected 0.1 to 3600 seconds".to_owned())
}

fn command() -> Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    Command::new("try")
        .about("Ask a device by SNMP without any backend: what it is, what it counts, what a sensor would deliver")
        .after_help(
            "Without --get and --walk: the system group, what the agent is like, and the interfaces with their rates.\n\
             With --expression and --output-path: the values of a sensor whose $1, $2, … are the --get and --walk in \
             their order.\n\n\
             Exit code: 0 all well, 1 no answer, refused, or not read to the end, 2 wrong arguments or unknown name",
        )
        .arg(Arg::new("host").value_name("HOST").required(true).help(
            "A name or an address, with or without a port: switch7, 10.0.0.1:1161, [2001:db8::1]:161, fe80::1%eth0",
        ))
        .arg(
            option("version", "VERSION", "1, 2c or 3 [default: 2c; 3 with -u]")
                .short('v')
                .hide_possible_values(true)
                .value_parser(["1", "2c", "3"]),
        )
        .arg(option("port", "PORT", "The UDP port [default: 161]").short('p').value_parser(value_parser!(u16)))
        .arg(
            option("timeout", "SECONDS", "How long each try may take [default: 2]")
                .short('t')
                .value_parser(value_parser!(f64)),
        )
        .arg(
            option("retries", "N", "Further tries without an answer [default: 3]")
                .short('r')
                .value_parser(value_parser!(u32)),
        )
        .arg(
            option("max-repetitions", "N", "Rows asked for in one GETBULK, at most [default: 25]")
                .value_parser(value_parser!(u32)),
        )
        .arg(flag("accept-any-source", "Take answers from other addresses than HOST's too"))
        .arg(flag("any-order", "Read tables whose rows are not sorted"))
        .next_help_heading("SNMPv1 and v2c")
        .arg(option("community", "COMMUNITY", "The community [default: $SNMP_COMMUNITY, else public]").short('c'))
        .arg(
            option("community-file", "FILE", "A file that holds the community, so that ps does not show it")
                .conflicts_with("community"),
        )
        .next_help_heading("SNMPv3, as net-snmp calls it")
        .arg(option("user", "USER", "The user").short('u'))
        .arg(
            option("level", "LEVEL", "noAuthNoPriv, authNoPriv or authPriv [default: what other options need]")
                .short('l')
                .ignore_case(true)
                .hide_possible_values(true)
                .value_parser(["noAuthNoPriv", "authNoPriv", "authPriv"]),
        )
        .arg(option("auth-protocol", "PROTOCOL", "MD5, SHA, SHA-224, SHA-256, SHA-384 or SHA-512").short('a'))
        .arg(option("auth-phrase", "PHRASE", "Its pass phrase [default: $SNMP_AUTH_PASSPHRASE]").short('A'))
        .arg(
            option("priv-protocol", "PROTOCOL", "DES, AES, AES-192, AES-256, AES-192-C or AES-256-C").short('x'),
        )
        .arg(option("priv-phrase", "PHRASE", "Its pass phrase [default: $SNMP_PRIV_PASSPHRASE]").short('X'))
        .arg(option("context", "NAME", "The context").short('n'))
        .next_help_heading("What to read")
        .arg(
            option("get", "OID", "An object: 1.3.6.1.2.1.1.3.0, sysUpTime.0, IF-MIB::ifDescr.2 (repeatable)")
                .action(ArgAction::Append),
        )
        .arg(option("walk", "OID", "All below it: a column, a table (repeatable)").action(ArgAction::Append))
        .arg(option("expression", "TEXT", "The sensor's expression: $1 * 8").requires("output-path"))
        .arg(
            option("output-path", "TEMPLATE", "The sensor's output path: if.{$2}.in")
                .requires("expression")
                .requires("read"),
        )
        .group(clap::ArgGroup::new("read").args(["get", "walk"]).multiple(true))
        .arg(
            option("interval", "SECONDS", "Between the two polls from which rates are made")
                .default_value("5")
                .value_parser(seconds),
        )
        .next_help_heading("Output")
        .arg(flag("numeric", "OIDs instead of names, as sensors need them"))
        .arg(flag("json", "One JSON object"))
}

#[cfg(test)]
mod tests;
