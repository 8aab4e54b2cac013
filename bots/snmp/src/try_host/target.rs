//! Whom to ask: `host`, `host:port`, an IPv4 or IPv6 address, `[address]:port`, `fe80::1%eth0`.

use std::net::SocketAddr;
use std::str::FromStr;

use grafoleancollector::{Host, HostError, ResolveError};

/// A device as somebody typed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Target {
    host: Host,
    /// None: the port of the credential.
    port: Option<u16>,
}

/// A text that is no device.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum TargetError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("the port is {0:?}: expected 1 to 65535")]
    Port(String),
}

/// Further addresses of a name that are tried.
const MOST_ADDRESSES: usize = 8;

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let text = text.trim();
        // The colons of an IPv6 address begin no port.
        let whole = text.parse::<Host>();
        let (host, port) = match (whole, text.rsplit_once(':')) {
            (Err(HostError::NoName(_)), Some((host, digits)))
                if host.ends_with(']') || !host.contains(':') =>
            {
                (host.parse()?, Some(port(digits)?))
            }
            (whole, _) => (whole?, None),
        };
        Ok(Self { host, port })
    }
}

fn port(digits: &str) -> Result<u16, TargetError> {
    let port = digits.parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| TargetError::Port(digits.chars().take(40).collect()))
}

impl Target {
    /// The port that was typed with it.
    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    /// The name with the address that it has, or the address alone.
    pub(super) fn shown(&self, address: SocketAddr) -> String {
        match &self.host {
            Host::Address(_) => address.to_string(),
            Host::Name(name) => format!("{name} ({address})"),
        }
    }

    /// Its address, now, as the bot finds it.
    pub(super) async fn resolve(&self, port: u16) -> Result<SocketAddr, ResolveError> {
        Ok(self.host.resolve().await?.socket_addr(port))
    }

    /// The addresses of a name that the bot does not ask.
    pub(super) async fn others(&self, asked: SocketAddr) -> Vec<SocketAddr> {
        let Host::Name(name) = &self.host else { return Vec::new() };
        // It has just been resolved: what fails now is not worth a word.
        let Ok(found) = tokio::net::lookup_host((&**name, asked.port())).await else { return Vec::new() };
        found.filter(|other| *other != asked).take(MOST_ADDRESSES).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_taken_with_and_without_a_port() {
        for (text, expected) in [
            ("127.0.0.1", "127.0.0.1:161"),
            ("127.0.0.1:1161", "127.0.0.1:1161"),
            ("::1", "[::1]:161"),
            ("[::1]", "[::1]:161"),
            (" [2001:db8::1]:1161 ", "[2001:db8::1]:1161"),
            ("::ffff:10.0.0.1", "10.0.0.1:161"),
            ("fe80::1%lo", "[fe80::1%1]:161"),
            ("[fe80::1%7]:99", "[fe80::1%7]:99"),
        ] {
            let target: Target = text.parse().unwrap();
            let found = target.resolve(target.port().unwrap_or(161)).await.unwrap();
            assert_eq!(found, expected.parse().unwrap(), "{text}");
            assert_eq!((target.shown(found), target.others(found).await), (found.to_string(), Vec::new()));
        }
    }

    #[test]
    fn names_may_have_a_port() {
        let name = |name: &str, port| Target { host: Host::Name(name.into()), port };
        assert_eq!("router-7.example.org".parse(), Ok(name("router-7.example.org", None)));
        assert_eq!("localhost:1161".parse(), Ok(name("localhost", Some(1161))));
        let shown = name("switch7", None).shown(([10, 0, 0, 7], 161).into());
        assert_eq!(shown, "switch7 (10.0.0.7:161)");
    }

    #[test]
    fn what_is_no_device_is_refused() {
        for text in
            ["", "10.0.0", "10.0.0.256", "a b", "http://x", "fe80::zz", "[::1", "[::1]x", "[a]", "a:b:c"]
        {
            assert!(
                matches!(text.parse::<Target>(), Err(TargetError::Host(_) | TargetError::Port(_))),
                "{text}"
            );
        }
        for (text, expected) in [
            ("x:0", "the port is \"0\": expected 1 to 65535"),
            ("x:65536", "the port is \"65536\": expected 1 to 65535"),
            ("[::1]:", "the port is \"\": expected 1 to 65535"),
            ("10.0.0.256", "expected an IPv4 or IPv6 address or a host name, got \"10.0.0.256\""),
            ("10.0.0.256:161", "expected an IPv4 or IPv6 address or a host name, got \"10.0.0.256\""),
        ] {
            assert_eq!(text.parse::<Target>().unwrap_err().to_string(), expected);
        }
        assert!("fe80::1%nosuch0".parse::<Target>().unwrap_err().to_string().contains("nosuch0"));
    }
}
