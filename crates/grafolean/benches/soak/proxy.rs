//! Stands between bots and hub, and fails a part of the requests, each in one of five ways.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Ways to fail: in its order, as counted.
const WAYS: [&str; 5] = [
    "an error at once",
    "an error afterwards",
    "no answer at once",
    "no answer afterwards",
    "half an answer",
];

#[derive(Clone)]
pub(crate) struct Proxy(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    hub: SocketAddr,
    client: reqwest::Client,
    failing_percent: AtomicU64,
    requests: AtomicU64,
    failed: [AtomicU64; WAYS.len()],
}

impl Proxy {
    pub(crate) async fn start(hub: SocketAddr, failing_percent: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let shared = Shared {
            address: listener.local_addr().expect("its address"),
            hub,
            client: reqwest::Client::builder().no_gzip().build().expect("a client"),
            failing_percent: failing_percent.into(),
            requests: AtomicU64::new(0),
            failed: Default::default(),
        };
        let proxy = Self(Arc::new(shared));
        let serving = proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let proxy = serving.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let proxy = proxy.clone();
                        async move { proxy.answer(request).await }
                    });
                    // What breaks was meant to break.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/api", self.0.address)
    }

    pub(crate) fn fail_no_more(&self) {
        self.0.failing_percent.store(0, Relaxed);
    }

    pub(crate) fn requests(&self) -> u64 {
        self.0.requests.load(Relaxed)
    }

    pub(crate) fn faults(&self) -> String {
        let counted = WAYS.iter().zip(&self.0.failed).map(|(way, n)| format!("{} by {way}", n.load(Relaxed)));
        counted.collect::<Vec<_>>().join(", ")
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Broken>, io::Error> {
        let shared = &self.0;
        shared.requests.fetch_add(1, Relaxed);
        let fails = fastrand::u64(0..100) < shared.failing_percent.load(Relaxed);
        let way = fails.then(|| fastrand::usize(0..WAYS.len()));
        if let Some(way) = way {
            shared.failed[way].fetch_add(1, Relaxed);
        }
        let is_stream = request.uri().path().ends_with("/changes");
        match way {
            Some(0) => return Ok(error()),
            Some(2) => return Err(io::Error::other("closed before the hub was asked")),
            _ => {}
        }
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let url = format!("http://{}{}", shared.hub, head.uri);
        let mut asked = shared.client.request(head.method, url).body(body);
        for (name, value) in
            head.headers.iter().filter(|(name, _)| *name != "host" && *name != "content-length")
        {
            asked = asked.header(name, value);
        }
        let Ok(mut answer) = asked.send().await else { return Ok(error()) };
        let mut made = Response::builder().status(answer.status());
        for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
            made = made.header(name, value);
        }
        if is_stream {
            let (mut sender, stream) = http_body_util::channel::Channel::<Bytes, Infallible>::new(4);
            tokio::spawn(async move {
                while let Ok(Some(piece)) = answer.chunk().await {
                    if sender.send_data(piece).await.is_err() {
                        break;
                    }
                }
            });
            return made.body(Broken::Stream(stream)).map_err(io::Error::other);
        }
        let whole = answer.bytes().await.map_err(io::Error::other)?;
        match way {
            Some(1) => Ok(error()),
            Some(3) => Err(io::Error::other("closed after the hub had answered")),
            Some(4) if whole.len() > 1 => {
                made.body(Broken::Half(Some(whole.slice(..whole.len() / 2)))).map_err(io::Error::other)
            }
            _ => made.body(Broken::Whole(Full::new(whole))).map_err(io::Error::other),
        }
    }
}

fn error() -> Response<Broken> {
    let mut answer = Response::new(Broken::Whole(Full::new(Bytes::from("the proxy failed this"))));
    *answer.status_mut() =
        [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE]
            [fastrand::usize(0..3)];
    answer
}

/// A body that may end too early.
enum Broken {
    Whole(Full<Bytes>),
    Half(Option<Bytes>),
    Stream(http_body_util::channel::Channel<Bytes, Infallible>),
}

impl hyper::body::Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        use std::pin::Pin;
        use std::task::Poll;
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(cx).map_err(|never| match never {}),
            Self::Half(half) => Poll::Ready(Some(match half.take() {
                Some(piece) => Ok(hyper::body::Frame::data(piece)),
                None => Err(io::Error::other("half an answer")),
            })),
            Self::Stream(stream) => Pin::new(stream).poll_frame(cx).map_err(|never| match never {}),
        }
    }
}
