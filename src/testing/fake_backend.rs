//! A fake Grafolean backend that speaks HTTP.

use std::{
    convert::Infallible,
    io::{self, Write},
    net::SocketAddr,
    ops::Deref,
    thread,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures_util::stream::{self, StreamExt};
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    body::Frame,
    header::{
        ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER, VARY,
    },
};
use tokio::{net::TcpListener, sync::oneshot};

use super::{
    changes::Listening,
    grafolean::{Exchange, FakeGrafolean, Reply},
    state::{Answer, AnswerBody, Ask},
};
use crate::clock::{Clock, SystemClock};
use crate::http_server::{self, Limits, Request};

/// The largest request: a list of some million values.
const REQUEST_LIMIT: usize = 128 << 20;

/// Answers below this are not compressed: they fit into one packet anyway.
const GZIP_FROM: usize = 1_400;

/// Who listens to changes hears this often at least.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Bots hold one connection each as a rule; load tests hold more.
const CONNECTIONS: usize = 1_024;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A Grafolean backend on a loopback port, for tests of bots: as strict as the observed one, and able to
/// misbehave.
///
/// It is served by a thread of its own, so that it answers even while a test blocks, and it stops when it is
/// dropped. What it holds, what goes wrong with it and what it was asked is all in [`FakeGrafolean`], which
/// this dereferences to. Tests with it run in real time: with paused time, timeouts fire while a socket is
/// waited for.
///
/// ```
/// use grafoleancollector::testing::FakeBackend;
/// use serde_json::json;
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let backend = FakeBackend::start().await;
/// let account = backend.add_account("First account");
/// let credential = backend.add_credential(account, "ping", json!({"n_packets": "3"}));
/// let sensor = backend.add_sensor(account, "ping", Some(60), json!({}));
/// let device = backend
///     .device(account, "localhost")
///     .detail("ipv4", "127.0.0.1")
///     .protocol("ping", credential, &[sensor])
///     .add();
///
/// // A bot is given `backend.url()` and `backend.token()`; the next values it sends are refused once.
/// backend.on("/values").fail_next(503);
/// assert!(backend.url().ends_with("/api"));
/// assert!(backend.values(account).is_empty());
/// # assert!(device > 0);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FakeBackend {
    grafolean: FakeGrafolean,
    address: SocketAddr,
    /// The server stops when this is dropped.
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl FakeBackend {
    /// Starts a backend without accounts, on a free port of the loopback interface.
    ///
    /// # Panics
    ///
    /// If the machine has no free port or cannot start a thread.
    #[expect(clippy::panic, reason = "no test can go on without the backend that it asked for")]
    pub async fn start() -> Self {
        let grafolean = FakeGrafolean::new();
        let (stop, stopped) = oneshot::channel();
        let (started, address) = oneshot::channel();
        let served = grafolean.clone();
        let thread = thread::Builder::new()
            .name("fake-backend".to_owned())
            .spawn(move || run(served, started, stopped))
            .unwrap_or_else(|error| panic!("cannot start the fake backend's thread: {error}"));
        let address = address
            .await
            .unwrap_or_else(|_| Err(io::Error::other("its thread ended")))
            .unwrap_or_else(|error| panic!("cannot start the fake backend: {error}"));
        Self { grafolean, address, stop: Some(stop), thread: Some(thread) }
    }

    /// The value for `BACKEND_URL`, `/api` included.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// Another handle to what the backend holds, to give to a task.
    #[must_use]
    pub fn handle(&self) -> FakeGrafolean {
        self.grafolean.clone()
    }
}

impl Deref for FakeBackend {
    type Target = FakeGrafolean;

    fn deref(&self) -> &FakeGrafolean {
        &self.grafolean
    }
}

impl Drop for FakeBackend {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Joined, so that the port is free when a test is over; it has nothing left to wait for.
            let _ = thread.join();
        }
    }
}

fn run(
    grafolean: FakeGrafolean,
    started: oneshot::Sender<io::Result<SocketAddr>>,
    stopped: oneshot::Receiver<Infallible>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(error))),
    };
    runtime.block_on(async {
        let listener = match TcpListener::bind("127.0.0.1:0").await {
            Ok(listener) => listener,
            Err(error) => return drop(started.send(Err(error))),
        };
        let limits = Limits { connections: CONNECTIONS, grace: Duration::ZERO, ..Limits::default() };
        let handler = move |request| {
            let grafolean = grafolean.clone();
            async move { answer(&grafolean, request).await }
        };
        let server = http_server::serve(listener, limits, handler);
        let _ = started.send(server.address().ok_or_else(|| io::Error::other("no address")));
        let _ = stopped.await;
        server.stop().await;
    });
}

