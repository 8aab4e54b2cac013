//! What the fuzz targets call: any input is accepted or refused, never a panic, and what is accepted keeps its
//! promises.

mod replies;

pub use replies::{Replies, Version};

use crate::{DivisionByZero, Expression, OutputPath, slugify};

/// How many values the sensors have whose texts are tried.
const OIDS: usize = 12;

/// Any text as an expression.
pub fn expression(text: &str, values: &[f64]) {
    for by_zero in [DivisionByZero::IsZero, DivisionByZero::NoValue] {
        match Expression::compile_with(text, OIDS, by_zero) {
            Ok(expression) => {
                assert!(expression.used().iter().all(|n| (1..=OIDS).contains(n)));
                assert!(expression.eval(values).is_none_or(f64::is_finite));
            }
            Err(error) => {
                let columns = text.chars().count() + 1;
                assert!(error.column().is_none_or(|column| (1..=columns).contains(&column)), "{error}");
                assert!(!error.to_string().is_empty());
            }
        }
    }
}

/// Any text as a template of paths, with any text put into it.
pub fn output_path(template: &str, value: &str, index: &[u32]) {
    let Ok(path) = OutputPath::compile(template, OIDS) else { return };
    assert_eq!(path.to_string(), template);
    if let Ok(tail) = path.render(Some(index), |_| Some(value.into())) {
        assert!(grafoleancollector::Path::new(format!("p.{tail}")).is_ok() || tail.len() > 1_900, "{tail}");
    }
}

/// Any text as a segment.
pub fn slug(text: &str) {
    let slug = slugify(text);
    assert!(slug.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'), "{slug}");
    assert!(!slug.starts_with('-') && !slug.ends_with('-') && !slug.contains("--"), "{slug}");
    assert_eq!(slugify(&slug), slug, "a slug is its own slug");
}
