//! Runs the binary: a clean environment, all output captured, and no test without an end.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// What a test waits for comes within this even on a slow machine; it is the end of a test, never a measure.
const LIMIT: Duration = Duration::from_secs(90);

/// What `try` came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// `try` with these arguments and these variables of the environment.
pub(crate) fn try_with(environment: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut child = Command::new(env!("CARGO_BIN_EXE_grafolean-snmp-bot"))
        .env_clear()
        .envs(environment.iter().copied())
        .current_dir(directory.path())
        .arg("try")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(File::create(path("stdout")).unwrap())
        .stderr(File::create(path("stderr")).unwrap())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > LIMIT {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    let ended = Ended { code: status.code(), stdout: read("stdout"), stderr: read("stderr") };
    let shown = [&ended.stdout, &ended.stderr];
    assert!(!ended.stderr.contains("panicked at"), "{}", ended.stderr);
    assert!(shown.iter().all(|text| !text.contains("secret")), "a secret is shown: {ended:#?}");
    let obeyed = |c: char| c.is_control() && c != '\n';
    assert!(shown.iter().all(|text| !text.contains(obeyed)), "a terminal would obey this: {ended:#?}");
    ended
}

/// `try` with these arguments.
pub(crate) fn try_host(arguments: &[&str]) -> Ended {
    try_with(&[], arguments)
}

impl Ended {
    /// It ended with this code.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// It printed this.
    #[track_caller]
    pub(crate) fn says(self, part: &str) -> Self {
        assert!(self.stdout.contains(part), "{part:?} is not in\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// It complained of this.
    #[track_caller]
    pub(crate) fn complains(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "{part:?} is not in\n{}\n{}", self.stderr, self.stdout);
        self
    }

    /// It printed one JSON object, and nothing else.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!((self.stdout.lines().count(), self.stderr.as_str()), (1, ""), "{self:#?}");
        serde_json::from_str(&self.stdout).unwrap()
    }
}
