//! What was measured: values at paths, for one account.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use crate::clock::Timestamp;
use crate::ids::AccountId;

/// Where a value belongs in the backend: segments joined by dots.
///
/// A segment is one or more of `a-z A-Z 0-9 _ -`, `%2e` (a dot) and `%3a` (a colon). Paths that begin with
/// `system.` belong to the backend itself.
///
/// ```
/// use grafoleancollector::Path;
/// assert_eq!(Path::new("entity.7.ping.success")?.as_str(), "entity.7.ping.success");
/// assert!(Path::new("bad path!").is_err());
/// assert_eq!(Path::segment("10.0.0.1"), "10%2e0%2e0%2e1");
/// # Ok::<(), grafoleancollector::PathError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Box<str>);

/// Why a text is no path.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Two dots in a row, or one at an end, or nothing at all.
    #[error("an empty segment at byte {at}")]
    EmptySegment {
        /// Where the segment begins.
        at: usize,
    },
    /// A character that no segment may hold.
    #[error("the character {found:?} at byte {at}: a segment holds a-z, A-Z, 0-9, _, -, %2e and %3a")]
    BadCharacter {
        /// The character.
        found: char,
        /// Where it stands.
        at: usize,
    },
    /// The backend keeps paths below `system.` to itself.
    #[error("paths that begin with system. belong to the backend")]
    Reserved,
    /// More than [`Path::MAX_BYTES`] bytes.
    #[error("{length} bytes, above the limit of {} bytes", Path::MAX_BYTES)]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
}

impl Path {
    /// The longest path that the backend was seen to take.
    pub const MAX_BYTES: usize = 2_000;

