//! Where backends differ on purpose: all of it is here.

use crate::peer::{Answer, Kind};

/// Input that no decent client sends: the original stumbles over it, the hub says what is wrong.
#[track_caller]
pub(crate) fn is_bad_input(kind: Kind, answer: &Answer, what: &str) {
    let expected = match kind {
        Kind::Original => 500,
        Kind::Hub => 400,
    };
    assert_eq!(answer.status, expected, "{what}: {}", answer.text);
    if kind == Kind::Hub {
        assert!(!answer.text.trim().is_empty(), "{what}: it says what is wrong");
    }
}

/// A value that is infinite, or none: the original stores it, and cannot read the path any more.
#[track_caller]
pub(crate) fn is_not_finite(kind: Kind, answer: &Answer) {
    let expected = match kind {
        Kind::Original => 204,
        Kind::Hub => 400,
    };
    assert_eq!(answer.status, expected, "{}", answer.text);
}

/// What a new account starts with, by the names that people see.
pub(crate) const DEFAULTS: [(&str, &str); 8] = [
    ("credentials", "Default ICMP ping credential (3 packets)"),
    ("credentials", "Default SNMP credential (SNMPv2c, 'public')"),
    ("credentials", "Default NetFlow credential"),
    ("sensors", "Default ICMP ping sensor"),
    ("sensors", "Default NetFlow sensor"),
    ("sensors", "Traffic IN [bps]"),
    ("sensors", "Traffic OUT [bps]"),
    ("sensors", "Linux lmsensors - temperature [°C]"),
];
