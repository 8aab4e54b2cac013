//! The peer: prometheus-snmp-exporter, asked as Prometheus asks it.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use grafolean_snmp_bot::Oid;

use super::machine;

const PROGRAM: &str = "prometheus-snmp-exporter";
/// Scrapes under way at the same time.
const CONNECTIONS: usize = 64;

pub(crate) struct Exporter {
    child: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

/// What it shall do with what it reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Module {
    /// A metric of each object and column.
    Metrics,
    /// Nothing: it only reads.
    Nothing,
}

impl Module {
    fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Nothing => "nothing",
        }
    }
}

impl Exporter {
    /// None when it is not installed. It stays on one core.
    pub(crate) fn start(core: usize, scalars: &[Oid], table: &Oid, columns: &[Oid]) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let config = directory.path().join("snmp.yml");
        let text = [Module::Metrics, Module::Nothing]
            .map(|module| configuration(module, scalars, table, columns))
            .concat();
        std::fs::write(&config, text).expect("room for a file");
        let address =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let mut command = Command::new(PROGRAM);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .env("GOMAXPROCS", "1");
        // It inherits the core of the thread that starts it.
        let start = move || {
            machine::stay_on(core);
            command.spawn()
        };
        let child = std::thread::spawn(start).join().expect("a start").ok()?;
        let exporter = Self { child, address, _directory: directory };
        for _ in 0..100 {
            if TcpStream::connect(address).is_ok() {
                return Some(exporter);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{PROGRAM} does not listen");
    }

    pub(crate) fn cpu(&self) -> f64 {
        machine::cpu_of(self.child.id())
    }

    pub(crate) fn megabytes(&self) -> f64 {
        machine::megabytes_of(self.child.id())
    }

    /// Scrapes each target once, and returns the number of values that it says it read.
    pub(crate) fn scrape(&self, module: Module, targets: &[SocketAddr]) -> usize {
        let (next, values) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..CONNECTIONS.min(targets.len()) {
                scope.spawn(|| {
                    let mut connection =
                        BufReader::new(TcpStream::connect(self.address).expect("a connection"));
                    while let Some(target) = targets.get(next.fetch_add(1, Relaxed)) {
                        let body = scrape(&mut connection, module, *target);
                        values.fetch_add(read_values(&body), Relaxed);
                    }
                });
            }
        });
        values.into_inner()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(module: Module, scalars: &[Oid], table: &Oid, columns: &[Oid]) -> String {
    let mut text = format!("{}:\n  walk:\n  - {table}\n  get:\n", module.name());
    let write =
        |text: &mut String, line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("a string grows");
    for oid in scalars {
        write(&mut text, format_args!("  - {oid}"));
    }
    if module == Module::Metrics {
        write(&mut text, format_args!("  metrics:"));
        for (n, oid) in scalars.iter().enumerate() {
            let kind = if matches!(n, 2 | 6..) { "gauge" } else { "DisplayString" };
            write(
                &mut text,
                format_args!("  - name: scalar{n}\n    oid: {oid}\n    type: {kind}\n    help: none"),
            );
        }
        for (n, oid) in columns.iter().enumerate() {
            let kind = match n + 1 {
                2 => "DisplayString",
                6 => "PhysAddress48",
                22 => "OctetString",
                _ => "gauge",
            };
            write(
                &mut text,
                format_args!("  - name: column{n}\n    oid: {oid}\n    type: {kind}\n    help: none"),
            );
            write(&mut text, format_args!("    indexes:\n    - labelname: ifIndex\n      type: gauge"));
        }
    }
    write(&mut text, format_args!("  version: 2\n  max_repetitions: 25\n  retries: 3\n  timeout: 5s"));
    write(&mut text, format_args!("  auth:\n    community: public"));
    text
}

/// One scrape over a connection that is kept.
fn scrape(connection: &mut BufReader<TcpStream>, module: Module, target: SocketAddr) -> String {
    let module = module.name();
    let request = format!("GET /snmp?target={target}&module={module} HTTP/1.1\r\nHost: exporter\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes()).expect("the exporter listens");
    let (mut length, mut first) = (None, None);
    loop {
        let line = line(connection);
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<usize>().ok();
        }
        first.get_or_insert(line);
    }
    let mut body = Vec::new();
    match length {
        Some(length) => take(connection, length, &mut body),
        None => take_chunks(connection, &mut body),
    }
    let body = String::from_utf8(body).expect("text");
    let first = first.unwrap_or_default();
    assert!(first.contains(" 200 "), "{first}: {body}");
    body
}

fn take(connection: &mut BufReader<TcpStream>, length: usize, body: &mut Vec<u8>) {
    let start = body.len();
    body.resize(start + length, 0);
    connection.read_exact(&mut body[start..]).expect("the body");
}

fn take_chunks(connection: &mut BufReader<TcpStream>, body: &mut Vec<u8>) {
    loop {
        let length = usize::from_str_radix(&line(connection), 16).expect("the length of a chunk");
        take(connection, length, body);
        line(connection);
        if length == 0 {
            return;
        }
    }
}

fn line(connection: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    connection.read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}

fn read_values(body: &str) -> usize {
    let line = body.lines().find_map(|line| line.strip_prefix("snmp_scrape_pdus_returned "));
    line.and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0) as usize
}
