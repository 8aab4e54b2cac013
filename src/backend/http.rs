//! The backend over HTTP.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, Url};
use tokio::time::Instant;

use super::token::{Token, one_line};
use super::{Api, ApiError, DeliveryMode, Resource, wire};
use crate::clock::{Clock, Timestamp};
use crate::error::StartError;
use crate::ids::AccountId;
use crate::sample::Sample;
use crate::settings::Settings;
use crate::telemetry::{Counter, Histogram, MetricsText};

/// How long a connection may take, with its TLS handshake: a host that is up answers within a second, and one
/// lost packet costs at most three more.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a request may take, from the first byte sent to the last one read: the observed backend needed 14 s
/// for 20,000 values at new paths, the slowest thing that it is asked for.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an unused connection is kept, in seconds: between two deliveries, but not until a server or a
/// router on the way gives it up unseen.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The largest list, in bytes and unpacked: ten times that of 100,000 entities.
const LIST_LIMIT: usize = 256 << 20;

/// The largest answer that is no list, in bytes: they have some hundred.
const SMALL_LIMIT: usize = 1 << 20;

/// How much of a refusal is read, in bytes: enough to find its reason in an HTML page.
const REFUSAL_LIMIT: usize = 64 << 10;

/// How much of a refusal is shown, in characters.
const EXCERPT: usize = 200;

/// A `Retry-After` above this is cut, in seconds: a mistake over there must not stop us for a day.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// A difference of clocks worth saying, in seconds: what is measured now would be drawn visibly elsewhere.
const SKEW_SAID_ABOVE: f64 = 5.0;

/// A difference of clocks that counts as gone, in seconds: less than above, so that one on the edge is not said
/// again and again.
const SKEW_GONE_BELOW: f64 = 3.0;

/// Upper bounds for the durations of requests, in seconds.
const DURATIONS: &[f64] = &[0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

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
    pub(crate) list_bytes: usize,
    pub(crate) small_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: CONNECT_TIMEOUT,
            request: REQUEST_TIMEOUT,
            list_bytes: LIST_LIMIT,
            small_bytes: SMALL_LIMIT,
        }
    }
}

/// [`Api`] over HTTP.
pub(crate) struct HttpApi {
    client: Client,
    base: Box<str>,
    token: Token,
    mode: DeliveryMode,
    limits: Limits,
    clock: Arc<dyn Clock>,
    skew: Mutex<Option<f64>>,
    skew_said: AtomicBool,
    metrics: Metrics,
}

