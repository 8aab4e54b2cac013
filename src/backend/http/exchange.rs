//! One request, and its whole answer.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use tokio::time::Instant;

use super::Limits;
use super::client::innermost;
use super::metrics::{Kind, Metrics, Outcome};
use super::skew::Skew;
use crate::backend::line::one_line;
use crate::backend::room::Room;
use crate::backend::{ApiError, Token, wire};
use crate::clock::{Clock, Timestamp};

/// How much of a refusal is read, in bytes: enough to find its reason in an HTML page.
pub(super) const REFUSAL_LIMIT: usize = 64 << 10;

/// How much of a refusal is shown, in characters.
const EXCERPT: usize = 200;

/// A `Retry-After` above this is cut, in seconds: a mistake over there must not stop us for a day.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// The way to the backend: requests go out, and what comes back is made safe to show.
pub(super) struct Exchange {
    pub(super) client: Client,
    /// The backend's address, without a slash at the end.
    pub(super) base: Box<str>,
    pub(super) token: Token,
    pub(super) limits: Limits,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) skew: Skew,
    pub(super) metrics: Metrics,
}

impl Exchange {
    /// Sends a request and reads its whole answer, whatever its status.
    pub(super) async fn ask(
        &self,
        kind: Kind,
        call: &Call,
        body: Option<Vec<u8>>,
        room: &Room,
    ) -> Result<Answer, ApiError> {
        let started = Instant::now();
        let limit = if kind.is_list() { self.limits.list } else { self.limits.request };
        let result = self.within(limit, call, self.exchange(kind, call, body, room)).await;
        let result = result.unwrap_or_else(Err);
        self.metrics.count(kind, Outcome::of(&result), started.elapsed());
        result
    }

    /// What comes of `future`, if it comes within `limit`.
    pub(super) async fn within<F: Future>(
        &self,
        limit: Duration,
        call: &Call,
        future: F,
    ) -> Result<F::Output, ApiError> {
        let timeout = |_| ApiError::Timeout { request: call.to_string(), limit };
        tokio::time::timeout(limit, future).await.map_err(timeout)
    }

    async fn exchange(
        &self,
        kind: Kind,
        call: &Call,
        body: Option<Vec<u8>>,
        room: &Room,
    ) -> Result<Answer, ApiError> {
        let mut request = self.request(call);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let started = Instant::now();
        // That of all but lists is bounded by the time for the whole.
        let begin = self.limits.list_begin.max(self.limits.request);
        let response = self.begin(begin, call, request).await?;
        if let Some(theirs) = date(response.headers()) {
            self.skew.compare(theirs, self.clock.now(), started.elapsed());
        }
        let status = response.status();
        if status.is_success() {
            let limit = self.limits.bytes(kind);
            let too_long = response.content_length().is_some_and(|length| length > limit as u64);
            let (body, whole) =
                if too_long { Default::default() } else { self.read(call, response, limit, room).await? };
            if !whole {
                return Err(ApiError::TooLarge { request: call.to_string(), limit });
            }
            return Ok(Answer::Success { status, body });
        }
        Ok(self.refusal(call, response, room).await)
    }

    pub(super) fn request(&self, call: &Call) -> RequestBuilder {
        let url = format!("{}/{}?b={}", self.base, call.path, self.token.in_query());
        self.client.request(call.method.clone(), url)
    }

    /// Sends a request, and gives its answer as soon as that begins.
    pub(super) async fn begin(
        &self,
        limit: Duration,
        call: &Call,
        request: RequestBuilder,
    ) -> Result<Response, ApiError> {
        self.within(limit, call, request.send()).await?.map_err(|error| self.transport(call, error))
    }

    /// What an answer says that is no success.
    pub(super) async fn refusal(&self, call: &Call, response: Response, room: &Room) -> Answer {
        let status = response.status();
        let location = response.headers().get(LOCATION).map(|place| place.as_bytes().to_vec());
        let retry_after = self.retry_after(response.headers());
        // The status is the answer: a refusal whose text breaks off is still that refusal.
        let (body, whole) = self.read(call, response, REFUSAL_LIMIT, room).await.unwrap_or_default();
        let message = match location.filter(|_| status.is_redirection()) {
            Some(place) => self.redirected(&place),
            None => self.excerpt(&body, whole),
        };
        Answer::Refusal { status, message, retry_after }
    }

    /// Reads a body up to `limit` bytes, unpacked; false when there was more.
    async fn read(
        &self,
        call: &Call,
        mut response: Response,
        limit: usize,
        room: &Room,
    ) -> Result<(Vec<u8>, bool), ApiError> {
        /// No promise of a length is believed beyond this many bytes.
        const RESERVED_AT_MOST: usize = 8 << 20;
        let promised = response.content_length().map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let mut body = Vec::with_capacity(promised.min(limit).min(RESERVED_AT_MOST));
        loop {
            let chunk = self.within(self.limits.silence, call, response.chunk()).await?;
            let Some(chunk) = chunk.map_err(|error| self.transport(call, error))? else {
                return Ok((body, true));
            };
            let left = limit - body.len();
            let taken = chunk.len().min(left);
            room.grow(body.len() + taken).await;
            body.extend_from_slice(&chunk[..taken]);
            if chunk.len() > left {
                return Ok((body, false));
            }
        }
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

    pub(super) fn transport(&self, call: &Call, error: reqwest::Error) -> ApiError {
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
}

/// A request as error messages name it: without the backend's address, and without the token.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

pub(super) enum Answer {
    Success { status: StatusCode, body: Vec<u8> },
    Refusal { status: StatusCode, message: String, retry_after: Option<Duration> },
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(DATE)?.to_str().ok()?)
}

fn http_date(text: &str) -> Option<Timestamp> {
    let after = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_secs(i64::try_from(after.as_secs()).ok()?))
}
