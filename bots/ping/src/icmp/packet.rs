//! Echo requests to bytes, and whatever arrives back from bytes. Nothing here touches a socket.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of an ICMP header.
pub const HEADER_LEN: usize = 8;
/// Bytes of the nonce that every request carries at the start of its payload.
pub const NONCE_LEN: usize = 8;

const V4_ECHO_REPLY: u8 = 0;
pub(crate) const V4_UNREACHABLE: u8 = 3;
const V4_ECHO_REQUEST: u8 = 8;
pub(crate) const V4_TIME_EXCEEDED: u8 = 11;
pub(crate) const V4_PARAMETER_PROBLEM: u8 = 12;
const V6_UNREACHABLE: u8 = 1;
const V6_TOO_BIG: u8 = 2;
const V6_TIME_EXCEEDED: u8 = 3;
const V6_PARAMETER_PROBLEM: u8 = 4;
const V6_ECHO_REQUEST: u8 = 128;
const V6_ECHO_REPLY: u8 = 129;

/// The ICMPv4 types that a [`Message`] is made of; a raw socket lets only these through.
pub const V4_TYPES: [u8; 4] = [V4_ECHO_REPLY, V4_UNREACHABLE, V4_TIME_EXCEEDED, V4_PARAMETER_PROBLEM];
/// The ICMPv6 types that a [`Message`] is made of; a raw socket lets only these through.
pub const V6_TYPES: [u8; 5] =
    [V6_ECHO_REPLY, V6_UNREACHABLE, V6_TOO_BIG, V6_TIME_EXCEEDED, V6_PARAMETER_PROBLEM];

const IP_PROTOCOL_ICMP: u8 = 1;
const IP_PROTOCOL_ICMPV6: u8 = 58;
const IPV6_HEADER_LEN: usize = 40;

/// What the first byte of a received packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Raw IPv4 sockets: the IP header comes first.
    Ipv4Raw,
    /// Unprivileged IPv4 sockets: the ICMP header comes first.
    Ipv4Datagram,
    /// IPv6 sockets of both kinds: the ICMP header comes first.
    Ipv6,
}

/// The part that a request and its reply have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Whose request it is: one id per socket.
    pub id: u16,
    /// Which of its requests.
    pub sequence: u16,
    /// All that follows the header. The quote in an error may be cut short.
    pub payload: &'a [u8],
}

impl Echo<'_> {
    /// The nonce at the start of the payload, if that much of it is there.
    #[must_use]
    pub fn nonce(&self) -> Option<u64> {
        self.payload.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
    }
}

/// A received packet, as far as it concerns a pinger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Somebody answered an echo request.
    Reply(Echo<'a>),
    /// Somebody on the way could not forward or deliver an echo request.
    Unreachable {
        /// What was said about it.
        reason: Reason,
        /// Where the request was going.
        destination: IpAddr,
        /// The request, as quoted.
        request: Echo<'a>,
    },
    /// A correct packet that is about something else.
    Other,
}

/// Why a request could not be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// There is no route to the target's network.
    Network,
    /// The target's network is there, the target is not.
    Host,
    /// A router, a firewall or this host's own rules forbid it.
    Prohibited,
    /// The packet does not fit through a link on the way.
    TooBig,
    /// The packet went round in circles until its hop limit was used up.
    TimeExceeded,
    /// Something else, with the type and code of the ICMP error.
    Other {
        /// The ICMP type.
        kind: u8,
        /// The ICMP code.
        code: u8,
    },
}

impl Reason {
    /// The reason that an ICMPv4 error states.
    #[must_use]
    pub fn from_v4(kind: u8, code: u8) -> Self {
        match (kind, code) {
            (V4_UNREACHABLE, 0 | 6 | 11) => Self::Network,
            (V4_UNREACHABLE, 1 | 7 | 8 | 12) => Self::Host,
            (V4_UNREACHABLE, 4) => Self::TooBig,
            (V4_UNREACHABLE, 9 | 10 | 13) => Self::Prohibited,
            (V4_TIME_EXCEEDED, _) => Self::TimeExceeded,
            _ => Self::Other { kind, code },
        }
    }

    /// The reason that an ICMPv6 error states.
    #[must_use]
    pub fn from_v6(kind: u8, code: u8) -> Self {
        match (kind, code) {
            (V6_UNREACHABLE, 0) => Self::Network,
            (V6_UNREACHABLE, 3) => Self::Host,
            (V6_UNREACHABLE, 1 | 5 | 6) => Self::Prohibited,
            (V6_TOO_BIG, _) => Self::TooBig,
            (V6_TIME_EXCEEDED, _) => Self::TimeExceeded,
            _ => Self::Other { kind, code },
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network => f.write_str("network unreachable"),
            Self::Host => f.write_str("host unreachable"),
            Self::Prohibited => f.write_str("communication prohibited"),
            Self::TooBig => f.write_str("packet too big"),
            Self::TimeExceeded => f.write_str("hop limit exceeded on the way"),
            Self::Other { kind, code } => write!(f, "undeliverable (ICMP type {kind}, code {code})"),
        }
    }
}

