//! What the command line says, checked.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, value_parser};

use crate::receive::addresses;

const DEFAULT_LISTEN: &str = "[::]:2055";

#[derive(Debug)]
pub(super) struct Options {
    pub(super) input: Input,
    pub(super) json: bool,
    /// So many flows are enough.
    pub(super) count: Option<u64>,
    /// So long is enough.
    pub(super) time: Option<Duration>,
    /// How often a table is printed where there is no terminal to redraw.
    pub(super) every: Duration,
}

#[derive(Debug, PartialEq)]
pub(super) enum Input {
    Listen(Vec<SocketAddr>),
    Capture { file: PathBuf, port: Option<u16> },
}

pub(super) fn parse(arguments: Vec<OsString>) -> Result<Options, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(arguments)?;
    let listen: Vec<&str> =
        matches.get_many::<String>("listen").into_iter().flatten().map(String::as_str).collect();
    let listen = if listen.is_empty() { DEFAULT_LISTEN.to_owned() } else { listen.join(",") };
    let listen = addresses(&listen)
        .map_err(|error| command.error(ErrorKind::ValueValidation, format!("--listen: {error}")))?;
    let input = match matches.get_one::<PathBuf>("pcap") {
        Some(file) => Input::Capture { file: file.clone(), port: matches.get_one("port").copied() },
        None => Input::Listen(listen),
    };
    let seconds = |name| matches.get_one::<u64>(name).copied().map(Duration::from_secs);
    Ok(Options {
        input,
        json: matches.get_flag("json"),
        count: matches.get_one("count").copied(),
        time: seconds("seconds"),
        every: seconds("every").unwrap_or(Duration::from_secs(10)),
    })
}

fn command() -> Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let positive = || value_parser!(u64).range(1..);
    Command::new("try")
        .about("Listen without any backend, and show who sends flows and what is in them")
        .after_help(
            "Rates and top talkers are those of the last minute, multiplied by the sampling rate that the exporter \
             tells.\n\n\
             Each line of --json is a flow: time (received, milliseconds), exporter, reported, version, domain, \
             direction, event, src, dst, src_port, dst_port, protocol, tcp_flags, tos, input, output, bytes, packets, \
             sampling, start, end (milliseconds). What a record does not have is null; bytes and packets are not \
             multiplied.\n\n\
             Exit code: 0 there were flows, 1 there were none, or no way to them, 2 wrong arguments",
        )
        .arg(
            option("listen", "ADDRESS", "Where to listen, may be repeated: 2055, 10.0.0.1:2055, [::]:6343 [default: [::]:2055]")
                .action(ArgAction::Append),
        )
        .arg(
            option("pcap", "FILE", "Read a capture (pcap, pcapng) instead; - is standard input")
                .value_parser(value_parser!(PathBuf))
                .conflicts_with_all(["listen", "seconds", "every"]),
        )
        .arg(
            option("port", "PORT", "Of a capture, only what was sent to this UDP port [default: all]")
                .value_parser(value_parser!(u16))
                .requires("pcap"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Print each flow as a line of JSON, instead of tables"),
        )
        .arg(option("count", "N", "End after N flows").value_parser(positive()))
        .arg(option("seconds", "N", "End after N seconds").value_parser(positive()))
        .arg(
            option("every", "N", "Print a table every N seconds where standard output is no terminal [default: 10]")
                .value_parser(positive()),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &str) -> Result<Options, String> {
        let arguments = std::iter::once("try").chain(arguments.split_whitespace()).map(Into::into);
        parse(arguments.collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn it_listens_at_the_usual_port_unless_told_otherwise() {
        let input = |arguments| parsed(arguments).unwrap().input;
        assert_eq!(input(""), Input::Listen(vec!["[::]:2055".parse().unwrap()]));
        let two = vec!["[::]:9995".parse().unwrap(), "127.0.0.1:6343".parse().unwrap()];
        assert_eq!(input("--listen 9995 --listen 127.0.0.1:6343"), Input::Listen(two));
        assert_eq!(input("--pcap - --port 7"), Input::Capture { file: "-".into(), port: Some(7) });
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (arguments, says) in [
            ("--listen router:2055", "--listen: \"router\" is no"),
            ("--listen 2055 --listen 2055", "is there twice"),
            ("--pcap a --listen 2055", "cannot be used with"),
            ("--port 2055", "--pcap <FILE>"),
            ("--count 0", "0 is not in 1.."),
            ("10.0.0.1", "unexpected argument"),
        ] {
            let error = parsed(arguments).unwrap_err();
            assert!(error.contains(says), "{arguments}: {error}");
        }
    }
}