async fn answer(grafolean: &FakeGrafolean, request: Request) -> Option<Response<Body>> {
    let (head, body) = request.into_parts();
    let takes_gzip = head
        .headers
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(',').any(|coding| coding.trim().starts_with("gzip")));
    let Ok(body) = Limited::new(body, REQUEST_LIMIT).collect().await else { return None };
    let Some(path) = head.uri.path().strip_prefix("/api") else {
        return Some(whole(Answer::text(404, "Not Found"), false));
    };
    let Exchange { now, delay, retry_after, reply } = grafolean.exchange(&Ask {
        method: head.method.as_str(),
        path,
        query: head.uri.query().unwrap_or_default(),
        body: &body.to_bytes(),
        now: SystemClock.now().as_micros(),
    });
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let mut response = match reply {
        Reply::Whole(answer) => whole(answer, takes_gzip),
        Reply::Half(answer) => half(&answer)?,
        Reply::Changes(listening) => changes(listening),
        Reply::Huge(bytes) => huge(bytes),
        Reply::None => return None,
    };
    let headers = response.headers_mut();
    let since_epoch = Duration::from_micros(u64::try_from(now).unwrap_or(0));
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(UNIX_EPOCH + since_epoch)) {
        headers.insert(DATE, date);
    }
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    Some(response)
}

fn head(answer: &Answer, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::NOT_IMPLEMENTED);
    if answer.status != 204 {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    }
    response
}

fn whole(answer: Answer, takes_gzip: bool) -> Response<Body> {
    let plain = answer.bytes().clone();
    let compress = takes_gzip && plain.len() >= GZIP_FROM;
    let body = match &answer.body {
        _ if !compress => plain,
        AnswerBody::Made(bytes) => gzip(bytes),
        AnswerBody::Changes(_) => plain,
        AnswerBody::List(listing) => listing.gzip.get_or_init(|| gzip(&listing.plain)).clone(),
    };
    let mut response = head(&answer, Full::new(body).map_err(|never| match never {}).boxed_unsync());
    if compress {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    response
}

/// The beginning of an answer under the whole answer's length; nothing where there is no body.
fn half(answer: &Answer) -> Option<Response<Body>> {
    let all = answer.bytes();
    if all.is_empty() {
        return None;
    }
    let beginning = Ok(Frame::data(all.slice(..all.len() / 2)));
    let broken_off = async {
        // The beginning is to reach the client before the connection ends.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::Error::other("half an answer was asked for"))
    };
    let frames = stream::iter([beginning]).chain(stream::once(broken_off));
    let mut response = head(answer, StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(CONTENT_LENGTH, all.len().into());
    Some(response)
}

/// Changes as they happen, and a sign of life when there are none.
fn changes(listening: Listening) -> Response<Body> {
    let frames = stream::unfold(listening, |mut listening| async move {
        let text = match tokio::time::timeout(ALIVE_EVERY, listening.next()).await {
            Ok(event) => {
                let (name, data) = event?;
                format!("event: {name}\ndata: {data}\n\n")
            }
            Err(_) => ": alive\n\n".to_owned(),
        };
        Some((Ok(Frame::data(Bytes::from(text))), listening))
    });
    let answer = Answer { content_type: "text/event-stream", ..Answer::text(200, "") };
    head(&answer, StreamBody::new(frames).boxed_unsync())
}

/// A list of so many bytes, of which one piece is held in memory.
fn huge(bytes: u64) -> Response<Body> {
    const PIECE: usize = 64 << 10;
    let element = r#"{"id":1,"name":"one of very many","details":{}},"#;
    let piece = Bytes::from(element.repeat(PIECE / element.len()));
    let beginning = Bytes::from_static(b"{\"list\":[");
    let left = bytes.saturating_sub(beginning.len() as u64);
    let frames = stream::unfold((left, piece), |(left, piece)| async move {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        let frame = Ok(Frame::data(piece.slice(..length)));
        (length > 0).then(|| (frame, (left - length as u64, piece)))
    });
    let frames = stream::iter([Ok(Frame::data(beginning))]).chain(frames);
    let answer = Answer { content_type: "application/json", ..Answer::text(200, "") };
    head(&answer, StreamBody::new(frames).boxed_unsync())
}

fn gzip(bytes: &Bytes) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail; if it did, the client would see a broken body, as it should.
    let _ = encoder.write_all(bytes);
    Bytes::from(encoder.finish().unwrap_or_default())
}