/// Why bytes are no ICMP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The packet ends before its headers do.
    #[error("packet too short")]
    Short,
    /// The IP header in front contradicts the socket it came from.
    #[error("not an ICMP packet")]
    NotIcmp,
    /// Bits were flipped on the way, or somebody forged it badly.
    #[error("wrong checksum")]
    Checksum,
}

/// Writes an ICMPv4 echo request over the start of `packet`; the rest of the payload stays as it is.
///
/// `packet` is the whole request, at least [`HEADER_LEN`] + [`NONCE_LEN`] bytes; what does not fit is left out.
pub fn encode_v4(id: u16, sequence: u16, nonce: u64, packet: &mut [u8]) {
    encode(V4_ECHO_REQUEST, id, sequence, nonce, packet);
    let sum = checksum(packet);
    if let Some(place) = packet.get_mut(2..4) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
}

/// Writes an ICMPv6 echo request over the start of `packet`; the rest of the payload stays as it is.
///
/// The checksum is left to the kernel: it covers the source address, which the kernel chooses.
pub fn encode_v6(id: u16, sequence: u16, nonce: u64, packet: &mut [u8]) {
    encode(V6_ECHO_REQUEST, id, sequence, nonce, packet);
}

fn encode(kind: u8, id: u16, sequence: u16, nonce: u64, packet: &mut [u8]) {
    let mut head = [0; HEADER_LEN + NONCE_LEN];
    head[0] = kind;
    head[4..6].copy_from_slice(&id.to_be_bytes());
    head[6..8].copy_from_slice(&sequence.to_be_bytes());
    head[8..].copy_from_slice(&nonce.to_be_bytes());
    let fits = packet.len().min(head.len());
    packet[..fits].copy_from_slice(&head[..fits]);
}

/// Reads what a socket received. Any bytes at all are fine; none make it panic.
///
/// # Errors
/// When the bytes are no ICMP message: too short, not ICMP, or (IPv4, where the kernel leaves it to us)
/// with a wrong checksum.
pub fn parse(layout: Layout, bytes: &[u8]) -> Result<Message<'_>, Malformed> {
    match layout {
        Layout::Ipv4Raw => {
            let ip = Ipv4::read(bytes)?;
            if ip.protocol != IP_PROTOCOL_ICMP || ip.fragment_offset != 0 {
                return Err(Malformed::NotIcmp);
            }
            parse_v4(ip.body)
        }
        Layout::Ipv4Datagram => parse_v4(bytes),
        Layout::Ipv6 => parse_v6(bytes),
    }
}

fn parse_v4(bytes: &[u8]) -> Result<Message<'_>, Malformed> {
    let (head, body) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(Malformed::Short)?;
    if checksum(bytes) != 0 {
        return Err(Malformed::Checksum);
    }
    Ok(match head[0] {
        V4_ECHO_REPLY => Message::Reply(echo(head, body)),
        kind @ (V4_UNREACHABLE | V4_TIME_EXCEEDED | V4_PARAMETER_PROBLEM) => {
            let quote = Ipv4::read(body)?;
            if quote.protocol != IP_PROTOCOL_ICMP || quote.fragment_offset != 0 {
                return Ok(Message::Other);
            }
            match parse_request(Layout::Ipv4Datagram, quote.body) {
                Some(request) => Message::Unreachable {
                    reason: Reason::from_v4(kind, head[1]),
                    destination: quote.destination.into(),
                    request,
                },
                None => Message::Other,
            }
        }
        _ => Message::Other,
    })
}

fn parse_v6(bytes: &[u8]) -> Result<Message<'_>, Malformed> {
    let (head, body) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(Malformed::Short)?;
    Ok(match head[0] {
        V6_ECHO_REPLY => Message::Reply(echo(head, body)),
        kind @ (V6_UNREACHABLE | V6_TOO_BIG | V6_TIME_EXCEEDED | V6_PARAMETER_PROBLEM) => {
            let (ip, quoted) = body.split_first_chunk::<IPV6_HEADER_LEN>().ok_or(Malformed::Short)?;
            let mut destination = [0; 16];
            destination.copy_from_slice(&ip[24..]);
            // Our requests carry no extension headers, so a quote that has some is not about one of ours.
            if ip[0] >> 4 != 6 || ip[6] != IP_PROTOCOL_ICMPV6 {
                return Ok(Message::Other);
            }
            match parse_request(Layout::Ipv6, quoted) {
                Some(request) => Message::Unreachable {
                    reason: Reason::from_v6(kind, head[1]),
                    destination: Ipv6Addr::from(destination).into(),
                    request,
                },
                None => Message::Other,
            }
        }
        _ => Message::Other,
    })
}

