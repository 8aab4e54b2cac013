//! A flow, as far as this bot looks at it, and who sent it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use grafoleancollector::Timestamp;

/// An IP address in sixteen bytes: IPv4 as `::ffff:a.b.c.d`. All zero where a record has none.
///
/// ```
/// use grafolean_netflow_bot::Ip;
/// let ip = Ip::from("10.0.0.7".parse::<std::net::IpAddr>().unwrap());
/// assert_eq!(ip, Ip::v4(0x0a00_0007));
/// assert_eq!(ip.to_string(), "10.0.0.7");
/// assert!(Ip::NONE.is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ip {
    /// The first eight bytes.
    pub high: u64,
    /// The last eight bytes.
    pub low: u64,
}

impl Ip {
    /// No address: `::`, which no packet on a wire has for a source.
    pub const NONE: Self = Self { high: 0, low: 0 };

    const MAPPED: u64 = 0xffff_0000_0000;

    /// An IPv4 address.
    #[must_use]
    #[inline]
    pub const fn v4(address: u32) -> Self {
        Self { high: 0, low: Self::MAPPED | address as u64 }
    }

    /// The four bytes of an IPv4 address; `None` of any other.
    #[must_use]
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the last four bytes")]
    pub const fn as_v4(self) -> Option<u32> {
        if self.high == 0 && self.low >> 32 == Self::MAPPED >> 32 { Some(self.low as u32) } else { None }
    }

    /// An address of sixteen bytes in the order of the wire.
    #[must_use]
    #[inline]
    pub const fn v6(bytes: [u8; 16]) -> Self {
        let all = u128::from_be_bytes(bytes);
        #[expect(clippy::cast_possible_truncation, reason = "the halves")]
        Self { high: (all >> 64) as u64, low: all as u64 }
    }

    /// Whether there is none.
    #[must_use]
    #[inline]
    pub const fn is_none(self) -> bool {
        self.high == 0 && self.low == 0
    }

    /// Sixteen bytes in the order of the wire.
    #[must_use]
    pub const fn octets(self) -> [u8; 16] {
        ((self.high as u128) << 64 | self.low as u128).to_be_bytes()
    }

    /// The same as the standard library has it; IPv4 as IPv4.
    #[must_use]
    pub const fn to_addr(self) -> IpAddr {
        match self.as_v4() {
            Some(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4)),
            None => IpAddr::V6(Ipv6Addr::from_bits((self.high as u128) << 64 | self.low as u128)),
        }
    }
}

impl From<IpAddr> for Ip {
    /// An IPv6 address that stands for an IPv4 one becomes that.
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::v4(v4.to_bits()),
            IpAddr::V6(v6) => Self::v6(v6.octets()),
        }
    }
}

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_addr().fmt(f)
    }
}

impl fmt::Debug for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_addr().fmt(f)
    }
}

/// What an export packet says of its own form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Version {
    /// NetFlow v5.
    V5,
    /// NetFlow v7.
    V7,
    /// NetFlow v9.
    V9,
    /// IPFIX, RFC 7011.
    Ipfix,
    /// sFlow v5.
    Sflow,
}

impl Version {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::V5, Self::V7, Self::V9, Self::Ipfix, Self::Sflow];

    /// As people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V5 => "v5",
            Self::V7 => "v7",
            Self::V9 => "v9",
            Self::Ipfix => "ipfix",
            Self::Sflow => "sflow",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which way a record says that it was seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Direction {
    /// It does not say.
    #[default]
    Unknown,
    /// Coming in, at its input interface.
    Ingress,
    /// Going out, at its output interface.
    Egress,
}

/// What sort of event a firewall's record tells of. Only where its octets have the meaning that Cisco's ASA gives
/// them (NSEL): all other records are [`Event::None`], whatever event they name beside their counters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Event {
    /// An ordinary flow record.
    #[default]
    None,
    /// A connection begins, is denied, or anything else that carries no traffic.
    NoTraffic,
    /// A connection is over: its octets are those of the whole connection.
    Delete,
    /// A connection goes on: its octets are those so far.
    Update,
}

/// Which fields a record has. Those that it does not have are zero in the [`Flow`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Has(u8);

impl Has {
    /// The IP protocol.
    pub const PROTOCOL: Self = Self(1);
    /// The source port.
    pub const SRC_PORT: Self = Self(2);
    /// The destination port.
    pub const DST_PORT: Self = Self(4);
    /// The input interface.
    pub const INPUT: Self = Self(8);
    /// The output interface.
    pub const OUTPUT: Self = Self(16);

    /// These, and those.
    #[must_use]
    #[inline]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The same of a flow in the other direction.
    #[must_use]
    pub(crate) const fn swapped(self) -> Self {
        const fn swap(bits: u8, one: u8, other: u8) -> u8 {
            let (has_one, has_other) = (bits & one != 0, bits & other != 0);
            let rest = bits & !(one | other);
            rest | if has_one { other } else { 0 } | if has_other { one } else { 0 }
        }
        let ports = swap(self.0, Self::SRC_PORT.0, Self::DST_PORT.0);
        Self(swap(ports, Self::INPUT.0, Self::OUTPUT.0))
    }

    /// Whether all of `other` are there.
    #[must_use]
    #[inline]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// One flow record.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Flow {
    /// Where its packets came from.
    pub src: Ip,
    /// Where they went.
    pub dst: Ip,
    /// Octets as the record has them, not multiplied by the sampling rate.
    pub bytes: u64,
    /// Packets as the record has them, not multiplied by the sampling rate.
    pub packets: u64,
    /// When its first packet was seen, by the exporter's clock, in milliseconds since the epoch. 0: unknown.
    pub start: i64,
    /// The same of its last packet.
    pub end: i64,
    /// SNMP index of the interface through which it came in.
    pub input: u32,
    /// SNMP index of the interface through which it went out. 0: dropped, or for the router itself.
    pub output: u32,
    /// Each of its packets stands for so many. 0: the exporter has not said.
    pub sampling: u32,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// IP protocol.
    pub protocol: u8,
    /// TCP flags, all that were seen.
    pub tcp_flags: u8,
    /// Type of service.
    pub tos: u8,
    /// Which way.
    pub direction: Direction,
    /// A firewall's event.
    pub event: Event,
    /// Which of the fields above the record has.
    pub has: Has,
}

/// Who sent a run of flows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The address from which the datagram came.
    pub source: Ip,
    /// The address of the exporter as the datagram itself has it: sFlow's agent, or the elements 130 and 131.
    /// [`Ip::NONE`] where it does not say.
    pub reported: Ip,
    /// Observation domain (IPFIX), source id (v9), engine (v5: type and id), sub-agent (sFlow).
    pub domain: u32,
    /// The form of the datagram.
    pub version: Version,
    /// When the datagram was received.
    pub received: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_goes_there_and_back() {
        for text in ["0.0.0.0", "255.255.255.255", "10.1.2.3", "::1", "2001:db8::7", "fe80::1"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(Ip::from(address).to_addr(), address);
            assert_eq!(Ip::from(address).to_string(), text);
        }
        let mapped: IpAddr = "::ffff:10.1.2.3".parse().unwrap();
        assert_eq!(Ip::from(mapped).to_string(), "10.1.2.3");
        assert!(!Ip::v4(0).is_none() && Ip::from("::".parse::<IpAddr>().unwrap()).is_none());
    }
}
