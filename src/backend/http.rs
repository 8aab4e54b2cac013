//! The backend over HTTP.

mod address;
mod client;
mod exchange;
mod home;
mod listen;
mod metrics;
mod skew;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;

pub(crate) use address::{EXPECTED, base_url, shown_url};
pub(crate) use skew::SKEW_SAID_ABOVE;

use self::client::{client, innermost};
use self::exchange::{Answer, Call, Exchange};
use self::home::Home;
use self::metrics::{Kind, Metrics};
use self::skew::Skew;
use super::room::Room;
use super::{Api, ApiError, DeliveryMode, EntityWrite, OnChange, Problem, Resource, Token, problem, wire};
use crate::clock::Clock;
use crate::error::StartError;
use crate::ids::{AccountId, EntityId};
use crate::sample::Sample;
use crate::settings::Settings;
use crate::telemetry::MetricsText;

/// How long a connection may take, with its TLS handshake: a host that is up answers within a second, and one
/// lost packet costs at most three more.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a request may take, from the first byte sent to the last one read: the observed backend needed 14 s
/// for 20,000 values at new paths, the slowest thing that it is asked for, but for lists.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a list may take to begin: the backend makes all of it before it sends the first byte, of 100,000
/// entities for minutes. A host that is gone is noticed sooner, by TCP's own probes.
const LIST_BEGIN_TIMEOUT: Duration = Duration::from_secs(240);

/// How long an answer that has begun may pause.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a stream of events may be silent: three times as long as the backend is between two signs of life.
const STREAM_SILENCE_TIMEOUT: Duration = Duration::from_secs(45);

/// How long a list may take as a whole: less than a look at the configuration may, so that this is what is said
/// of it, and of one account only.
const LIST_TIMEOUT: Duration = Duration::from_secs(540);

/// The largest list of entities, in bytes and unpacked: ten times that of 100,000.
const ENTITIES_LIMIT: usize = 256 << 20;

/// The largest list of credentials or sensors: many entities share one.
const RECORDS_LIMIT: usize = 64 << 20;

/// The largest list of accounts, which have a name and no more: some 200,000.
const ACCOUNTS_LIMIT: usize = 16 << 20;

/// The largest answer that is no list, in bytes: they have some hundred.
const SMALL_LIMIT: usize = 1 << 20;

/// The HTTP client cannot be made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The backend's address cannot be used.
    #[error("{0}")]
    Url(String),
    /// There is no TLS, mostly because the machine has no root certificates.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

/// What a request may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connect: Duration,
    pub(crate) request: Duration,
    pub(crate) list_begin: Duration,
    pub(crate) silence: Duration,
    pub(crate) stream_silence: Duration,
    pub(crate) list: Duration,
    pub(crate) entities_bytes: usize,
    pub(crate) records_bytes: usize,
    pub(crate) accounts_bytes: usize,
    pub(crate) small_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: CONNECT_TIMEOUT,
            request: REQUEST_TIMEOUT,
            list_begin: LIST_BEGIN_TIMEOUT,
            silence: SILENCE_TIMEOUT,
            stream_silence: STREAM_SILENCE_TIMEOUT,
            list: LIST_TIMEOUT,
            entities_bytes: ENTITIES_LIMIT,
            records_bytes: RECORDS_LIMIT,
            accounts_bytes: ACCOUNTS_LIMIT,
            small_bytes: SMALL_LIMIT,
        }
    }
}

impl Limits {
    const fn bytes(&self, kind: Kind) -> usize {
        match kind {
            Kind::Entities => self.entities_bytes,
            Kind::Credentials | Kind::Sensors => self.records_bytes,
            Kind::Accounts => self.accounts_bytes,
            Kind::Status
            | Kind::Profile
            | Kind::Values
            | Kind::EntityWrites
            | Kind::Changes
            | Kind::Problems => self.small_bytes,
        }
    }
}

/// [`Api`] over HTTP.
pub(crate) struct HttpApi {
    exchange: Arc<Exchange>,
    home: Home,
    mode: DeliveryMode,
}