    /// Checks `text` and takes it as a path.
    ///
    /// # Errors
    /// When the backend would refuse it; the error says where and why.
    pub fn new(text: impl Into<Box<str>>) -> Result<Self, PathError> {
        let text = text.into();
        check(&text).map(|()| Self(text))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes one segment of any text: `.` becomes `%2e`, `:` becomes `%3a`, and what no segment may hold
    /// becomes `-`.
    #[must_use]
    pub fn segment(text: &str) -> String {
        let mut segment = String::with_capacity(text.len() + 8);
        for c in text.chars() {
            match c {
                '.' => segment.push_str("%2e"),
                ':' => segment.push_str("%3a"),
                'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => segment.push(c),
                _ => segment.push('-'),
            }
        }
        segment
    }
}

fn check(text: &str) -> Result<(), PathError> {
    if text.len() > Path::MAX_BYTES {
        return Err(PathError::TooLong { length: text.len() });
    }
    if text.starts_with("system.") {
        return Err(PathError::Reserved);
    }
    let bytes = text.as_bytes();
    let (mut at, mut segment_start) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => at += 1,
            b'%' if matches!(bytes.get(at + 1..at + 3), Some(b"2e" | b"3a")) => at += 3,
            b'.' if at == segment_start => return Err(PathError::EmptySegment { at }),
            b'.' => {
                at += 1;
                segment_start = at;
            }
            _ => {
                let found = text[at..].chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
                return Err(PathError::BadCharacter { found, at });
            }
        }
    }
    if at == segment_start { Err(PathError::EmptySegment { at }) } else { Ok(()) }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for Path {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl From<Path> for Box<str> {
    fn from(path: Path) -> Self {
        path.0
    }
}

/// One value at one path at one time, fit to be delivered: what an [`Api`](crate::Api) is given to store.
///
/// ```
/// use grafoleancollector::Sample;
///
/// fn line(sample: &Sample) -> String {
///     format!("{} {} {}", sample.path, sample.value, sample.time)
/// }
/// ```
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Sample {
    /// Where it belongs.
    pub path: Path,
    /// The measured value: always finite.
    pub value: f64,
    /// When it was measured.
    pub time: Timestamp,
}

/// A value that can never be delivered, and why.
///
/// ```
/// use grafoleancollector::{AccountId, PathError, Samples, UnfitReason};
/// let samples = Samples::for_account(AccountId::new(1)).with("system.load", 1.0);
/// assert_eq!(samples.unfit()[0].path, "system.load");
/// assert_eq!(samples.unfit()[0].reason, UnfitReason::Path(PathError::Reserved));
/// ```
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Unfit {
    /// The path as it was given, cut to a readable length.
    pub path: String,
    /// Why.
    pub reason: UnfitReason,
}

impl Unfit {
    fn new(path: &str, reason: UnfitReason) -> Self {
        /// Enough to recognise a path by, however long it is.
        const SHOWN: usize = 120;
        Self { path: path.chars().take(SHOWN).collect(), reason }
    }
}

/// Why a value cannot be delivered.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnfitReason {
    /// The backend would refuse its path, and everything sent along with it.
    #[error("its path is not valid: {0}")]
    Path(#[from] PathError),
    /// NaN or infinite: the backend would store it and then fail to read.
    #[error("its value is {0}, not a finite number")]
    NotFinite(f64),
    /// The backend would refuse it, and everything sent along with it: the first value is delivered.
    #[error("the run has a value for this path and time already")]
    Duplicate,
}

/// All that one run measured, for one account.
///
/// All values carry one time, the time of the run, unless [`with_at`](Self::with_at) gives another. A value
/// that could never be delivered is kept aside with its reason; its neighbours are not touched.
///
/// ```
/// use grafoleancollector::{AccountId, Samples};
/// let samples = Samples::for_account(AccountId::new(1))
///     .with("entity.7.ping.success", 1.0)
///     .with("entity.7.ping.bad path", 1.0)
///     .with("entity.7.ping.p0.rtt", f64::NAN);
/// assert_eq!(samples.len(), 1);
/// assert_eq!(samples.unfit().len(), 2);
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Samples {
    account: AccountId,
    values: Vec<Value>,
    unfit: Vec<Unfit>,
    failure: Option<Box<str>>,
}

#[derive(Clone, PartialEq, Debug)]
struct Value {
    path: Path,
    value: f64,
    time: Option<Timestamp>,
}

impl Samples {
    /// No values yet, for `account`.
    #[must_use]
    pub const fn for_account(account: AccountId) -> Self {
        Self { account, values: Vec::new(), unfit: Vec::new(), failure: None }
    }

    /// Adds a value that was measured at the time of the run.
    #[must_use]
    pub fn with(mut self, path: impl Into<Box<str>>, value: f64) -> Self {
        self.push(path, value, None);
        self
    }

    /// Adds a value that was measured at another time than the run's.
    #[must_use]
    pub fn with_at(mut self, path: impl Into<Box<str>>, value: f64, time: Timestamp) -> Self {
        self.push(path, value, Some(time));
        self
    }

    /// Adds a value in place: as [`with`](Self::with) or, with a time, [`with_at`](Self::with_at).
    pub fn push(&mut self, path: impl Into<Box<str>>, value: f64, time: Option<Timestamp>) {
        let path = path.into();
        match check(&path) {
            Ok(()) => self.push_at(Path(path), value, time),
            Err(error) => self.unfit.push(Unfit::new(&path, error.into())),
        }
    }

    /// Adds a value in place, at a path that is known to be good.
    pub fn push_at(&mut self, path: Path, value: f64, time: Option<Timestamp>) {
        if value.is_finite() {
            self.values.push(Value { path, value, time });
        } else {
            self.unfit.push(Unfit::new(path.as_str(), UnfitReason::NotFinite(value)));
        }
    }

    /// Says that the run failed all the same: its values are delivered, and it counts as failed, with this reason.
    ///
    /// ```
    /// use grafoleancollector::{AccountId, Samples};
    /// let samples = Samples::for_account(AccountId::new(1))
    ///     .with("entity.7.snmp.load", 0.5)
    ///     .but_failed("no answer to the last 3 of 23 requests");
    /// assert_eq!(samples.len(), 1);
    /// assert_eq!(samples.failure(), Some("no answer to the last 3 of 23 requests"));
    /// ```
    #[must_use]
    pub fn but_failed(mut self, why: impl fmt::Display) -> Self {
        self.failure = Some(why.to_string().into());
        self
    }

    /// Why the run failed, if it did in spite of its values.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The account that the values are for.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// How many values there are, without the unfit ones.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no values.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values that can never be delivered.
    #[must_use]
    pub fn unfit(&self) -> &[Unfit] {
        &self.unfit
    }

    /// The value at `path`, if there is one.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<f64> {
        self.values.iter().find(|value| value.path.as_str() == path).map(|value| value.value)
    }

    /// The paths and values, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, f64)> {
        self.values.iter().map(|value| (&value.path, value.value))
    }

    /// The samples, where the run's time is `measured`; and the values that are none.
    pub(crate) fn stamp(self, measured: Timestamp) -> (Vec<Sample>, Vec<Unfit>) {
        let stamp = |v: Value| Sample { path: v.path, value: v.value, time: v.time.unwrap_or(measured) };
        let (mut samples, mut unfit): (Vec<_>, _) =
            (self.values.into_iter().map(stamp).collect(), self.unfit);
        let mut again = again(&samples).into_iter().peekable();
        if again.peek().is_some() {
            let mut next = 0;
            let duplicates = samples.extract_if(.., |_| {
                let index = next;
                next += 1;
                again.next_if_eq(&index).is_some()
            });
            unfit.extend(duplicates.map(|sample| Unfit::new(sample.path.as_str(), UnfitReason::Duplicate)));
        }
        (samples, unfit)
    }
}

