//! Values as numbers and as text.

use std::borrow::Cow;
use std::fmt::Write;

use crate::oid::Oid;
use crate::value::Value;

/// Columns and objects of six bytes that are addresses, however printable they look: ifPhysAddress,
/// ipNetToMediaPhysAddress, dot1dBaseBridgeAddress, dot1dTpFdbAddress.
const PHYSICAL_ADDRESSES: &[&[u32]] = &[
    &[1, 3, 6, 1, 2, 1, 2, 2, 1, 6],
    &[1, 3, 6, 1, 2, 1, 4, 22, 1, 2],
    &[1, 3, 6, 1, 2, 1, 17, 1, 1],
    &[1, 3, 6, 1, 2, 1, 17, 4, 3, 1, 1],
];

/// The number that a value is, or that its text says. Counters are none: their rates are.
#[expect(clippy::cast_precision_loss, reason = "an INTEGER has 32 bits, whatever some agents send")]
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(value) => Some(*value as f64),
        Value::Gauge(value) | Value::TimeTicks(value) => Some((*value).into()),
        Value::Float(value) => Some(*value),
        Value::Bytes(bytes) => std::str::from_utf8(bytes)
            .ok()?
            .trim_matches(|c: char| c.is_whitespace() || c == '\0')
            .parse()
            .ok(),
        _ => None,
    }
    .filter(|number| number.is_finite())
}

/// A value as people read it. `oid` is the object's, or its column's.
pub(crate) fn text<'a>(value: &'a Value, oid: &Oid) -> Cow<'a, str> {
    match value {
        Value::Integer(value) => value.to_string().into(),
        Value::Gauge(value) | Value::TimeTicks(value) | Value::Counter32(value) => value.to_string().into(),
        Value::Counter64(value) => value.to_string().into(),
        Value::Float(value) => value.to_string().into(),
        Value::Bytes(bytes) if PHYSICAL_ADDRESSES.iter().any(|arcs| oid.arcs().starts_with(arcs)) => {
            hex(bytes).into()
        }
        Value::Bytes(bytes) => bytes_text(bytes),
        Value::Oid(oid) => oid.to_string().into(),
        Value::Address(address) => address.to_string().into(),
        Value::Nothing => "".into(),
    }
}

/// UTF-8 where it is printable throughout, else hex: never a mixture.
fn bytes_text(bytes: &[u8]) -> Cow<'_, str> {
    // Some agents send the 0 that ends the string in their memory.
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let printable = |c: char| !c.is_control() || matches!(c, '\t' | '\r' | '\n');
    match std::str::from_utf8(&bytes[..end]) {
        // Zeros alone are bytes, not a text that ends early.
        Ok(text) if text.chars().all(printable) && (end > 0 || bytes.is_empty()) => text.into(),
        _ => hex(bytes).into(),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (n, byte) in bytes.iter().enumerate() {
        let colon = if n == 0 { "" } else { ":" };
        let _ = write!(text, "{colon}{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(bytes: &[u8]) -> Value {
        Value::Bytes(bytes.to_vec())
    }

    fn plain_text(bytes: &[u8]) -> String {
        bytes_text(bytes).into_owned()
    }

    #[test]
    fn strings_that_say_a_number_are_numbers() {
        for (text, expected) in [("0.12", 0.12), (" -7 ", -7.0), ("1e3", 1_000.0), ("42\0", 42.0)] {
            assert_eq!(number(&bytes(text.as_bytes())), Some(expected));
        }
        for text in ["", "eth0", "1,5", "nan", "inf", "-infinity", "0x10"] {
            assert_eq!(number(&bytes(text.as_bytes())), None, "{text}");
        }
        assert_eq!(number(&Value::Float(f64::NAN)), None);
        assert_eq!(number(&Value::Counter32(7)), None);
    }

    #[test]
    fn bytes_are_text_where_they_are_printable_and_hex_elsewhere() {
        assert_eq!(plain_text(b"GigabitEthernet0/1"), "GigabitEthernet0/1");
        assert_eq!(plain_text("Büro\0\0".as_bytes()), "Büro");
        assert_eq!(plain_text(b"line\r\nline"), "line\r\nline");
        assert_eq!(plain_text(b""), "");
        assert_eq!(plain_text(&[0x00, 0x1b, 0xff, 0x01]), "00:1b:ff:01");
        assert_eq!(plain_text(&[0, 0]), "00:00");
        assert_eq!(plain_text(b"ab\x07"), "61:62:07");
    }

    #[test]
    fn a_mac_address_is_hex_even_where_it_looks_like_text() {
        let column = "1.3.6.1.2.1.2.2.1.6".parse().unwrap();
        assert_eq!(text(&bytes(b"j1k2l3"), &column), "6a:31:6b:32:6c:33");
        assert_eq!(text(&bytes(b"j1k2l3"), &"1.3.6.1.2.1.2.2.1.2".parse().unwrap()), "j1k2l3");
    }
}
