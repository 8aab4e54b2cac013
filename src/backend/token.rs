//! The bot's token: a secret that travels in the URL, and that nothing may show.

use std::fmt;

/// What stands where the token was.
const REDACTED: &str = "[token]";

/// The secret by which the backend knows a bot.
///
/// It has no [`Display`](fmt::Display), and its [`Debug`] says nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<str>);

impl Token {
    /// White space around it is dropped: a token read from a file ends with a newline.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().into())
    }

    /// The token as it stands in a URL's query: all but unreserved characters are escaped.
    pub(crate) fn in_query(&self) -> String {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        let mut text = String::with_capacity(self.0.len());
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push('%');
                text.push(char::from(HEX[usize::from(byte >> 4)]));
                text.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
        text
    }

    /// `text` without the token, however much of it is percent-encoded. All texts that came over the wire or
    /// from the HTTP library pass through here before anybody sees them: this is the one place where the
    /// token is stripped.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(length) = self.length_at(rest.as_bytes()) {
                clean.push_str(REDACTED);
                rest = &rest[length..];
            } else {
                clean.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        clean
    }

    /// The longest form that the token can have in a text, in bytes: every byte escaped.
    pub(crate) fn longest_form(&self) -> usize {
        self.0.len() * 3
    }

    /// How many bytes the token takes at the beginning of `text`, if it is there. Servers escape more or less
    /// than we do and change the case of what they echo, so each byte may come in any of its forms.
    fn length_at(&self, text: &[u8]) -> Option<usize> {
        if self.0.is_empty() {
            return None;
        }
        let mut at = 0;
        for wanted in self.0.bytes() {
            let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
            at += match rest {
                [found, ..] if found.eq_ignore_ascii_case(&wanted) => 1,
                [b'+', ..] if wanted == b' ' => 1,
                [b'%', high, low, ..] if escaped(*high, *low)?.eq_ignore_ascii_case(&wanted) => 3,
                _ => return None,
            };
        }
        // The token's bytes are whole characters, so what follows them begins with one.
        std::str::from_utf8(&text[..at]).is_ok().then_some(at)
    }
}

fn escaped(high: u8, low: u8) -> Option<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UUID: &str = "4f0b1f2a-9c3d-4e5f-8a7b-0123456789ab";

    #[test]
    fn nothing_shows_the_token() {
        let token = Token::new(UUID);
        assert_eq!(format!("{token:?} {:#?}", Some(&token)).matches("4f0b").count(), 0);
    }

    #[test]
    fn the_newline_of_a_token_file_is_dropped() {
        assert_eq!(Token::new("abc\n").in_query(), "abc");
    }

    #[test]
    fn a_strange_token_is_escaped_in_the_query() {
        assert_eq!(Token::new("a b&c=d/é\ne").in_query(), "a%20b%26c%3Dd%2F%C3%A9%0Ae");
    }

    #[test]
    fn the_token_is_stripped_raw_escaped_and_half_escaped() {
        let token = Token::new("a/b c");
        for form in ["a/b c", "a%2Fb%20c", "a%2fb+c", "A/B%20C", "%61%2f%62%20%63"] {
            assert_eq!(token.redact(&format!("url ?b={form}&x")), "url ?b=[token]&x", "{form}");
        }
        assert_eq!(token.redact("a/b é a%"), "a/b é a%");
    }

    #[test]
    fn an_empty_token_strips_nothing() {
        assert_eq!(Token::new(" ").redact("text"), "text");
    }

    proptest! {
        #[test]
        fn no_form_of_a_token_survives(token in "[ -~é]{4,20}", before in "\\PC{0,9}", after in "\\PC{0,9}") {
            let token = Token::new(&token);
            prop_assume!(!REDACTED.contains(&*token.0) && token.0.len() > 3);
            for form in [token.0.to_string(), token.in_query(), token.in_query().to_lowercase()] {
                let clean = token.redact(&format!("{before}{form}{after}"));
                prop_assert!(!clean.contains(&*token.0), "{}", clean);
            }
        }
    }
}
