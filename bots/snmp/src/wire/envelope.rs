//! What the outside of a message tells before anybody trusts it: which request it answers, and, for SNMPv3, what the
//! agent complains of. All of it is a hint: nothing here is authenticated.

/// The outside of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Envelope<'a> {
    /// The request that it answers: the request-id, or SNMPv3's msgID.
    pub(super) id: i32,
    pub(super) v3: Option<Outside<'a>>,
}

/// The outside of an SNMPv3 message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Outside<'a> {
    pub(super) engine: &'a [u8],
    pub(super) authenticated: bool,
    pub(super) report: Option<Report>,
}

/// What an agent complains of (RFC 3414, usmStats).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Report {
    UnsupportedSecurityLevel,
    NotInTimeWindow,
    UnknownUser,
    UnknownEngine,
    WrongDigest,
    DecryptionError,
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const REPORT: u8 = 0xa8;
/// 1.3.6.1.6.3.15.1.1: the statistics of the user-based security model.
const USM_STATS: [u8; 8] = [0x2b, 6, 1, 6, 3, 15, 1, 1];
const AUTHENTICATED: u8 = 1;
const ENCRYPTED: u8 = 2;

impl<'a> Envelope<'a> {
    /// None when this is no SNMP message.
    pub(super) fn read(datagram: &'a [u8]) -> Option<Self> {
        let mut message = Reader(Reader(datagram).expect(SEQUENCE)?);
        if message.integer()? == 3 {
            return Self::read_v3(message);
        }
        message.expect(OCTETS)?;
        let (_, pdu) = message.next()?;
        Some(Self { id: Reader(pdu).integer()?, v3: None })
    }

    fn read_v3(mut message: Reader<'a>) -> Option<Self> {
        let mut header = Reader(message.expect(SEQUENCE)?);
        let id = header.integer()?;
        header.integer()?;
        let flags = *header.expect(OCTETS)?.first()?;
        let engine = Reader(Reader(message.expect(OCTETS)?).expect(SEQUENCE)?).expect(OCTETS)?;
        let report = if flags & ENCRYPTED == 0 { Self::report(message) } else { None };
        Some(Self { id, v3: Some(Outside { engine, authenticated: flags & AUTHENTICATED != 0, report }) })
    }

    fn report(mut message: Reader<'a>) -> Option<Report> {
        let mut scoped = Reader(message.expect(SEQUENCE)?);
        scoped.expect(OCTETS)?;
        scoped.expect(OCTETS)?;
        let mut pdu = Reader(scoped.expect(REPORT)?);
        for _ in ["request-id", "error-status", "error-index"] {
            pdu.integer()?;
        }
        let object = Reader(Reader(pdu.expect(SEQUENCE)?).expect(SEQUENCE)?).expect(OID)?;
        match object.strip_prefix(&USM_STATS)?.first()? {
            1 => Some(Report::UnsupportedSecurityLevel),
            2 => Some(Report::NotInTimeWindow),
            3 => Some(Report::UnknownUser),
            4 => Some(Report::UnknownEngine),
            5 => Some(Report::WrongDigest),
            6 => Some(Report::DecryptionError),
            _ => None,
        }
    }
}

/// Reads BER's tag, length and value, one after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], mut rest) = self.0.split_first_chunk()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            // A datagram's length takes two bytes; some agents always write four.
            let (bytes, after) =
                rest.split_at_checked(usize::from(first & 0x7f)).filter(|(n, _)| n.len() <= 4)?;
            length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            rest = after;
        }
        let (value, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((tag, value))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|next| next.0 == tag).map(|next| next.1)
    }

    fn integer(&mut self) -> Option<i32> {
        let bytes = self.expect(INTEGER)?;
        // Some agents write more bytes than they need.
        let negative = *bytes.first()? >= 0x80;
        let wide = bytes.iter().try_fold(if negative { -1i64 } else { 0 }, |wide, byte| {
            wide.checked_mul(256).map(|wide| wide | i64::from(*byte))
        })?;
        i32::try_from(wide).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        [&[tag, 0x82, 0, u8::try_from(content.len()).unwrap()][..], &content].concat()
    }

    fn v3(flags: u8, pdu_tag: u8, stat: u8) -> Vec<u8> {
        let header = tlv(SEQUENCE, &[&[2, 2, 1, 2, 2, 2, 5, 0xdc, 4, 1, flags, 2, 1, 3]]);
        let security = tlv(OCTETS, &[&tlv(SEQUENCE, &[&[4, 3, 9, 8, 7], &[2, 1, 0, 2, 1, 0]])]);
        let object = [&USM_STATS[..], &[stat, 0]].concat();
        let bindings = tlv(SEQUENCE, &[&tlv(SEQUENCE, &[&tlv(OID, &[&object]), &[0x41, 1, 5]])]);
        let pdu = tlv(pdu_tag, &[&[2, 1, 0, 2, 1, 0, 2, 1, 0], &bindings]);
        let scoped = tlv(SEQUENCE, &[&[4, 0, 4, 0], &pdu]);
        tlv(SEQUENCE, &[&[2, 1, 3], &header, &security, &scoped])
    }

    #[test]
    fn the_request_that_a_message_answers_is_read_in_all_versions() {
        let pdu = [0xa2, 8, 2, 6, 0, 0, 0x7f, 0xff, 0xff, 0xff];
        let message = tlv(SEQUENCE, &[&[2, 1, 1, 4, 1, b'p'], &pdu]);
        assert_eq!(Envelope::read(&message), Some(Envelope { id: i32::MAX, v3: None }));
        assert_eq!(Envelope::read(&v3(0, REPORT, 4)).unwrap().id, 258);
        for end in 0..message.len() {
            assert_eq!(Envelope::read(&message[..end]), None);
        }
    }

    #[test]
    fn complaints_are_recognized_only_where_they_can_be_read() {
        let report = |datagram: &[u8]| Envelope::read(datagram).unwrap().v3.unwrap().report;
        assert_eq!(report(&v3(0, REPORT, 3)), Some(Report::UnknownUser));
        assert_eq!(report(&v3(0, REPORT, 5)), Some(Report::WrongDigest));
        assert_eq!(report(&v3(0, REPORT, 9)), None);
        assert_eq!(report(&v3(0, 0xa2, 3)), None);
        assert_eq!(report(&v3(ENCRYPTED | AUTHENTICATED, REPORT, 3)), None);
        let message = v3(AUTHENTICATED, REPORT, 2);
        let outside = Envelope::read(&message).unwrap().v3.unwrap();
        assert_eq!((outside.engine, outside.authenticated), (&[9, 8, 7][..], true));
    }
}