/// Where samples stand whose path and time an earlier one has.
fn again(samples: &[Sample]) -> Vec<usize> {
    if samples.len() < 2 {
        return Vec::new();
    }
    let mut known = HashSet::with_capacity(samples.len());
    let repeats = samples.iter().enumerate().filter(|(_, s)| !known.insert((s.path.as_str(), s.time)));
    repeats.map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_error_says_where_and_what() {
        assert_eq!(Path::new("a..b"), Err(PathError::EmptySegment { at: 2 }));
        assert_eq!(Path::new(""), Err(PathError::EmptySegment { at: 0 }));
        assert_eq!(Path::new("a."), Err(PathError::EmptySegment { at: 2 }));
        assert_eq!(Path::new("a b"), Err(PathError::BadCharacter { found: ' ', at: 1 }));
        assert_eq!(Path::new("a%2"), Err(PathError::BadCharacter { found: '%', at: 1 }));
        assert_eq!(Path::new("a%2E"), Err(PathError::BadCharacter { found: '%', at: 1 }));
        assert_eq!(Path::new("é"), Err(PathError::BadCharacter { found: 'é', at: 0 }));
        assert_eq!(Path::new("system.load"), Err(PathError::Reserved));
        assert_eq!(Path::new("a".repeat(2_001)), Err(PathError::TooLong { length: 2_001 }));
    }

    #[test]
    fn a_run_keeps_its_good_values_when_one_is_bad() {
        let account = AccountId::new(3);
        let samples = Samples::for_account(account).with("a", 1.0).with("b c", 2.0).with("d", f64::INFINITY);
        let (fit, unfit) = samples.stamp(Timestamp::from_secs(9));
        assert_eq!(fit.len(), 1);
        assert_eq!(fit[0].time, Timestamp::from_secs(9));
        assert_eq!(unfit[0].path, "b c");
        assert_eq!(unfit[1].reason, UnfitReason::NotFinite(f64::INFINITY));
    }

    #[test]
    fn a_path_that_a_run_gave_twice_made_the_backend_refuse_its_neighbours_or_keep_the_last() {
        let mut samples = Samples::for_account(AccountId::new(3)).with("a", 1.0);
        for n in 0..1_500 {
            samples.push(format!("b.{n}"), 0.0, None);
        }
        let (measured, earlier) = (Timestamp::from_secs(9), Timestamp::from_secs(8));
        let samples =
            samples.with("a", 2.0).with_at("a", 3.0, earlier).with_at("a", 4.0, measured).with("c", 5.0);
        let (fit, unfit) = samples.stamp(measured);
        let of_a: Vec<_> = fit.iter().filter(|s| s.path.as_str() == "a").map(|s| (s.value, s.time)).collect();
        assert_eq!(of_a, [(1.0, measured), (3.0, earlier)]);
        assert_eq!((fit.len(), fit[1_502].value), (1_503, 5.0));
        assert_eq!(unfit.len(), 2);
        assert!(unfit.iter().all(|unfit| unfit.path == "a" && unfit.reason == UnfitReason::Duplicate));
    }

    /// The backend's own rule, written as a plain grammar.
    fn backend_takes(text: &str) -> bool {
        let segment = |s: &str| {
            let plain = s.replace("%2e", "_").replace("%3a", "_");
            !s.is_empty() && plain.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        text.len() <= 2_000 && !text.starts_with("system.") && text.split('.').all(segment)
    }

    proptest! {
        #[test]
        fn a_path_is_taken_exactly_when_the_backend_takes_it(text in "([a-c_-]|%2e|%3a|\\.|%| |é|system){0,12}") {
            prop_assert_eq!(Path::new(text.as_str()).is_ok(), backend_takes(&text));
        }

        #[test]
        fn any_text_makes_a_segment_that_is_taken(text in "\\PC{1,60}") {
            prop_assert!(Path::new(Path::segment(&text)).is_ok());
        }
    }
}
