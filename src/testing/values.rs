//! The rules for values: which lists are taken, what is refused and how, what is kept.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// Why a list of values was refused. Nothing of it is stored then.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    /// 400 with `{"detail": …}`.
    Detail(&'static str),
    /// 400 with the text that names the path.
    Path(String),
    /// 500: the backend stumbled over it.
    Stumbled,
}

/// How the list came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// `PUT`: every value brings its own time.
    Own,
    /// `POST`: all get this one, in microseconds.
    Now(i64),
}

/// The values of one account.
#[derive(Debug, Default)]
pub(crate) struct Values {
    by_path: HashMap<String, BTreeMap<i64, Stored>>,
}

/// One value as it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    pub(crate) value: f64,
    /// How often this path and time were written.
    pub(crate) writes: u32,
}

/// What a list did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Values in the list.
    pub(crate) writes: u64,
    /// Those whose path and time were not there before.
    pub(crate) new: u64,
}

impl Values {
    /// Stores a list, all of it or nothing. With `keep` off it is judged and counted only.
    pub(crate) fn write(
        &mut self,
        body: &[u8],
        stamp: Stamp,
        refused_prefixes: &[String],
        keep: bool,
    ) -> Result<Written, Refusal> {
        let list = judge(body, stamp, refused_prefixes)?;
        let mut written = Written { writes: list.len() as u64, new: 0 };
        if !keep {
            written.new = written.writes;
            return Ok(written);
        }
        for Sample { path, time, value } in list {
            let fresh = Stored { value, writes: 1 };
            // Looked up by reference first: most paths are known, and need no copy.
            let times = match self.by_path.get_mut(path.as_ref()) {
                Some(times) => times,
                None => self.by_path.entry(path.into_owned()).or_default(),
            };
            times
                .entry(time)
                .and_modify(|stored| *stored = Stored { value, writes: stored.writes.saturating_add(1) })
                .or_insert_with(|| {
                    written.new += 1;
                    fresh
                });
        }
        Ok(written)
    }

    /// Everything that is stored, by path.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, &BTreeMap<i64, Stored>)> {
        self.by_path.iter()
    }

    /// The answer to a reading of `paths` (separated by commas) from `t0` to `t1`, in microseconds.
    pub(crate) fn read(&self, paths: &str, t0: i64, t1: i64) -> String {
        let mut answer = String::from("{\"paths\":{");
        for (i, path) in paths.split(',').enumerate() {
            let comma = if i == 0 { "" } else { "," };
            answer.push_str(&format!("{comma}\"{path}\":{{\"next_data_point\":null,\"data\":["));
            let stored = self.by_path.get(path).filter(|_| t0 <= t1).map(|times| times.range(t0..=t1));
            for (i, (&time, stored)) in stored.into_iter().flatten().enumerate() {
                let comma = if i == 0 { "" } else { "," };
                let (t, v) = (seconds(time), python_number(stored.value));
                answer.push_str(&format!("{comma}{{\"t\":{t:?},\"v\":{v}}}"));
            }
            answer.push_str("]}");
        }
        answer.push_str("}}");
        answer
    }
}

/// Numbers as the backend prints them: what JSON has no word for comes out as Python's words, and the
/// whole answer can then not be read any more.
fn python_number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        format!("{value:?}")
    }
}

#[expect(clippy::cast_precision_loss, reason = "53 bits hold microseconds until the year 2255")]
pub(crate) fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

#[expect(clippy::cast_possible_truncation, reason = "a time out of range becomes the end of time")]
pub(crate) fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

struct Sample<'a> {
    path: Cow<'a, str>,
    time: i64,
    value: f64,
}

