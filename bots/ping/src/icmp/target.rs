//! Where a ping goes.

use super::sys;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;

/// An address, and for a link-local one the interface behind which it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    address: IpAddr,
    scope_id: u32,
}

/// Why a text is no [`Target`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The text is not an IP address.
    #[error("{0:?} is not an IP address")]
    Address(String),
    /// The part behind the `%` is neither a number nor the name of one of this host's interfaces.
    #[error("this host has no network interface {0:?}")]
    Interface(String),
}

impl Target {
    /// The target with an interface index, as in `fe80::1%2`. IPv4 addresses ignore it.
    #[must_use]
    pub fn with_scope(address: Ipv6Addr, scope_id: u32) -> Self {
        Self { scope_id, ..Self::from(IpAddr::V6(address)) }
    }

    /// The address without its interface.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    pub(crate) fn to_socket_addr(self) -> SocketAddr {
        match self.address {
            IpAddr::V4(address) => (address, 0).into(),
            IpAddr::V6(address) => SocketAddrV6::new(address, 0, 0, self.scope_id).into(),
        }
    }

    /// Whether an answer from `other` can be this target's.
    ///
    /// The kernel names the interface of link-local senders only, and a target need not name one.
    pub(crate) fn is_answered_by(&self, other: &Self) -> bool {
        self.address == other.address
            && (self.scope_id == 0 || other.scope_id == 0 || self.scope_id == other.scope_id)
    }
}

impl From<IpAddr> for Target {
    fn from(address: IpAddr) -> Self {
        // ::ffff:192.0.2.1 is an IPv4 target: on the wire there are no such IPv6 packets.
        Self { address: address.to_canonical(), scope_id: 0 }
    }
}

impl From<Ipv4Addr> for Target {
    fn from(address: Ipv4Addr) -> Self {
        IpAddr::V4(address).into()
    }
}

impl From<Ipv6Addr> for Target {
    fn from(address: Ipv6Addr) -> Self {
        IpAddr::V6(address).into()
    }
}

impl From<SocketAddr> for Target {
    /// The port is ignored; a host name's resolution gives these.
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => (*v4.ip()).into(),
            SocketAddr::V6(v6) => Self::with_scope(*v6.ip(), v6.scope_id()),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError::Address(text.to_owned());
        match text.split_once('%') {
            None => text.parse().map(IpAddr::into).map_err(|_| wrong()),
            Some((address, zone)) => {
                let address: Ipv6Addr = address.parse().map_err(|_| wrong())?;
                let scope = zone.parse().ok().or_else(|| sys::interface_index(zone));
                let scope = scope.filter(|index| *index != 0);
                Ok(Self::with_scope(address, scope.ok_or_else(|| TargetError::Interface(zone.to_owned()))?))
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope_id {
            0 => self.address.fmt(f),
            scope => write!(f, "{}%{scope}", self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_of_both_families_with_and_without_interface_are_read() {
        for text in ["127.0.0.1", "::1", "fe80::1%7"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        assert_eq!(
            "fe80::1%lo".parse::<Target>().unwrap(),
            Target::with_scope("fe80::1".parse().unwrap(), 1)
        );
    }

    #[test]
    fn an_unknown_interface_and_a_host_name_are_named() {
        let unknown = "fe80::1%nosuch0".parse::<Target>().unwrap_err();
        assert_eq!(unknown.to_string(), "this host has no network interface \"nosuch0\"");
        assert_eq!("a.example".parse::<Target>(), Err(TargetError::Address("a.example".into())));
        assert_eq!("127.0.0.1%1".parse::<Target>(), Err(TargetError::Address("127.0.0.1%1".into())));
    }

    #[test]
    fn a_mapped_address_is_an_ipv4_target() {
        assert_eq!("::ffff:127.0.0.1".parse::<Target>().unwrap().to_string(), "127.0.0.1");
    }

    #[test]
    fn a_link_local_answer_must_come_through_the_targets_interface() {
        let [bare, one, two] =
            ["fe80::1", "fe80::1%1", "fe80::1%2"].map(|text| text.parse::<Target>().unwrap());
        assert!(one.is_answered_by(&one) && bare.is_answered_by(&two));
        assert!(!one.is_answered_by(&two));
    }
}
