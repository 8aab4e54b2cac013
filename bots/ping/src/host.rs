//! Whom to ping: an address, or a name that is looked up anew for each run.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use crate::icmp::{Target, TargetError};

/// A device's address as somebody typed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Host {
    /// An IPv4 or IPv6 address.
    Address(Target),
    /// A name, whose address may change.
    Name(Box<str>),
}

/// A text that is neither an address nor a name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The address names an interface that is not there.
    #[error(transparent)]
    Interface(TargetError),
    /// It cannot be a host's name either.
    #[error("expected an IPv4 or IPv6 address or a host name, got {0:?}")]
    NoName(String),
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
        match inner.parse::<Target>() {
            Ok(target) => return Ok(Self::Address(target)),
            Err(error @ TargetError::Interface(_)) => return Err(HostError::Interface(error)),
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
            Self::Address(target) => target.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Host {
    /// Its address, now.
    ///
    /// # Errors
    /// When the name cannot be resolved.
    pub async fn resolve(&self) -> io::Result<Target> {
        match self {
            Self::Address(target) => Ok(*target),
            Self::Name(name) => {
                let answer =
                    tokio::time::timeout(LONGEST_LOOKUP, tokio::net::lookup_host((&**name, 0))).await;
                let found = answer.map_err(|_| io::Error::other("the name server does not answer"))??.next();
                found.map(Target::from).ok_or_else(|| io::Error::other("the name has no address"))
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
}
