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
            stall: Duration::from_secs(60),
            grace: Duration::from_secs(5),
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
