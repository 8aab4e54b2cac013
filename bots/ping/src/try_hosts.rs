//! `try`: pings hosts without any backend, and prints what fping would.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, Command, value_parser};
use grafoleancollector::{Address, Host, HostError};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::icmp::{PingError, Pinger, PingerOptions};
use crate::measure::{Pings, Rtt};

/// Exit codes as fping has them.
const ALL_ANSWERED: u8 = 0;
const SOME_SILENT: u8 = 1;
const NAME_UNKNOWN: u8 = 2;
const SYSTEM_FAILURE: u8 = 4;

/// Runs `try` with its arguments, how it was called first.
#[must_use]
pub fn try_hosts(arguments: Vec<OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Nothing is left to say where even this cannot be printed.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let millis =
        |name: &str| Duration::from_millis(matches.get_one::<u64>(name).copied().unwrap_or_default());
    let options = Options {
        count: matches.get_one::<u32>("count").copied().unwrap_or(1),
        period: millis("period"),
        timeout: millis("timeout"),
        quiet: matches.get_flag("quiet"),
        json: matches.get_flag("json"),
    };
    let hosts: Vec<String> = matches.get_many::<String>("host").into_iter().flatten().cloned().collect();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error, SYSTEM_FAILURE),
    };
    match runtime.block_on(ping_all(&hosts, options)) {
        Ok(code) => ExitCode::from(code),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(&error, SYSTEM_FAILURE),
    }
}

fn command() -> Command {
    let number = |name: &'static str, short: char, default: &'static str, help: &'static str| {
        let unit = if name == "count" { "N" } else { "MS" };
        Arg::new(name).short(short).long(name).value_name(unit).default_value(default).help(help)
    };
    Command::new("try")
        .about("Ping hosts without any backend, and print what fping -c would")
        .after_help("Exit code: 0 all hosts answered, 1 some did not, 2 a name is unknown, 4 no permission")
        .arg(
            Arg::new("host")
                .value_name("HOST")
                .required(true)
                .num_args(1..)
                .help("IPv4 or IPv6 addresses, or names"),
        )
        .arg(
            number("count", 'c', "3", "Packets for each host")
                .value_parser(value_parser!(u32).range(1..=100_000)),
        )
        .arg(
            number("period", 'p', "1000", "From one packet to the next, in ms")
                .value_parser(value_parser!(u64).range(1..=3_600_000)),
        )
        .arg(
            number("timeout", 't', "1000", "How long an answer may take, in ms")
                .value_parser(value_parser!(u64).range(1..=60_000)),
        )
        .arg(Arg::new("quiet").short('q').long("quiet").action(ArgAction::SetTrue).help("The summary only"))
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("One JSON object for each packet and host"),
        )
}

#[derive(Clone, Copy)]
struct Options {
    count: u32,
    period: Duration,
    timeout: Duration,
    quiet: bool,
    json: bool,
}

/// What became of a packet.
struct Answer {
    host: usize,
    number: u32,
    result: Result<Duration, PingError>,
}

async fn ping_all(names: &[String], options: Options) -> io::Result<u8> {
    let pinger = match Pinger::open(PingerOptions::default()) {
        Ok(pinger) => pinger,
        Err(error) => {
            complain(&error, SYSTEM_FAILURE);
            return Ok(SYSTEM_FAILURE);
        }
    };
    let mut hosts = Vec::new();
    let mut code = ALL_ANSWERED;
    for name in names {
        match resolve(name).await {
            Ok(target) => hosts.push((name, target, Pings(Vec::new()))),
            Err(error) => {
                complain(&format!("{name}: {error}"), NAME_UNKNOWN);
                code = NAME_UNKNOWN;
            }
        }
    }
    let width = hosts.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
    let (answers, mut answered) = mpsc::channel(64);
    for (host, &(_, target, _)) in hosts.iter().enumerate() {
        let (pinger, answers) = (pinger.clone(), answers.clone());
        tokio::spawn(async move {
            let mut next = Instant::now();
            for number in 0..options.count {
                sleep_until(next).await;
                next = Instant::now() + options.period;
                let result = pinger.ping(target, options.timeout).await.map(|reply| reply.rtt);
                if answers.send(Answer { host, number, result }).await.is_err() {
                    return;
                }
            }
        });
    }
    drop(answers);
    let mut out = io::stdout().lock();
    while let Some(Answer { host, number, result }) = answered.recv().await {
        let (name, _, pings) = &mut hosts[host];
        pings.0.push(result.as_ref().ok().copied());
        if !options.quiet {
            print_packet(&mut out, options.json, name, width, number, &result, pings)?;
        }
    }
    if !options.json && !options.quiet && !hosts.is_empty() {
        writeln!(out)?;
    }
    for (name, _, pings) in hosts {
        if pings.answered() == 0 {
            code = code.max(SOME_SILENT);
        }
        print_summary(&mut out, options.json, name, width, &pings)?;
    }
    Ok(code)
}

