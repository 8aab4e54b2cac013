//! Runs a bot's binary: a clean environment, all output captured, and no test without an end. The tests of each bot
//! take it up with `#[path]`, and say as `BINARY` which it is.
#![allow(dead_code, reason = "each bot uses a part of it")]

use std::io::{self, Read, Write as _};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use grafoleancollector::testing::FakeBackend;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

use crate::BINARY;

/// What a test waits for comes within this even on a slow machine; it is the end of a test, never a measure.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The binary with these arguments, an empty environment, and the root folder to work in.
pub(crate) fn bot(arguments: &[&str]) -> Program {
    Program::new(Command::new(BINARY), arguments)
}

/// The same, started by a shell script in namespaces of its own (`--mount`, `--net`). The script ends with
/// `exec "$@"`. None where this is not allowed, which is said, and an error under CI.
pub(crate) fn bot_in_namespace(test: &str, of: &str, script: &str, arguments: &[&str]) -> Option<Program> {
    let allowed = Command::new("unshare").args([of, "true"]).stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        skip(test, &format!("it needs root, and unshare {of}"));
        return None;
    }
    let mut command = Command::new("unshare");
    command.args([of, "sh", "-ec", script, "sh", BINARY]);
    let program = Program::new(command, arguments);
    // For the commands that the script uses.
    Some(program.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"))
}

/// Says that a test is not run, and fails where all of them have to run.
pub(crate) fn skip(test: &str, why: &str) {
    #[allow(clippy::disallowed_methods, reason = "a test has no settings to look this up in")]
    let ci = std::env::var_os("CI").is_some();
    assert!(!ci, "{test}: {why}");
    eprintln!("skipped: {test}: {why}");
}

/// A program that is about to be started.
#[must_use = "it is not started yet"]
pub(crate) struct Program {
    command: Command,
    secrets: Vec<String>,
}

impl Program {
    fn new(mut command: Command, arguments: &[&str]) -> Self {
        command.env_clear().current_dir("/").args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, secrets: Vec::new() }
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn working_in(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// This must never be seen in any output.
    pub(crate) fn secret(mut self, secret: &str) -> Self {
        self.secrets.push(secret.to_owned());
        self
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.env("BOT_TOKEN", token).secret(token)
    }

    /// Works for this backend, logs everything, keeps samples in memory, and serves its health at a free port.
    pub(crate) fn serving(self, backend: &FakeBackend) -> Self {
        self.env("BACKEND_URL", backend.url())
            .token(backend.token())
            .env("DATA_DIR", "none")
            .env("HEALTH_ADDR", "127.0.0.1:0")
    }

    pub(crate) fn start(mut self) -> Running {
        let mut child = self.command.spawn().unwrap();
        let stdout = Captured::from(child.stdout.take().unwrap());
        let stderr = Captured::from(child.stderr.take().unwrap());
        Running { child, stdout, stderr, secrets: self.secrets }
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Ended {
        self.start().ended()
    }
}

/// What a pipe has given so far.
struct Captured {
    text: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Captured {
    fn from(mut pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let shared = text.clone();
        let reader = thread::spawn(move || {
            let mut piece = [0; 8_192];
            while let Ok(length @ 1..) = pipe.read(&mut piece) {
                shared.lock().unwrap().extend_from_slice(&piece[..length]);
            }
        });
        Self { text, reader }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    /// All of it, when nobody can write any more.
    fn whole(&self) -> String {
        let began = Instant::now();
        while !self.reader.is_finished() {
            assert!(began.elapsed() < LIMIT, "somebody keeps the pipe open");
            thread::sleep(Duration::from_millis(1));
        }
        self.so_far()
    }
}

/// A program that runs. It is killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdout: Captured,
    stderr: Captured,
    secrets: Vec<String>,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.so_far()
    }

    /// Waits until something is so; in vain, when the program has ended.
    pub(crate) fn until(&self, what: &str, holds: impl FnMut() -> bool) {
        self.within(LIMIT, what, holds);
    }

    /// The same for what takes its time.
    pub(crate) fn within(&self, limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        loop {
            let over = self.stderr.reader.is_finished() || began.elapsed() > limit;
            if holds() {
                return;
            }
            assert!(!over, "never came: {what}\n{}", self.stderr());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for a whole line of the log with this in it, and gives it.
    pub(crate) fn line(&self, part: &str) -> String {
        let mut found = None;
        self.until(&format!("a line with {part:?}"), || {
            let text = self.stderr();
            let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
            found = whole.lines().find(|line| line.contains(part)).map(str::to_owned);
            found.is_some()
        });
        found.unwrap()
    }

    /// Status and body of a page of the health endpoint.
    pub(crate) fn health(&self, page: &str) -> (u16, String) {
        let line = self.line("health: http://");
        let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap();
        get(address, page).unwrap_or_else(|error| panic!("{page}: {error}\n{}", self.stderr()))
    }

    pub(crate) fn jobs(&self) -> serde_json::Value {
        serde_json::from_str(&self.health("/jobs").1).unwrap_or_default()
    }

    /// Why an entity's job fails, if it does.
    pub(crate) fn failing(&self, entity: u64) -> String {
        let (jobs, id) = (self.jobs(), entity.to_string());
        let jobs = jobs["jobs"].as_array().cloned().unwrap_or_default();
        let job = jobs.into_iter().find(|job| job["id"] == id).unwrap_or_default();
        job["failing"]["error"].as_str().unwrap_or_default().to_owned()
    }

    /// A metric without labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.health("/metrics").1;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
    }

    /// Ends it as operators do.
    pub(crate) fn terminated(self) -> Ended {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    /// Waits until it has ended, and looks for what no output may hold.
    pub(crate) fn ended(mut self) -> Ended {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < LIMIT, "it does not end\n{}", self.stderr());
            thread::sleep(Duration::from_millis(5));
        };
        let Self { stdout, stderr, secrets, .. } = &self;
        let ended = Ended {
            code: status.code(),
            signal: status.signal(),
            stdout: stdout.whole(),
            stderr: stderr.whole(),
        };
        for secret in secrets {
            let seen = [&ended.stdout, &ended.stderr].iter().any(|text| text.contains(secret.as_str()));
            assert!(!seen, "a secret was printed:\n{}\n{}", ended.stdout, ended.stderr);
        }
        assert!(!ended.stderr.contains("panicked at"), "{}", ended.stderr);
        ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Mostly it has ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// It ended with this code.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// The only line on standard error, and nothing else was printed.
    #[track_caller]
    pub(crate) fn only_line(&self) -> &str {
        assert_eq!((self.stdout.as_str(), self.stderr.lines().count()), ("", 1), "{self:#?}");
        self.stderr.trim_end()
    }

    /// How many lines of the log have this in them.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.stderr.lines().filter(|line| line.contains(part)).count()
    }
}

fn get(address: &str, page: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "GET {page} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(|| io::Error::other(answer.clone()))?, body.to_owned()))
}