impl HttpApi {
    /// Speaks to the backend at `backend_url`, which includes `/api`. All requests are performed on the runtime
    /// that this is called in.
    pub(crate) fn new(
        backend_url: &str,
        token: Token,
        mode: DeliveryMode,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ClientError> {
        Self::with_limits(backend_url, token, mode, clock, Limits::default())
    }

    /// Speaks to the backend that the settings name.
    pub(crate) fn of(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        Self::new(&settings.backend_url, settings.token.clone(), settings.delivery, clock)
            .map_err(StartError::Backend)
    }

    const fn store_method(&self) -> Method {
        match self.mode {
            DeliveryMode::Put => Method::PUT,
            DeliveryMode::Post => Method::POST,
        }
    }

    fn with_limits(
        backend_url: &str,
        token: Token,
        mode: DeliveryMode,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Result<Self, ClientError> {
        let url = base_url(backend_url).map_err(ClientError::Url)?;
        let client = client(&url, limits.connect)
            .map_err(|error| ClientError::Tls(token.redact(&innermost(&error.without_url()))))?;
        let exchange = Exchange {
            client,
            base: url.as_str().trim_end_matches('/').into(),
            token,
            limits,
            clock,
            skew: Skew::default(),
            metrics: Metrics::default(),
        };
        Ok(Self { exchange: Arc::new(exchange), home: Home::here(), mode })
    }

    /// Sends a request and reads its whole answer, whatever its status.
    async fn ask(&self, kind: Kind, call: &Call, body: Option<Vec<u8>>) -> Result<Answer, ApiError> {
        let (exchange, asked, room) = (self.exchange.clone(), call.clone(), Room::of_caller());
        let work = async move { exchange.ask(kind, &asked, body, &room).await };
        self.home.perform(work).await.unwrap_or_else(|| Err(Self::stopping(call)))
    }

    fn stopping(call: &Call) -> ApiError {
        ApiError::Transport { request: call.to_string(), reason: "the bot is stopping".to_owned() }
    }

    /// Tells a request that is refused from one that the backend does not know at all.
    fn offered<T>(call: &Call, answer: Result<T, ApiError>) -> Result<T, ApiError> {
        answer.map_err(|error| match error.status() {
            Some(404 | 405 | 501) => ApiError::NotOffered { request: call.to_string() },
            _ => error,
        })
    }

    /// Whether a success says that it was taken: a page of something in between says nothing.
    fn stored(&self, call: &Call, body: &[u8]) -> Result<(), ApiError> {
        wire::stored(body).map_err(|reason| self.malformed(call, &reason))
    }

    fn malformed(&self, call: &Call, reason: &str) -> ApiError {
        ApiError::Malformed { request: call.to_string(), reason: self.exchange.token.redact(reason) }
    }

    /// The status and the body of a success.
    fn granted(call: &Call, answer: Answer) -> Result<(u16, Vec<u8>), ApiError> {
        match answer {
            Answer::Success { status, body } => Ok((status.as_u16(), body)),
            Answer::Refusal { status, message, retry_after } => Err(ApiError::Status {
                request: call.to_string(),
                status: status.as_u16(),
                message,
                retry_after,
            }),
        }
    }
}

#[async_trait]
impl Api for HttpApi {
    async fn get(&self, resource: Resource) -> Result<Vec<u8>, ApiError> {
        let call = Call { method: Method::GET, path: resource.to_string() };
        let answer = self.ask(Kind::of(resource), &call, None).await?;
        let (_, body) = Self::granted(&call, answer)?;
        match wire::not_json(&body) {
            Some(reason) => Err(self.malformed(&call, &reason)),
            None => Ok(body),
        }
    }

    async fn store(&self, account: AccountId, samples: &[Sample]) -> Result<(), ApiError> {
        if samples.is_empty() {
            return Ok(());
        }
        let call = Call { method: self.store_method(), path: format!("accounts/{account}/values") };
        let answer = self.ask(Kind::Values, &call, Some(wire::values(samples, self.mode))).await?;
        self.stored(&call, &Self::granted(&call, answer)?.1)
    }

    async fn may_store(&self, account: AccountId) -> Result<(), ApiError> {
        let call = Call { method: self.store_method(), path: format!("accounts/{account}/values") };
        let answer = self.ask(Kind::Values, &call, Some(b"[]".to_vec())).await?;
        match Self::granted(&call, answer) {
            // The backend looks at the permissions before it misses the values: any other refusal is about those.
            Err(error) if matches!(error.status(), Some(401 | 403 | 404)) => Err(error),
            Err(_) => Ok(()),
            Ok((_, body)) => self.stored(&call, &body),
        }
    }

    async fn write_entity(&self, account: AccountId, write: &EntityWrite) -> Result<EntityId, ApiError> {
        let method = match write {
            EntityWrite::Create { .. } => Method::POST,
            EntityWrite::Update { .. } => Method::PUT,
            EntityWrite::Delete { .. } => Method::DELETE,
        };
        let call = Call { method, path: write.path(account) };
        let answer = self.ask(Kind::EntityWrites, &call, write.body()).await?;
        match Self::granted(&call, answer) {
            Ok((status, body)) => write.done(status, &body).map_err(|reason| self.malformed(&call, &reason)),
            Err(error) => write.is_done_already(error.status()).ok_or(error),
        }
    }

    async fn follow_changes(&self, heard: OnChange) -> Result<(), ApiError> {
        let call = Call { method: Method::GET, path: "changes".to_owned() };
        let (exchange, asked) = (self.exchange.clone(), call.clone());
        let listening = self.home.perform(async move { exchange.listen(&asked, &heard).await }).await;
        let answer = listening.unwrap_or_else(|| Err(Self::stopping(&call)))?;
        Self::offered(&call, Self::granted(&call, answer)).map(drop)
    }

    async fn report_problems(&self, problems: &[Problem]) -> Result<(), ApiError> {
        let call = Call { method: Method::PUT, path: "profile/problems".to_owned() };
        // They are made of errors, in which there is no token; it stays so, whoever makes them.
        let body = problem::report(problems, |text| self.exchange.token.redact(text));
        let answer = self.ask(Kind::Problems, &call, Some(body)).await?;
        let (_, body) = Self::offered(&call, Self::granted(&call, answer))?;
        self.stored(&call, &body)
    }

    fn clock_skew(&self) -> Option<f64> {
        self.exchange.skew.seconds()
    }

    fn write_metrics(&self, out: &mut MetricsText) {
        self.exchange.metrics.write(out);
        let skew = self.clock_skew().unwrap_or_default();
        out.gauge("grafolean_backend_clock_skew_seconds", "The backend's clock less ours.", skew);
    }
}

#[cfg(test)]
mod tests;
