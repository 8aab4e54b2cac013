//! The HTTP library, set up: TLS, proxies, connections.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url};

/// How long an unused connection is kept, in seconds: between two deliveries, but not until a server or a
/// router on the way gives it up unseen.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) fn client(url: &Url, connect: Duration) -> reqwest::Result<Client> {
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

pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// The cause under all causes: what lies above it ("error sending request") says nothing.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
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
