//! Object identifiers.

use std::fmt;
use std::str::FromStr;

use smallvec::SmallVec;

/// An object identifier: a path of numbers in the tree of all managed objects.
///
/// ```
/// use grafolean_snmp_bot::Oid;
/// let if_descr: Oid = "1.3.6.1.2.1.2.2.1.2".parse()?;
/// let row: Oid = ".1.3.6.1.2.1.2.2.1.2.7".parse()?;
/// assert_eq!(row.index_below(&if_descr), Some(&[7][..]));
/// # Ok::<(), grafolean_snmp_bot::OidError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(Arcs);

/// Those of nearly all objects fit in place: a poll handles thousands.
type Arcs = SmallVec<[u32; 16]>;

/// Why a text is no object identifier.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OidError {
    /// A part is no number below 2^32.
    #[error("expected numbers joined by dots, such as 1.3.6.1.2.1.1.3.0, got {0:?}")]
    NotNumbers(String),
    /// SNMP allows 2 to 128 numbers.
    #[error("an OID of {0} numbers: expected 2 to 128")]
    Length(usize),
}

/// The longest object identifier that SNMP allows.
const MOST_ARCS: usize = 128;

impl Oid {
    /// An object identifier of these numbers.
    #[must_use]
    pub fn new(arcs: impl AsRef<[u32]>) -> Self {
        Self(SmallVec::from_slice(arcs.as_ref()))
    }

    /// Its numbers.
    #[must_use]
    pub fn arcs(&self) -> &[u32] {
        &self.0
    }

    /// What comes after `column`: the index of a row. None when this is not below it.
    #[must_use]
    pub fn index_below(&self, column: &Self) -> Option<&[u32]> {
        self.0.strip_prefix(column.arcs()).filter(|index| !index.is_empty())
    }

    /// Whether this is `other` or below it.
    #[must_use]
    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// This with further numbers.
    #[must_use]
    pub fn child(&self, index: &[u32]) -> Self {
        Self(self.0.iter().chain(index).copied().collect())
    }
}

impl FromStr for Oid {
    type Err = OidError;

    fn from_str(text: &str) -> Result<Self, OidError> {
        let trimmed = text.trim();
        let numbers = trimmed.strip_prefix('.').unwrap_or(trimmed);
        let not_numbers = || OidError::NotNumbers(trimmed.chars().take(80).collect());
        let arcs: Arcs =
            numbers.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| not_numbers())?;
        if !(2..=MOST_ARCS).contains(&arcs.len()) {
            return Err(OidError::Length(arcs.len()));
        }
        Ok(Self(arcs))
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, arc) in self.0.iter().enumerate() {
            write!(f, "{}{arc}", if n == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
