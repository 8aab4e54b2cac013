//! The headers of a packet, from its link layer down to its ports: what sFlow samples and what captures hold.

use crate::Ip;

/// What the first bytes of a packet are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Link {
    /// Ethernet, with any tags.
    Ethernet,
    /// What an EtherType says.
    EtherType(u16),
    /// MPLS labels.
    Mpls,
    /// PPP, with or without its address and control bytes.
    Ppp,
    /// IPv4 or IPv6.
    Ip,
}

/// Tags and labels of a packet are few: more of them are no packet.
const MOST_LAYERS: usize = 16;

const VLAN_TAGS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
const PPPOE_SESSION: u16 = 0x8864;
/// Less is the length of an 802.3 frame.
const FIRST_ETHER_TYPE: u16 = 0x0600;
/// 802.2 LLC with SNAP, organization 0: an EtherType follows.
const SNAP: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];

/// The IP packet within, from its first byte. None where there is no IP, or the headers before it are not whole.
pub(crate) fn ip_within(link: Link, packet: &[u8]) -> Option<&[u8]> {
    let (mut link, mut rest) = (link, packet);
    for _ in 0..MOST_LAYERS {
        (link, rest) = match link {
            Link::Ip => return matches!(rest.first()? >> 4, 4 | 6).then_some(rest),
            Link::Ethernet => (Link::EtherType(u16_at(rest, 12)?), rest.get(14..)?),
            Link::EtherType(0x0800 | 0x86dd) => (Link::Ip, rest),
            Link::EtherType(0x8847 | 0x8848) => (Link::Mpls, rest),
            Link::EtherType(tag) if VLAN_TAGS.contains(&tag) => {
                (Link::EtherType(u16_at(rest, 2)?), rest.get(4..)?)
            }
            Link::EtherType(PPPOE_SESSION) => (Link::Ppp, rest.get(6..)?),
            Link::EtherType(length) if length < FIRST_ETHER_TYPE => {
                let rest = rest.strip_prefix(&SNAP)?;
                (Link::EtherType(u16_at(rest, 0)?), rest.get(2..)?)
            }
            Link::EtherType(_) => return None,
            // The bottom of the stack does not say what follows: IP, or else a pseudowire.
            Link::Mpls => {
                let bottom = rest.get(2)? & 1 != 0;
                (if bottom { Link::Ip } else { Link::Mpls }, rest.get(4..)?)
            }
            Link::Ppp => {
                let rest = rest.strip_prefix(&[0xff, 3]).unwrap_or(rest);
                let inner = match u16_at(rest, 0)? {
                    0x0021 | 0x0057 => Link::Ip,
                    0x0281 | 0x0283 => Link::Mpls,
                    _ => return None,
                };
                (inner, rest.get(2..)?)
            }
        };
    }
    None
}

/// An IP header, with all its extensions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct IpHeader<'a> {
    pub(crate) src: Ip,
    pub(crate) dst: Ip,
    pub(crate) tos: u8,
    /// What follows. None where extension headers are not whole.
    pub(crate) protocol: Option<u8>,
    pub(crate) fragment: Fragment,
    /// What is there of the payload, without any padding of the link layer.
    pub(crate) payload: &'a [u8],
    /// Whether the packet had more of it.
    pub(crate) is_cut: bool,
}

/// Which part of a packet it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fragment {
    /// All of it.
    Whole,
    /// The first, which has the ports.
    First,
    /// A later one.
    Later,
}

impl Fragment {
    const fn from_bits(offset: u16, more: bool) -> Self {
        match (offset, more) {
            (0, false) => Self::Whole,
            (0, true) => Self::First,
            _ => Self::Later,
        }
    }
}

