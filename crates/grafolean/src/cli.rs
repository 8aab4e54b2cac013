//! What can be said on the command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use grafolean_hub::TlsFiles;
use grafoleancollector::Environment;

use crate::failure::Failure;
use crate::orders::Order;
use crate::password;
use crate::serve::Serving;

/// Only this machine: who wants more has to say so.
const LISTEN: &str = "127.0.0.1:8080";

const AFTER: &str = "\
Without a command: the hub (API, storage, page) and the ping, SNMP and NetFlow bots, all in this process. The first \
start makes the data directory, an account, and the device `localhost`, and prints a link for the first login.

Examples:
  grafolean                                 collect, store and see on this machine: http://127.0.0.1:8080
  grafolean --listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem
  grafolean backup /backup/grafolean.sqlite a copy of everything that is stored, while it runs
  grafolean user password admin             another password, for who is locked out
  BACKEND_URL=https://grafolean.example.org/api BOT_TOKEN_FROM_FILE=ping-bot.token grafolean bot ping

Environment (also from a .env file):
  DATA_DIR     the data directory, where --data-dir is not given [$STATE_DIRECTORY, else $XDG_STATE_HOME/grafolean]
  LOG          error, warn, info, debug, trace; or target=level,… [info]
  LOG_FORMAT   text or json [text]
and the bots' own (PING_RATE, SNMP_STATS, NETFLOW_ALLOW, …: `grafolean bot snmp --help`).

Exit code: 0 ended as told, 1 a failure, 2 wrong arguments, 78 a person has to change something";

pub(crate) fn command() -> Command {
    Command::new("grafolean")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Collecting, storing and seeing, with nothing else installed")
        .after_help(AFTER)
        .disable_help_subcommand(true)
        .arg(
            Arg::new("data-dir")
                .long("data-dir")
                .value_name("DIR")
                .global(true)
                .value_parser(value_parser!(PathBuf))
                .help("Where everything is kept"),
        )
        .args(listening())
        .arg(no_bots())
        .arg(netflow_listen())
        .subcommand(
            Command::new("hub")
                .about("The hub alone; bots run elsewhere, with the tokens in DIR/tokens")
                .args(listening()),
        )
        .subcommand(bot())
        .subcommand(
            Command::new("backup")
                .about("Copies everything that is stored to FILE, while it runs")
                .arg(Arg::new("file").value_name("FILE").required(true).value_parser(value_parser!(PathBuf))),
        )
        .subcommand(user())
        .subcommand(bot_token())
        .subcommand(
            Command::new("check")
                .about("Tells what would keep it from working: directory, ports, permissions")
                .args(listening())
                .arg(no_bots())
                .arg(netflow_listen())
                .after_help("Exit code: 0 it can work, 1 something has to be mended"),
        )
}

fn listening() -> [Arg; 3] {
    let file = |name: &'static str, other: &'static str, help: &'static str| {
        let file = Arg::new(name).long(name).value_name("FILE").requires(other);
        file.value_parser(value_parser!(PathBuf)).help(help)
    };
    [
        Arg::new("listen")
            .long("listen")
            .value_name("ADDR:PORT")
            .value_parser(value_parser!(SocketAddr))
            .help(format!("Where the page and the API are served [default: {LISTEN}]")),
        file("tls-cert", "tls-key", "Serves https: the certificate and those of its issuers, PEM"),
        file("tls-key", "tls-cert", "The certificate's private key, PEM"),
    ]
}

fn no_bots() -> Arg {
    Arg::new("no-bots").long("no-bots").action(ArgAction::SetTrue).help("Serves without bots, as `hub` does")
}

fn netflow_listen() -> Arg {
    let arg = Arg::new("netflow-listen").long("netflow-listen").value_name("ADDR:PORT,…");
    arg.help("Where flows are received [default: [::]:2055]")
}

