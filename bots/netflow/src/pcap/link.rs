//! The link types that are known.

use crate::packet::{Link, u16_at};

/// What the packets of a link type begin with, and how many bytes stand before that. None: an unknown type.
///
/// The numbers are those of the registry at tcpdump.org.
pub(super) fn known(link: u16, packet: &[u8]) -> Option<(Link, usize)> {
    /// Of Linux's "any" device, its two versions.
    const COOKED: usize = 16;
    const COOKED_2: usize = 20;
    Some(match link {
        // Loopback of the BSDs: a family of addresses, whose numbers differ, and in which byte order.
        0 | 108 => (Link::Ip, 4),
        1 => (Link::Ethernet, 0),
        9 | 50 => (Link::Ppp, 0),
        // Raw IP: as files have it, as OpenBSD and others do, and with a version.
        101 | 12 | 14 | 228 | 229 => (Link::Ip, 0),
        113 => (Link::EtherType(u16_at(packet, 14).unwrap_or_default()), COOKED),
        276 => (Link::EtherType(u16_at(packet, 0).unwrap_or_default()), COOKED_2),
        _ => return None,
    })
}
