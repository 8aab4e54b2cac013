//! Why the program ends: one clear line, and an exit code.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use grafolean_hub::{HubError, OpenError};
use grafoleancollector::StartError;

/// A person has to change something (`EX_CONFIG`): starting again would not help.
const CONFIG: u8 = 78;
const FAILED: u8 = 1;

/// Why it ends.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    /// Somebody has to change something.
    pub(crate) fn config(text: impl fmt::Display) -> Self {
        Self { text: text.to_string(), code: CONFIG }
    }

    /// It did not work this time.
    pub(crate) fn failed(text: impl fmt::Display) -> Self {
        Self { text: text.to_string(), code: FAILED }
    }

    pub(crate) fn runtime(error: io::Error) -> Self {
        Self::failed(format_args!("cannot start the threads: {error}"))
    }

    /// Says it on standard error.
    #[expect(clippy::print_stderr, reason = "a program says on standard error why it does not start")]
    pub(crate) fn exit(&self) -> ExitCode {
        self.text.lines().for_each(|line| eprintln!("grafolean: {line}"));
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self { text: chain(&error), code: error.exit_code() }
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        let code = match &error {
            // Another process has it: it may be gone by the next start.
            HubError::Listen { .. } | HubError::Open(OpenError::InUse(_)) | HubError::Store(_) => FAILED,
            HubError::Open(_) | HubError::Tls(_) => CONFIG,
            _ => FAILED,
        };
        Self { text: chain(&error), code }
    }
}

/// An error and all that lies under it, on one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let under = error.to_string();
        // What an error says already, its source need not say again.
        if !text.contains(&under) {
            text = format!("{text}: {under}");
        }
        source = error.source();
    }
    text
}
