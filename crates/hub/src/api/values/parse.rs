//! A list of values, `[{"p": "a.b", "v": 1.5, "t": 1700000000.25}, …]`, read without a tree in between.
//!
//! Numbers may stand in texts. Times are read as decimals, so that each microsecond arrives as it was sent.
//! The first thing that is wrong refuses the whole list, and is named by its place, its path and the reason.

use std::{borrow::Cow, collections::HashSet, fmt};

use super::LAST_TIME;
use crate::store::values::is_path;

/// How deeply members that nobody reads may be nested.
const DEEPEST: usize = 64;

/// Letters of what was sent that an answer repeats.
const SHOWN: usize = 200;

/// A value as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent<'a> {
    pub(crate) path: Cow<'a, str>,
    /// Microseconds since the epoch.
    pub(crate) time: i64,
    pub(crate) value: f64,
}

/// How the list came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// Every value brings its own time.
    Own,
    /// All get this one, in microseconds.
    Now(i64),
}

/// What is wrong with a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It is no JSON, or no list of objects.
    Form { at: usize, why: &'static str },
    /// There is nothing in it, where something must be.
    Nothing,
    /// Times where they must not be.
    Timed,
    /// A path that is none.
    Path { place: usize, path: String },
    /// A path that is ours.
    System { place: usize, path: String },
    /// A value or time that is none, or a member that is missing.
    Value { place: usize, path: String, why: String },
    /// The same path and time once more.
    Twice { place: usize, path: String },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form { at, why } => write!(f, "the body is not a list of values: {why} at byte {at}"),
            Self::Nothing => f.write_str("Missing data"),
            Self::Timed => f.write_str("Parameter 't' shouldn't be specified with POST"),
            Self::Path { place, path } => {
                write!(
                    f,
                    "Input validation failed: Invalid PathInputValue format: {path} (value {place} of the list)"
                )
            }
            Self::System { place, path } => write!(
                f,
                "Input validation failed: Invalid path - should not start with 'system.'! (value {place} of the \
                 list: {path})"
            ),
            Self::Value { place, path, why } => write!(f, "value {place} of the list ({path}): {why}"),
            Self::Twice { place, path } => {
                write!(
                    f,
                    "value {place} of the list ({path}): the same path and time stand in the list before"
                )
            }
        }
    }
}

/// Reads a whole list. Places are counted from 0.
pub(crate) fn list(body: &[u8], stamp: Stamp) -> Result<Vec<Sent<'_>>, Wrong> {
    let mut json = Json { bytes: body, at: 0 };
    // An object takes some 40 bytes; the estimate is bounded by the body.
    let mut sent = Vec::with_capacity(body.len() / 48);
    json.expect(b'[', "a list was expected")?;
    if !json.take(b']') {
        loop {
            let place = sent.len();
            let members = members(&mut json)?;
            sent.push(judge(members, place, stamp)?);
            if !json.take(b',') {
                json.expect(b']', "a comma or the end of the list was expected")?;
                break;
            }
        }
    }
    if json.peek().is_some() {
        return Err(json.wrong("the end was expected"));
    }
    if sent.is_empty() && stamp != Stamp::Own {
        return Err(Wrong::Nothing);
    }
    let mut seen = HashSet::with_capacity(sent.len());
    for (place, one) in sent.iter().enumerate() {
        if !seen.insert((&*one.path, one.time)) {
            return Err(Wrong::Twice { place, path: short(&one.path) });
        }
    }
    Ok(sent)
}

/// The members of one object that are read.
#[derive(Default)]
struct Members<'a> {
    path: Option<Scalar<'a>>,
    value: Option<Scalar<'a>>,
    time: Option<Scalar<'a>>,
}

/// What a member holds.
#[derive(Clone, Debug)]
enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(&'a [u8]),
    Null,
    /// What is named so in words.
    Other(&'static str),
}

fn members<'a>(json: &mut Json<'a>) -> Result<Members<'a>, Wrong> {
    let mut members = Members::default();
    json.expect(b'{', "an object was expected")?;
    if json.take(b'}') {
        return Ok(members);
    }
    loop {
        if json.peek() != Some(b'"') {
            return Err(json.wrong("a name was expected"));
        }
        let key = json.text()?;
        json.expect(b':', "a colon was expected")?;
        // As in other parsers, the last of several members with one name counts.
        match &*key {
            "p" => members.path = Some(json.scalar()?),
            "v" => members.value = Some(json.scalar()?),
            "t" => members.time = Some(json.scalar()?),
            _ => drop(json.scalar()?),
        }
        if !json.take(b',') {
            json.expect(b'}', "a comma or the end of the object was expected")?;
            return Ok(members);
        }
    }
}

