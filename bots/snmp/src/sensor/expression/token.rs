//! From text to tokens.

use super::error::ExpressionError;

/// A token, and where it begins.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    /// In characters, from 1.
    pub(super) column: usize,
    /// As it is written; empty at the end.
    pub(super) text: &'a str,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Kind<'a> {
    Number(f64),
    /// `$n`; None when what follows the `$` is no number above 0.
    Value(Option<usize>),
    Name(&'a str),
    /// An operator, a bracket, `,`, `?` or `:`.
    Sign(&'static str),
    End,
}

/// Longer ones first: `>=` is not `>` and then `=`.
const SIGNS: [&str; 21] = [
    "==", "!=", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "%", "^", "(", ")", "[", "]", ",", "?", ":",
    "$",
];

/// The longest part of a text that an error repeats.
const MAX_QUOTED_CHARS: usize = 40;

impl Token<'_> {
    /// The error that something else belongs here.
    pub(super) fn unexpected(&self, expected: &'static str) -> ExpressionError {
        ExpressionError::Unexpected { column: self.column, expected, found: self.quoted() }
    }

    /// As it is written, but not endlessly.
    pub(super) fn quoted(&self) -> String {
        match self.kind {
            Kind::End => "the end".to_owned(),
            _ if self.text.len() <= MAX_QUOTED_CHARS => self.text.to_owned(),
            _ => self.text.chars().take(MAX_QUOTED_CHARS).chain(['…']).collect(),
        }
    }
}

/// All tokens of `text`; the last is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, ExpressionError> {
    let mut tokens = Vec::new();
    let (mut rest, mut column) = (text, 1);
    loop {
        let trimmed = rest.trim_start();
        column += rest.len() - trimmed.len() - surplus_bytes(&rest[..rest.len() - trimmed.len()]);
        if trimmed.is_empty() {
            tokens.push(Token { kind: Kind::End, column, text: "" });
            return Ok(tokens);
        }
        let token = first(trimmed, column)?;
        // A token is ASCII: its bytes are its characters.
        column += token.text.len();
        rest = &trimmed[token.text.len()..];
        tokens.push(token);
    }
}

/// By how much the bytes of `text` outnumber its characters.
fn surplus_bytes(text: &str) -> usize {
    text.len() - text.chars().count()
}

fn first(text: &str, column: usize) -> Result<Token<'_>, ExpressionError> {
    let bytes = text.as_bytes();
    let (kind, length) = match bytes[0] {
        b'0'..=b'9' | b'.' => {
            let (length, complete) = number_length(bytes);
            let written = Token { kind: Kind::Sign("."), column, text: &text[..length] };
            if !complete {
                return Err(written.unexpected("a number such as 2, 0.5 or 1e-3"));
            }
            // Digits may be grouped: 1_000.
            let number: f64 = text[..length].replace('_', "").parse().unwrap_or(f64::INFINITY);
            if !number.is_finite() {
                return Err(written.unexpected("a number below 1.8e308"));
            }
            (Kind::Number(number), length)
        }
        b'$' => {
            // All of a word belongs to it, so that neither $1x nor $1e is taken for a product.
            let length = 1 + word_length(&bytes[1..]);
            let digits = &text[1..length];
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
            (Kind::Value(if plain { digits.parse().ok() } else { None }), length)
        }
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
            let length = word_length(bytes);
            (Kind::Name(&text[..length]), length)
        }
        _ => match SIGNS.iter().find(|sign| text.starts_with(**sign)) {
            Some(sign) => (Kind::Sign(sign), sign.len()),
            None => {
                let end = text.chars().next().map_or(0, char::len_utf8);
                let unknown = Token { kind: Kind::Sign("?"), column, text: &text[..end] };
                return Err(unknown.unexpected("a number, a value such as $1, a function or an operator"));
            }
        },
    };
    Ok(Token { kind, column, text: &text[..length] })
}

fn word_length(bytes: &[u8]) -> usize {
    run_length(bytes, |byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn run_length(bytes: &[u8], accepted: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !accepted(*byte)).unwrap_or(bytes.len())
}

/// How long the number at the beginning is, and whether it is a whole one.
fn number_length(bytes: &[u8]) -> (usize, bool) {
    let digits = |from: usize| {
        // A group separator stands between digits: 1_000, but neither 1_ nor 1__0.
        let mut end = from;
        loop {
            end += run_length(&bytes[end..], |byte| byte.is_ascii_digit());
            let grouped = end > from && bytes.get(end) == Some(&b'_') && at_digit(bytes, end + 1);
            if !grouped {
                return end;
            }
            end += 1;
        }
    };
    let whole = digits(0);
    let mut length = whole;
    if bytes.get(length) == Some(&b'.') {
        length = digits(length + 1);
    }
    if length == 1 && whole == 0 {
        return (1, false); // nothing but a dot
    }
    // `2e` is twice e; `2e-` begins an exponent.
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let signed = matches!(bytes.get(length + 1), Some(b'+' | b'-'));
        let exponent = length + 1 + usize::from(signed);
        if at_digit(bytes, exponent) {
            length = digits(exponent);
        } else if signed {
            return (exponent, false);
        }
    }
    (length, true)
}

fn at_digit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_digit)
}
