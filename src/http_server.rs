//! A small, bounded HTTP/1.1 server: for the health endpoint and for the tests' fake backend.
//!
//! It knows connections only. What to answer is the handler's affair: a function from a request to a
//! response. The number of connections is bounded (further ones wait in the kernel's queue), a connection
//! that sends no request is closed after a while, and stopping lets requests under way be answered.

use std::{error::Error, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{Response, body::Body, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
};

/// What a handler is given: the head, and a body that has not been read yet.
pub(crate) type Request = hyper::Request<hyper::body::Incoming>;

/// How much a server takes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections served at one time.
    pub(crate) connections: usize,
    /// Time to send a request's head; also how long a connection may stay open without a request.
    pub(crate) header_read: Duration,
    /// Time that requests under way are given when the server stops.
    pub(crate) grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A scraper, an orchestrator's probes and a few browsers: far below any descriptor limit.
            connections: 64,
            // Longer than the pause between two requests of a client that keeps its connection.
            header_read: Duration::from_secs(90),
            // Answers are computed from memory; what takes longer is a client that does not read.
            grace: Duration::from_secs(2),
        }
    }
}

/// A running server. It stops when this is dropped; [`ServerHandle::stop`] also waits until it has.
#[derive(Debug)]
pub(crate) struct ServerHandle {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    address: Option<SocketAddr>,
}

impl ServerHandle {
    /// The address that is listened on, if the listener still knew it.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Takes no further connections, lets requests under way be answered (within the grace), and returns
    /// when all connections are closed.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        // The task neither panics nor is cancelled while the handle is held: nothing to report.
        let _ = self.task.await;
    }
}

/// Serves `listener` with `handler` until the handle is dropped or stopped.
///
/// A handler that returns `None` has its connection closed without an answer, and a body that fails half
/// way cuts the answer off there. Must be called within a tokio runtime.
pub(crate) fn serve<H, F, B>(listener: TcpListener, limits: Limits, handler: H) -> ServerHandle
where
    H: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Option<Response<B>>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (stop, stopping) = watch::channel(false);
    let address = listener.local_addr().ok();
    let task = tokio::spawn(accept(listener, limits, handler, stopping));
    ServerHandle { stop, task, address }
}

async fn accept<H, F, B>(
    listener: TcpListener,
    limits: Limits,
    handler: H,
    mut stopping: watch::Receiver<bool>,
) where
    H: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Option<Response<B>>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        // A slot first, then a connection: so that one too many waits in the kernel's queue, unaccepted.
        let slot = tokio::select! {
            _ = stopping.changed() => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let accepted = tokio::select! {
            _ = stopping.changed() => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, limits, handler.clone(), stopping.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            // Out of descriptors, or a client that has gone already: neither is a reason to stop serving.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    drop(listener);
    let all_closed = async { while connections.join_next().await.is_some() {} };
    // What is still open after the grace is aborted when the set is dropped.
    let _ = tokio::time::timeout(limits.grace, all_closed).await;
}

async fn connection<H, F, B>(
    stream: TcpStream,
    limits: Limits,
    handler: H,
    mut stopping: watch::Receiver<bool>,
) where
    H: Fn(Request) -> F,
    F: Future<Output = Option<Response<B>>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Without this, answers of two packets wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let answer = handler(request);
        async { answer.await.ok_or("closed without an answer") }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    // A connection that ends in an error concerns the client, who sees it as well.
    tokio::select! {
        _ = served.as_mut() => return,
        _ = stopping.changed() => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Full;
    use std::{
        io::{Read, Write},
        net::TcpStream as StdStream,
    };

    use super::*;

    async fn echo_path(request: Request) -> Option<Response<Full<Bytes>>> {
        match request.uri().path() {
            "/nothing" => return None,
            "/slow" => tokio::time::sleep(Duration::from_millis(200)).await,
            _ => {}
        }
        Some(Response::new(Full::new(Bytes::from(request.uri().path().to_owned()))))
    }

    async fn started(limits: Limits) -> (ServerHandle, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = serve(listener, limits, echo_path);
        let address = server.address().unwrap();
        (server, address)
    }

    fn ask(stream: &mut StdStream, path: &str) {
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    }

    fn read_until(stream: &mut StdStream, end: &str) -> String {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (mut all, mut buffer) = (String::new(), [0; 1024]);
        while !all.ends_with(end) || end.is_empty() {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(n) => all.push_str(std::str::from_utf8(&buffer[..n]).unwrap()),
            }
        }
        all
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn two_requests_are_answered_on_one_connection() {
        let (_server, address) = started(Limits::default()).await;
        let mut stream = StdStream::connect(address).unwrap();
        for path in ["/one", "/two"] {
            ask(&mut stream, path);
            assert!(read_until(&mut stream, path).starts_with("HTTP/1.1 200 OK"));
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_handler_that_returns_nothing_closes_the_connection() {
        let (_server, address) = started(Limits::default()).await;
        let mut stream = StdStream::connect(address).unwrap();
        ask(&mut stream, "/nothing");
        assert_eq!(read_until(&mut stream, ""), "");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_connection_over_the_limit_is_served_when_another_one_ends() {
        let (_server, address) = started(Limits { connections: 1, ..Limits::default() }).await;
        let mut first = StdStream::connect(address).unwrap();
        ask(&mut first, "/first");
        read_until(&mut first, "/first");
        let mut second = StdStream::connect(address).unwrap();
        ask(&mut second, "/second");
        second.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(second.read(&mut [0; 1]).is_err(), "the second connection must wait");
        drop(first);
        assert!(read_until(&mut second, "/second").ends_with("/second"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_connection_that_sends_no_request_is_closed() {
        let limits = Limits { header_read: Duration::from_millis(50), ..Limits::default() };
        let (_server, address) = started(limits).await;
        let mut silent = StdStream::connect(address).unwrap();
        silent.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn stopping_answers_the_request_under_way_and_then_refuses_connections() {
        let (server, address) = started(Limits::default()).await;
        let mut stream = StdStream::connect(address).unwrap();
        ask(&mut stream, "/slow");
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.stop().await;
        assert!(read_until(&mut stream, "/slow").ends_with("/slow"));
        assert!(StdStream::connect(address).is_err());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn dropping_the_handle_stops_the_server() {
        let (server, address) = started(Limits::default()).await;
        drop(server);
        for _ in 0..500 {
            if StdStream::connect(address).is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server still accepts connections");
    }
}