fn judge(members: Members<'_>, place: usize, stamp: Stamp) -> Result<Sent<'_>, Wrong> {
    let Members { path, value, time } = members;
    let wrong = |path: &str, why: String| Wrong::Value { place, path: short(path), why };
    let path = match path {
        Some(Scalar::Text(path)) => path,
        None => return Err(wrong("?", "there is no path 'p'".to_owned())),
        Some(other) => return Err(wrong("?", format!("the path 'p' is {}, not a text", other.words()))),
    };
    if !is_path(&path) {
        return Err(Wrong::Path { place, path: short(&path) });
    }
    if path.starts_with("system.") {
        return Err(Wrong::System { place, path: short(&path) });
    }
    let time = match (stamp, time) {
        (Stamp::Now(now), None | Some(Scalar::Null)) => now,
        (Stamp::Now(_), Some(_)) => return Err(Wrong::Timed),
        (Stamp::Own, None) => return Err(wrong(&path, "there is no time 't'".to_owned())),
        (Stamp::Own, Some(time)) => match time.number_bytes().and_then(micros) {
            Some(time) => time,
            None => {
                let words = time.words();
                return Err(wrong(&path, format!("the time 't' is {words}, not seconds since 1970")));
            }
        },
    };
    let value = match value {
        None => return Err(wrong(&path, "there is no value 'v'".to_owned())),
        Some(value) => match value.number_bytes().and_then(float) {
            Some(value) => value,
            None => return Err(wrong(&path, format!("the value 'v' is {}, not a number", value.words()))),
        },
    };
    Ok(Sent { path, time, value })
}

impl Scalar<'_> {
    fn number_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text.trim().as_bytes()),
            Self::Number(bytes) => Some(bytes),
            Self::Null | Self::Other(_) => None,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Text(text) => format!("{:?}", short(text)),
            Self::Number(bytes) => short(&String::from_utf8_lossy(bytes)),
            Self::Null => "null".to_owned(),
            Self::Other(words) => (*words).to_owned(),
        }
    }
}

