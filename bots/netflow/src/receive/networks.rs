//! Networks, and whether an address lies in one of them.

use std::net::IpAddr;

use crate::Ip;

/// Why a list of networks is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// There is nothing between two commas, or nothing at all.
    #[error("a network is empty: separate them by one comma each, as in \"10.0.0.0/8, 2001:db8::/32\"")]
    Empty,
    /// Neither a network nor an address.
    #[error("\"{0}\" is no network: write 10.0.0.0/8, 2001:db8::/32 or a single address")]
    Form(String),
    /// More bits than an address has.
    #[error("\"{network}\" is no network: an {family} address has {bits} bits")]
    Prefix {
        /// As it was written.
        network: String,
        /// IPv4 or IPv6.
        family: &'static str,
        /// Its bits.
        bits: u32,
    },
    /// An address within a network where the network's own was to be expected.
    #[error("\"{network}\" is an address inside of {meant}: write that, or the address alone")]
    Inside {
        /// As it was written.
        network: String,
        /// The network with that prefix.
        meant: String,
    },
}

/// Some networks, IPv4 and IPv6.
///
/// ```
/// use grafolean_netflow_bot::{Ip, receive::Networks};
/// let networks = Networks::parse("10.0.0.0/8, 192.0.2.7, 2001:db8::/32").unwrap();
/// assert!(networks.contains(Ip::v4(0x0a01_0203)));
/// assert!(!networks.contains(Ip::v4(0x0b01_0203)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Networks {
    /// From the first address to the last, sorted, not touching each other: a network of one family never holds
    /// addresses of the other, although `::/0` has room for all of IPv4.
    ranges: Vec<(Ip, Ip)>,
}

impl Networks {
    /// Reads a list separated by commas.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let mut ranges = Vec::new();
        for part in text.split(',') {
            ranges.extend(range(part.trim())?);
        }
        ranges.sort_unstable();
        ranges.dedup_by(|next, before| {
            let touches = number(next.0) <= number(before.1).saturating_add(1);
            if touches {
                before.1 = before.1.max(next.1);
            }
            touches
        });
        Ok(Self { ranges })
    }

    /// Whether an address lies in one of them.
    #[must_use]
    #[inline]
    pub fn contains(&self, address: Ip) -> bool {
        let after = self.ranges.partition_point(|(first, _)| *first <= address);
        after.checked_sub(1).and_then(|at| self.ranges.get(at)).is_some_and(|(_, last)| address <= *last)
    }
}

/// The first and last address of the mapped IPv4 ones.
const V4: (u128, u128) = (0xffff_0000_0000, 0xffff_ffff_ffff);

fn number(address: Ip) -> u128 {
    u128::from_be_bytes(address.octets())
}

