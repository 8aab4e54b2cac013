//! What agents answer with.

use std::net::Ipv4Addr;

use crate::oid::Oid;

/// A value of a managed object.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Value {
    /// INTEGER.
    Integer(i64),
    /// Gauge32 or Unsigned32.
    Gauge(u32),
    /// Counter32: wraps at 2^32.
    Counter32(u32),
    /// Counter64.
    Counter64(u64),
    /// TimeTicks: hundredths of a second; wraps after 497 days.
    TimeTicks(u32),
    /// A float or double wrapped in Opaque.
    Float(f64),
    /// OCTET STRING, or an Opaque of another kind.
    Bytes(Vec<u8>),
    /// OBJECT IDENTIFIER.
    Oid(Box<Oid>),
    /// IpAddress.
    Address(Ipv4Addr),
    /// Nothing: NULL, noSuchObject, noSuchInstance, endOfMibView, or SNMPv1's noSuchName.
    Nothing,
}
