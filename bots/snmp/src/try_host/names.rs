//! Names of the objects that everyone uses, both ways.

mod table;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::oid::{Oid, OidError};
use crate::poll::FetchMethod;
use table::GROUPS;

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A part of the tree: a group, a table.
    Node,
    /// An object that is there once, as number 0.
    Scalar,
    /// A column of a table.
    Column,
}

/// Why a text names no object.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum NameError {
    #[error(transparent)]
    Numbers(#[from] OidError),
    #[error(
        "{typed:?} is no OID and no name that is known here: expected numbers joined by dots, such as \
             1.3.6.1.2.1.2.2.1.2, or a name such as ifDescr.2 or IF-MIB::ifDescr{}",
        suggestion(near)
    )]
    Unknown { typed: String, near: Vec<&'static str> },
    #[error("{name} is in {actual}, not in {claimed}")]
    OtherModule { name: &'static str, actual: &'static str, claimed: String },
    #[error("the index of {name} is {index:?}: expected numbers joined by dots, as in {name}.2")]
    Index { name: &'static str, index: String },
    #[error("{0} is a column: expected a row of it, such as {0}.1, or --walk {0}")]
    Column(&'static str),
    #[error("{0} is no object but a part of the tree: expected --walk {0}")]
    Node(&'static str),
}

fn suggestion(names: &[&str]) -> String {
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(" or ")) }
}

/// An object with a name.
#[derive(Clone, Copy, Debug)]
struct Named {
    module: &'static str,
    name: &'static str,
    kind: Kind,
    under: &'static [u32],
    last: u32,
}

struct Names {
    all: Vec<Named>,
    /// Without regard to capitals.
    by_name: HashMap<String, usize>,
    by_oid: HashMap<Box<[u32]>, usize>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let all: Vec<Named> = GROUPS
        .iter()
        .flat_map(|group| {
            group.names.iter().map(|&(last, name)| Named {
                module: group.module,
                name,
                kind: group.kind,
                under: group.under,
                last,
            })
        })
        .collect();
    let by_name = all.iter().enumerate().map(|(at, named)| (named.name.to_lowercase(), at)).collect();
    let by_oid = all.iter().enumerate().map(|(at, named)| (named.arcs().into(), at)).collect();
    Names { all, by_name, by_oid }
});

impl Named {
    fn arcs(&self) -> Vec<u32> {
        [self.under, &[self.last]].concat()
    }
}

/// How a text that is not much of a name is shown in an error.
const MOST_QUOTED: usize = 80;
/// How many names an error suggests.
const MOST_SUGGESTED: usize = 3;

/// The object that a text means: `1.3.6.1.2.1.1.3.0`, `sysUpTime`, `ifDescr.2`, `IF-MIB::ifDescr.2`. To get a scalar,
/// its 0 need not be written.
pub(super) fn resolve(text: &str, fetch: FetchMethod) -> Result<Oid, NameError> {
    let text = text.trim();
    if text.strip_prefix('.').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(text.parse::<Oid>()?);
    }
    let (module, rest) = text.split_once("::").map_or((None, text), |(module, rest)| (Some(module), rest));
    let (name, index) = rest.split_once('.').map_or((rest, None), |(name, index)| (name, Some(index)));
    let Some(&at) = NAMES.by_name.get(&name.to_lowercase()) else {
        return Err(NameError::Unknown {
            typed: text.chars().take(MOST_QUOTED).collect(),
            near: nearest(name),
        });
    };
    let named = &NAMES.all[at];
    // What is in mib-2 was defined by RFC 1213 first, and is still called so.
    let claimed = module.filter(|module| *module != named.module && *module != "RFC1213-MIB");
    if let Some(claimed) = claimed {
        let claimed = claimed.chars().take(MOST_QUOTED).collect();
        return Err(NameError::OtherModule { name: named.name, actual: named.module, claimed });
    }
    let index = match (index, fetch, named.kind) {
        (Some(index), ..) => {
            let numbers = index.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>();
            numbers.map_err(|_| {
                let index = index.chars().take(MOST_QUOTED).collect();
                NameError::Index { name: named.name, index }
            })?
        }
        (None, FetchMethod::Walk, _) => Vec::new(),
        (None, FetchMethod::Get, Kind::Scalar) => vec![0],
        (None, FetchMethod::Get, Kind::Column) => return Err(NameError::Column(named.name)),
        (None, FetchMethod::Get, Kind::Node) => return Err(NameError::Node(named.name)),
    };
    // Its length is checked as that of any other.
    let whole = Oid::new([&*named.arcs(), &*index].concat());
    Ok(whole.to_string().parse::<Oid>()?)
}

/// An object as net-snmp shows it, `IF-MIB::ifDescr.2`; None where no part of it has a name.
pub(super) fn name_of(oid: &Oid) -> Option<String> {
    let arcs = oid.arcs();
    let known = (0..=arcs.len()).rev().find_map(|length| {
        let at = NAMES.by_oid.get(arcs.get(..length)?)?;
        Some((&NAMES.all[*at], arcs.get(length..)?))
    });
    let (named, index) = known?;
    let mut name = format!("{}::{}", named.module, named.name);
    index.iter().for_each(|arc| name.push_str(&format!(".{arc}")));
    Some(name)
}

