//! An open data directory, and serving it.

use std::{
    future::Future,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    api::{self, overview, shared::Shared, upkeep},
    clock::SystemClock,
    error::HubError,
    http::{
        body::{Bodies, BodyLimits},
        server::{self, Limits},
        tls::{TlsFiles, server_config},
    },
    store::{self, Store},
};

/// How a hub is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HubOptions {
    /// Where everything is kept. Made when it is not there.
    pub data_dir: PathBuf,
    /// Connections at one time (768). Further ones wait.
    pub max_connections: usize,
    /// The largest body of a request, in bytes (16 MiB).
    pub max_body: usize,
}

impl HubOptions {
    /// The usual limits for this directory.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            max_connections: Limits::default().connections,
            max_body: BodyLimits::default().size,
        }
    }
}

/// A data directory that is open: nobody else has it until this is closed or dropped.
#[derive(Debug)]
pub struct Hub {
    pub(crate) shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    options: HubOptions,
    upkeep: JoinHandle<()>,
    warming: JoinHandle<()>,
}

impl Hub {
    /// Opens a data directory. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When it cannot be used: it is in use, damaged, of a newer version, or not writable. Nothing is changed then.
    pub async fn open(options: HubOptions) -> Result<Self, HubError> {
        let clock: Arc<dyn crate::clock::Clock> = Arc::new(SystemClock);
        let (directory, for_store) = (options.data_dir.clone(), Arc::clone(&clock));
        let opening = tokio::task::spawn_blocking(move || Store::open(&directory, for_store));
        let store =
            opening.await.map_err(|_| HubError::Store("opening the database failed".to_owned()))??;
        let (stop, stopping) = watch::channel(false);
        let bodies = Bodies::new(BodyLimits { size: options.max_body, ..BodyLimits::default() });
        let shared = Arc::new(Shared::load(store, clock, bodies, stopping).await?);
        let upkeep = tokio::spawn(upkeep::run(Arc::clone(&shared)));
        let for_warming = Arc::clone(&shared);
        let warming = tokio::spawn(async move {
            if let Err(error) = overview::warm(&for_warming).await {
                tracing::warn!(%error, "the overview begins empty");
            }
        });
        Ok(Self { shared, stop, options, upkeep, warming })
    }

    /// Listens on an address and serves until it is stopped.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on, or the TLS files cannot be used.
    pub async fn listen(&self, address: SocketAddr, tls: Option<&TlsFiles>) -> Result<Listening, HubError> {
        let listener = server::bind(address).await.map_err(|source| HubError::Listen { address, source })?;
        self.serve(listener, tls)
    }

    /// As [`Hub::listen`], with a socket that listens already.
    ///
    /// # Errors
    ///
    /// When the TLS files cannot be used.
    pub fn serve(&self, listener: TcpListener, tls: Option<&TlsFiles>) -> Result<Listening, HubError> {
        let tls = tls.map(server_config).transpose()?;
        let is_tls = tls.is_some();
        let address = listener
            .local_addr()
            .map_err(|source| HubError::Listen { address: SocketAddr::from(([0, 0, 0, 0], 0)), source })?;
        let limits = Limits { connections: self.options.max_connections, ..Limits::default() };
        let shared = Arc::clone(&self.shared);
        let handler = move |request, peer| api::answer(Arc::clone(&shared), request, peer);
        let (stop, stopping) = watch::channel(false);
        let all_stop = self.shared.stopping.clone();
        let serving = async move {
            let stopped = either(stopping, all_stop);
            server::serve(listener, tls, limits, handler, stopped).await;
        };
        Ok(Listening { address, tls: is_tls, stop, task: tokio::spawn(serving) })
    }

    /// Makes a one-time token with which the first person can be created, in place of one that was made before;
    /// nothing once there is a person. The page for it is `/#/setup/<token>`.
    ///
    /// # Errors
    ///
    /// When the system gives no random numbers.
    pub fn setup_link_token(&self) -> Result<Option<String>, HubError> {
        Ok(self.shared.new_setup_token()?)
    }

    /// Writes a copy of the whole database to a file that must not exist; requests are served meanwhile.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub async fn backup(&self, file: impl Into<PathBuf>) -> Result<(), HubError> {
        Ok(self.shared.store.backup(file.into()).await?)
    }

    /// The same for a data directory that another process has open, or nobody.
    ///
    /// # Errors
    ///
    /// When there is no database, or the file cannot be written.
    pub async fn backup_of(data_dir: &Path, file: impl Into<PathBuf>) -> Result<(), HubError> {
        let (directory, file) = (data_dir.to_owned(), file.into());
        let copied = tokio::task::spawn_blocking(move || store::copy(&directory, &file)).await;
        Ok(copied.map_err(|_| HubError::Store("the copy failed".to_owned()))??)
    }

    /// Ends all that is served and closes the data directory, with everything written.
    pub async fn close(self) {
        self.stop.send_replace(true);
        self.warming.abort();
        // It neither panics nor is cancelled.
        let _ = self.upkeep.await;
        if let Err(error) = upkeep::write_seen(&self.shared).await {
            tracing::warn!(%error, "when bots were seen last is not written");
        }
        self.shared.store.clone().close().await;
    }
}

/// Becomes true when one of both does.
fn either(mut one: watch::Receiver<bool>, mut other: watch::Receiver<bool>) -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = async { one.wait_for(|stop| *stop).await.is_err() } => {}
            _ = async { other.wait_for(|stop| *stop).await.is_err() } => {}
            () = stop.closed() => return,
        }
        stop.send_replace(true);
    });
    stopped
}

/// A hub that is served. It stops when this is dropped; [`Listening::stop`] also waits until it has.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    tls: bool,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Listening {
    /// The address, with the port that was chosen where none was given.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The page's address. Bots add `/api`.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let mut address = self.address;
        // What is listened on everywhere is reached here, at least.
        if address.ip().is_unspecified() {
            let loopback = if address.is_ipv4() { "127.0.0.1" } else { "::1" };
            address.set_ip(loopback.parse().unwrap_or(address.ip()));
        }
        format!("{scheme}://{address}")
    }

    /// Takes no further connections, lets requests under way be answered, and returns when all are closed.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.task.await;
    }

    /// Serves until `signal` is ready, then stops as [`Listening::stop`] does.
    pub async fn until(self, signal: impl Future<Output = ()>) {
        signal.await;
        self.stop().await;
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