impl HttpApi {
    /// Speaks to the backend at `backend_url`, which includes `/api`.
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
        Ok(Self {
            client,
            base: url.as_str().trim_end_matches('/').into(),
            token,
            mode,
            limits,
            clock,
            skew: Mutex::new(None),
            skew_said: AtomicBool::new(false),
            metrics: Metrics::default(),
        })
    }

    /// Sends a request and reads its whole answer, whatever its status.
    async fn ask(&self, kind: Kind, call: &Call, body: Option<Vec<u8>>) -> Result<Answer, ApiError> {
        let started = Instant::now();
        let result = match tokio::time::timeout(self.limits.request, self.exchange(kind, call, body)).await {
            Ok(result) => result,
            Err(_) => Err(ApiError::Timeout { request: call.to_string(), limit: self.limits.request }),
        };
        self.metrics.count(kind, Outcome::of(&result), started.elapsed());
        result
    }

    async fn exchange(&self, kind: Kind, call: &Call, body: Option<Vec<u8>>) -> Result<Answer, ApiError> {
        let transport = |error: reqwest::Error| self.transport(call, error);
        let url = format!("{}/{}?b={}", self.base, call.path, self.token.in_query());
        let mut request = self.client.request(call.method.clone(), url);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let started = Instant::now();
        let response = request.send().await.map_err(transport)?;
        self.compare_clocks(response.headers(), started.elapsed());
        let status = response.status();
        if status.is_success() {
            let limit = if kind.is_list() { self.limits.list_bytes } else { self.limits.small_bytes };
            let too_long = response.content_length().is_some_and(|length| length > limit as u64);
            let (body, whole) =
                if too_long { Default::default() } else { read(response, limit).await.map_err(transport)? };
            if !whole {
                return Err(ApiError::TooLarge { request: call.to_string(), limit });
            }
            return Ok(Answer::Success(body));
        }
        let location = response.headers().get(LOCATION).map(|place| place.as_bytes().to_vec());
        let retry_after = self.retry_after(response.headers());
        // The status is the answer: a refusal whose text breaks off is still that refusal.
        let (body, whole) = read(response, REFUSAL_LIMIT).await.unwrap_or_default();
        let message = match location.filter(|_| status.is_redirection()) {
            Some(place) => self.redirected(&place),
            None => self.excerpt(&body, whole),
        };
        Ok(Answer::Refusal { status, message, retry_after })
    }

    /// What a refusal says: its `detail`, a page's title, or the beginning of the text.
    fn excerpt(&self, body: &[u8], whole: bool) -> String {
        let text = String::from_utf8_lossy(body);
        let mut text = self.token.redact(&text);
        if !whole {
            // It may end with the first half of the token.
            let mut keep = text.len().saturating_sub(self.token.longest_form());
            while !text.is_char_boundary(keep) {
                keep -= 1;
            }
            text.truncate(keep);
        }
        let text = wire::detail(&text).or_else(|| wire::html(&text)).unwrap_or(text);
        // Only when it is one line can the token not hide in several.
        let line = self.token.redact(&one_line(&text, text.len()));
        one_line(&line, EXCERPT).into_owned()
    }

    /// A redirect is not followed: it would carry the token elsewhere.
    fn redirected(&self, place: &[u8]) -> String {
        let place = String::from_utf8_lossy(place);
        let place = place.split(['?', '#']).next().unwrap_or_default();
        let place = self.token.redact(&one_line(place, place.len()));
        format!("it redirects to {}, which is not followed: correct BACKEND_URL", one_line(&place, EXCERPT))
    }

    fn transport(&self, call: &Call, error: reqwest::Error) -> ApiError {
        let error = error.without_url();
        let reason = if error.is_connect() && error.is_timeout() {
            format!("no connection within {:?}", self.limits.connect)
        } else if error.is_dns() {
            format!("cannot find the host: {}", innermost(&error))
        } else if error.is_connect() {
            let reason = innermost(&error);
            let unknown = reason.contains("UnknownIssuer");
            let help =
                if unknown { ": SSL_CERT_FILE can name a file with its issuer's certificate" } else { "" };
            format!("cannot connect: {reason}{help}")
        } else {
            innermost(&error)
        };
        ApiError::Transport { request: call.to_string(), reason: self.token.redact(&reason) }
    }

    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let wait = match text.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            // Both times are the backend's, so that a wrong clock here changes nothing.
            Err(_) => http_date(text)?.since(date(headers).unwrap_or_else(|| self.clock.now())),
        };
        Some(wait.min(LONGEST_RETRY_AFTER))
    }

    /// Notes how far the backend's clock is from ours, and says so when it matters.
    fn compare_clocks(&self, headers: &HeaderMap, took: Duration) {
        /// Of a longer request nobody knows when the backend wrote its time.
        const TELLING: Duration = Duration::from_secs(5);
        let Some(theirs) = date(headers).filter(|_| took <= TELLING) else { return };
        // The backend wrote its time at some moment of the request, and cut it to whole seconds.
        let ours = self.clock.now().minus(took / 2).as_secs_f64();
        let skew = theirs.as_secs_f64() + 0.5 - ours;
        let uncertain = 0.5 + took.as_secs_f64() / 2.0;
        *self.skew.lock().unwrap_or_else(PoisonError::into_inner) = Some(skew);
        if skew.abs() - uncertain > SKEW_SAID_ABOVE {
            if !self.skew_said.swap(true, Ordering::Relaxed) {
                let (seconds, side) = (skew.abs(), if skew > 0.0 { "ahead of" } else { "behind" });
                tracing::warn!(
                    "the backend's clock is {seconds:.0} s {side} ours: values will appear at the wrong time \
                     until one of them is set right"
                );
            }
        } else if skew.abs() + uncertain < SKEW_GONE_BELOW && self.skew_said.swap(false, Ordering::Relaxed) {
            tracing::warn!("the backend's clock and ours agree again");
        }
    }

    /// Whether a success says that values were stored: a page of something in between says nothing.
    fn stored(&self, call: &Call, body: &[u8]) -> Result<(), ApiError> {
        wire::stored(body).map_err(|reason| ApiError::Malformed {
            request: call.to_string(),
            reason: self.token.redact(&reason),
        })
    }

    fn refused(call: &Call, answer: Answer) -> Result<Vec<u8>, ApiError> {
        match answer {
            Answer::Success(body) => Ok(body),
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
        let body = Self::refused(&call, answer)?;
        if let Some(reason) = wire::not_json(&body) {
            return Err(ApiError::Malformed {
                request: call.to_string(),
                reason: self.token.redact(&reason),
            });
        }
        Ok(body)
    }

    async fn store(&self, account: AccountId, samples: &[Sample]) -> Result<(), ApiError> {
        if samples.is_empty() {
            return Ok(());
        }
        let call = Call { method: self.store_method(), path: format!("accounts/{account}/values") };
        let answer = self.ask(Kind::Values, &call, Some(wire::values(samples, self.mode))).await?;
        self.stored(&call, &Self::refused(&call, answer)?)
    }

    async fn may_store(&self, account: AccountId) -> Result<(), ApiError> {
        let call = Call { method: self.store_method(), path: format!("accounts/{account}/values") };
        let answer = self.ask(Kind::Values, &call, Some(b"[]".to_vec())).await?;
        match Self::refused(&call, answer) {
            // The backend looks at the permissions before it misses the values: any other refusal is about those.
            Err(error) if matches!(error.status(), Some(401 | 403 | 404)) => Err(error),
            Err(_) => Ok(()),
            Ok(body) => self.stored(&call, &body),
        }
    }

    fn clock_skew(&self) -> Option<f64> {
        *self.skew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_metrics(&self, out: &mut MetricsText) {
        self.metrics.write(out);
        let skew = self.clock_skew().unwrap_or_default();
        out.gauge("grafolean_backend_clock_skew_seconds", "The backend's clock less ours.", skew);
    }
}

/// A request as error messages name it: without the backend's address, and without the token.
struct Call {
    method: Method,
    path: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

enum Answer {
    Success(Vec<u8>),
    Refusal { status: StatusCode, message: String, retry_after: Option<Duration> },
}

/// Reads a body up to `limit` bytes, unpacked; false when there was more.
async fn read(mut response: Response, limit: usize) -> reqwest::Result<(Vec<u8>, bool)> {
    /// No promise of a length is believed beyond this many bytes.
    const RESERVED_AT_MOST: usize = 32 << 20;
    let promised = response.content_length().map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let mut body = Vec::with_capacity(promised.min(limit).min(RESERVED_AT_MOST));
    while let Some(chunk) = response.chunk().await? {
        let room = limit - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok((body, false));
        }
    }
    Ok((body, true))
}

/// Reads BACKEND_URL. An error never shows it: it may hold a password.
fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| format!("not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("expected a URL that begins with http:// or https://, not {}:", url.scheme()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("expected a URL without ? and #".to_owned());
    }
    Ok(url)
}