fn bot() -> Command {
    let one = |name: &'static str, about: &'static str| {
        // Its arguments are its own to read, --help among them.
        let all = Arg::new("arguments").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
        let all = all.value_parser(value_parser!(OsString));
        Command::new(name).about(about).disable_help_flag(true).arg(all)
    };
    Command::new("bot")
        .about("One bot alone, for any Grafolean backend, as its own binary does")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(one("ping", "ICMP ping"))
        .subcommand(one("snmp", "SNMP v1, v2c, v3"))
        .subcommand(one("netflow", "NetFlow, IPFIX, sFlow"))
}

fn user() -> Command {
    let name = || Arg::new("username").value_name("USERNAME").required(true);
    let password = || {
        let file = Arg::new("password-file").long("password-file").value_name("FILE");
        let file = file.value_parser(value_parser!(PathBuf));
        file.help("A file whose first line is the password; without it: asked for, or from standard input")
    };
    Command::new("user")
        .about("The people who may log in, whether the hub runs or not")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new("list").about("Shows them"))
        .subcommand(
            Command::new("add")
                .about("Adds one, who may do nothing until something is granted")
                .arg(name())
                .arg(Arg::new("admin").long("admin").action(ArgAction::SetTrue).help("May do everything"))
                .arg(Arg::new("name").long("name").value_name("NAME").help("What the person is called"))
                .arg(Arg::new("email").long("email").value_name("EMAIL"))
                .arg(password()),
        )
        .subcommand(
            Command::new("password")
                .about("Sets another password, and ends all sessions")
                .arg(name())
                .arg(password()),
        )
        .subcommand(Command::new("remove").about("Removes one").arg(name()))
}

fn bot_token() -> Command {
    let id = |what: &'static str| {
        let id = Arg::new("id").value_name("ID").required(true).value_parser(value_parser!(i64));
        id.help(what)
    };
    Command::new("bot-token")
        .about("Bots and their tokens, whether the hub runs or not; a token is shown once")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new("list").about("Shows the bots"))
        .subcommand(
            Command::new("new")
                .about("Makes a new token for a bot; the old one ends")
                .arg(id("The bot's id")),
        )
        .subcommand(
            Command::new("add")
                .about("Adds a bot and makes its token")
                .arg(Arg::new("name").value_name("NAME").required(true))
                .arg(
                    Arg::new("protocol")
                        .long("protocol")
                        .value_name("PROTOCOL")
                        .required(true)
                        .help("What it measures with: ping, snmp, netflow, or one of your own"),
                )
                .arg(
                    Arg::new("account")
                        .long("account")
                        .value_name("ID")
                        .value_parser(value_parser!(i64))
                        .help("The account that it serves [default: the only one]"),
                ),
        )
}

/// The data directory that is meant.
pub(crate) fn data_dir(matches: &ArgMatches, environment: &Environment) -> Result<PathBuf, Failure> {
    let own = matches.subcommand().and_then(|(_, own)| own.get_one::<PathBuf>("data-dir"));
    if let Some(given) = own.or_else(|| matches.get_one("data-dir")) {
        return Ok(given.clone());
    }
    let nowhere = "DATA_DIR: `none` is no place for a hub: expected a directory, or --data-dir";
    environment.data_dir("grafolean")?.ok_or_else(|| Failure::config(nowhere))
}

/// What is to be served.
pub(crate) fn serving(matches: &ArgMatches, data_dir: &Path) -> Result<Serving, Failure> {
    // The same may be said before the command and after it.
    let levels = || matches.subcommand().map(|(_, own)| own).into_iter().chain([matches]);
    let path = |name: &str| levels().find_map(|level| known::<PathBuf>(level, name).cloned());
    let listen = levels().find_map(|level| known::<SocketAddr>(level, "listen").copied());
    let listen = listen.map_or_else(|| LISTEN.parse().map_err(Failure::config), Ok)?;
    let is_set = |level: &ArgMatches| known::<bool>(level, "no-bots").is_some_and(|set| *set);
    Ok(Serving {
        data_dir: data_dir.to_owned(),
        listen,
        tls: path("tls-cert").zip(path("tls-key")).map(|(certificate, key)| TlsFiles { certificate, key }),
        with_bots: !levels().any(is_set) && matches.subcommand_name() != Some("hub"),
        netflow_listen: levels().find_map(|level| known::<String>(level, "netflow-listen").cloned()),
    })
}