impl<'a> IpHeader<'a> {
    /// Reads the header at the beginning of `packet`. None where its addresses are not there.
    pub(crate) fn read(packet: &'a [u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Self::read_v4(packet),
            6 => Self::read_v6(packet),
            _ => None,
        }
    }

    fn read_v4(packet: &'a [u8]) -> Option<Self> {
        let fixed: &[u8; 20] = packet.first_chunk()?;
        let header = usize::from(fixed[0] & 15) * 4;
        let total = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        let flags = u16::from_be_bytes([fixed[6], fixed[7]]);
        // A total of 0 is that of a packet which the network card is yet to split.
        let stated = if total == 0 { packet.len() } else { total };
        Some(Self {
            src: Ip::v4(u32::from_be_bytes([fixed[12], fixed[13], fixed[14], fixed[15]])),
            dst: Ip::v4(u32::from_be_bytes([fixed[16], fixed[17], fixed[18], fixed[19]])),
            tos: fixed[1],
            protocol: Some(fixed[9]),
            fragment: Fragment::from_bits(flags & 0x1fff, flags & 0x2000 != 0),
            // A header that is too short for itself has no payload that could be found.
            payload: packet.get(header.max(20)..stated.min(packet.len())).unwrap_or_default(),
            is_cut: stated > packet.len(),
        })
    }

    fn read_v6(packet: &'a [u8]) -> Option<Self> {
        let fixed: &[u8; 40] = packet.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
        // A length of 0 is that of a jumbo packet, or of one which the network card is yet to split.
        let stated = if length == 0 { packet.len() } else { 40 + length };
        let payload = packet.get(40..stated.min(packet.len())).unwrap_or_default();
        let mut header = Self {
            src: Ip::v6(*fixed[8..].first_chunk()?),
            dst: Ip::v6(*fixed[24..].first_chunk()?),
            tos: fixed[0] << 4 | fixed[1] >> 4,
            protocol: None,
            fragment: Fragment::Whole,
            payload,
            is_cut: stated > packet.len(),
        };
        header.pass_extensions(fixed[6]);
        Some(header)
    }

    fn pass_extensions(&mut self, first: u8) {
        const FRAGMENT: u8 = 44;
        const AUTHENTICATION: u8 = 51;
        let mut next = first;
        for _ in 0..MOST_LAYERS {
            let length = |units: usize| self.payload.get(1).map(|&length| usize::from(length) * units + 8);
            let length = match next {
                // Hop by hop, routing, destination options, mobility, host identity, shim6.
                0 | 43 | 60 | 135 | 139 | 140 => length(8),
                FRAGMENT => Some(8),
                AUTHENTICATION => length(4),
                protocol => {
                    self.protocol = Some(protocol);
                    return;
                }
            };
            let Some((extension, rest)) = length.and_then(|length| self.payload.split_at_checked(length))
            else {
                self.payload = &[];
                return;
            };
            if next == FRAGMENT {
                let bits = u16::from_be_bytes([extension[2], extension[3]]);
                self.fragment = Fragment::from_bits(bits >> 3, bits & 1 != 0);
            }
            next = extension[0];
            self.payload = rest;
            if self.fragment == Fragment::Later {
                // What follows is the middle of something.
                self.protocol = Some(next);
                return;
            }
        }
    }

    /// Source and destination port. Of ICMP, as NetFlow has it: 0, and type and code.
    pub(crate) fn ports(&self) -> Option<(u16, u16)> {
        const ICMP: u8 = 1;
        const ICMP_V6: u8 = 58;
        if self.fragment == Fragment::Later {
            return None;
        }
        match self.protocol? {
            ICMP | ICMP_V6 => Some((0, u16_at(self.payload, 0)?)),
            // TCP, UDP, DCCP, SCTP, UDP-Lite.
            6 | 17 | 33 | 132 | 136 => Some((u16_at(self.payload, 0)?, u16_at(self.payload, 2)?)),
            _ => None,
        }
    }

    /// The flags of a TCP segment.
    pub(crate) fn tcp_flags(&self) -> Option<u8> {
        let is_tcp = self.protocol == Some(6) && self.fragment != Fragment::Later;
        if is_tcp { self.payload.get(13).copied() } else { None }
    }
}

