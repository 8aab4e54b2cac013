//! Runs the binary: a clean environment, all output captured, and no test without an end.

use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

/// What a test waits for comes within this even on a slow machine; it is the end of a test, never a measure.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// `try` while it runs. It is killed when dropped.
pub(crate) struct Try {
    child: Child,
    directory: TempDir,
}

impl Drop for Try {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What it came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Try {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let child = Command::new(env!("CARGO_BIN_EXE_grafolean-netflow-bot"))
            .env_clear()
            .current_dir(directory.path())
            .arg("try")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(File::create(path("stdout")).unwrap())
            .stderr(File::create(path("stderr")).unwrap())
            .spawn()
            .unwrap();
        Self { child, directory }
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(name)).unwrap()
    }

    /// Where it listens: it says so.
    pub(crate) fn address(&self) -> SocketAddr {
        let said = self.wait_for("stderr", "Ctrl-C ends");
        let address = said.strip_prefix("listening on ").and_then(|rest| rest.split([';', ',']).next());
        address.unwrap().parse().unwrap()
    }

    /// What it has written by the time that it has written this.
    pub(crate) fn wait_for(&self, name: &str, part: &str) -> String {
        let began = Instant::now();
        loop {
            let text = self.read(name);
            if text.contains(part) {
                return text;
            }
            assert!(began.elapsed() < LIMIT, "no {part:?} in {text:?}, and {:?}", self.read("stderr"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// As Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let killed = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    pub(crate) fn end(mut self) -> Ended {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < LIMIT, "it does not end: {}", self.read("stderr"));
            std::thread::sleep(Duration::from_millis(5));
        };
        let ended = Ended { code: status.code(), stdout: self.read("stdout"), stderr: self.read("stderr") };
        assert!(!ended.stderr.contains("panicked at"), "{}", ended.stderr);
        let obeyed = |c: char| c.is_control() && c != '\n';
        assert!(![&ended.stdout, &ended.stderr].iter().any(|text| text.contains(obeyed)), "{ended:#?}");
        ended
    }
}

/// `try` from its beginning to its end.
pub(crate) fn try_flows(arguments: &[&str]) -> Ended {
    Try::start(arguments).end()
}
