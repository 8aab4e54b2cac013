//! Whom to ask: an address, or a name that is looked up anew for each run.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use crate::address::{Address, AddressError};

/// A device's address as somebody typed it: what an entity's `details` say of it.
///
/// ```
/// use grafoleancollector::Host;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let host: Host = " [::1] ".parse().expect("an address");
/// assert_eq!(host.to_string(), "::1");
/// assert_eq!(host.resolve().await?.socket_addr(161).to_string(), "[::1]:161");
///
/// assert_eq!("router-7.example.org".parse(), Ok(Host::Name("router-7.example.org".into())));
/// # Ok::<(), grafoleancollector::ResolveError>(())
/// # }).expect("an address needs no name server");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Host {
    /// An IPv4 or IPv6 address.
    Address(Address),
    /// A name, whose address may change.
    Name(Box<str>),
}

/// A text that is neither an address nor a name.
///
/// ```
/// use grafoleancollector::Host;
/// let error = "10.0.0.256".parse::<Host>().unwrap_err();
/// assert_eq!(error.to_string(), "expected an IPv4 or IPv6 address or a host name, got \"10.0.0.256\"");
/// ```
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The address names an interface that is not there.
    #[error(transparent)]
    Interface(AddressError),
    /// It cannot be a host's name either.
    #[error("expected an IPv4 or IPv6 address or a host name, got {0:?}")]
    NoName(String),
}

/// A name that gave no address.
///
/// ```
/// use grafoleancollector::ResolveError;
/// assert_eq!(ResolveError::NoAddress.to_string(), "the name has no address");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The resolver said why.
    #[error(transparent)]
    Refused(io::Error),
    /// The resolver said nothing in time.
    #[error("the name server does not answer")]
    Silent,
    /// The name is there, without any address.
    #[error("the name has no address")]
    NoAddress,
}

/// The usual resolver asks each name server twice, and waits 5 s each time.
const LONGEST_LOOKUP: Duration = Duration::from_secs(10);
/// DNS allows no longer names.
const LONGEST_NAME: usize = 253;

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let text = text.trim();
        // Some write IPv6 addresses in brackets, as in URLs.
        let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        match inner.parse::<Address>() {
            Ok(address) => return Ok(Self::Address(address)),
            Err(error @ AddressError::Interface(_)) => return Err(HostError::Interface(error)),
            Err(_) => {}
        }
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        // A name of digits and dots is a mistyped address: resolvers read "10.1" as 10.0.0.1.
        let mistyped = text.chars().all(|c| c.is_ascii_digit() || c == '.');
        if text.is_empty() || text.len() > LONGEST_NAME || mistyped || !text.chars().all(good) {
            return Err(HostError::NoName(text.chars().take(LONGEST_NAME).collect()));
        }
        Ok(Self::Name(text.into()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Host {
    /// Its address, now: the first that the resolver gives. Resolvers put addresses first that this host has a way to
    /// (RFC 6724, rule 1), so that a name with IPv6 and IPv4 addresses is asked over the family that is there.
    ///
    /// # Errors
    /// When the name cannot be resolved within 10 s.
    pub async fn resolve(&self) -> Result<Address, ResolveError> {
        match self {
            Self::Address(address) => Ok(*address),
            Self::Name(name) => {
                let lookup = tokio::net::lookup_host((&**name, 0));
                let answer = tokio::time::timeout(LONGEST_LOOKUP, lookup).await;
                let mut found = answer.map_err(|_| ResolveError::Silent)?.map_err(ResolveError::Refused)?;
                found.next().map(Address::from).ok_or(ResolveError::NoAddress)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_told_apart() {
        assert!(matches!("10.0.0.1".parse(), Ok(Host::Address(_))));
        assert!(matches!("::1".parse(), Ok(Host::Address(_))));
        assert!(matches!("[2001:db8::1]".parse(), Ok(Host::Address(_))));
        assert_eq!(" router-7.example.org ".parse(), Ok(Host::Name("router-7.example.org".into())));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["", "10.0.0", "10.0.0.256", "a b", "http://x", "fe80::zz", &"a".repeat(254)] {
            assert!(matches!(text.parse::<Host>(), Err(HostError::NoName(_))), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_is_resolved_when_it_is_asked_for() {
        let host: Host = "localhost".parse().unwrap();
        assert!(host.resolve().await.unwrap().ip().is_loopback());
    }
}
