//! Reads a protocol's own types from JSON that people and browsers filled in.
//!
//! The backend keeps `details` as the browser sent them: a number may come as a string, a string as a number,
//! a truth value as either. A type with a plain `#[derive(Deserialize)]` is read all the same, and what cannot
//! be read is named with its path: `n_packets: expected an integer, got "many"`.
//!
//! Fields inside `#[serde(flatten)]`, untagged and internally tagged enums are read strictly: serde keeps
//! them aside before it knows what is expected.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde_json::{Map, Number, Value};

use super::line::one_line;

/// Whether an error may show the values that it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Values {
    /// They may be shown: a sensor's.
    Shown,
    /// They may be secrets: a credential's.
    Hidden,
}

/// Reads a `T`. The error is one line: the field's path and what was expected.
pub(crate) fn read<T: DeserializeOwned>(value: &Value, values: Values) -> Result<T, String> {
    T::deserialize(Lenient(Node::of(value))).map_err(|error| error.describe(value, values))
}

/// A value as its reader meets it.
#[derive(Clone, Copy)]
enum Node<'a> {
    Null,
    Bool(bool),
    Number(&'a Number),
    Text(&'a str),
    List(&'a [Value]),
    Object(&'a Map<String, Value>),
}

impl<'a> Node<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Number(number) => Self::Number(number),
            Value::String(text) => Self::Text(text),
            Value::Array(list) => Self::List(list),
            Value::Object(map) => Self::Object(map),
        }
    }

    /// What it is, for an error that may show it.
    fn shown(self) -> String {
        match self {
            Self::Bool(truth) => truth.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => format!("{:?}", one_line(text, 40)),
            _ => self.kind().to_owned(),
        }
    }

    /// What it is, for an error that may not.
    const fn kind(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Why a value could not be read, and where it is.
#[derive(Debug)]
struct Failure {
    /// From the innermost to the outermost.
    path: Vec<String>,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    /// Something else was expected here.
    Expected { what: String, shown: String, kind: String },
    /// A field is not there.
    Missing,
    /// A field is there twice, or more than the type knows. Names of fields are no secrets.
    Field(String),
    /// The type's own words, which may quote the value.
    Own(String),
}

impl Failure {
    fn expected(what: impl fmt::Display, node: Node<'_>) -> Self {
        Self::of(Cause::Expected {
            what: what.to_string(),
            shown: node.shown(),
            kind: node.kind().to_owned(),
        })
    }

    const fn of(cause: Cause) -> Self {
        Self { path: Vec::new(), cause }
    }

    fn below(mut self, name: impl fmt::Display) -> Self {
        self.path.push(name.to_string());
        self
    }

    fn describe(mut self, value: &Value, values: Values) -> String {
        self.path.reverse();
        let text = match (self.cause, values) {
            (Cause::Expected { what, shown, .. }, Values::Shown) => format!("expected {what}, got {shown}"),
            (Cause::Expected { what, kind, .. }, Values::Hidden) => format!("expected {what}, got {kind}"),
            (Cause::Missing, _) => "missing".to_owned(),
            (Cause::Own(text), Values::Hidden) if quotes(&without_names(&text, value), value) => {
                "is not valid".to_owned()
            }
            (Cause::Field(text) | Cause::Own(text), _) => text,
        };
        if self.path.is_empty() { text } else { format!("{}: {text}", self.path.join(".")) }
    }
}

/// A shorter value is a word such as `0` or `no`, which stands in any text.
const SECRET_FROM: usize = 4;

/// A text without the names of the value's fields: these are no secret, though a value may be a part of them, as
/// `snmpv3` is of `snmpv3_authKey`.
fn without_names(text: &str, value: &Value) -> String {
    let mut names: Vec<_> = value.as_object().into_iter().flatten().map(|(name, _)| name).collect();
    // The longest first: one name may begin with another. A short one has no room for a secret.
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names
        .into_iter()
        .filter(|name| name.len() >= SECRET_FROM)
        .fold(text.to_owned(), |text, name| text.replace(name, ""))
}

/// Whether a text quotes a value that may be a secret, plain or escaped.
fn quotes(text: &str, value: &Value) -> bool {
    match value {
        Value::String(secret) => {
            let secret = secret.trim();
            let forms = [
                secret.to_owned(),
                secret.escape_debug().to_string(),
                secret.escape_default().to_string(),
                Value::from(secret).to_string().trim_matches('"').to_owned(),
                one_line(secret, secret.len()).into_owned(),
            ];
            secret.chars().count() >= SECRET_FROM && forms.iter().any(|form| text.contains(form.as_str()))
        }
        Value::Number(secret) => {
            let secret = secret.to_string();
            // Not as a part of another number.
            let words = || text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '+'));
            secret.len() >= SECRET_FROM && words().any(|word| word.trim_end_matches('.') == secret)
        }
        Value::Array(list) => list.iter().any(|value| quotes(text, value)),
        Value::Object(map) => map.values().any(|value| quotes(text, value)),
        Value::Null | Value::Bool(_) => false,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot read a value")
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::of(Cause::Own(text.to_string()))
    }

    fn invalid_type(got: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let kind = match got {
            Unexpected::Bool(_) => "a truth value",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => "a text",
            Unexpected::Unit | Unexpected::Option => "null",
            Unexpected::Seq => "a list",
            Unexpected::Map => "an object",
            _ => "something else",
        };
        let shown = match got {
            Unexpected::Bool(truth) => truth.to_string(),
            Unexpected::Unsigned(number) => number.to_string(),
            Unexpected::Signed(number) => number.to_string(),
            Unexpected::Float(number) => number.to_string(),
            Unexpected::Str(text) => Node::Text(text).shown(),
            _ => kind.to_owned(),
        };
        Self::of(Cause::Expected { what: expected.to_string(), shown, kind: kind.to_owned() })
    }

    fn invalid_value(got: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(got, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let got = format!("{length} of them");
        Self::of(Cause::Expected { what: expected.to_string(), shown: got.clone(), kind: got })
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let what = match known {
            [] => "nothing".to_owned(),
            [one] => format!("{one:?}"),
            many => {
                let names: Vec<_> = many.iter().map(|name| format!("{name:?}")).collect();
                format!("one of {}", names.join(", "))
            }
        };
        Self::expected(what, Node::Text(variant))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::of(Cause::Field("not a known field".to_owned())).below(field)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of(Cause::Missing).below(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::of(Cause::Field("there twice".to_owned())).below(field)
    }
}

/// The integer that a value means: `3`, `3.0`, `"3"`, `" 3.0 "`.
fn integer(node: Node<'_>) -> Option<i128> {
    /// Beyond it not every integer has a float, so a float may mean another one.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole, and within 2^53")]
    let whole = |float: f64| (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i128);
    match node {
        Node::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Some(number.into()),
            (_, Some(number)) => Some(number.into()),
            _ => whole(number.as_f64()?),
        },
        Node::Text(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| whole(text.parse().ok()?))
        }
        _ => None,
    }
}

