//! From any text to a segment of a path, as python-slugify 4.0.0 does it with the pattern `[^0-9a-zA-Z_-]+`: paths
//! of sensors that exist must stay what they are.
//!
//! Its transliteration comes from text-unidecode 1.3, ours from deunicode, mended where the two differ about what
//! both know: no Latin, Cyrillic or Greek letter, no kana and no Hangul syllable is left, nor any of the 20,642 Chinese
//! and Japanese characters (of U+4E00 to U+9FA5) that text-unidecode knows. Scripts, signs and 260 rare characters
//! that were unknown to it gave `-`, and give their transliteration here.
//!
//! Of named HTML references only those below U+0080 and `&nbsp;` are decoded; what a numeric one beyond ASCII
//! stands for becomes `-`.

/// Makes a segment of a path of any text. Empty when there is nothing that a segment may hold.
///
/// ```
/// use grafolean_snmp_bot::slugify;
/// assert_eq!(slugify("GigabitEthernet0/1"), "GigabitEthernet0-1");
/// assert_eq!(slugify("Ünïcode straße"), "Unicode-strasse");
/// assert_eq!(slugify("日本語"), "Ri-Ben-Yu");
/// assert_eq!(slugify("---"), "");
/// ```
#[must_use]
pub fn slugify(text: &str) -> String {
    joined(&decoded(transliterated(text)))
}

/// Whether a text is its own slug, as most names of interfaces are.
pub(super) fn is_slug(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        && bytes.first() != Some(&b'-')
        && bytes.last() != Some(&b'-')
        && bytes.windows(2).all(|pair| pair != b"--")
}

/// ASCII in place of what is not. A quote becomes a dash here, but one that comes of a letter (`Ь` is `'`) or a
/// reference vanishes later.
fn transliterated(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' => ascii.push('-'),
            _ if c.is_ascii() => ascii.push(c),
            _ if dropped(c) => {}
            _ => ascii.push_str(read_otherwise(c).or_else(|| deunicode::deunicode_char(c)).unwrap_or("-")),
        }
    }
    ascii
}

/// Characters with several readings, of which text-unidecode has another one than deunicode.
fn read_otherwise(c: char) -> Option<&'static str> {
    Some(match c {
        '么' => "Yao ",
        '什' => "Shi ",
        '价' => "Jie ",
        '旅' => "Lu ",
        '术' => "Zhu ",
        _ => return None,
    })
}

/// What text-unidecode has no text for: signs, pictures, and all beyond the basic plane.
fn dropped(c: char) -> bool {
    match c {
        '™' => false,
        // The marks of voice that stand alone, and the dot between words of katakana.
        '\u{309A}' | '\u{309C}' | '・' => true,
        '\u{2100}'..='\u{213F}' | '\u{2400}'..='\u{24FE}' | '\u{2600}'..='\u{27FE}' => true,
        _ => c > '\u{FFFF}',
    }
}

/// HTML's references replaced by what they stand for: named ones, then decimal ones, then hexadecimal ones.
fn decoded(text: String) -> String {
    if !text.contains('&') {
        return text;
    }
    let named = replace_references(&text, |name| {
        Some(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "nbsp" => ' ',
            _ => return None,
        })
    });
    let decimal = replace_references(&named, |name| code_point(name.strip_prefix('#')?, 10));
    replace_references(&decimal, |name| code_point(name.strip_prefix("#x")?, 16))
}

/// The character of this number. A segment cannot hold what is not ASCII, so that all of these are the same.
fn code_point(digits: &str, radix: u32) -> Option<char> {
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let number = u32::from_str_radix(digits, radix).ok().filter(|number| *number <= u32::from(char::MAX))?;
    Some(char::from_u32(number).filter(char::is_ascii).unwrap_or('-'))
}

fn replace_references(text: &str, meaning: impl Fn(&str) -> Option<char>) -> String {
    /// Leading zeros included; a longer one is not meant to be one.
    const MAX_NAME_BYTES: usize = 32;

    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        replaced.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let end = after.bytes().take(MAX_NAME_BYTES).position(|byte| byte == b';');
        if let Some((end, c)) = end.and_then(|end| Some((end, meaning(&after[..end])?))) {
            replaced.push(c);
            rest = &after[end + 1..];
        } else {
            replaced.push('&');
            rest = after;
        }
    }
    replaced.push_str(rest);
    replaced
}

/// Only what a segment may hold: quotes and the commas within numbers are left out, all else becomes a dash, and
/// there is never more than one in a row, nor one at an end.
fn joined(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    let mut characters = text.chars().filter(|c| *c != '\'').peekable();
    let (mut after_digit, mut dash_due) = (false, false);
    while let Some(c) = characters.next() {
        let in_number = after_digit && c == ',' && characters.peek().is_some_and(char::is_ascii_digit);
        after_digit = c.is_ascii_digit();
        if c.is_ascii_alphanumeric() || c == '_' {
            if dash_due && !slug.is_empty() {
                slug.push('-');
            }
            dash_due = false;
            slug.push(c);
        } else if !in_number {
            dash_due = true;
        }
    }
    slug
}
