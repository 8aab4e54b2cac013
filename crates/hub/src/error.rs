//! What can go wrong with a hub as a whole.

use std::{io, net::SocketAddr};

use crate::{http::tls::TlsError, store::OpenError, store::StoreError};

/// Why a hub could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}{}", hint(source))]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// TLS cannot be offered.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The database did not do it.
    #[error("{0}")]
    Store(String),
    /// What was asked for is not possible; the text says why.
    #[error("{0}")]
    Refused(String),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => ": another program has this port; stop it, or choose another port",
        io::ErrorKind::PermissionDenied => ": ports below 1024 are for programs with special rights",
        io::ErrorKind::AddrNotAvailable => ": this machine has no such address",
        _ => "",
    }
}

impl From<StoreError> for HubError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}