fn judge<'a>(body: &'a [u8], stamp: Stamp, refused_prefixes: &[String]) -> Result<Vec<Sample<'a>>, Refusal> {
    let wire: Vec<Wire<'a>> = serde_json::from_slice(body).map_err(|_| Refusal::Stumbled)?;
    if stamp != Stamp::Own {
        if wire.is_empty() {
            return Err(Refusal::Detail("Missing data"));
        }
        if wire.iter().any(|w| !matches!(w.t, Loose::Null)) {
            return Err(Refusal::Detail("Parameter 't' shouldn't be specified with POST"));
        }
    }
    let mut list = Vec::with_capacity(wire.len());
    for Wire { p, v, t } in wire {
        let Loose::Text(path) = p else { return Err(Refusal::Stumbled) };
        if !is_path(&path) || refused_prefixes.iter().any(|prefix| path.starts_with(prefix.as_str())) {
            return Err(Refusal::Path(path.into_owned()));
        }
        if path.starts_with("system.") {
            return Err(Refusal::Detail("Paths that start with 'system.' are reserved"));
        }
        let time = match stamp {
            Stamp::Now(now) => now,
            Stamp::Own => {
                let time = t.number().filter(|t| t.is_finite()).ok_or(Refusal::Stumbled)?;
                micros(time)
            }
        };
        let value = v.number().ok_or(Refusal::Detail("Invalid input format"))?;
        list.push(Sample { path, time, value });
    }
    let mut seen = HashSet::with_capacity(list.len());
    if list.iter().all(|sample| seen.insert((sample.path.as_ref(), sample.time))) {
        drop(seen);
        Ok(list)
    } else {
        Err(Refusal::Stumbled)
    }
}

/// Segments joined by dots; a segment is one or more of `[a-zA-Z0-9_-]`, `%2e` and `%3a`.
pub(crate) fn is_path(path: &str) -> bool {
    path.split('.').all(|segment| {
        let mut rest = segment.as_bytes();
        if rest.is_empty() {
            return false;
        }
        loop {
            rest = match rest {
                [] => return true,
                [b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-', rest @ ..]
                | [b'%', b'2', b'e', rest @ ..]
                | [b'%', b'3', b'a', rest @ ..] => rest,
                _ => return false,
            };
        }
    })
}

/// An element of a list, as it comes: read without copying, since this decides how fast the fake is.
#[derive(Default)]
struct Wire<'a> {
    p: Loose<'a>,
    v: Loose<'a>,
    t: Loose<'a>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Field {
    P,
    V,
    T,
    #[serde(other)]
    Unknown,
}

impl<'de: 'a, 'a> Deserialize<'de> for Wire<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WireVisitor)
    }
}

/// Written out, since a derived one would take `["a",1,2]` for an object as well.
struct WireVisitor;

impl<'de> Visitor<'de> for WireVisitor {
    type Value = Wire<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value with its path")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut wire = Wire::default();
        while let Some(field) = map.next_key()? {
            match field {
                Field::P => wire.p = map.next_value()?,
                Field::V => wire.v = map.next_value()?,
                Field::T => wire.t = map.next_value()?,
                Field::Unknown => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(wire)
    }
}

/// A field that may hold anything.
#[derive(Default)]
enum Loose<'a> {
    #[default]
    Null,
    Number(f64),
    Text(Cow<'a, str>),
    Other,
}

impl Loose<'_> {
    /// The number, also when it is written as text (`"nan"` and `"inf"` are such numbers).
    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Null | Self::Other => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

#[expect(clippy::cast_precision_loss, reason = "the backend keeps floating point numbers")]
impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Loose::Null)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Loose::Other)
    }
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Loose::Number(number))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Loose::Number(number as f64))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Loose::Number(number as f64))
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::Other)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_segments_of_allowed_characters() {
        for good in ["a", "a.b", "A-Z_09.x", "if.eth0%2e1", "%3a.%2e", &"a".repeat(2_000)] {
            assert!(is_path(good), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "bad path!", "a%2E", "a%2f", "a%2", "a%", "ä", "a\n"] {
            assert!(!is_path(bad), "{bad}");
        }
    }

    #[test]
    fn judging_a_list_without_keeping_it_refuses_the_same() {
        let mut values = Values::default();
        let duplicate = br#"[{"p":"a","v":1,"t":1},{"p":"a","v":2,"t":1.0}]"#;
        assert_eq!(values.write(duplicate, Stamp::Own, &[], false), Err(Refusal::Stumbled));
        let good = br#"[{"p":"a","v":1,"t":1},{"p":"a","v":2,"t":2}]"#;
        assert_eq!(values.write(good, Stamp::Own, &[], false), Ok(Written { writes: 2, new: 2 }));
        assert_eq!(values.all().count(), 0);
    }
}
