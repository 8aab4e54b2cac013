//! TLS from certificate files.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::ring::default_provider,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};

/// The certificate, and the key that belongs to it, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by those of its issuers.
    pub certificate: PathBuf,
    /// Its private key: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
}

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file is not there or may not be read.
    #[error("cannot read the TLS {what} {}", file.display())]
    Read {
        /// `certificate` or `key`.
        what: &'static str,
        /// Which file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{} holds no TLS {what} in PEM form", file.display())]
    NotPem {
        /// `certificate` or `key`.
        what: &'static str,
        /// Which file.
        file: PathBuf,
    },
    /// The two do not belong together, or are of a kind that is not understood.
    #[error("the TLS certificate and key cannot be used together")]
    Unusable(#[source] rustls::Error),
}

pub(crate) fn server_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let certificates = read(&files.certificate, "certificate", |pem| {
        CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<_>, pem::Error>>()
            .ok()
            .filter(|c| !c.is_empty())
    })?;
    let key = read(&files.key, "key", |pem| PrivateKeyDer::from_pem_slice(pem).ok())?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .with_no_client_auth()
        .with_single_cert(certificates, key);
    let mut config = config.map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read<T>(file: &Path, what: &'static str, parse: impl FnOnce(&[u8]) -> Option<T>) -> Result<T, TlsError> {
    let pem = std::fs::read(file).map_err(|source| TlsError::Read { what, file: file.to_owned(), source })?;
    parse(&pem).ok_or_else(|| TlsError::NotPem { what, file: file.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_and_a_file_of_another_kind_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let files = TlsFiles { certificate: certificate.clone(), key };
        let missing = server_config(&files).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read the TLS certificate") && missing.contains("cert.pem"));
        std::fs::write(&certificate, "hello").unwrap();
        let other = server_config(&files).unwrap_err().to_string();
        assert!(other.ends_with("holds no TLS certificate in PEM form"), "{other}");
    }
}