/// The finite number that a value means.
fn float(node: Node<'_>) -> Option<f64> {
    let float = match node {
        Node::Number(number) => number.as_f64()?,
        Node::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    float.is_finite().then_some(float)
}

/// The truth value that a value means.
fn truth(node: Node<'_>) -> Option<bool> {
    match node {
        Node::Bool(truth) => Some(truth),
        Node::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        Node::Number(_) => match integer(node)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        _ => None,
    }
}

struct Lenient<'a>(Node<'a>);

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            let number = integer(self.0).ok_or_else(|| Failure::expected("an integer", self.0))?;
            // The type's own visitor says whether it fits.
            let visited: Result<_, Failure> = match (u64::try_from(number), i64::try_from(number)) {
                (Ok(number), _) => visitor.visit_u64(number),
                (_, Ok(number)) => visitor.visit_i64(number),
                _ => visitor.visit_i128(number),
            };
            visited.map_err(|failure| match failure.cause {
                Cause::Expected { what, .. } if failure.path.is_empty() => {
                    Failure::expected(format!("an integer that fits {what}"), self.0)
                }
                _ => failure,
            })
        }
    )*};
}

impl<'de> Deserializer<'de> for Lenient<'_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Node::Null => visitor.visit_unit(),
            Node::Bool(truth) => visitor.visit_bool(truth),
            Node::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (_, Some(number)) => visitor.visit_i64(number),
                _ => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Node::Text(text) => visitor.visit_str(text),
            Node::List(list) => visitor.visit_seq(Items { rest: list.iter(), index: 0 }),
            Node::Object(map) => visitor.visit_map(Fields { rest: map.iter(), value: None }),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_bool(truth(self.0).ok_or_else(|| Failure::expected("true or false", self.0))?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_f64(float(self.0).ok_or_else(|| Failure::expected("a number", self.0))?)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Node::Text(text) => visitor.visit_str(text),
            Node::Number(number) => visitor.visit_string(number.to_string()),
            node => Err(Failure::expected("a text", node)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Node::Text(text) => visitor.visit_bytes(text.as_bytes()),
            Node::List(_) => self.deserialize_seq(visitor),
            node => Err(Failure::expected("a text", node)),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if matches!(self.0, Node::Null) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    /// A protocol that needs no details takes whatever there is.
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, v: V) -> Result<V::Value, Failure> {
        v.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, v: V) -> Result<V::Value, Failure> {
        v.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Node::List(list) => visitor.visit_seq(Items { rest: list.iter(), index: 0 }),
            node => Err(Failure::expected("a list", node)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Node::Object(map) => visitor.visit_map(Fields { rest: map.iter(), value: None }),
            node => Err(Failure::expected("an object", node)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        // A list would be taken as the fields in their order, which nobody means.
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match self.0 {
            Node::Text(text) => visitor.visit_enum(StrDeserializer::new(text.trim())),
            Node::Number(number) => visitor.visit_enum(StrDeserializer::new(&number.to_string())),
            Node::Object(map) if map.len() == 1 => match map.iter().next() {
                Some((name, value)) => visitor.visit_enum(Variant { name, value }),
                None => Err(Failure::expected("a name", self.0)),
            },
            node => Err(Failure::expected("a name", node)),
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }
}

struct Items<'a> {
    rest: std::slice::Iter<'a, Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        let Some(value) = self.rest.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(Lenient(Node::of(value))).map(Some).map_err(|failure| failure.below(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Fields<'a> {
    rest: serde_json::map::Iter<'a>,
    value: Option<(&'a str, &'a Value)>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some((name, value));
        seed.deserialize(Lenient(Node::Text(name))).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let (name, value) = self.value.take().unwrap_or(("", &Value::Null));
        seed.deserialize(Lenient(Node::of(value))).map_err(|failure| failure.below(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// An enum's variant with content: `{"name": content}`.
struct Variant<'a> {
    name: &'a str,
    value: &'a Value,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Failure;
    type Variant = Content<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'a>), Failure> {
        let deserializer: StrDeserializer<'_, Failure> = self.name.into_deserializer();
        Ok((seed.deserialize(deserializer)?, Content(self)))
    }
}

struct Content<'a>(Variant<'a>);

impl Content<'_> {
    fn read<T>(self, read: impl FnOnce(Lenient<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
        read(Lenient(Node::of(self.0.value))).map_err(|failure| failure.below(self.0.name))
    }
}

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        self.read(|content| seed.deserialize(content))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.read(|content| content.deserialize_seq(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.read(|content| content.deserialize_map(visitor))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Ping {
        n_packets: u32,
        timeout: f64,
        retry: i8,
        label: String,
        quiet: bool,
        port: Option<u16>,
    }

    fn ping(value: &Value) -> Result<Ping, String> {
        read(value, Values::Shown)
    }

    fn good() -> Value {
        json!({"n_packets": 3, "timeout": 1.0, "retry": 0, "label": "a", "quiet": false, "port": null})
    }

    fn with(field: &str, value: Value) -> Value {
        let mut all = good();
        all[field] = value;
        all
    }

    #[test]
    fn the_default_credential_of_a_new_account_is_read() {
        #[derive(Deserialize)]
        struct Default {
            n_packets: u32,
            sleep_packets: f64,
            timeout: f32,
            retry: u8,
        }
        let value = json!({"n_packets":"3","sleep_packets":"1.0","timeout":"1.0","retry":"0"});
        let read: Default = read(&value, Values::Hidden).unwrap();
        assert_eq!((read.n_packets, read.retry), (3, 0));
        assert!((read.sleep_packets - 1.0).abs() < 1e-9 && (read.timeout - 1.0).abs() < 1e-6);
    }

    #[test]
    fn numbers_strings_and_truth_values_are_taken_for_each_other() {
        let odd = json!({"n_packets": " 3 ", "timeout": "1", "retry": "-1.0", "label": 12, "quiet": "Yes",
                         "port": "161", "unknown": {"a": []}});
        let read = ping(&odd).unwrap();
        let expected = Ping {
            n_packets: 3,
            timeout: 1.0,
            retry: -1,
            label: "12".to_owned(),
            quiet: true,
            port: Some(161),
        };
        assert_eq!(read, expected);
        assert_eq!(ping(&with("n_packets", json!(3.0))).unwrap().n_packets, 3);
        for (value, truth) in [(json!(1), true), (json!("0"), false), (json!("off"), false)] {
            assert_eq!(ping(&with("quiet", value)).unwrap().quiet, truth);
        }
    }

    #[test]
    fn an_error_names_the_field_what_was_expected_and_what_came() {
        for (field, value, error) in [
            ("n_packets", json!("many"), "n_packets: expected an integer, got \"many\""),
            ("n_packets", json!(2.5), "n_packets: expected an integer, got 2.5"),
            ("n_packets", json!("-3"), "n_packets: expected an integer that fits u32, got \"-3\""),
            ("retry", json!(300), "retry: expected an integer that fits i8, got 300"),
            ("timeout", json!("inf"), "timeout: expected a number, got \"inf\""),
            ("timeout", json!([]), "timeout: expected a number, got a list"),
            ("label", json!(null), "label: expected a text, got null"),
            ("quiet", json!(2), "quiet: expected true or false, got 2"),
            ("port", json!("x\ny"), "port: expected an integer, got \"x y\""),
        ] {
            assert_eq!(ping(&with(field, value)).unwrap_err(), error);
        }
        let mut missing = good();
        missing.as_object_mut().unwrap().remove("retry");
        assert_eq!(ping(&missing).unwrap_err(), "retry: missing");
        assert_eq!(ping(&json!([1, 2])).unwrap_err(), "expected an object, got a list");
    }

    #[test]
    fn an_error_deep_inside_names_the_whole_path() {
        #[derive(Deserialize, Debug)]
        #[expect(dead_code, reason = "only its reading matters")]
        struct Oid {
            oid: String,
            fetch_method: Method,
        }
        #[derive(Deserialize, Debug)]
        #[serde(rename_all = "lowercase")]
        enum Method {
            Get,
            Walk,
        }
        #[derive(Deserialize, Debug)]
        #[expect(dead_code, reason = "only its reading matters")]
        struct Snmp {
            oids: Vec<Oid>,
        }
        let value =
            json!({"oids": [{"oid": 1.3, "fetch_method": "walk"}, {"oid": "1", "fetch_method": "fly"}]});
        assert_eq!(
            read::<Snmp>(&value, Values::Shown).unwrap_err(),
            "oids.1.fetch_method: expected one of \"get\", \"walk\", got \"fly\""
        );
    }

    #[test]
    fn values_of_a_credential_are_in_no_error() {
        #[derive(Deserialize, Debug)]
        enum Level {
            #[expect(dead_code, reason = "only whether it is read matters here")]
            Auth(u8),
        }
        #[derive(Debug)]
        struct Picky;
        impl<'de> Deserialize<'de> for Picky {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                Err(de::Error::custom(format!("{text} is too short")))
            }
        }
        #[derive(Deserialize, Debug)]
        #[expect(dead_code, reason = "only its reading matters")]
        struct Secret {
            key: Option<u8>,
            level: Option<Level>,
            word: Option<Picky>,
        }
        for (value, error) in [
            (json!({"key": "hunter2"}), "key: expected an integer, got a text"),
            (json!({"key": 77_777}), "key: expected an integer that fits u8, got a number"),
            (json!({"level": "hunter2"}), "level: expected \"Auth\", got a text"),
            (json!({"level": {"Auth": "hunter2"}}), "level.Auth: expected an integer, got a text"),
            (json!({"level": {"hunter2": 1}}), "level: expected \"Auth\", got a text"),
            (json!({"word": "hunter2"}), "word: is not valid"),
            (json!("hunter2"), "expected an object, got a text"),
        ] {
            assert_eq!(read::<Secret>(&value, Values::Hidden).unwrap_err(), error);
        }
        assert_eq!(
            read::<Secret>(&json!({"word": "hunter2"}), Values::Shown).unwrap_err(),
            "word: hunter2 is too short"
        );
    }

    #[test]
    fn a_value_that_is_a_part_of_a_fields_name_hid_the_errors_that_name_the_field() {
        let value = json!({"version": "snmpv3", "snmpv3_authKey": "hunter22", "snmpv3_authProtocol": "MD6"});
        let describe =
            |words: &str| Failure::of(Cause::Own(words.to_owned())).describe(&value, Values::Hidden);
        let words = "snmpv3_authProtocol: expected MD5 or SHA";
        assert_eq!(describe(words), words);
        assert_eq!(describe("snmpv3_authKey: \"hunter22\" is too short"), "is not valid");
    }

    #[test]
    fn a_zero_among_a_credentials_numbers_hid_every_error_and_an_escaped_secret_was_shown() {
        #[derive(Deserialize, Debug)]
        #[expect(dead_code, reason = "only its reading matters")]
        struct Timed {
            timeout: Timeout,
        }
        #[derive(Deserialize, Debug)]
        #[serde(try_from = "String")]
        struct Timeout;
        impl TryFrom<String> for Timeout {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                Err(text)
            }
        }
        let secret = "hunt\"er\n2 é";
        for (words, shown) in [
            ("below 0.001 s, got no 12345678", true),
            ("\"hunt\\\"er\\n2 é\" is too long", false),
            ("hunt\"er\n2 é", false),
            ("hunt\"er 2 é is two words", false),
            ("a PIN of 4711.", false),
            ("above 47110 s", true),
        ] {
            let value = json!({"timeout": words, "retry": "0", "n": 0, "pin": 4711, "key": [secret]});
            let failure = Timed::deserialize(Lenient(Node::of(&value))).unwrap_err();
            // The words are the value here, so that the value is left out.
            let others = json!({"retry": "0", "n": 0, "pin": 4711, "key": [secret]});
            let text = if shown { words } else { "is not valid" };
            assert_eq!(failure.describe(&others, Values::Hidden), format!("timeout: {text}"));
        }
    }

    #[test]
    fn a_protocol_without_details_takes_any() {
        for value in [json!(null), json!({}), json!({"a": 1}), json!([1])] {
            read::<()>(&value, Values::Hidden).unwrap();
        }
    }

    #[test]
    fn enums_and_maps_with_numbers_for_keys_are_read() {
        #[derive(Deserialize, Debug, PartialEq)]
        enum Shape {
            Circle {
                radius: f64,
            },
            Line(u8, u8),
            #[serde(rename = "3")]
            Three,
        }
        let value = json!([{"Circle": {"radius": "2"}}, {"Line": ["1", 2]}, "3", 3]);
        let shapes: Vec<Shape> = read(&value, Values::Shown).unwrap();
        assert_eq!(shapes, [Shape::Circle { radius: 2.0 }, Shape::Line(1, 2), Shape::Three, Shape::Three]);
        let map: BTreeMap<u16, bool> = read(&json!({"80": 1, "443": "false"}), Values::Shown).unwrap();
        assert_eq!(map, BTreeMap::from([(80, true), (443, false)]));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-z0-9. ]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let names = prop_oneof![Just("n_packets".to_owned()), Just("port".to_owned()), "[a-z]{1,3}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(names, inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_number_reads_the_same_as_number_and_as_text(n: i64, f: f64, spaces in " {0,2}") {
            let text = json!(format!("{spaces}{n}{spaces}"));
            prop_assert_eq!(read::<i64>(&text, Values::Shown), Ok(n));
            prop_assert_eq!(read::<i64>(&json!(n), Values::Shown), Ok(n));
            prop_assert_eq!(read::<i8>(&text, Values::Shown).ok(), i8::try_from(n).ok());
            prop_assert_eq!(read::<u128>(&text, Values::Shown).ok(), u128::try_from(n).ok());
            prop_assert_eq!(read::<String>(&json!(n), Values::Shown), Ok(n.to_string()));
            if f.is_finite() {
                prop_assert_eq!(read::<f64>(&json!(format!("{f:?}")), Values::Shown), Ok(f));
            }
        }

        #[test]
        fn what_serde_json_reads_is_read_the_same(value in any_json()) {
            #[derive(Deserialize, Debug, PartialEq)]
            struct Mixed {
                n_packets: Option<i64>,
                port: Option<Vec<Value>>,
            }
            // A list is taken for a struct by serde_json, and never is here.
            if let (Ok(strict), true) = (serde_json::from_value::<Mixed>(value.clone()), value.is_object()) {
                prop_assert_eq!(read::<Mixed>(&value, Values::Shown), Ok(strict));
            }
            prop_assert_eq!(read::<Value>(&value, Values::Shown), Ok(value));
        }

        #[test]
        fn no_text_of_a_credential_is_ever_in_an_error(secret in "[A-Z]{6,12}") {
            for value in [json!({"n_packets": secret}), json!({"n_packets": 1, "timeout": secret}), json!(secret)] {
                let error = read::<Ping>(&value, Values::Hidden).unwrap_err();
                prop_assert!(!error.contains(&secret));
            }
        }
    }
}
