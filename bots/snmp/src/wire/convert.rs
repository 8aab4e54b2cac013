//! Between the library's types and ours.

use async_snmp::{Error, ErrorStatus};

use crate::agent::SnmpError;
use crate::oid::Oid;
use crate::value::Value;

pub(super) fn oids_to_library(oids: &[Oid]) -> Vec<async_snmp::Oid> {
    oids.iter().map(|oid| async_snmp::Oid::from_slice(oid.arcs())).collect()
}

pub(super) fn oid(oid: &async_snmp::Oid) -> Oid {
    Oid::new(oid.arcs())
}

pub(super) fn value(value: async_snmp::Value) -> Value {
    use async_snmp::Value as Theirs;
    match value {
        Theirs::Integer(integer) => Value::Integer(integer.into()),
        Theirs::Gauge32(gauge) | Theirs::UInteger32(gauge) => Value::Gauge(gauge),
        Theirs::Counter32(counter) => Value::Counter32(counter),
        Theirs::Counter64(counter) => Value::Counter64(counter),
        Theirs::TimeTicks(ticks) => Value::TimeTicks(ticks),
        Theirs::OctetString(bytes) | Theirs::Nsap(bytes) => Value::Bytes(bytes.into()),
        Theirs::Opaque(bytes) => opaque(&bytes).unwrap_or_else(|| Value::Bytes(bytes.into())),
        Theirs::ObjectIdentifier(object) => Value::Oid(oid(&object).into()),
        Theirs::IpAddress(address) => Value::Address(address.into()),
        Theirs::Unknown { data, .. } => Value::Bytes(data.into()),
        // Null, noSuchObject, noSuchInstance, endOfMibView.
        _ => Value::Nothing,
    }
}

/// What net-snmp wraps into Opaque: the types that SMIv2 lacks.
fn opaque(bytes: &[u8]) -> Option<Value> {
    let (&[0x9f, tag, length], content) = bytes.split_first_chunk()? else { return None };
    let content = content.get(..usize::from(length))?;
    match tag {
        0x76 | 0x7b => unsigned(content).map(Value::Counter64),
        0x78 => Some(Value::Float(f32::from_be_bytes(content.try_into().ok()?).into())),
        0x79 => Some(Value::Float(f64::from_be_bytes(content.try_into().ok()?))),
        0x7a => signed(content).map(Value::Integer),
        _ => None,
    }
}

fn unsigned(content: &[u8]) -> Option<u64> {
    let content = content.strip_prefix(&[0]).filter(|_| content.len() == 9).unwrap_or(content);
    (content.len() <= 8).then(|| content.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn signed(content: &[u8]) -> Option<i64> {
    let start = if *content.first()? >= 0x80 { -1 } else { 0 };
    (content.len() <= 8).then(|| content.iter().fold(start, |value, byte| value << 8 | i64::from(*byte)))
}

/// An error that is neither a timeout nor a report.
pub(super) fn error(error: &Error) -> SnmpError {
    match error.exchange_source() {
        Error::Snmp { status: ErrorStatus::TooBig, .. } | Error::OutboundMessageTooLarge { .. } => {
            SnmpError::TooBig
        }
        Error::Snmp { status, index, .. } => {
            let index = usize::try_from(*index).ok().filter(|index| *index > 0);
            SnmpError::Agent { status: status.to_string(), index }
        }
        Error::Network { source, .. } => SnmpError::Unreachable(source.to_string()),
        Error::Auth { .. } => SnmpError::Transport("an answer that is too old or not authentic".to_owned()),
        Error::MalformedResponse { .. } => {
            SnmpError::Transport("an answer to another request, or to another user".to_owned())
        }
        Error::InvalidOid(why) => SnmpError::Transport(format!("an OID that cannot be sent: {why}")),
        // None of the library's errors holds a community or a key.
        other => SnmpError::Transport(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_snmp::Value as Theirs;
    use std::net::Ipv4Addr;

    #[test]
    fn every_type_becomes_what_it_is() {
        let object = async_snmp::Oid::from_slice(&[1, 3, 6]);
        for (theirs, ours) in [
            (Theirs::Integer(-1), Value::Integer(-1)),
            (Theirs::Gauge32(u32::MAX), Value::Gauge(u32::MAX)),
            (Theirs::UInteger32(7), Value::Gauge(7)),
            (Theirs::Counter32(u32::MAX), Value::Counter32(u32::MAX)),
            (Theirs::Counter64(u64::MAX), Value::Counter64(u64::MAX)),
            (Theirs::TimeTicks(5), Value::TimeTicks(5)),
            (Theirs::OctetString("a\0b".into()), Value::Bytes(b"a\0b".to_vec())),
            (Theirs::ObjectIdentifier(object), Value::Oid(Oid::new([1, 3, 6]).into())),
            (Theirs::IpAddress([10, 0, 0, 1]), Value::Address(Ipv4Addr::new(10, 0, 0, 1))),
            (Theirs::Null, Value::Nothing),
            (Theirs::NoSuchObject, Value::Nothing),
            (Theirs::NoSuchInstance, Value::Nothing),
            (Theirs::EndOfMibView, Value::Nothing),
        ] {
            assert_eq!(value(theirs), ours);
        }
    }

    #[test]
    fn numbers_wrapped_in_opaque_are_numbers() {
        let of = |bytes: &[u8]| value(Theirs::Opaque(bytes.to_vec().into()));
        assert_eq!(of(&[0x9f, 0x78, 4, 0x41, 0xbc, 0, 0]), Value::Float(23.5));
        assert_eq!(of(&[&[0x9f, 0x79, 8][..], &(-0.1f64).to_be_bytes()].concat()), Value::Float(-0.1));
        let largest = [&[0x9f, 0x76, 9, 0][..], &[0xff; 8]].concat();
        assert_eq!(of(&largest), Value::Counter64(u64::MAX));
        assert_eq!(of(&[0x9f, 0x7a, 1, 0xfe]), Value::Integer(-2));
        for other in [&[][..], &[0x9f], &[0x9f, 0x78, 4, 1, 2, 3], &[0x9f, 0x78, 2, 1, 2], &[4, 1, b'x']] {
            assert_eq!(of(other), Value::Bytes(other.to_vec()));
        }
    }
}