fn known<'a, T: Clone + Send + Sync + 'static>(level: &'a ArgMatches, name: &str) -> Option<&'a T> {
    level.try_get_one(name).ok().flatten()
}

/// What somebody wants done with users or bots.
pub(crate) fn order(what: &str, matches: &ArgMatches) -> Result<Order, Failure> {
    let Some((action, own)) = matches.subcommand() else { return Err(Failure::config("no command")) };
    let text = |name: &str| known::<String>(own, name).cloned();
    let username = || text("username").unwrap_or_default();
    let password = || password::read(known::<PathBuf>(own, "password-file").map(PathBuf::as_path));
    let number = |name: &str| known::<i64>(own, name).copied();
    Ok(match (what, action) {
        ("user", "add") => Order::AddUser {
            username: username(),
            name: text("name"),
            email: text("email"),
            admin: own.get_flag("admin"),
            password: password()?,
        },
        ("user", "password") => Order::SetPassword { username: username(), password: password()? },
        ("user", "remove") => Order::RemoveUser { username: username() },
        ("user", _) => Order::ListUsers,
        (_, "new") => Order::NewToken { bot: number("id").unwrap_or_default() },
        (_, "add") => Order::AddBot {
            name: text("name").unwrap_or_default(),
            protocol: text("protocol").unwrap_or_default(),
            account: number("account"),
        },
        _ => Order::ListBots,
    })
}

/// The path that an argument gives.
pub(crate) fn path(matches: &ArgMatches, name: &str) -> PathBuf {
    matches.get_one::<PathBuf>(name).cloned().unwrap_or_default()
}

/// The arguments of a bot.
pub(crate) fn rest(matches: &ArgMatches) -> Vec<OsString> {
    matches.get_many::<OsString>("arguments").into_iter().flatten().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> ArgMatches {
        command().try_get_matches_from(std::iter::once(&"grafolean").chain(arguments)).unwrap()
    }

    fn serving_of(arguments: &[&str]) -> Serving {
        serving(&parsed(arguments), Path::new("/data")).unwrap()
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn without_arguments_everything_runs_for_this_machine_only() {
        let serving = serving_of(&[]);
        assert!(serving.with_bots && serving.tls.is_none());
        assert_eq!(serving.listen.to_string(), "127.0.0.1:8080");
    }

    #[test]
    fn the_hub_alone_has_no_bots_and_options_may_stand_before_or_after_the_command() {
        for arguments in [&["--no-bots"][..], &["hub"]] {
            assert!(!serving_of(arguments).with_bots, "{arguments:?}");
        }
        for arguments in [&["--listen", "[::1]:9000", "hub"][..], &["hub", "--listen", "[::1]:9000"]] {
            assert_eq!(serving_of(arguments).listen.to_string(), "[::1]:9000");
        }
        for arguments in [&["--data-dir", "/x", "user", "list"][..], &["user", "list", "--data-dir", "/x"]] {
            let given = data_dir(&parsed(arguments), &Environment::default()).unwrap();
            assert_eq!(given, Path::new("/x"), "{arguments:?}");
        }
    }

    #[test]
    fn a_bot_reads_its_arguments_itself() {
        let matches = parsed(&["bot", "snmp", "try", "--help", "-v", "3"]);
        let (_, bot) = matches.subcommand().unwrap();
        let (name, own) = bot.subcommand().unwrap();
        assert_eq!((name, rest(own)), ("snmp", ["try", "--help", "-v", "3"].map(OsString::from).to_vec()));
    }

    #[test]
    fn a_certificate_needs_its_key() {
        let error = command().try_get_matches_from(["grafolean", "--tls-cert", "cert.pem"]).unwrap_err();
        assert!(error.to_string().contains("--tls-key"), "{error}");
    }
}
