//! Whom to ask: `host`, `host:port`, an IPv4 or IPv6 address, `[address]:port`, `fe80::1%eth0`.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;
use std::time::Duration;

use nix::net::if_::if_nametoindex;

/// A device as somebody typed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Target {
    place: Place,
    /// None: the port of the credential.
    port: Option<u16>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    Address(IpAddr, /* the zone of a link-local address */ u32),
    Name(String),
}

/// A text that is no device.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum TargetError {
    #[error("expected host, host:port, an IP address, or [IPv6 address]:port, got {0:?}")]
    NoTarget(String),
    #[error("this host has no network interface {0:?}")]
    Interface(String),
    #[error("the port is {0:?}: expected 1 to 65535")]
    Port(String),
}

/// The usual resolver asks each name server twice, and waits 5 s each time.
const LONGEST_LOOKUP: Duration = Duration::from_secs(10);
/// DNS allows no longer names.
const LONGEST_NAME: usize = 253;
/// Addresses of a name that are tried.
const MOST_ADDRESSES: usize = 8;

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let text = text.trim();
        let no_target = || TargetError::NoTarget(text.chars().take(LONGEST_NAME).collect());
        if let Some(inner) = text.strip_prefix('[') {
            let (inner, behind) = inner.split_once(']').ok_or_else(no_target)?;
            let place = address(inner)?.ok_or_else(no_target)?;
            let port = match behind.strip_prefix(':') {
                Some(digits) => Some(port(digits)?),
                None if behind.is_empty() => None,
                None => return Err(no_target()),
            };
            return Ok(Self { place, port });
        }
        if let Some(place) = address(text)? {
            return Ok(Self { place, port: None });
        }
        // No address of IPv6 is left here: a colon begins a port.
        let (place, digits) = text.split_once(':').map_or((text, None), |(place, port)| (place, Some(port)));
        let place = match address(place)? {
            Some(place) => place,
            None if is_name(place) => Place::Name(place.to_owned()),
            None => return Err(no_target()),
        };
        Ok(Self { place, port: digits.map(port).transpose()? })
    }
}

fn is_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    // A name of digits and dots is a mistyped address: resolvers read "10.1" as 10.0.0.1.
    let mistyped = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    !text.is_empty() && text.len() <= LONGEST_NAME && !mistyped && text.chars().all(good)
}

/// An address with or without a zone; None when it is none.
fn address(text: &str) -> Result<Option<Place>, TargetError> {
    let Some((bare, zone)) = text.split_once('%') else {
        return Ok(text.parse().ok().map(|address: IpAddr| Place::Address(address.to_canonical(), 0)));
    };
    let Ok(bare) = bare.parse::<Ipv6Addr>() else { return Ok(None) };
    let zone = match zone.parse::<u32>() {
        Ok(index) => index,
        Err(_) => {
            if_nametoindex(zone).map_err(|_| TargetError::Interface(zone.chars().take(40).collect()))?
        }
    };
    Ok(Some(Place::Address(bare.into(), zone)))
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
        match &self.place {
            Place::Address(..) => address.to_string(),
            Place::Name(name) => format!("{name} ({address})"),
        }
    }

    /// Its addresses, now, in the order in which the system prefers them: the first and the others.
    pub(super) async fn resolve(&self, port: u16) -> io::Result<(SocketAddr, Vec<SocketAddr>)> {
        match &self.place {
            Place::Address(IpAddr::V6(address), zone) => {
                Ok((SocketAddrV6::new(*address, port, 0, *zone).into(), Vec::new()))
            }
            Place::Address(address, _) => Ok(((*address, port).into(), Vec::new())),
            Place::Name(name) => {
                let lookup = tokio::net::lookup_host((name.as_str(), port));
                let answer = tokio::time::timeout(LONGEST_LOOKUP, lookup).await;
                let found = answer.map_err(|_| io::Error::other("the name server does not answer"))??;
                let mut found = found.take(MOST_ADDRESSES);
                let first = found.next().ok_or_else(|| io::Error::other("the name has no address"))?;
                Ok((first, found.collect()))
            }
        }
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
            assert_eq!(found, (expected.parse().unwrap(), Vec::new()), "{text}");
        }
    }

    #[test]
    fn names_may_have_a_port() {
        let name = |name: &str, port| Target { place: Place::Name(name.to_owned()), port };
        assert_eq!("router-7.example.org".parse(), Ok(name("router-7.example.org", None)));
        assert_eq!("localhost:1161".parse(), Ok(name("localhost", Some(1161))));
    }

    #[test]
    fn what_is_no_device_is_refused() {
        for text in
            ["", "10.0.0", "10.0.0.256", "a b", "http://x", "fe80::zz", "[::1", "[::1]x", "[a]", "a:b:c"]
        {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
        for (text, expected) in [
            ("x:0", "the port is \"0\": expected 1 to 65535"),
            ("x:65536", "the port is \"65536\": expected 1 to 65535"),
            ("[::1]:", "the port is \"\": expected 1 to 65535"),
            ("fe80::1%nosuch0", "this host has no network interface \"nosuch0\""),
        ] {
            assert_eq!(text.parse::<Target>().unwrap_err().to_string(), expected);
        }
    }
}