/// As much of a text as an answer repeats.
pub(crate) fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// A finite number.
fn float(bytes: &[u8]) -> Option<f64> {
    // The words for infinity and no number, which Rust reads too, have no digit in them.
    if !bytes.iter().any(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Seconds as microseconds: decimals digit by digit, everything else by way of a float.
pub(crate) fn micros(bytes: &[u8]) -> Option<i64> {
    let (whole, fraction) = match bytes.iter().position(|byte| *byte == b'.') {
        Some(dot) => (&bytes[..dot], &bytes[dot + 1..]),
        None => (bytes, &[][..]),
    };
    let is_plain = !whole.is_empty()
        && whole.len() <= 10
        && whole.iter().chain(fraction).all(u8::is_ascii_digit)
        && (fraction.is_empty() || bytes.len() > whole.len() + 1);
    let micros = if is_plain {
        let digits = |digits: &[u8]| digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        let (kept, rest) = fraction.split_at(fraction.len().min(6));
        let scale = 10_i64.pow(6 - u32::try_from(kept.len()).ok()?);
        let rounded_up = i64::from(rest.first().is_some_and(|digit| *digit >= b'5'));
        digits(whole) * 1_000_000 + digits(kept) * scale + rounded_up
    } else {
        #[expect(clippy::cast_possible_truncation, reason = "what is out of range is refused below")]
        let micros = (float(bytes)? * 1e6).round() as i64;
        micros
    };
    (0..=LAST_TIME).contains(&micros).then_some(micros)
}

/// JSON, of which the next thing is read.
struct Json<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Json<'a> {
    fn wrong(&self, why: &'static str) -> Wrong {
        Wrong::Form { at: self.at, why }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8, why: &'static str) -> Result<(), Wrong> {
        if self.take(byte) { Ok(()) } else { Err(self.wrong(why)) }
    }

    fn scalar(&mut self) -> Result<Scalar<'a>, Wrong> {
        match self.peek() {
            Some(b'"') => self.text().map(Scalar::Text),
            Some(b'-' | b'0'..=b'9') => self.number().map(Scalar::Number),
            Some(b'{') => self.skip().map(|()| Scalar::Other("an object")),
            Some(b'[') => self.skip().map(|()| Scalar::Other("a list")),
            Some(_) => self.word(),
            None => Err(self.wrong("it ends too early")),
        }
    }

    fn word(&mut self) -> Result<Scalar<'a>, Wrong> {
        for (word, scalar) in [
            ("null", Scalar::Null),
            ("true", Scalar::Other("true")),
            ("false", Scalar::Other("false")),
            // Not JSON, but what some programs write.
            ("NaN", Scalar::Other("NaN")),
            ("Infinity", Scalar::Other("infinite")),
        ] {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(scalar);
            }
        }
        Err(self.wrong("a value was expected"))
    }

    fn number(&mut self) -> Result<&'a [u8], Wrong> {
        let start = self.at;
        self.at += usize::from(self.bytes.get(self.at) == Some(&b'-'));
        let digits = |json: &mut Self| {
            let from = json.at;
            while json.bytes.get(json.at).is_some_and(u8::is_ascii_digit) {
                json.at += 1;
            }
            json.at > from
        };
        let mut is_right = digits(self);
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            is_right &= digits(self);
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            is_right &= digits(self);
        }
        if is_right { Ok(&self.bytes[start..self.at]) } else { Err(self.wrong("this is no number")) }
    }

    fn text(&mut self) -> Result<Cow<'a, str>, Wrong> {
        let start = self.at + 1;
        let mut end = start;
        // Most texts hold nothing that is escaped.
        loop {
            match self.bytes.get(end) {
                Some(b'"') => {
                    let text = std::str::from_utf8(&self.bytes[start..end]);
                    let text = text.map_err(|_| self.wrong("this text is no UTF-8"))?;
                    self.at = end + 1;
                    return Ok(Cow::Borrowed(text));
                }
                Some(b'\\') => break,
                Some(0..0x20) => return Err(self.wrong("this text holds a control character")),
                Some(_) => end += 1,
                None => return Err(self.wrong("this text has no end")),
            }
        }
        loop {
            match self.bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(_) => end += 1,
                None => return Err(self.wrong("this text has no end")),
            }
        }
        let quoted = &self.bytes[self.at..=end];
        let text = serde_json::from_slice(quoted).map_err(|_| self.wrong("this text is not well formed"))?;
        self.at = end + 1;
        Ok(Cow::Owned(text))
    }

    /// Passes over a list or an object.
    fn skip(&mut self) -> Result<(), Wrong> {
        let mut open = Vec::new();
        loop {
            match self.peek() {
                Some(b'{') => open.push(b'}'),
                Some(b'[') => open.push(b']'),
                Some(close @ (b'}' | b']')) => {
                    if open.pop() != Some(close) {
                        return Err(self.wrong("this does not close what is open"));
                    }
                }
                Some(b'"') => {
                    self.text()?;
                    continue;
                }
                Some(_) => {}
                None => return Err(self.wrong("it ends too early")),
            }
            self.at += 1;
            if open.is_empty() {
                return Ok(());
            }
            if open.len() > DEEPEST {
                return Err(self.wrong("this is nested too deeply"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn put(body: &str) -> Result<Vec<(String, i64, f64)>, String> {
        let sent = list(body.as_bytes(), Stamp::Own).map_err(|wrong| wrong.to_string())?;
        Ok(sent.into_iter().map(|one| (one.path.into_owned(), one.time, one.value)).collect())
    }

    #[test]
    fn values_and_times_come_as_numbers_or_texts() {
        let body = r#" [ {"p":"a.b","v":1,"t":1700000000.25} , {"t":"1700000001","v":" 2.5e3 ","p":"a\u002eb", "x":[{"]":"}"}]} ] "#;
        let expected = vec![
            ("a.b".to_owned(), 1_700_000_000_250_000, 1.0),
            ("a.b".to_owned(), 1_700_000_001_000_000, 2500.0),
        ];
        assert_eq!(put(body).unwrap(), expected);
        assert_eq!(put("[]").unwrap(), []);
    }

    #[test]
    fn times_are_exact_to_the_microsecond() {
        for (text, expected) in [
            ("1700000000.123456", 1_700_000_000_123_456),
            ("1700000000.1234567", 1_700_000_000_123_457),
            ("1700000000.9999999", 1_700_000_001_000_000),
            ("9999999999", LAST_TIME),
            ("0", 0),
            ("0.000001", 1),
            ("1.7e9", 1_700_000_000_000_000),
            ("1e-6", 1),
        ] {
            assert_eq!(micros(text.as_bytes()), Some(expected), "{text}");
        }
        for text in
            ["", ".", "1.x", ".5x", "-1", "10000000000", "nan", "inf", "1e300", "x", "1_0", "0x10", "1 2"]
        {
            assert_eq!(micros(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_first_wrong_value_is_named_by_its_place_its_path_and_the_reason() {
        let good = r#"{"p":"ok","v":1,"t":1}"#;
        for (bad, named) in [
            (
                r#"{"p":"bad path!","v":1,"t":1}"#,
                "Input validation failed: Invalid PathInputValue format: bad path!",
            ),
            (r#"{"p":"system.x","v":1,"t":1}"#, "should not start with 'system.'"),
            (r#"{"v":1,"t":1}"#, "value 1 of the list (?): there is no path 'p'"),
            (r#"{"p":7,"v":1,"t":1}"#, "the path 'p' is 7, not a text"),
            (r#"{"p":"x","t":1}"#, "value 1 of the list (x): there is no value 'v'"),
            (r#"{"p":"x","v":null,"t":1}"#, "the value 'v' is null, not a number"),
            (r#"{"p":"x","v":true,"t":1}"#, "the value 'v' is true, not a number"),
            (r#"{"p":"x","v":"nan","t":1}"#, "the value 'v' is \"nan\", not a number"),
            (r#"{"p":"x","v":"inf","t":1}"#, "the value 'v' is \"inf\", not a number"),
            (r#"{"p":"x","v":NaN,"t":1}"#, "the value 'v' is NaN, not a number"),
            (r#"{"p":"x","v":-1e999,"t":1}"#, "the value 'v' is -1e999, not a number"),
            (r#"{"p":"x","v":{"a":[1]},"t":1}"#, "the value 'v' is an object, not a number"),
            (r#"{"p":"x","v":1}"#, "value 1 of the list (x): there is no time 't'"),
            (r#"{"p":"x","v":1,"t":null}"#, "the time 't' is null"),
            (r#"{"p":"x","v":1,"t":"yesterday"}"#, "the time 't' is \"yesterday\""),
            (r#"{"p":"ok","v":2,"t":1.0}"#, "value 1 of the list (ok): the same path and time"),
        ] {
            let text = put(&format!("[{good},{bad}]")).unwrap_err();
            assert!(text.contains(named), "{bad}: {text}");
        }
    }

    #[test]
    fn what_is_no_list_of_objects_is_refused_with_the_place() {
        for (body, why) in [
            ("", "a list was expected at byte 0"),
            (r#"{"p":"a"}"#, "a list was expected"),
            ("[1]", "an object was expected at byte 1"),
            (r#"[{"p":"a","v":1,"t":1}"#, "the end of the list was expected"),
            (r#"[{"p":"a","v":1,"t":1}] x"#, "the end was expected"),
            (r#"[{"p":"a","v":01.,"t":1}]"#, "this is no number"),
            ("[{\"p\":\"a\nb\"}]", "control character"),
            (r#"[{"p":"a\q"}]"#, "not well formed"),
            (r#"[{"p":"a"#, "no end"),
            (r#"[{"x":[}]}]"#, "does not close"),
        ] {
            let text = put(body).unwrap_err();
            assert!(text.contains(why), "{body}: {text}");
        }
        assert!(put(&format!("[{{\"x\":{}", "[".repeat(100_000))).unwrap_err().contains("too deeply"));
    }

    #[test]
    fn post_stamps_all_values_and_wants_no_times() {
        let sent = list(br#"[{"p":"a","v":1},{"p":"b","v":"2","t":null}]"#, Stamp::Now(5)).unwrap();
        assert!(sent.iter().all(|one| one.time == 5));
        assert_eq!(list(br#"[{"p":"a","v":1,"t":1}]"#, Stamp::Now(5)), Err(Wrong::Timed));
        assert_eq!(list(b"[]", Stamp::Now(5)), Err(Wrong::Nothing));
        assert!(matches!(
            list(br#"[{"p":"a","v":1},{"p":"a","v":2}]"#, Stamp::Now(5)),
            Err(Wrong::Twice { .. })
        ));
    }

    proptest! {
        #[test]
        fn what_is_written_by_another_parser_is_read_as_it_was_meant(
            values in prop::collection::vec(("[a-z]{1,8}(\\.[a-z0-9_-]{1,8}){0,3}", -1e12..1e12, 0..2_000_000_000_000_000_i64), 0..20),
            pretty: bool,
        ) {
            let mut seen = HashSet::new();
            let values: Vec<_> = values.into_iter().filter(|(p, _, t)| seen.insert((p.clone(), *t))).collect();
            let json: Vec<Value> = values
                .iter()
                .map(|(p, v, t)| json!({"p": p, "v": v, "t": format!("{}.{:06}", t / 1_000_000, t % 1_000_000)}))
                .collect();
            let body = if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) }.unwrap();
            prop_assume!(values.iter().all(|(p, ..)| !p.starts_with("system.")));
            let sent = list(body.as_bytes(), Stamp::Own).unwrap();
            prop_assert_eq!(sent.len(), values.len());
            for (one, (p, v, t)) in sent.iter().zip(&values) {
                prop_assert_eq!((&*one.path, one.value, one.time), (p.as_str(), *v, *t));
            }
        }

        #[test]
        fn nothing_that_is_sent_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\":,ptv0-9.eE+\\- a\\\\]{0,80}") {
            let _ = list(&body, Stamp::Own);
            let _ = list(text.as_bytes(), Stamp::Now(1));
        }
    }
}
