//! Connections: how many, for how long, with or without TLS, and how they end.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{answer::Body, stall::StallGuard};

/// How much a server takes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at one time; further ones wait in the kernel's queue.
    pub(crate) connections: usize,
    /// Time to agree on TLS.
    pub(crate) handshake: Duration,
    /// Time to send a request's head; also how long a connection may stay open without a request.
    pub(crate) header_read: Duration,
    /// The same for connections that come when three quarters of the places are taken: whoever holds many open
    /// without a word does not keep the others out.
    pub(crate) crowded: Duration,
    /// How long an answer may wait for its reader.
    pub(crate) stall: Duration,
    /// Time that requests under way are given when the server stops.
    pub(crate) grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Bots hold one connection each, pages up to six; below the usual 1,024 descriptors.
            connections: 768,
            handshake: Duration::from_secs(10),
            // Longer than the minute that bots are silent between two rounds.
            header_read: Duration::from_secs(75),
            crowded: Duration::from_secs(5),
            stall: Duration::from_secs(60),
            grace: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// What holds for a connection when so many places are left.
    fn with_left(self, places: usize) -> Self {
        let is_crowded = places < self.connections / 4;
        Self {
            header_read: if is_crowded { self.header_read.min(self.crowded) } else { self.header_read },
            ..self
        }
    }
}

/// Who is at the other side of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) tls: bool,
}

/// Serves `listener` until `stopping` says so: then no further connections are taken, requests under way
/// are answered within the grace, and this returns when all connections are closed.
pub(crate) async fn serve<H, F>(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    limits: Limits,
    handler: H,
    mut stopping: watch::Receiver<bool>,
) where
    H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(limits.connections));
    let acceptor = tls.map(TlsAcceptor::from);
    let mut connections = JoinSet::new();
    loop {
        // A slot first, then a connection: so that one too many waits in the kernel's queue, unaccepted.
        let slot = tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let accepted = tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, address)) => {
                let peer = Peer { address, tls: acceptor.is_some() };
                let limits = limits.with_left(slots.available_permits());
                let connection =
                    connection(stream, peer, acceptor.clone(), limits, handler.clone(), stopping.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            // Out of descriptors, or a client that has gone already: neither is a reason to stop serving.
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    drop(listener);
    let all_closed = async { while connections.join_next().await.is_some() {} };
    // What is still open after the grace is aborted when the set is dropped.
    let _ = timeout(limits.grace, all_closed).await;
}

async fn connection<H, F>(
    stream: TcpStream,
    peer: Peer,
    acceptor: Option<TlsAcceptor>,
    limits: Limits,
    handler: H,
    stopping: watch::Receiver<bool>,
) where
    H: Fn(Request<Incoming>, Peer) -> F,
    F: Future<Output = Response<Body>>,
{
    // Without this, answers of two packets wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let ended = match acceptor {
        None => serve_stream(stream, peer, limits, handler, stopping).await,
        Some(acceptor) => match timeout(limits.handshake, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => serve_stream(stream, peer, limits, handler, stopping).await,
            Ok(Err(error)) => return tracing::debug!(peer = %peer.address, %error, "no TLS connection"),
            Err(_) => return tracing::debug!(peer = %peer.address, "no TLS connection in time"),
        },
    };
    // A connection that ends in an error concerns the client, who sees it as well.
    if let Err(error) = ended {
        tracing::trace!(peer = %peer.address, %error, "a connection ended early");
    }
}

async fn serve_stream<S, H, F>(
    stream: S,
    peer: Peer,
    limits: Limits,
    handler: H,
    mut stopping: watch::Receiver<bool>,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<Incoming>, Peer) -> F,
    F: Future<Output = Response<Body>>,
{
    let service = service_fn(|request| {
        let answer = handler(request, peer);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_headers(64)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(StallGuard::new(stream, limits.stall)), service);
    let mut served = std::pin::pin!(served);
    tokio::select! {
        ended = served.as_mut() => return ended,
        _ = stopping.wait_for(|stop| *stop) => served.as_mut().graceful_shutdown(),
    }
    served.await
}

/// Listens on an address.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::http::{Answer, body::Bodies};

    async fn started(limits: Limits, bodies: Bodies) -> (SocketAddr, watch::Sender<bool>) {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        let handler = move |request: Request<Incoming>, _| {
            let bodies = bodies.clone();
            async move {
                let (head, body) = request.into_parts();
                let answer = match bodies.read(&head.headers, body, usize::MAX).await {
                    Ok(held) => Answer::ok(&held.bytes.len()),
                    Err(refusal) => refusal.into(),
                };
                answer.into_response(&head.method, &head.headers).await
            }
        };
        tokio::spawn(serve(listener, None, limits, handler, stopping));
        (address, stop)
    }

    fn sent(address: SocketAddr, bytes: &str) -> std::net::TcpStream {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(bytes.as_bytes()).unwrap();
        stream
    }

    fn all(mut stream: std::net::TcpStream) -> String {
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        text
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_sends_a_head_or_a_body_too_slowly_is_let_go() {
        let limits = Limits { header_read: Duration::from_millis(50), ..Limits::default() };
        let short = Duration::from_millis(50);
        let bodies = Bodies::new(crate::http::body::BodyLimits { silence: short, ..Default::default() });
        let (address, _stop) = started(limits, bodies).await;
        assert_eq!(all(sent(address, "")), "");
        assert!(!all(sent(address, "GET / HTTP/1.1\r\nhost: ")).contains("200 OK"));
        let slow = all(sent(address, "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc"));
        assert!(slow.starts_with("HTTP/1.1 408"), "{slow}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn bodies_that_do_not_fit_into_the_memory_for_all_wait_and_are_sent_again_later() {
        let all_bodies = crate::http::body::BodyLimits {
            all: 2_048,
            room: Duration::from_millis(50),
            ..Default::default()
        };
        let (address, _stop) = started(Limits::default(), Bodies::new(all_bodies)).await;
        let first = sent(address, "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 2000\r\n\r\n");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let second = "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 2000\r\nconnection: close\r\n\r\n";
        let refused = all(sent(address, second));
        assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 1"), "{refused}");
        drop(first);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_says_nothing_holds_one_of_the_last_places_for_a_moment_only() {
        let limits = Limits { connections: 4, crowded: Duration::from_millis(50), ..Limits::default() };
        let (address, _stop) = started(limits, Bodies::new(Default::default())).await;
        let _silent: Vec<_> = (0..3).map(|_| sent(address, "")).collect();
        assert_eq!(all(sent(address, "")), "", "the last place is free again");
        let asked = sent(address, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert!(all(asked).starts_with("HTTP/1.1 200"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_connection_too_many_waits_until_another_one_ends() {
        let limits = Limits { connections: 1, ..Limits::default() };
        let (address, _stop) = started(limits, Bodies::new(Default::default())).await;
        let first = sent(address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let second = sent(address, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        second.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!((&second).read(&mut [0; 1]).is_err(), "the second one must wait");
        drop(first);
        second.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert!(all(second).starts_with("HTTP/1.1 200"));
    }
}