/// Reads an echo request that an error or the socket's error queue gives back to us, without IP header.
///
/// Its checksum is not looked at: it covers bytes that the quote may lack.
#[must_use]
pub fn parse_request(layout: Layout, bytes: &[u8]) -> Option<Echo<'_>> {
    let (head, body) = bytes.split_first_chunk::<HEADER_LEN>()?;
    let expected = if layout == Layout::Ipv6 { V6_ECHO_REQUEST } else { V4_ECHO_REQUEST };
    (head[0] == expected).then(|| echo(head, body))
}

fn echo<'a>(head: &[u8; HEADER_LEN], payload: &'a [u8]) -> Echo<'a> {
    Echo {
        id: u16::from_be_bytes([head[4], head[5]]),
        sequence: u16::from_be_bytes([head[6], head[7]]),
        payload,
    }
}

struct Ipv4<'a> {
    protocol: u8,
    fragment_offset: u16,
    destination: Ipv4Addr,
    body: &'a [u8],
}

impl<'a> Ipv4<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let head = bytes.first_chunk::<20>().ok_or(Malformed::Short)?;
        let length = usize::from(head[0] & 0x0f) * 4;
        if head[0] >> 4 != 4 || length < head.len() {
            return Err(Malformed::NotIcmp);
        }
        Ok(Self {
            protocol: head[9],
            fragment_offset: u16::from_be_bytes([head[6], head[7]]) & 0x1fff,
            destination: Ipv4Addr::new(head[16], head[17], head[18], head[19]),
            body: bytes.get(length..).ok_or(Malformed::Short)?,
        })
    }
}

