//! Which counter to use instead of one that wraps too soon.

use std::fmt;
use std::time::Duration;

use crate::oid::Oid;

/// A 32-bit counter that can wrap more than once between two polls: its rates are wrong then, and nobody can
/// tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Advice {
    pub(crate) narrow: Oid,
    pub(crate) wide: Oid,
    names: (&'static str, &'static str),
    /// How soon it wraps at the interface's full speed.
    pub(crate) wraps_in: Duration,
    interval: Duration,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { narrow, wide, names: (narrow_name, wide_name), wraps_in, interval } = self;
        write!(
            f,
            "{narrow_name} ({narrow}) can wrap every {:.0?} at this interface's speed, but is read every \
             {interval:?}: use {wide_name} ({wide}) instead",
            Duration::from_secs(wraps_in.as_secs().max(1)),
        )
    }
}

/// What a counter counts.
#[derive(Clone, Copy)]
enum Unit {
    Octets,
    Packets,
}

/// The shortest Ethernet frame takes 84 bytes of the wire, preamble and gap included.
const BYTES_PER_PACKET: u64 = 84;

/// ifEntry, ifXEntry, and the columns of 32 bits with their counterparts of 64 bits in ifXEntry.
const IF_ENTRY: &[u32] = &[1, 3, 6, 1, 2, 1, 2, 2, 1];
const IF_X_ENTRY: &[u32] = &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1];
type Column = (&'static [u32], u32, &'static str, u32, &'static str, Unit);
const COLUMNS: &[Column] = &[
    (IF_ENTRY, 10, "ifInOctets", 6, "ifHCInOctets", Unit::Octets),
    (IF_ENTRY, 11, "ifInUcastPkts", 7, "ifHCInUcastPkts", Unit::Packets),
    (IF_ENTRY, 12, "ifInNUcastPkts", 8, "ifHCInMulticastPkts", Unit::Packets),
    (IF_ENTRY, 16, "ifOutOctets", 10, "ifHCOutOctets", Unit::Octets),
    (IF_ENTRY, 17, "ifOutUcastPkts", 11, "ifHCOutUcastPkts", Unit::Packets),
    (IF_ENTRY, 18, "ifOutNUcastPkts", 12, "ifHCOutMulticastPkts", Unit::Packets),
    (IF_X_ENTRY, 2, "ifInMulticastPkts", 8, "ifHCInMulticastPkts", Unit::Packets),
    (IF_X_ENTRY, 3, "ifInBroadcastPkts", 9, "ifHCInBroadcastPkts", Unit::Packets),
    (IF_X_ENTRY, 4, "ifOutMulticastPkts", 12, "ifHCOutMulticastPkts", Unit::Packets),
    (IF_X_ENTRY, 5, "ifOutBroadcastPkts", 13, "ifHCOutBroadcastPkts", Unit::Packets),
];

/// Whether a column or object of 32 bits is read too seldom for an interface of this speed, and what to read
/// instead. None as well where there is no counterpart.
pub(crate) fn advise(oid: &Oid, speed_bps: u64, interval: Duration) -> Option<Advice> {
    let (at, (narrow_name, wide, wide_name, unit)) =
        COLUMNS.iter().find_map(|&(entry, narrow, narrow_name, wide, wide_name, unit)| {
            let rest = oid.arcs().strip_prefix(entry)?.strip_prefix(&[narrow])?;
            Some((rest, (narrow_name, wide, wide_name, unit)))
        })?;
    let bytes_per_second = speed_bps / 8;
    let per_second = match unit {
        Unit::Octets => bytes_per_second,
        Unit::Packets => bytes_per_second / BYTES_PER_PACKET,
    };
    let millis = (1_u64 << 32).saturating_mul(1_000).checked_div(per_second)?;
    let wraps_in = Duration::from_millis(millis);
    let wide = Oid::new([IF_X_ENTRY, &[wide], at].concat());
    let names = (narrow_name, wide_name);
    (interval > wraps_in).then(|| Advice { narrow: oid.clone(), wide, names, wraps_in, interval })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn advice(oid: &str, speed_bps: u64, interval: Duration) -> Option<Advice> {
        advise(&oid.parse().unwrap(), speed_bps, interval)
    }

    #[test]
    fn octets_at_a_gigabit_and_a_minute_need_64_bits() {
        let advice = advice("1.3.6.1.2.1.2.2.1.10", 1_000_000_000, MINUTE).unwrap();
        assert_eq!(
            advice.to_string(),
            "ifInOctets (1.3.6.1.2.1.2.2.1.10) can wrap every 34s at this interface's speed, but is read every \
             60s: use ifHCInOctets (1.3.6.1.2.1.31.1.1.1.6) instead"
        );
    }

    #[test]
    fn a_single_interface_keeps_its_index() {
        let advice = advice("1.3.6.1.2.1.2.2.1.16.7", 10_000_000_000, MINUTE).unwrap();
        assert_eq!(advice.wide.to_string(), "1.3.6.1.2.1.31.1.1.1.10.7");
    }

    #[test]
    fn nothing_is_said_where_nothing_is_wrong() {
        let octets = "1.3.6.1.2.1.2.2.1.10";
        assert_eq!(advice(octets, 572_000_000, MINUTE), None);
        assert!(advice(octets, 573_000_000, MINUTE).is_some());
        assert_eq!(advice(octets, 1_000_000_000, MINUTE / 2), None);
        assert_eq!(advice(octets, 0, MINUTE), None);
        assert_eq!(advice("1.3.6.1.2.1.31.1.1.1.6", 1_000_000_000_000, MINUTE), None);
        assert_eq!(advice("1.3.6.1.2.1.2.2.1.1", 1_000_000_000_000, MINUTE), None);
        assert_eq!(advice("1.3.6.1.2.1.2.2.1.11", 1_000_000_000, MINUTE), None, "packets come slower");
    }
}