/// The names that somebody who typed this may have meant, the nearest first.
fn nearest(typed: &str) -> Vec<&'static str> {
    let typed = typed.to_lowercase();
    // Nobody mistypes half of a name; and a long text is no name, nor worth the search.
    let far = (typed.len() / 3).clamp(1, 4);
    if typed.len() > MOST_QUOTED {
        return Vec::new();
    }
    let mut near: Vec<(usize, &'static str)> = NAMES
        .all
        .iter()
        .filter_map(|named| {
            let name = named.name.to_lowercase();
            let within = typed.len() >= 4 && name.contains(&typed);
            let distance = if within { 1 } else { distance(&typed, &name) };
            (distance <= far).then_some((distance, named.name))
        })
        .collect();
    near.sort_unstable_by_key(|(distance, name)| (*distance, name.len()));
    near.into_iter().take(MOST_SUGGESTED).map(|(_, name)| name).collect()
}

/// How many letters have to be put in, taken out or replaced (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use FetchMethod::{Get, Walk};

    fn resolved(text: &str, fetch: FetchMethod) -> Result<String, String> {
        resolve(text, fetch).map(|oid| oid.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_name_leads_to_its_object_and_back() {
        assert!((150..400).contains(&NAMES.all.len()), "{}", NAMES.all.len());
        assert_eq!(NAMES.all.len(), NAMES.by_name.len(), "a name is there twice");
        assert_eq!(NAMES.all.len(), NAMES.by_oid.len(), "an object is there twice");
        for named in &NAMES.all {
            let oid = resolve(named.name, Walk).unwrap();
            assert_eq!(oid.arcs(), named.arcs());
            assert_eq!(name_of(&oid), Some(format!("{}::{}", named.module, named.name)));
        }
        assert!(NAMES.all.is_sorted_by_key(Named::arcs));
    }

    #[test]
    fn names_are_taken_as_net_snmp_takes_them() {
        for (text, fetch, expected) in [
            ("1.3.6.1.2.1.1.3.0", Get, "1.3.6.1.2.1.1.3.0"),
            (".1.3.6.1.2.1.1", Walk, "1.3.6.1.2.1.1"),
            ("sysUpTime.0", Get, "1.3.6.1.2.1.1.3.0"),
            ("sysUpTime", Get, "1.3.6.1.2.1.1.3.0"),
            ("sysUpTime", Walk, "1.3.6.1.2.1.1.3"),
            ("ifDescr.2", Get, "1.3.6.1.2.1.2.2.1.2.2"),
            ("IF-MIB::ifDescr.2", Get, "1.3.6.1.2.1.2.2.1.2.2"),
            ("RFC1213-MIB::ifDescr", Walk, "1.3.6.1.2.1.2.2.1.2"),
            ("ifhcinoctets", Walk, "1.3.6.1.2.1.31.1.1.1.6"),
            ("ipAdEntAddr.10.0.0.1", Get, "1.3.6.1.2.1.4.20.1.1.10.0.0.1"),
            ("system", Walk, "1.3.6.1.2.1.1"),
            ("mib-2.2.1.0", Get, "1.3.6.1.2.1.2.1.0"),
            ("enterprises.9", Walk, "1.3.6.1.4.1.9"),
        ] {
            assert_eq!(resolved(text, fetch).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused_with_what_was_expected() {
        for (text, fetch, expected) in [
            ("1.3.six", Get, "expected numbers joined by dots, such as 1.3.6.1.2.1.1.3.0, got \"1.3.six\""),
            ("1.3.4294967296", Get, "expected numbers joined by dots"),
            ("1", Walk, "an OID of 1 numbers: expected 2 to 128"),
            (
                "ifDescr",
                Get,
                "ifDescr is a column: expected a row of it, such as ifDescr.1, or --walk ifDescr",
            ),
            ("ifTable", Get, "ifTable is no object but a part of the tree: expected --walk ifTable"),
            ("ifDescr.eth0", Get, "the index of ifDescr is \"eth0\": expected numbers joined by dots"),
            ("ifDescr.", Get, "the index of ifDescr is \"\""),
            ("IP-MIB::ifDescr.1", Get, "ifDescr is in IF-MIB, not in IP-MIB"),
            ("ifDesc.2", Get, "; did you mean ifDescr?"),
            ("ifHcInOctet", Walk, "; did you mean ifHCInOctets"),
            ("hrProcessor", Walk, "; did you mean hrProcessorLoad or hrProcessorFrwID?"),
            ("", Get, "\"\" is no OID and no name that is known here: expected numbers joined by dots"),
            ("\u{1b}[2Jx", Get, "\"\\u{1b}[2Jx\" is no OID"),
        ] {
            let error = resolved(text, fetch).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let long = resolved(&"x".repeat(1 << 20), Walk).unwrap_err();
        assert!(long.len() < 400, "{long}");
        assert!(resolved(&format!("ifDescr{}", ".1".repeat(128)), Get).unwrap_err().contains("2 to 128"));
    }

    #[test]
    fn objects_without_a_name_are_shown_below_the_nearest_that_has_one() {
        let name = |oid: &str| name_of(&oid.parse().unwrap());
        assert_eq!(name("1.3.6.1.2.1.2.2.1.99.7").as_deref(), Some("IF-MIB::ifEntry.99.7"));
        assert_eq!(name("1.3.6.1.4.1.9.9.1").as_deref(), Some("SNMPv2-SMI::enterprises.9.9.1"));
        assert_eq!(name("0.0"), None);
    }
}
