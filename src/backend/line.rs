//! Texts of others on one line.

use std::borrow::Cow;

/// `text` on one line, without characters that steer a terminal, and at most `limit` characters of it.
///
/// What people named and what servers answered goes into logs: it must not look like other log lines.
pub(crate) fn one_line(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit && !text.contains(|c: char| c.is_control() || c.is_whitespace() && c != ' ') {
        return Cow::Borrowed(text.trim());
    }
    let words = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    let (mut line, mut length) = (String::new(), 0);
    for word in words {
        let space = if line.is_empty() { None } else { Some(' ') };
        for character in space.into_iter().chain(word.chars()) {
            if length == limit {
                line.push('…');
                return Cow::Owned(line);
            }
            line.push(character);
            length += 1;
        }
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_for_the_log_has_no_newlines_and_an_end() {
        assert_eq!(one_line("  a\n\n b\u{1b}[31m c ", 50), "a b [31m c");
        assert_eq!(one_line("abcdef", 3), "abc…");
        assert_eq!(one_line("plain", 5), "plain");
        assert_eq!(one_line("éé", 2), "éé");
    }

    proptest! {
        #[test]
        fn a_line_never_exceeds_its_limit(text in "\\PC{0,40}", limit in 1_usize..20) {
            prop_assert!(one_line(&text, limit).chars().count() <= limit + 1);
        }
    }
}
