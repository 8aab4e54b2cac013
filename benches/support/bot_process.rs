//! A bot's binary as a process of its own: what it needs, and what it says of itself.

#![allow(dead_code, reason = "each program uses a part of it")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};

use grafoleancollector::testing::FakeBackend;

pub(crate) struct Bot {
    child: Child,
    health: String,
    _directory: tempfile::TempDir,
}

impl Bot {
    /// Starts `program` with default settings, apart from where it has to look.
    pub(crate) fn start(program: &str, backend: &FakeBackend) -> Self {
        Self::start_with(program, backend, &[])
    }

    /// The same with other settings than the default ones.
    pub(crate) fn start_with(program: &str, backend: &FakeBackend, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let health =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let child = Command::new(program)
            .env("BACKEND_URL", backend.url())
            .env("BOT_TOKEN", backend.token())
            .env("DATA_DIR", directory.path())
            .env("HEALTH_ADDR", health.to_string())
            .env("LOG", "warn")
            .envs(settings.iter().copied())
            .spawn()
            .expect("the bot");
        Self { child, health: health.to_string(), _directory: directory }
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("the bot runs")
    }

    /// User and system time: fields 14 and 15 of its stat, in ticks of 10 ms.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        [11, 12].map(|at| fields[at].parse::<f64>().expect("a number")).iter().sum::<f64>() / 100.0
    }

    pub(crate) fn memory_mb(&self, which: &str) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kibibytes.expect("a number") / 1024.0
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let mut stream = TcpStream::connect(&self.health).expect("the health endpoint");
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("asking for metrics");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("metrics");
        Metrics(text)
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Metrics(String);

impl Metrics {
    /// The sum of a metric over all its labels.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let all = self.0.lines().filter_map(|line| line.strip_prefix(name));
        let values =
            all.filter(|rest| rest.starts_with(['{', ' '])).filter_map(|rest| rest.rsplit(' ').next());
        values.filter_map(|value| value.trim().parse::<f64>().ok()).sum()
    }

    pub(crate) fn get(&self, name: &str) -> f64 {
        let value = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.trim().parse().ok()).unwrap_or(f64::NAN)
    }
}
