//! The names of IP protocols, as IANA keeps them and the bot before wrote them.

use std::borrow::Cow;

use grafoleancollector::Path;

/// The segment of a path that stands for an IP protocol: its IANA keyword, or `proto<number>`. Some keywords have
/// spaces and slashes ("IS-IS over IPv4", "A/N"), which no path may have: they become `-`.
pub(crate) fn segment(protocol: u8) -> Cow<'static, str> {
    let Some(keyword) = KEYWORDS.get(usize::from(protocol)) else {
        return Cow::Owned(format!("proto{protocol}"));
    };
    if keyword.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Cow::Borrowed(keyword);
    }
    Cow::Owned(Path::segment(keyword))
}

/// The keyword of an IP protocol, for people.
pub(crate) fn name(protocol: u8) -> Cow<'static, str> {
    match KEYWORDS.get(usize::from(protocol)) {
        Some(keyword) => Cow::Borrowed(keyword),
        None => Cow::Owned(format!("proto{protocol}")),
    }
}

/// IANA, "Assigned Internet Protocol Numbers", 0 to 145.
#[rustfmt::skip]
const KEYWORDS: [&str; 146] = [
    "HOPOPT", "ICMP", "IGMP", "GGP", "IPv4", "ST", "TCP", "CBT", "EGP", "IGP",
    "BBN-RCC-MON", "NVP-II", "PUP", "ARGUS", "EMCON", "XNET", "CHAOS", "UDP", "MUX", "DCN-MEAS",
    "HMP", "PRM", "XNS-IDP", "TRUNK-1", "TRUNK-2", "LEAF-1", "LEAF-2", "RDP", "IRTP", "ISO-TP4",
    "NETBLT", "MFE-NSP", "MERIT-INP", "DCCP", "3PC", "IDPR", "XTP", "DDP", "IDPR-CMTP", "TP++",
    "IL", "IPv6", "SDRP", "IPv6-Route", "IPv6-Frag", "IDRP", "RSVP", "GRE", "DSR", "BNA",
    "ESP", "AH", "I-NLSP", "SWIPE", "NARP", "MOBILE", "TLSP", "SKIP", "IPv6-ICMP", "IPv6-NoNxt",
    "IPv6-Opts", "any host internal protocol", "CFTP", "any local network", "SAT-EXPAK", "KRYPTOLAN", "RVD", "IPPC",
    "any distributed file system", "SAT-MON",
    "VISA", "IPCV", "CPNX", "CPHB", "WSN", "PVP", "BR-SAT-MON", "SUN-ND", "WB-MON", "WB-EXPAK",
    "ISO-IP", "VMTP", "SECURE-VMTP", "VINES", "TTP", "NSFNET-IGP", "DGP", "TCF", "EIGRP", "OSPFIGP",
    "Sprite-RPC", "LARP", "MTP", "AX.25", "IPIP", "MICP", "SCC-SP", "ETHERIP", "ENCAP", "any private encryption scheme",
    "GMTP", "IFMP", "PNNI", "PIM", "ARIS", "SCPS", "QNX", "A/N", "IPComp", "SNP",
    "Compaq-Peer", "IPX-in-IP", "VRRP", "PGM", "any 0-hop protocol", "L2TP", "DDX", "IATP", "STP", "SRP",
    "UTI", "SMP", "SM", "PTP", "IS-IS over IPv4", "FIRE", "CRTP", "CRUDP", "SSCOPMCE", "IPLT",
    "SPS", "PIPE", "SCTP", "FC", "RSVP-E2E-IGNORE", "Mobility Header", "UDPLite", "MPLS-in-IP", "manet", "Shim6",
    "WESP", "ROHC", "Ethernet", "AGGFRAG", "NSH", "Homa",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_have_their_usual_names() {
        for (number, name) in
            [(1, "ICMP"), (6, "TCP"), (17, "UDP"), (47, "GRE"), (50, "ESP"), (58, "IPv6-ICMP")]
        {
            assert_eq!(segment(number), name);
        }
        for (number, name) in
            [(89, "OSPFIGP"), (103, "PIM"), (112, "VRRP"), (132, "SCTP"), (137, "MPLS-in-IP")]
        {
            assert_eq!(segment(number), name);
        }
        assert_eq!((segment(146), segment(255)), ("proto146".into(), "proto255".into()));
    }

    /// The bot before sent "IS-IS over IPv4" and "A/N" as they are, and the backend refused the whole list.
    #[test]
    fn every_protocol_makes_a_good_path_and_none_that_of_another() {
        let mut seen = std::collections::HashSet::new();
        for number in 0..=u8::MAX {
            let segment = segment(number);
            assert!(Path::new(format!("a.{segment}")).is_ok(), "{segment}");
            assert!(seen.insert(segment.into_owned()), "{number}");
        }
        assert_eq!(
            (segment(124), segment(107), segment(93)),
            ("IS-IS-over-IPv4".into(), "A-N".into(), "AX%2e25".into())
        );
    }
}
