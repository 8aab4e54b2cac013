//! What a body must hold: an object with these members and no others.

use serde_json::{Map, Value};

use crate::http::Refusal;

/// The longest name of anything.
const LONGEST_NAME: usize = 1_000;

/// The largest `details` and `config`.
const LARGEST_DETAILS: usize = 256 << 10;

/// An object of which the members are taken one by one; what is left in the end should not be there.
pub(crate) struct Object(Map<String, Value>);

impl Object {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let value: Value =
            serde_json::from_slice(body).map_err(|error| Refusal::invalid(format!("no JSON: {error}")))?;
        Self::of(value, "the body")
    }

    pub(crate) fn of(value: Value, what: &str) -> Result<Self, Refusal> {
        match value {
            Value::Object(object) => Ok(Self(object)),
            _ => Err(Refusal::invalid(format!("{what} is not an object"))),
        }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key)
    }

    fn required(&mut self, key: &str) -> Result<Value, Refusal> {
        self.take(key).ok_or_else(|| Refusal::invalid(format!("'{key}' is a required property")))
    }

    /// A text of any length that is there.
    pub(crate) fn text(&mut self, key: &str) -> Result<String, Refusal> {
        match self.required(key)? {
            Value::String(text) => Ok(text),
            _ => Err(Refusal::invalid(format!("'{key}' is not a string"))),
        }
    }

    /// A text that is there and holds something.
    pub(crate) fn name(&mut self, key: &str) -> Result<String, Refusal> {
        let name = self.text(key)?;
        if name.trim().is_empty() {
            return Err(Refusal::invalid(format!("'{key}' is empty")));
        }
        if name.len() > LONGEST_NAME {
            return Err(Refusal::invalid(format!("'{key}' is longer than {LONGEST_NAME} bytes")));
        }
        Ok(name)
    }

    /// A text that may be left out or null.
    pub(crate) fn optional_name(&mut self, key: &str) -> Result<Option<String>, Refusal> {
        if self.0.get(key).is_none_or(Value::is_null) {
            self.0.remove(key);
            return Ok(None);
        }
        self.name(key).map(Some)
    }

    /// An id that may be left out or null; as a number, or as a text that holds one.
    pub(crate) fn optional_id(&mut self, key: &str) -> Result<Option<i64>, Refusal> {
        match self.take(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                id(&value).map(Some).ok_or_else(|| Refusal::invalid(format!("'{key}' is not an id")))
            }
        }
    }

    /// A whole number from 1 on that may be left out or null.
    pub(crate) fn optional_count(&mut self, key: &str) -> Result<Option<i64>, Refusal> {
        let count = match self.take(key) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => whole(&value),
        };
        let count = count.filter(|count| (1..=i64::from(i32::MAX)).contains(count));
        count.map(Some).ok_or_else(|| Refusal::invalid(format!("'{key}' is not a whole number from 1 on")))
    }

    /// An object that is there, as JSON.
    pub(crate) fn details(&mut self, key: &str) -> Result<String, Refusal> {
        let value = self.required(key)?;
        if !value.is_object() {
            return Err(Refusal::invalid(format!("'{key}' is not an object")));
        }
        let json = value.to_string();
        if json.len() > LARGEST_DETAILS {
            return Err(Refusal::invalid(format!("'{key}' is larger than {LARGEST_DETAILS} bytes")));
        }
        Ok(json)
    }

    /// A text that holds JSON, and may be left out or null.
    pub(crate) fn optional_json_text(&mut self, key: &str) -> Result<Option<String>, Refusal> {
        let text = match self.take(key) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) if text.len() <= LARGEST_DETAILS => text,
            Some(_) => return Err(Refusal::invalid(format!("'{key}' is not a string, or too long"))),
        };
        match serde_json::from_str::<Value>(&text) {
            Ok(value) => Ok(Some(value.to_string())),
            Err(error) => Err(Refusal::invalid(format!("'{key}' holds no JSON: {error}"))),
        }
    }

    /// Nothing may be left.
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(key) => {
                let key: String = key.chars().take(100).collect();
                Err(Refusal::invalid(format!(
                    "Additional properties are not allowed ('{key}' was unexpected)"
                )))
            }
        }
    }
}

/// An id as a number, or as a text that holds one.
pub(crate) fn id(value: &Value) -> Option<i64> {
    let id = match value {
        Value::String(text) => text.parse().ok(),
        value => whole(value),
    };
    id.filter(|id| *id > 0)
}

/// A whole number, which may be written as `60.0`.
fn whole(value: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and within 53 bits")]
    let from_float = |number: f64| (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(from_float))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>) -> String {
        format!("{:?}", result.unwrap_err())
    }

    #[test]
    fn what_is_missing_or_too_much_is_named() {
        let mut object = Object::parse(br#"{"name":"x","extra":1}"#).unwrap();
        assert_eq!(object.name("name").unwrap(), "x");
        assert!(refused(object.name("protocol")).contains("'protocol' is a required property"));
        assert!(refused(object.finish()).contains("'extra' was unexpected"));
        assert!(refused(Object::parse(b"[1]").map(|_| ())).contains("not an object"));
        assert!(refused(Object::parse(b"{").map(|_| ())).contains("no JSON"));
    }

    #[test]
    fn ids_come_as_numbers_or_texts() {
        let mut object = Object::parse(br#"{"a":5,"b":"6","c":null,"d":7.0,"e":"x","f":-1}"#).unwrap();
        for (key, expected) in [("a", Some(5)), ("b", Some(6)), ("c", None), ("d", Some(7)), ("z", None)] {
            assert_eq!(object.optional_id(key).unwrap(), expected);
        }
        object.optional_id("e").unwrap_err();
        object.optional_id("f").unwrap_err();
    }

    #[test]
    fn intervals_are_whole_numbers_from_one_on() {
        let mut object = Object::parse(br#"{"a":60,"b":60.0,"c":0,"d":1.5,"e":"60"}"#).unwrap();
        assert_eq!(object.optional_count("a").unwrap(), Some(60));
        assert_eq!(object.optional_count("b").unwrap(), Some(60));
        for key in ["c", "d", "e"] {
            object.optional_count(key).unwrap_err();
        }
    }
}