/// The internet checksum (RFC 1071). Over a packet that contains its own checksum it is 0.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let mut sum: u64 = pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum();
    if let [last] = odd {
        sum += u64::from(u16::from_be_bytes([*last, 0]));
    }
    // An IP packet has at most 32,768 pairs, so two folds would do; four hold for any slice.
    for _ in 0..4 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    #[allow(clippy::cast_possible_truncation, reason = "folded to 16 bits")]
    let folded = sum as u16;
    !folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// The request, turned into the reply that a host would send, with IP options of this many words in front.
    fn answered_v4(request: &[u8], option_words: u8) -> Vec<u8> {
        let mut icmp = request.to_vec();
        icmp[0] = V4_ECHO_REPLY;
        sealed(&mut icmp);
        in_ipv4(&icmp, IP_PROTOCOL_ICMP, Ipv4Addr::LOCALHOST, option_words)
    }

    fn sealed(icmp: &mut [u8]) {
        icmp[2..4].fill(0);
        let sum = checksum(icmp);
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    }

    fn in_ipv4(body: &[u8], protocol: u8, destination: Ipv4Addr, option_words: u8) -> Vec<u8> {
        let mut packet = vec![0; 20 + 4 * usize::from(option_words)];
        packet[0] = 0x45 + option_words;
        packet[9] = protocol;
        packet[16..20].copy_from_slice(&destination.octets());
        packet.extend_from_slice(body);
        packet
    }

    fn in_ipv6(body: &[u8], next: u8, destination: Ipv6Addr) -> Vec<u8> {
        let mut packet = vec![0; IPV6_HEADER_LEN];
        packet[0] = 0x60;
        packet[6] = next;
        packet[24..40].copy_from_slice(&destination.octets());
        packet.extend_from_slice(body);
        packet
    }

    fn error_v4(kind: u8, code: u8, quote: &[u8]) -> Vec<u8> {
        let mut icmp = vec![kind, code, 0, 0, 0, 0, 0, 0];
        icmp.extend_from_slice(quote);
        sealed(&mut icmp);
        icmp
    }

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[0xab]), !0xab00);
        assert_eq!(checksum(&[]), 0xffff);
    }

    #[test]
    fn a_flipped_bit_is_malformed() {
        let mut request = [0; 64];
        encode_v4(7, 8, 9, &mut request);
        let mut reply = answered_v4(&request, 0);
        reply[50] ^= 4;
        assert_eq!(parse(Layout::Ipv4Raw, &reply), Err(Malformed::Checksum));
    }

    #[test]
    fn an_error_about_another_protocol_is_not_about_us() {
        let udp = in_ipv4(&[8, 0, 0, 0, 0, 0, 0, 0], 17, Ipv4Addr::LOCALHOST, 0);
        assert_eq!(parse(Layout::Ipv4Datagram, &error_v4(3, 3, &udp)), Ok(Message::Other));
    }

    #[test]
    fn the_codes_of_both_families_get_the_same_names() {
        assert_eq!(Reason::from_v4(3, 1), Reason::Host);
        assert_eq!(Reason::from_v6(1, 3), Reason::Host);
        assert_eq!(Reason::from_v4(3, 13), Reason::from_v6(1, 1));
        assert_eq!(Reason::from_v4(12, 2).to_string(), "undeliverable (ICMP type 12, code 2)");
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back_from_the_reply(
            id: u16, sequence: u16, nonce: u64, more in vec(any::<u8>(), 0..1500), words in 0u8..=10,
        ) {
            let mut request = vec![0; HEADER_LEN + NONCE_LEN];
            request.extend_from_slice(&more);
            encode_v4(id, sequence, nonce, &mut request);
            prop_assert_eq!(checksum(&request), 0);
            let echo = Echo { id, sequence, payload: &request[HEADER_LEN..] };
            prop_assert_eq!(echo.nonce(), Some(nonce));
            let reply = answered_v4(&request, words);
            prop_assert_eq!(parse(Layout::Ipv4Raw, &reply), Ok(Message::Reply(echo)));
            let icmp = &reply[20 + 4 * usize::from(words)..];
            prop_assert_eq!(parse(Layout::Ipv4Datagram, icmp), Ok(Message::Reply(echo)));

            encode_v6(id, sequence, nonce, &mut request);
            request[0] = V6_ECHO_REPLY;
            let echo = Echo { id, sequence, payload: &request[HEADER_LEN..] };
            prop_assert_eq!(parse(Layout::Ipv6, &request), Ok(Message::Reply(echo)));
        }

        #[test]
        fn an_error_names_the_request_it_quotes(
            id: u16, sequence: u16, nonce: u64, v4: Ipv4Addr, v6: Ipv6Addr, quoted in HEADER_LEN..=64usize,
            words in 0u8..=10, code: u8,
        ) {
            let mut request = [0; 64];
            encode_v4(id, sequence, nonce, &mut request);
            let echo = Echo { id, sequence, payload: &request[HEADER_LEN..quoted] };
            let error = error_v4(3, code, &in_ipv4(&request[..quoted], 1, v4, words));
            prop_assert_eq!(parse(Layout::Ipv4Datagram, &error), Ok(Message::Unreachable {
                reason: Reason::from_v4(3, code), destination: v4.into(), request: echo,
            }));

            encode_v6(id, sequence, nonce, &mut request);
            let echo = Echo { id, sequence, payload: &request[HEADER_LEN..quoted] };
            let mut error = vec![1, code, 0, 0, 0, 0, 0, 0];
            error.extend(in_ipv6(&request[..quoted], 58, v6));
            prop_assert_eq!(parse(Layout::Ipv6, &error), Ok(Message::Unreachable {
                reason: Reason::from_v6(1, code), destination: v6.into(), request: echo,
            }));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
            for layout in [Layout::Ipv4Raw, Layout::Ipv4Datagram, Layout::Ipv6] {
                let _ = parse(layout, &bytes);
                let _ = parse_request(layout, &bytes);
            }
        }

        #[test]
        fn mutated_and_cut_packets_never_panic(
            words in 0u8..=10, kind in prop::sample::select(vec![0u8, 1, 2, 3, 4, 11, 12, 129]),
            at in 0usize..160, value: u8, keep in 0usize..160,
        ) {
            let mut request = [0; 64];
            encode_v4(1, 2, 3, &mut request);
            let icmp = error_v4(kind, 1, &in_ipv4(&request, 1, Ipv4Addr::LOCALHOST, words));
            let mut packet = in_ipv4(&icmp, 1, Ipv4Addr::LOCALHOST, 0);
            packet.truncate(keep);
            if let Some(byte) = packet.get_mut(at) {
                *byte = value;
            }
            // Sealed again, or the checksum would hide all that lies behind it.
            if packet.len() > 24 {
                sealed(&mut packet[20..]);
            }
            let _ = parse(Layout::Ipv4Raw, &packet);
            let mut v6 = vec![kind, 0, 0, 0, 0, 0, 0, 0];
            v6.extend(in_ipv6(&request, 58, Ipv6Addr::LOCALHOST));
            v6.truncate(keep);
            if let Some(byte) = v6.get_mut(at) {
                *byte = value;
            }
            let _ = parse(Layout::Ipv6, &v6);
        }
    }
}