/// Two bytes in the order of the wire.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|&two| u16::from_be_bytes(two))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn udp_v4() -> Vec<u8> {
        let mut packet = vec![0x45, 0xb8, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend([0x30, 0x39, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4]);
        packet
    }

    fn ethernet(ether_types: &[u8], payload: &[u8]) -> Vec<u8> {
        [&[0; 12], ether_types, payload].concat()
    }

    #[test]
    fn ip_is_found_behind_tags_and_labels() {
        let ip = udp_v4();
        let behind = |ether_types: &[u8]| {
            let frame = ethernet(ether_types, &ip);
            ip_within(Link::Ethernet, &frame) == Some(&ip)
        };
        assert!(behind(&[8, 0]));
        assert!(behind(&[0x81, 0, 0, 7, 8, 0]), "a VLAN");
        assert!(behind(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 8, 0]), "a VLAN in a VLAN");
        assert!(behind(&[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64]), "two labels");
        assert!(behind(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 34, 0, 0x21]), "PPPoE");
        assert!(behind(&[0, 40, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]), "LLC and SNAP");
        assert!(!behind(&[8, 6]), "ARP");
        assert!(!behind(&[0, 40, 0x42, 0x42, 3]), "a spanning tree");
        assert_eq!(ip_within(Link::Ppp, &[&[0xff, 3, 0, 0x21], &ip[..]].concat()), Some(&ip[..]));
        assert_eq!(ip_within(Link::Mpls, &[&[0, 1, 1, 64], &ip[..]].concat()), Some(&ip[..]));
        assert_eq!(ip_within(Link::Mpls, &[0; 200]), None, "labels without an end");
        let tags = [0x81, 0, 0, 1].repeat(100);
        assert_eq!(ip_within(Link::Ethernet, &ethernet(&tags, &ip)), None, "tags without an end");
    }

    #[test]
    fn an_ipv4_header_has_ports_behind_its_options() {
        let mut packet = udp_v4();
        packet.extend([0; 6]);
        let header = IpHeader::read(&packet).unwrap();
        assert_eq!((header.src, header.dst), (Ip::v4(0x0a00_0001), Ip::v4(0x0a00_0002)));
        assert_eq!((header.protocol, header.tos, header.ports()), (Some(17), 0xb8, Some((12_345, 53))));
        assert_eq!(
            (header.payload.len(), header.is_cut),
            (12, false),
            "the padding of the frame is not of the packet"
        );
        let mut packet = udp_v4();
        packet.splice(20..20, [1; 4]);
        (packet[0], packet[3]) = (0x46, 36);
        assert_eq!(IpHeader::read(&packet).unwrap().ports(), Some((12_345, 53)));
        assert!(IpHeader::read(&packet[..30]).unwrap().is_cut);
    }

    #[test]
    fn later_fragments_have_no_ports() {
        let mut packet = udp_v4();
        packet[6] = 0x20;
        let header = IpHeader::read(&packet).unwrap();
        assert_eq!((header.fragment, header.ports()), (Fragment::First, Some((12_345, 53))));
        packet[7] = 1;
        let header = IpHeader::read(&packet).unwrap();
        assert_eq!((header.fragment, header.ports(), header.protocol), (Fragment::Later, None, Some(17)));
    }

    #[test]
    fn ipv6_extensions_are_passed() {
        let packet = |next: u8, extensions: &[u8]| {
            let length = u16::try_from(extensions.len() + 20).unwrap();
            let mut packet = vec![0x6b, 0x80, 0, 0];
            packet.extend(length.to_be_bytes());
            packet.extend([next, 64]);
            packet.extend([0x20; 16]);
            packet.extend([0x30; 16]);
            packet.extend(extensions);
            packet.extend([0, 22, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x12, 0, 0, 0, 0, 0, 0]);
            packet
        };
        let plain = packet(6, &[]);
        let header = IpHeader::read(&plain).unwrap();
        assert_eq!((header.src, header.tos), (Ip::v6([0x20; 16]), 0xb8));
        assert_eq!((header.ports(), header.tcp_flags()), (Some((22, 256)), Some(0x12)));
        // Hop by hop of 16 bytes, then an authentication header of 12.
        let mut extensions = [0; 28];
        (extensions[0], extensions[1], extensions[16], extensions[17]) = (51, 1, 6, 1);
        let packet_with_two = packet(0, &extensions);
        assert_eq!(IpHeader::read(&packet_with_two).unwrap().ports(), Some((22, 256)));
        let first = packet(44, &[6, 0, 0, 1, 0, 0, 0, 1]);
        let header = IpHeader::read(&first).unwrap();
        assert_eq!((header.fragment, header.ports()), (Fragment::First, Some((22, 256))));
        let later = packet(44, &[6, 0, 0, 8, 0, 0, 0, 1]);
        let header = IpHeader::read(&later).unwrap();
        assert_eq!((header.fragment, header.ports(), header.protocol), (Fragment::Later, None, Some(6)));
        let cut = packet(0, &[6, 200, 0, 0, 0, 0, 0, 0]);
        assert_eq!(IpHeader::read(&cut).unwrap().protocol, None, "an extension beyond the end");
        let endless = packet(60, &[60, 0, 0, 0, 0, 0, 0, 0].repeat(40));
        assert_eq!(IpHeader::read(&endless).unwrap().protocol, None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), ether_type: u16) {
            for link in [Link::Ethernet, Link::EtherType(ether_type), Link::Mpls, Link::Ppp, Link::Ip] {
                if let Some(header) = ip_within(link, &bytes).and_then(IpHeader::read) {
                    prop_assert!(header.payload.len() + 20 <= bytes.len());
                    let _ = (header.ports(), header.tcp_flags());
                }
            }
        }
    }
}
