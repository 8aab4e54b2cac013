//! Query strings and percent-encoding.

use std::borrow::Cow;

/// The parameters of a query, decoded when asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    pub(crate) const fn new(query: &'a str) -> Self {
        Self(query)
    }

    /// The first parameter of this name; an empty one counts as left out.
    pub(crate) fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.into_iter().find(|(key, value)| *key == name && !value.is_empty())?;
        Some(decoded(value, true))
    }

    /// As above, for several values with commas between them.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<String>> {
        Some(self.get(name)?.split(',').map(str::to_owned).collect())
    }
}

/// Text with `%41` as `A`; `+` as a space in queries only. What is no UTF-8 is replaced.
pub(crate) fn decoded(text: &str, in_query: bool) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || (in_query && byte == b'+')) {
        return Cow::Borrowed(text);
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let hex = |digit: Option<&u8>| digit.and_then(|d| char::from(*d).to_digit(16));
        match (first, hex(after.first()), hex(after.get(1))) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = &after[2..];
                continue;
            }
            (b'+', _, _) if in_query => bytes.push(b' '),
            _ => bytes.push(*first),
        }
        rest = after;
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = Query::new("a=1&f=x.%2a&t=a+b&e=&u=%C3%A9&bad=%zz%4");
        assert_eq!(query.get("f").as_deref(), Some("x.*"));
        assert_eq!(query.get("t").as_deref(), Some("a b"));
        assert_eq!(query.get("u").as_deref(), Some("é"));
        assert_eq!(query.get("bad").as_deref(), Some("%zz%4"));
        assert_eq!(query.get("e"), None);
        assert_eq!(query.get("g"), None);
    }

    #[test]
    fn a_plus_in_a_path_stays_one() {
        assert_eq!(decoded("a+b%20c", false), "a+b c");
    }
}
