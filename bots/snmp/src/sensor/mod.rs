//! What Grafolean stores of a sensor, and the values that it makes of what a poll has read.

pub(crate) mod evaluate;
mod expression;
mod output_path;
mod slug;
pub(crate) mod text;

use serde::Deserialize;

pub use expression::{DivisionByZero, Expression, ExpressionError};
pub use output_path::{OutputPath, OutputPathError, RenderError};
pub use slug::slugify;

use crate::oid::Oid;
use crate::poll::{FetchMethod, Source};

/// What a sensor reads, what it makes of it, and where that goes: compiled once, when it is read.
///
/// The keys are `oids`, a list of `{"oid": "1.3.6.1…", "fetch_method": "get" or "walk"}` which the other two call
/// `$1`, `$2`, …; `expression` (`$1`); `output_path`; and `division_by_zero`, `"zero"` or `"skip"` (`"zero"`: what a
/// division by zero gives, or that there is no value then).
///
/// ```
/// use grafolean_snmp_bot::Sensor;
/// let sensor: Sensor = serde_json::from_str(
///     r#"{"oids": [{"oid": "1.3.6.1.2.1.2.2.1.2", "fetch_method": "walk"},
///                  {"oid": "1.3.6.1.2.1.2.2.1.10", "fetch_method": "walk"}],
///         "expression": "$2 * 8", "output_path": "if.{$1}.in"}"#,
/// )?;
/// assert_eq!(sensor.output_path().to_string(), "if.{$1}.in");
/// let wrong = serde_json::from_str::<Sensor>(
///     r#"{"oids": [{"oid": "ifDescr", "fetch_method": "walk"}], "expression": "$1", "output_path": "x"}"#,
/// );
/// assert!(wrong.unwrap_err().to_string().starts_with("oids.0.oid: expected numbers joined by dots"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Sensor {
    sources: Box<[Source]>,
    expression: Expression,
    output_path: OutputPath,
}

#[derive(Deserialize)]
struct Fields {
    oids: Vec<SourceFields>,
    expression: Option<String>,
    output_path: String,
    division_by_zero: Option<String>,
}

#[derive(Deserialize)]
struct SourceFields {
    oid: String,
    fetch_method: String,
}

/// Sensors have one to four; more than these is a mistake.
const MOST_SOURCES: usize = 256;

impl TryFrom<Fields> for Sensor {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let Fields { oids, expression, output_path, division_by_zero } = fields;
        if !(1..=MOST_SOURCES).contains(&oids.len()) {
            return Err(format!("oids: expected 1 to {MOST_SOURCES}, got {}", oids.len()));
        }
        let source = |(n, SourceFields { oid, fetch_method }): (usize, SourceFields)| {
            let oid: Oid = oid.parse().map_err(|error| format!("oids.{n}.oid: {error}"))?;
            let fetch = match fetch_method.trim() {
                "get" => FetchMethod::Get,
                "walk" => FetchMethod::Walk,
                other => {
                    return Err(format!("oids.{n}.fetch_method: expected get or walk, got {other:.60?}"));
                }
            };
            Ok(Source { oid, fetch })
        };
        let sources: Box<[Source]> = oids.into_iter().enumerate().map(source).collect::<Result<_, _>>()?;
        let by_zero = match division_by_zero.as_deref().map(str::trim) {
            None | Some("" | "zero") => DivisionByZero::IsZero,
            Some("skip") => DivisionByZero::NoValue,
            Some(other) => return Err(format!("division_by_zero: expected zero or skip, got {other:.60?}")),
        };
        let expression = expression.as_deref().unwrap_or("$1");
        let expression = Expression::compile_with(expression, sources.len(), by_zero)
            .map_err(|error| format!("expression: {error}"))?;
        let output_path = OutputPath::compile(output_path.trim(), sources.len())
            .map_err(|error| format!("output_path: {error}"))?;
        Ok(Self { sources, expression, output_path })
    }
}

impl Sensor {
    /// What `$1`, `$2`, … stand for.
    pub(crate) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// What it makes of them.
    #[must_use]
    pub const fn expression(&self) -> &Expression {
        &self.expression
    }

    /// Where that goes, below `entity.<id>.snmp.`.
    #[must_use]
    pub const fn output_path(&self) -> &OutputPath {
        &self.output_path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Sensor, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    fn with(rest: &str) -> Result<Sensor, String> {
        read(&format!(r#"{{"oids":[{{"oid":".1.3.6.1.2.1.1.3.0","fetch_method":"get"}}],{rest}}}"#))
    }

    #[test]
    fn what_grafolean_stores_is_read() {
        let sensor = with(r#""expression":"$1 / 100","output_path":"uptime""#).unwrap();
        assert_eq!(sensor.sources().len(), 1);
        assert_eq!(sensor.expression().eval(&[250.0]), Some(2.5));
        assert_eq!(with(r#""output_path":"uptime""#).unwrap().expression().eval(&[7.0]), Some(7.0));
    }

    #[test]
    fn a_division_by_zero_can_be_left_out() {
        let sensor = |rest: &str| with(&format!(r#""expression":"1 / $1","output_path":"x"{rest}"#)).unwrap();
        assert_eq!(sensor("").expression().eval(&[0.0]), Some(0.0));
        assert_eq!(sensor(r#","division_by_zero":"skip""#).expression().eval(&[0.0]), None);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (json, beginning) in [
            (r#"{"oids":[],"expression":"1","output_path":"x"}"#.to_owned(), "oids: expected 1 to 256"),
            (
                r#"{"oids":[{"oid":"1.3.x","fetch_method":"get"}],"output_path":"x"}"#.to_owned(),
                "oids.0.oid: expected numbers joined by dots",
            ),
            (
                r#"{"oids":[{"oid":"1.3","fetch_method":"bulk"}],"output_path":"x"}"#.to_owned(),
                "oids.0.fetch_method: expected get or walk, got \"bulk\"",
            ),
        ] {
            let error = read(&json).unwrap_err();
            assert!(error.starts_with(beginning), "{error}");
        }
        for (rest, beginning) in [
            (r#""expression":"$1 +","output_path":"x""#.to_owned(), "expression: column 5: "),
            (r#""expression":"$99","output_path":"x""#.to_owned(), "expression: column 1: $99 is none of"),
            (format!(r#""expression":"{}","output_path":"x""#, "1".repeat(1 << 20)), "expression: "),
            (format!(r#""expression":"{}","output_path":"x""#, "(".repeat(10_000)), "expression: "),
            (r#""expression":"$1","output_path":"a..b""#.to_owned(), "output_path: column 3: "),
            (r#""expression":"$1","output_path":"""#.to_owned(), "output_path: "),
            (r#""output_path":"x","division_by_zero":"null""#.to_owned(), "division_by_zero: expected"),
        ] {
            let error = with(&rest).unwrap_err();
            assert!(error.starts_with(beginning) && error.len() < 300, "{error}");
        }
    }
}
