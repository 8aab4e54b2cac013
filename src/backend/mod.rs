//! The Grafolean backend: what is asked of it, and what can go wrong.

#[cfg(feature = "testing")]
pub mod benching;
pub(crate) mod change;
mod children;
pub(crate) mod config_cache;
pub(crate) mod devices;
mod entities;
mod entity_write;
pub(crate) mod events;
#[cfg(fuzzing)]
pub mod fuzzing;
pub(crate) mod http;
pub(crate) mod job_configs;
mod lenient;
mod line;
pub(crate) mod problem;
mod room;
mod table;
pub(crate) mod token;
pub(crate) mod wire;

pub use change::{Change, OnChange};
pub use devices::Device;
pub use entity_write::{EntityContent, EntityWrite};
pub use problem::Problem;
pub use token::Token;

pub use http::ClientError;
pub(crate) use http::HttpApi;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;

use crate::ids::{AccountId, EntityId};
use crate::sample::Sample;
use crate::telemetry::MetricsText;

/// What a bot asks of the backend. [`Runner`](crate::Runner) speaks HTTP unless it is given another.
///
/// Answers are bodies as the backend sent them: reading them is the caller's, so that a fake and the real
/// backend go through the same code.
#[async_trait]
pub trait Api: Send + Sync + 'static {
    /// Asks for something.
    async fn get(&self, resource: Resource) -> Result<Vec<u8>, ApiError>;

    /// Stores samples of an account. Storing the same samples again is harmless.
    async fn store(&self, account: AccountId, samples: &[Sample]) -> Result<(), ApiError>;

    /// Asks whether this bot may store values of an account, without storing any.
    async fn may_store(&self, account: AccountId) -> Result<(), ApiError>;

    /// Creates, changes or deletes an entity of an account, and gives its id.
    async fn write_entity(&self, account: AccountId, write: &EntityWrite) -> Result<EntityId, ApiError>;

    /// Tells `heard` of each change of the configuration as it happens, until the connection ends; of the first
    /// moment as well, since nobody knows what changed before.
    ///
    /// Not offered by the original backend, and by nobody who does not write this.
    async fn follow_changes(&self, heard: OnChange) -> Result<(), ApiError> {
        drop(heard);
        Err(ApiError::NotOffered { request: "GET changes".to_owned() })
    }

    /// Tells the backend all problems that this bot has now, in place of those that it was told before.
    ///
    /// Not offered by the original backend, and by nobody who does not write this.
    async fn report_problems(&self, problems: &[Problem]) -> Result<(), ApiError> {
        let _ = problems;
        Err(ApiError::NotOffered { request: "PUT profile/problems".to_owned() })
    }

    /// The backend's time less our own, as last seen in an answer, in seconds.
    fn clock_skew(&self) -> Option<f64> {
        None
    }

    /// Writes what is counted of requests, for `/metrics`.
    fn write_metrics(&self, out: &mut MetricsText) {
        let _ = out;
    }
}

/// How samples are sent.
///
/// ```
/// use grafoleancollector::DeliveryMode;
/// assert_eq!("post".parse(), Ok(DeliveryMode::Post));
/// assert_eq!(DeliveryMode::default(), DeliveryMode::Put);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum DeliveryMode {
    /// With the time when they were measured. Sending them again is harmless.
    #[default]
    Put,
    /// Without a time, as the Python library does: the backend gives them the time when they arrive. After an
    /// outage that is the wrong time, and what is sent again is stored again.
    Post,
}

impl DeliveryMode {
    /// The HTTP method.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Put => "PUT",
            Self::Post => "POST",
        }
    }
}

/// A text that names no [`DeliveryMode`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("expected put or post")]
pub struct DeliveryModeError;

impl FromStr for DeliveryMode {
    type Err = DeliveryModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "put" => Ok(Self::Put),
            "post" => Ok(Self::Post),
            _ => Err(DeliveryModeError),
        }
    }
}

/// Something to read from the backend.
///
/// ```
/// use grafoleancollector::{AccountId, Resource};
/// assert_eq!(Resource::Entities(AccountId::new(7)).to_string(), "accounts/7/entities");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Resource {
    /// Whether the backend is ready.
    Status,
    /// Who this bot is.
    Profile,
    /// The accounts that this bot may see.
    Accounts,
    /// An account's entities.
    Entities(AccountId),
    /// An account's credentials.
    Credentials(AccountId),
    /// An account's sensors.
    Sensors(AccountId),
}

impl fmt::Display for Resource {
    /// The path below the backend's URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status => f.write_str("status/info"),
            Self::Profile => f.write_str("profile"),
            Self::Accounts => f.write_str("accounts"),
            Self::Entities(account) => write!(f, "accounts/{account}/entities"),
            Self::Credentials(account) => write!(f, "accounts/{account}/credentials"),
            Self::Sensors(account) => write!(f, "accounts/{account}/sensors"),
        }
    }
}

/// A request that the backend did not fulfil.
///
/// ```
/// use grafoleancollector::ApiError;
/// let error = ApiError::TooLarge { request: "GET accounts".to_owned(), limit: 10 };
/// assert_eq!(error.to_string(), "GET accounts: the answer is larger than 10 bytes");
/// assert_eq!(error.status(), None);
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// No connection, or it broke.
    #[error("{request}: {reason}")]
    Transport {
        /// Method and path.
        request: String,
        /// What went wrong, without the token.
        reason: String,
    },
    /// No whole answer in time.
    #[error("{request}: no answer within {limit:?}")]
    Timeout {
        /// Method and path.
        request: String,
        /// The time that it had.
        limit: Duration,
    },
    /// A status that says no.
    #[error("{request}: the backend answered {status}{}", detail(.message))]
    Status {
        /// Method and path.
        request: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer, without the token.
        message: String,
        /// How long the backend asks us to wait.
        retry_after: Option<Duration>,
    },
    /// This backend does not know such requests.
    #[error("{request}: this backend does not offer it")]
    NotOffered {
        /// Method and path.
        request: String,
    },
    /// An answer larger than anything that makes sense.
    #[error("{request}: the answer is larger than {limit} bytes")]
    TooLarge {
        /// Method and path.
        request: String,
        /// The limit.
        limit: usize,
    },
    /// An answer that could not be read.
    #[error("{request}: cannot read the answer: {reason}")]
    Malformed {
        /// Method and path.
        request: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn detail(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl ApiError {
    /// The HTTP status, where there was one.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the backend said no to the request as such, so that nothing came of it. After all other errors it
    /// may have been fulfilled.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self.status(), Some(400..=499))
    }
}
