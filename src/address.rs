//! Where a device is: an IP address, and the interface behind which it is meant.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs as _};
use std::str::FromStr;

/// An IP address, and for a link-local one the interface behind which it is meant.
///
/// An IPv4 address that is written as an IPv6 one (`::ffff:192.0.2.1`) is the IPv4 address: on the wire there are
/// no such IPv6 packets.
///
/// ```
/// use grafoleancollector::Address;
/// let address: Address = "fe80::1%7".parse()?;
/// assert_eq!(address.to_string(), "fe80::1%7");
/// assert_eq!(address.socket_addr(161).to_string(), "[fe80::1%7]:161");
/// assert_eq!(Address::from([192, 0, 2, 1]), "::ffff:192.0.2.1".parse()?);
/// # Ok::<(), grafoleancollector::AddressError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Address {
    ip: IpAddr,
    /// 0 where no interface is named, as for all IPv4 addresses.
    scope_id: u32,
}

/// A text that is no [`Address`].
///
/// ```
/// use grafoleancollector::Address;
/// let error = "router-7".parse::<Address>().unwrap_err();
/// assert_eq!(error.to_string(), "\"router-7\" is not an IP address");
/// ```
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The text is not an IP address.
    #[error("{0:?} is not an IP address")]
    Address(String),
    /// The part behind the `%` is neither a number nor the name of one of this host's interfaces.
    #[error("this host has no network interface {0:?}")]
    Interface(String),
}

impl Address {
    /// The address behind the interface with this index, as in `fe80::1%2`. 0 names no interface.
    ///
    /// ```
    /// use std::net::Ipv6Addr;
    /// use grafoleancollector::Address;
    /// assert_eq!(Address::with_scope(Ipv6Addr::LOCALHOST, 2).to_string(), "::1%2");
    /// ```
    #[must_use]
    pub fn with_scope(ip: Ipv6Addr, scope_id: u32) -> Self {
        let address = Self::from(ip);
        if address.ip.is_ipv6() { Self { scope_id, ..address } } else { address }
    }

    /// The address without its interface.
    #[must_use]
    pub const fn ip(self) -> IpAddr {
        self.ip
    }

    /// The index of its interface, if it names one.
    #[must_use]
    pub const fn scope_id(self) -> Option<u32> {
        if self.scope_id == 0 { None } else { Some(self.scope_id) }
    }

    /// A port there, with its interface: what sockets are connected to.
    #[must_use]
    pub fn socket_addr(self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V4(ip) => (ip, port).into(),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, self.scope_id).into(),
        }
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Self { ip: ip.to_canonical(), scope_id: 0 }
    }
}

impl From<Ipv4Addr> for Address {
    fn from(ip: Ipv4Addr) -> Self {
        IpAddr::V4(ip).into()
    }
}

impl From<Ipv6Addr> for Address {
    fn from(ip: Ipv6Addr) -> Self {
        IpAddr::V6(ip).into()
    }
}

impl From<[u8; 4]> for Address {
    fn from(ip: [u8; 4]) -> Self {
        Ipv4Addr::from(ip).into()
    }
}

impl From<SocketAddr> for Address {
    /// The port is ignored.
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => (*v4.ip()).into(),
            SocketAddr::V6(v6) => Self::with_scope(*v6.ip(), v6.scope_id()),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError::Address(text.to_owned());
        match text.split_once('%') {
            None => text.parse().map(IpAddr::into).map_err(|_| wrong()),
            Some((ip, zone)) => {
                let ip: Ipv6Addr = ip.parse().map_err(|_| wrong())?;
                let scope = zone.parse().ok().or_else(|| interface_index(zone));
                let scope = scope.filter(|index| *index != 0);
                Ok(Self::with_scope(ip, scope.ok_or_else(|| AddressError::Interface(zone.to_owned()))?))
            }
        }
    }
}

/// The index of one of this host's interfaces by its name.
///
/// The C library tells it without unsafe code of ours: it reads the name out of an address. For a literal it asks
/// no name server, whether there is such an interface or not.
fn interface_index(name: &str) -> Option<u32> {
    (format!("fe80::1%{name}").as_str(), 0).to_socket_addrs().ok()?.find_map(|address| match address {
        SocketAddr::V6(v6) => Some(v6.scope_id()),
        SocketAddr::V4(_) => None,
    })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope_id {
            0 => self.ip.fmt(f),
            scope => write!(f, "{}%{scope}", self.ip),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_of_both_families_with_and_without_interface_are_read() {
        for text in ["127.0.0.1", "::1", "fe80::1%7"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        let loopback = Address::with_scope("fe80::1".parse().unwrap(), 1);
        assert_eq!("fe80::1%lo".parse::<Address>().unwrap(), loopback);
        assert_eq!(loopback.scope_id(), Some(1));
    }

    #[test]
    fn an_interface_of_an_address_that_is_not_link_local_is_found_too() {
        let address = Address::with_scope("2001:db8::1".parse().unwrap(), 1);
        assert_eq!("2001:db8::1%lo".parse::<Address>().unwrap(), address);
    }

    #[test]
    fn an_unknown_interface_and_a_host_name_are_named() {
        for zone in ["nosuch0", "", "0", "lo lo", "lo\0", "99999999999", "a-name-that-is-much-too-long"] {
            let unknown = format!("fe80::1%{zone}").parse::<Address>().unwrap_err();
            assert_eq!(unknown.to_string(), format!("this host has no network interface {zone:?}"));
        }
        assert_eq!("a.example".parse::<Address>(), Err(AddressError::Address("a.example".into())));
        assert_eq!("127.0.0.1%1".parse::<Address>(), Err(AddressError::Address("127.0.0.1%1".into())));
    }

    #[test]
    fn a_mapped_address_is_an_ipv4_address_and_has_no_interface() {
        for text in ["::ffff:127.0.0.1", "::ffff:127.0.0.1%1"] {
            assert_eq!(text.parse::<Address>().unwrap(), Address::from([127, 0, 0, 1]));
        }
    }

    #[test]
    fn a_port_there_keeps_the_interface() {
        let port = |text: &str| text.parse::<Address>().unwrap().socket_addr(161);
        assert_eq!(port("127.0.0.1"), "127.0.0.1:161".parse().unwrap());
        assert_eq!(port("fe80::1%7"), "[fe80::1%7]:161".parse().unwrap());
        assert_eq!(Address::from(port("fe80::1%7")).to_string(), "fe80::1%7");
    }
}