/// A URL as it may be stored and shown: without a password, and without a slash at the end.
pub(crate) fn shown_url(url: &str) -> String {
    let url = url.trim_end_matches('/');
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

fn client(url: &Url, connect: Duration) -> reqwest::Result<Client> {
    // Somebody who embeds us may have chosen another provider: then that one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        let builder = Client::builder()
            .user_agent(concat!("grafoleancollector/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(connect)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .gzip(true);
        // A proxy's idea of "localhost" is the proxy itself.
        if is_loopback(url) { builder.no_proxy() } else { builder }
    };
    let built = builder().build();
    if built.is_err() && url.scheme() == "http" {
        // A machine without root certificates, such as a small container, can still speak without TLS.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        if let Ok(config) = config {
            let config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
            return builder().tls_backend_preconfigured(config).build();
        }
    }
    built
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// The cause under all causes: what lies above it ("error sending request") says nothing.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost.downcast_ref::<io::Error>() {
        // Without the number of the operating system's error, and in lower case.
        Some(error) if error.raw_os_error().is_some() => error.kind().to_string(),
        _ => innermost.to_string(),
    }
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(DATE)?.to_str().ok()?)
}

fn http_date(text: &str) -> Option<Timestamp> {
    let after = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_secs(i64::try_from(after.as_secs()).ok()?))
}

