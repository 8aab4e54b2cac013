//! What can go wrong, one type per operation.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::backend::{ApiError, ClientError};

type Source = Box<dyn Error + Send + Sync + 'static>;

/// The list of jobs could not be read; the jobs stay as they were, and it is tried again.
///
/// ```
/// use grafoleancollector::FetchError;
/// let error = FetchError::collector("the list of registers cannot be read");
/// assert_eq!(error.to_string(), "the list of registers cannot be read");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The backend did not give the accounts.
    #[error("cannot read the accounts")]
    Accounts(#[source] ApiError),
    /// The collector could not make jobs of what it read.
    #[error("{what}")]
    Collector {
        /// What could not be done.
        what: String,
        /// Why.
        #[source]
        source: Option<Source>,
    },
}

impl FetchError {
    /// The collector's own reason for having no jobs to give.
    pub fn collector(what: impl fmt::Display) -> Self {
        Self::Collector { what: what.to_string(), source: None }
    }
}

/// A run of a job failed. Nothing else is disturbed, and the job runs again at its next tick.
///
/// Any error becomes one with `?` by [`JobError::because`], or say it in words with [`JobError::failed`].
///
/// ```
/// use grafoleancollector::JobError;
/// let parsed: Result<u8, _> = "x".parse::<u8>().map_err(|e| JobError::because("cannot read the answer", e));
/// assert_eq!(parsed.unwrap_err().to_string(), "cannot read the answer");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The collector said so.
    #[error("{what}")]
    Failed {
        /// What could not be done.
        what: String,
        /// Why.
        #[source]
        source: Option<Source>,
    },
    /// The run was not done when its time was up.
    #[error("not done after {limit:?}, its deadline")]
    DeadlineExceeded {
        /// The time that it had.
        limit: Duration,
    },
    /// The run still keeps its thread, past its deadline: it blocks instead of awaiting.
    #[error("blocks its thread, past its deadline of {limit:?}: use spawn_blocking for what cannot await")]
    Blocked {
        /// The time that it had.
        limit: Duration,
    },
    /// The collector's code panicked.
    #[error("panicked: {message}")]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// The bot stopped before the run was done.
    #[error("the bot stopped before it was done")]
    Aborted,
}

impl JobError {
    /// The run failed, in words.
    pub fn failed(what: impl fmt::Display) -> Self {
        Self::Failed { what: what.to_string(), source: None }
    }

    /// The run failed because of another error.
    pub fn because(what: impl fmt::Display, source: impl Into<Source>) -> Self {
        Self::Failed { what: what.to_string(), source: Some(source.into()) }
    }
}

/// The bot cannot start, or cannot go on. Ends in one clear message and an exit code.
///
/// ```
/// use grafoleancollector::{Settings, StartError};
/// let error: StartError = Settings::from_lookup(|_| None).unwrap_err();
/// assert!(error.to_string().starts_with("BACKEND_URL: not set"));
/// assert_eq!(error.exit_code(), 78);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Settings are missing or wrong: all of them, one a line.
    #[error("{}", lines(.0))]
    Settings(Vec<SettingProblem>),
    /// The backend's address cannot be used, or TLS cannot be set up.
    #[error("cannot speak to the backend at BACKEND_URL")]
    Backend(#[source] ClientError),
    /// The backend does not know the token.
    #[error("the backend refuses the bot's token: check BOT_TOKEN or BOT_TOKEN_FROM_FILE")]
    TokenRefused(#[source] ApiError),
    /// The token belongs to a person, or the backend's answer was not understood.
    #[error("the token is not a bot's: {what}")]
    NotABot {
        /// What the backend said it is.
        what: String,
    },
    /// The place where samples are kept cannot be used.
    #[error("cannot use the data directory (DATA_DIR)")]
    DataDir(#[source] crate::delivery::OutboxError),
    /// The place where the bot's state is kept cannot be used.
    #[error("cannot use the data directory (DATA_DIR)")]
    State(#[source] crate::state::StateError),
    /// An address cannot be listened on.
    #[error("cannot listen on HEALTH_ADDR {addr}")]
    Health {
        /// The address.
        addr: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The collector itself cannot start.
    #[error("{what}")]
    Collector {
        /// What is missing and what to do.
        what: String,
        /// Why.
        #[source]
        source: Option<Source>,
    },
    /// The runtime under it cannot start.
    #[error("cannot start the worker threads")]
    Threads(#[source] std::io::Error),
}

impl StartError {
    /// The collector cannot start, in words: say what is missing and what to do.
    pub fn collector(what: impl fmt::Display) -> Self {
        Self::Collector { what: what.to_string(), source: None }
    }

    /// The same with the error that is the reason.
    pub fn collector_because(what: impl fmt::Display, source: impl Into<Source>) -> Self {
        Self::Collector { what: what.to_string(), source: Some(source.into()) }
    }

    /// The exit code for a process that ends with this: 78 (`EX_CONFIG`) where a person has to change
    /// something, 1 otherwise.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_)
            | Self::Backend(_)
            | Self::TokenRefused(_)
            | Self::NotABot { .. }
            | Self::DataDir(_)
            | Self::State(_)
            | Self::Collector { .. } => 78,
            Self::Health { .. } | Self::Threads(_) => 1,
        }
    }
}

fn lines(problems: &[SettingProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// One setting that is missing or wrong.
///
/// ```
/// use grafoleancollector::SettingProblem;
/// let problem = SettingProblem::new("PING_RATE", "expected a whole number from 1, got \"fast\"");
/// assert_eq!(problem.to_string(), "PING_RATE: expected a whole number from 1, got \"fast\"");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SettingProblem {
    /// The variable's name.
    pub name: &'static str,
    /// What is wrong with it, and what was expected.
    pub problem: String,
}

impl SettingProblem {
    /// `name` is wrong: say what was expected. A secret's value does not belong in the text.
    pub fn new(name: &'static str, problem: impl fmt::Display) -> Self {
        Self { name, problem: problem.to_string() }
    }
}

impl fmt::Display for SettingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.problem)
    }
}

/// An error and all that lies under it, on one line: `what: why: why`.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
