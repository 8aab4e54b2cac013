//! The grammar of paths, and filters over them.

use std::fmt;

/// Letters of a path at most.
const MAX_BYTES: usize = 2_000;

/// Whether `text` is a path: segments joined by dots, each one or more of `[a-zA-Z0-9_-]`, `%2e` (a dot) and `%3a`
/// (a colon).
pub(crate) fn is_path(text: &str) -> bool {
    text.len() <= MAX_BYTES && text.split('.').all(is_segment)
}

fn is_segment(segment: &str) -> bool {
    let mut rest = segment.as_bytes();
    if rest.is_empty() {
        return false;
    }
    loop {
        rest = match rest {
            [] => return true,
            [b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-', rest @ ..] => rest,
            [b'%', b'2', b'e', rest @ ..] | [b'%', b'3', b'a', rest @ ..] => rest,
            _ => return false,
        };
    }
}

/// A pattern of paths: `?` stands for one segment, `*` for one or more.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PathFilter {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    One,
    Many,
}

/// The text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid path filter: {0:?}")]
pub(crate) struct FilterError(String);

impl PathFilter {
    pub(crate) fn parse(text: &str) -> Result<Self, FilterError> {
        let refused = || FilterError(text.chars().take(100).collect());
        if text.len() > MAX_BYTES {
            return Err(refused());
        }
        let segment = |segment| match segment {
            "?" => Ok(Segment::One),
            "*" => Ok(Segment::Many),
            literal if is_segment(literal) => Ok(Segment::Literal(literal.into())),
            _ => Err(refused()),
        };
        let segments = text.split('.').map(segment).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), segments })
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    #[cfg(test)]
    pub(super) fn matches(&self, path: &str) -> bool {
        self.matches_within(path, &mut 1_000_000)
    }

    /// Whether it matches, found out in so many steps at most: long filters over long paths take as many as one has
    /// segments times the other. When none is left, nothing matches any more.
    pub(crate) fn matches_within(&self, path: &str, steps: &mut usize) -> bool {
        // The usual way of `*`: on a mismatch the last one takes a segment more.
        let mut at = Place { pattern: 0, rest: Some(path) };
        let mut retry: Option<Place<'_>> = None;
        loop {
            *steps = steps.saturating_sub(1);
            if *steps == 0 {
                return false;
            }
            let step = match (self.segments.get(at.pattern), at.rest) {
                (None, None) => return true,
                (Some(pattern), Some(rest)) => {
                    let (segment, after) = split(rest);
                    let fits = match pattern {
                        Segment::Literal(literal) => **literal == *segment,
                        Segment::One => true,
                        Segment::Many => {
                            retry = Some(Place { pattern: at.pattern, rest: after });
                            true
                        }
                    };
                    fits.then_some(Place { pattern: at.pattern + 1, rest: after })
                }
                _ => None,
            };
            at = match (step, retry) {
                (Some(next), _) => next,
                (None, Some(Place { pattern, rest: Some(rest) })) => {
                    let after = split(rest).1;
                    retry = Some(Place { pattern, rest: after });
                    Place { pattern: pattern + 1, rest: after }
                }
                (None, _) => return false,
            };
        }
    }

    /// What all matching paths begin with: the segments before the first wildcard, with the dot after them. The whole
    /// text where there is no wildcard.
    pub(super) fn prefix(&self) -> &str {
        let mut bytes = 0;
        for segment in &self.segments {
            let Segment::Literal(literal) = segment else { return &self.text[..bytes] };
            bytes += literal.len() + 1;
        }
        &self.text
    }

    /// Whether it matches the one path that it spells.
    pub(super) fn is_literal(&self) -> bool {
        self.segments.iter().all(|segment| matches!(segment, Segment::Literal(_)))
    }
}

impl fmt::Debug for PathFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PathFilter").field(&self.text).finish()
    }
}

#[derive(Clone, Copy)]
struct Place<'a> {
    pattern: usize,
    rest: Option<&'a str>,
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('.').map_or((path, None), |(segment, rest)| (segment, Some(rest)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_grammar_of_paths_is_that_of_the_backend() {
        for good in ["a", "a.b-c_D.9", "top.10%2e0%2e0%2e1", "%3a", "a.%2e%3a.b"] {
            assert!(is_path(good), "{good}");
        }
        for bad in
            ["", ".", "a.", ".a", "a..b", "a b", "a.%2E", "a.%", "a.%2", "ä", "a/b", "a.?", "a.*", "a\n"]
        {
            assert!(!is_path(bad), "{bad}");
        }
        assert!(is_path(&"x".repeat(2_000)));
        assert!(!is_path(&"x".repeat(2_001)));
    }

    #[test]
    fn wildcards_stand_for_whole_segments() {
        for (filter, matching, other) in [
            ("a.b", &["a.b"][..], &["a", "a.b.c", "a.bc"][..]),
            ("a.?", &["a.b", "a.10%2e0"], &["a", "a.b.c", "b.a"]),
            ("a.*", &["a.b", "a.b.c"], &["a", "b.a"]),
            ("*.c", &["a.c", "a.b.c", "c.c"], &["c", "a.c.d"]),
            ("a.*.c.?", &["a.b.c.d", "a.c.c.c.d", "a.c.d.c.e"], &["a.c.d", "a.b.c", "a.b.c.d.e"]),
            ("*", &["a", "a.b"], &[]),
            ("?", &["a"], &["a.b"]),
        ] {
            let parsed = PathFilter::parse(filter).unwrap();
            assert_eq!(parsed.as_str(), filter);
            matching.iter().for_each(|path| assert!(parsed.matches(path), "{filter} {path}"));
            other.iter().for_each(|path| assert!(!parsed.matches(path), "{filter} {path}"));
        }
        for bad in ["", "a.", "a?", "a.b*", "**", "a b", ".*"] {
            PathFilter::parse(bad).unwrap_err();
        }
    }

    #[test]
    fn the_prefix_ends_before_the_first_wildcard() {
        for (filter, prefix) in [("a.b.?", "a.b."), ("a.b", "a.b"), ("*.a", ""), ("a.?.b", "a.")] {
            assert_eq!(PathFilter::parse(filter).unwrap().prefix(), prefix);
        }
    }

    /// The same in an obvious and slow way.
    fn matches_slowly(filter: &[&str], path: &[&str]) -> bool {
        match (filter, path) {
            ([], []) => true,
            (["*", rest @ ..], [_, tail @ ..]) => matches_slowly(rest, tail) || matches_slowly(filter, tail),
            (["?", rest @ ..], [_, tail @ ..]) => matches_slowly(rest, tail),
            ([literal, rest @ ..], [segment, tail @ ..]) => literal == segment && matches_slowly(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_filter_matches_what_the_rules_say(filter in "[ab?*](\\.[ab?*]){0,6}", path in "[ab](\\.[ab]){0,8}") {
            let parsed = PathFilter::parse(&filter).unwrap();
            let (filter, segments): (Vec<_>, Vec<_>) = (filter.split('.').collect(), path.split('.').collect());
            prop_assert_eq!(parsed.matches(&path), matches_slowly(&filter, &segments));
            if parsed.matches(&path) {
                prop_assert!(path.starts_with(parsed.prefix()));
            }
        }
    }
}