/// One network: two ranges where IPv4 lies in the middle of it.
fn range(text: &str) -> Result<impl Iterator<Item = (Ip, Ip)>, NetworkError> {
    if text.is_empty() {
        return Err(NetworkError::Empty);
    }
    let form = || NetworkError::Form(text.to_owned());
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| form())?;
    let (family, bits) = if address.is_ipv4() { ("IPv4", 32) } else { ("IPv6", 128) };
    let prefix = match prefix {
        None => bits,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty() => digits
            .parse()
            .ok()
            .filter(|prefix| *prefix <= bits)
            .ok_or_else(|| NetworkError::Prefix { network: text.to_owned(), family, bits })?,
        Some(_) => return Err(form()),
    };
    let hosts = 1_u128.checked_shl(bits - prefix).map_or(u128::MAX, |size| size - 1);
    let given = number(Ip::from(address));
    let (first, last) = (given & !hosts, given | hosts);
    if first != given {
        let base = match address {
            IpAddr::V4(_) => Ip::v6(first.to_be_bytes()).to_addr(),
            IpAddr::V6(_) => IpAddr::V6(first.into()),
        };
        return Err(NetworkError::Inside { network: text.to_owned(), meant: format!("{base}/{prefix}") });
    }
    let with_v4_inside = first < V4.0 && V4.1 < last;
    let ranges = match with_v4_inside {
        true => [Some((first, V4.0 - 1)), Some((V4.1 + 1, last))],
        false => [Some((first, last)), None],
    };
    let ip = |number: u128| Ip::v6(number.to_be_bytes());
    Ok(ranges.into_iter().flatten().map(move |(first, last)| (ip(first), ip(last))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> Ip {
        text.parse::<IpAddr>().unwrap().into()
    }

    fn refused(text: &str) -> String {
        Networks::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_edges_belong_to_a_network() {
        let networks = Networks::parse("10.0.0.0/8, 192.0.2.0/31, 2001:db8::/32, 198.51.100.7").unwrap();
        for inside in [
            "10.0.0.0",
            "10.255.255.255",
            "192.0.2.0",
            "192.0.2.1",
            "198.51.100.7",
            "2001:db8::",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        ] {
            assert!(networks.contains(ip(inside)), "{inside}");
        }
        for outside in [
            "9.255.255.255",
            "11.0.0.0",
            "192.0.2.2",
            "198.51.100.6",
            "198.51.100.8",
            "2001:db7:ffff::",
            "2001:db9::",
            "::",
        ] {
            assert!(!networks.contains(ip(outside)), "{outside}");
        }
    }

    #[test]
    fn each_family_is_for_itself() {
        let six = Networks::parse("::/0").unwrap();
        assert!(six.contains(ip("::")) && six.contains(ip("ffff::")) && !six.contains(ip("10.0.0.1")));
        let four = Networks::parse("0.0.0.0/0").unwrap();
        assert!(four.contains(ip("0.0.0.0")) && four.contains(ip("255.255.255.255")));
        assert!(!four.contains(ip("::1")) && !four.contains(ip("2001:db8::1")));
        let both = Networks::parse("::/0,0.0.0.0/0").unwrap();
        assert!(both.contains(ip("::1")) && both.contains(ip("10.0.0.1")));
        assert!(
            Networks::parse("::ffff:10.0.0.0/104").unwrap().contains(ip("10.1.1.1")),
            "what IPv6 calls IPv4"
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        assert_eq!(
            refused("10.1.2.3/8"),
            "\"10.1.2.3/8\" is an address inside of 10.0.0.0/8: write that, or the address alone"
        );
        assert_eq!(
            refused("2001:db8::1/32"),
            "\"2001:db8::1/32\" is an address inside of 2001:db8::/32: write that, or the address alone"
        );
        assert_eq!(refused("10.0.0.0/33"), "\"10.0.0.0/33\" is no network: an IPv4 address has 32 bits");
        assert_eq!(refused("::/4294967296"), "\"::/4294967296\" is no network: an IPv6 address has 128 bits");
        for nonsense in ["10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/255.0.0.0", "lan", "10.0.0/8"] {
            let words =
                format!("\"{nonsense}\" is no network: write 10.0.0.0/8, 2001:db8::/32 or a single address");
            assert_eq!(refused(nonsense), words);
        }
        for empty in ["", "10.0.0.0/8,"] {
            assert!(refused(empty).contains("a network is empty"), "{empty}");
        }
    }

    proptest! {
        #[test]
        fn the_same_is_contained_as_by_comparing_bits(
            networks in prop::collection::vec((any::<u32>(), 0_u32..=32), 1..20),
            addresses in prop::collection::vec(any::<u32>(), 20),
        ) {
            let masked = |address: u32, prefix: u32| address & u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            let text: Vec<String> = networks
                .iter()
                .map(|(address, prefix)| format!("{}/{prefix}", std::net::Ipv4Addr::from(masked(*address, *prefix))))
                .collect();
            let parsed = Networks::parse(&text.join(",")).unwrap();
            for address in addresses.into_iter().chain(networks.iter().map(|(address, _)| *address)) {
                let expected = networks.iter().any(|(base, prefix)| masked(address, *prefix) == masked(*base, *prefix));
                prop_assert_eq!(parsed.contains(Ip::v4(address)), expected);
            }
        }
    }
}