/// What a request is about, as metrics tell them apart.
#[derive(Clone, Copy)]
enum Kind {
    Status,
    Profile,
    Accounts,
    Entities,
    Credentials,
    Sensors,
    Values,
}

impl Kind {
    const NAMES: [&'static str; 7] =
        ["status", "profile", "accounts", "entities", "credentials", "sensors", "values"];

    const fn of(resource: Resource) -> Self {
        match resource {
            Resource::Status => Self::Status,
            Resource::Profile => Self::Profile,
            Resource::Accounts => Self::Accounts,
            Resource::Entities(_) => Self::Entities,
            Resource::Credentials(_) => Self::Credentials,
            Resource::Sensors(_) => Self::Sensors,
        }
    }

    const fn is_list(self) -> bool {
        matches!(self, Self::Accounts | Self::Entities | Self::Credentials | Self::Sensors)
    }
}

/// How a request ended, as metrics tell it.
#[derive(Clone, Copy)]
enum Outcome {
    Success,
    Redirect,
    ClientError,
    ServerError,
    Timeout,
    Broken,
}

impl Outcome {
    const NAMES: [&'static str; 6] = ["2xx", "3xx", "4xx", "5xx", "timeout", "error"];

    fn of(result: &Result<Answer, ApiError>) -> Self {
        match result {
            Ok(Answer::Success(_)) => Self::Success,
            Ok(Answer::Refusal { status, .. }) if status.is_redirection() => Self::Redirect,
            Ok(Answer::Refusal { status, .. }) if status.is_client_error() => Self::ClientError,
            Ok(Answer::Refusal { .. }) => Self::ServerError,
            Err(ApiError::Timeout { .. }) => Self::Timeout,
            Err(_) => Self::Broken,
        }
    }
}

struct Metrics {
    requests: [[Counter; Outcome::NAMES.len()]; Kind::NAMES.len()],
    durations: [Histogram; Kind::NAMES.len()],
}

impl Default for Metrics {
    fn default() -> Self {
        Self { requests: Default::default(), durations: std::array::from_fn(|_| Histogram::new(DURATIONS)) }
    }
}

impl Metrics {
    fn count(&self, kind: Kind, outcome: Outcome, took: Duration) {
        self.requests[kind as usize][outcome as usize].inc();
        self.durations[kind as usize].observe(took);
    }

    fn write(&self, out: &mut MetricsText) {
        let name = "grafolean_requests_total";
        out.family(name, "counter", "Requests to the backend, by what they are about and how they ended.");
        for (kind, outcomes) in Kind::NAMES.iter().zip(&self.requests) {
            for (status, counter) in Outcome::NAMES.iter().zip(outcomes).filter(|(_, n)| n.get() > 0) {
                #[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
                out.sample(name, &[("kind", kind), ("status", status)], counter.get() as f64);
            }
        }
        let name = "grafolean_request_duration_seconds";
        out.family(name, "histogram", "How long requests to the backend took, until the end of the answer.");
        for (index, kind) in Kind::NAMES.iter().enumerate() {
            if self.requests[index].iter().any(|n| n.get() > 0) {
                out.histogram(name, &[("kind", kind)], &self.durations[index]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