async fn resolve(name: &str) -> Result<Address, String> {
    let host: Host = name.parse().map_err(|error: HostError| error.to_string())?;
    host.resolve().await.map_err(|error| error.to_string())
}

fn print_packet(
    out: &mut impl Write,
    json: bool,
    name: &str,
    width: usize,
    number: u32,
    result: &Result<Duration, PingError>,
    so_far: &Pings,
) -> io::Result<()> {
    if json {
        let rtt = result.as_ref().ok().map(Duration::as_secs_f64);
        let error = result.as_ref().err().map(ToString::to_string);
        return writeln!(
            out,
            "{}",
            serde_json::json!({"host": name, "packet": number, "rtt": rtt, "error": error})
        );
    }
    let summary = so_far.summary();
    let average = summary.rtt.map_or_else(|| "NaN".to_owned(), |rtt| ms(rtt.avg));
    let lost = format!("({average} avg, {}% loss)", percent(summary.loss));
    match result {
        // 64 bytes: 56 of payload and 8 of ICMP header.
        Ok(rtt) => {
            writeln!(out, "{name:<width$} : [{number}], 64 bytes, {} ms {lost}", ms(rtt.as_secs_f64()))
        }
        Err(PingError::TimedOut(_)) => writeln!(out, "{name:<width$} : [{number}], timed out {lost}"),
        Err(error) => writeln!(out, "{name:<width$} : [{number}], {error} {lost}"),
    }
}

fn print_summary(
    out: &mut impl Write,
    json: bool,
    name: &str,
    width: usize,
    pings: &Pings,
) -> io::Result<()> {
    let (sent, answered) = (pings.0.len(), pings.answered());
    let summary = pings.summary();
    if json {
        let rtt = summary
            .rtt
            .map(|r| serde_json::json!({"min": r.min, "avg": r.avg, "max": r.max, "jitter": r.jitter}));
        let line = serde_json::json!({"host": name, "sent": sent, "answered": answered, "loss": summary.loss, "rtt": rtt});
        return writeln!(out, "{line}");
    }
    write!(out, "{name:<width$} : xmt/rcv/%loss = {sent}/{answered}/{}%", percent(summary.loss))?;
    match summary.rtt {
        Some(Rtt { min, avg, max, .. }) => {
            writeln!(out, ", min/avg/max = {}/{}/{}", ms(min), ms(avg), ms(max))
        }
        None => writeln!(out),
    }
}

/// Seconds as milliseconds with three digits that count, as fping prints them.
fn ms(seconds: f64) -> String {
    let ms = seconds * 1e3;
    match ms {
        _ if ms < 1.0 => format!("{ms:.3}"),
        _ if ms < 10.0 => format!("{ms:.2}"),
        _ if ms < 100.0 => format!("{ms:.1}"),
        _ => format!("{ms:.0}"),
    }
}

fn percent(part: f64) -> String {
    format!("{:.0}", (part * 100.0).floor())
}

#[expect(clippy::print_stderr, reason = "a command says on standard error what went wrong")]
fn complain(what: &impl std::fmt::Display, code: u8) -> ExitCode {
    eprintln!("{what}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_as_fping_prints_them() {
        assert_eq!([0.000_029, 0.001_5, 0.012_34, 0.123_4].map(ms), ["0.029", "1.50", "12.3", "123"]);
    }

    #[test]
    fn a_host_that_was_silent_once_looks_as_in_fping() {
        let mut out = Vec::new();
        let pings = Pings(vec![Some(Duration::from_micros(42)), None]);
        print_summary(&mut out, false, "::1", 9, &pings).unwrap();
        let expected = "::1       : xmt/rcv/%loss = 2/1/50%, min/avg/max = 0.042/0.042/0.042\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn the_arguments_are_consistent() {
        command().debug_assert();
    }
}
