//! Where a sensor's values go: a template such as `if.{$2}.in`, and the tail of a path that a row makes of it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use grafoleancollector::Path;

use crate::sensor::slug::{is_slug, slugify};

/// A compiled template of letters, digits, `_`, `-`, dots, `{$n}` for the sensor's values and `{$index}` for the
/// row's index.
///
/// A dot begins a new level, so what is put in never holds one: values become slugs ([`slugify`]), and the numbers
/// of an index are joined by `-`. That is what a slug makes of a dot too, so `{$index}` and `{$1}` of a text
/// `10.0.0.1` look the same; numbers hold no `-`, so nothing is lost.
///
/// ```
/// use grafolean_snmp_bot::OutputPath;
/// let path = OutputPath::compile("if.{$2}.{$index}.in", 2)?;
/// let texts = ["1234", "Gi0/1"];
/// let tail = path.render(Some(&[4, 10, 0]), |n| Some(texts[n - 1].into()))?;
/// assert_eq!(tail, "if.Gi0-1.4-10-0.in");
///
/// let wrong = OutputPath::compile("if..{$2}", 2).unwrap_err();
/// assert_eq!(wrong.to_string(), "column 4: an empty segment");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputPath {
    segments: Box<[Segment]>,
    used: Box<[usize]>,
}

/// What stands between two dots. Never empty.
type Segment = Box<[Piece]>;

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(Box<str>),
    /// `{$n}`, from 1.
    Value(usize),
    Index,
}

/// Why a text is no template. Columns count characters, from 1.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputPathError {
    /// Nothing at all.
    #[error("an output path cannot be empty")]
    Empty,
    /// Longer than a path can be.
    #[error("{bytes} bytes: an output path has at most {}", Path::MAX_BYTES)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Two dots in a row, or one at an end.
    #[error("column {column}: an empty segment")]
    EmptySegment {
        /// Where something is missing.
        column: usize,
    },
    /// A character that no path holds.
    #[error("column {column}: expected a-z, A-Z, 0-9, _, -, a dot, {{$n}} or {{$index}}, found {found:?}")]
    BadCharacter {
        /// Where.
        column: usize,
        /// What is there.
        found: char,
    },
    /// Something else in braces, or a brace that is never closed.
    #[error("column {column}: expected {{$n}} or {{$index}}, found {found}")]
    UnknownPlaceholder {
        /// Where the brace is.
        column: usize,
        /// What is there.
        found: String,
    },
    /// `{$99}` of a sensor with fewer OIDs.
    #[error(
        "column {column}: {name} is none of the sensor's values: {}",
        match oid_count { 0 => "it has no OIDs".to_owned(), 1 => "expected {$1}".to_owned(), n => format!("expected {{$1}} to {{${n}}}") }
    )]
    UnknownValue {
        /// Where the brace is.
        column: usize,
        /// The value as it is written.
        name: String,
        /// How many OIDs the sensor has.
        oid_count: usize,
    },
}

/// Why there is no path for a row.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// A segment of nothing but placeholders, and of them nothing came that a path may hold.
    #[error("{segment} is empty: the path would have an empty segment")]
    EmptySegment {
        /// The segment as the template has it.
        segment: String,
    },
    /// The row has no such value.
    #[error("{{${n}}} has no value")]
    NoValue {
        /// Which one, from 1.
        n: usize,
    },
    /// `{$index}` of a sensor whose values are not rows of a table.
    #[error("{{$index}} stands for the row of a walk, and there is none")]
    NoIndex,
    /// Longer than a path can be.
    #[error("more than {} bytes", Path::MAX_BYTES)]
    TooLong,
}

impl OutputPath {
    /// Compiles `template` for a sensor with so many OIDs, whose values are `{$1}` to `{$oid_count}`.
    ///
    /// # Errors
    /// When it is no template, or uses a value that the sensor does not have. The error says where.
    pub fn compile(template: &str, oid_count: usize) -> Result<Self, OutputPathError> {
        if template.is_empty() {
            return Err(OutputPathError::Empty);
        }
        if template.len() > Path::MAX_BYTES {
            return Err(OutputPathError::TooLong { bytes: template.len() });
        }
        let mut segments = Vec::new();
        let mut column = 1;
        // No placeholder holds a dot: one that seems to is refused below.
        for source in template.split('.') {
            if source.is_empty() {
                return Err(OutputPathError::EmptySegment { column });
            }
            segments.push(segment(source, column, oid_count)?);
            column += source.chars().count() + 1;
        }
        let mut used: Vec<usize> = pieces(&segments)
            .filter_map(|piece| if let Piece::Value(n) = piece { Some(*n) } else { None })
            .collect();
        used.sort_unstable();
        used.dedup();
        Ok(Self { segments: segments.into(), used: used.into() })
    }

    /// The tail of a row's path: `index` is what follows the walked OID, and `text_of` gives the text of `$n`.
    ///
    /// # Errors
    /// When something that it uses is missing, or a segment would be empty.
    pub fn render<'t>(
        &self,
        index: Option<&[u32]>,
        text_of: impl FnMut(usize) -> Option<Cow<'t, str>>,
    ) -> Result<String, RenderError> {
        let mut path = String::new();
        self.render_onto(&mut path, index, text_of)?;
        Ok(path)
    }

    /// As [`render`](Self::render), behind what `path` holds already. After an error, `path` may hold a part.
    pub(crate) fn render_onto<'t>(
        &self,
        path: &mut String,
        index: Option<&[u32]>,
        mut text_of: impl FnMut(usize) -> Option<Cow<'t, str>>,
    ) -> Result<(), RenderError> {
        for (at, segment) in self.segments.iter().enumerate() {
            if at > 0 {
                path.push('.');
            }
            let begin = path.len();
            for piece in segment {
                match piece {
                    Piece::Text(text) => path.push_str(text),
                    Piece::Value(n) => {
                        let text = text_of(*n).ok_or(RenderError::NoValue { n: *n })?;
                        if is_slug(&text) {
                            path.push_str(&text);
                        } else {
                            path.push_str(&slugify(&text));
                        }
                    }
                    Piece::Index => push_index(path, index.ok_or(RenderError::NoIndex)?),
                }
                if path.len() > Path::MAX_BYTES {
                    return Err(RenderError::TooLong);
                }
            }
            if path.len() == begin {
                return Err(RenderError::EmptySegment {
                    segment: segment.iter().map(Piece::to_string).collect(),
                });
            }
        }
        Ok(())
    }

    /// Which values it uses: 1 for `{$1}`; in order, each once.
    ///
    /// ```
    /// use grafolean_snmp_bot::OutputPath;
    /// assert_eq!(OutputPath::compile("disk.{$3}-{$1}.{$index}", 3)?.used(), [1, 3]);
    /// # Ok::<(), grafolean_snmp_bot::OutputPathError>(())
    /// ```
    #[must_use]
    pub fn used(&self) -> &[usize] {
        &self.used
    }

    /// Whether rows of different indexes always have different paths: the index has a segment to itself.
    ///
    /// ```
    /// use grafolean_snmp_bot::OutputPath;
    /// assert!(OutputPath::compile("disk.{$index}.{$1}", 1)?.tells_rows_apart());
    /// // Row 1 of a disk "11" and row 11 of a disk "1".
    /// assert!(!OutputPath::compile("disk.{$index}{$1}", 1)?.tells_rows_apart());
    /// # Ok::<(), grafolean_snmp_bot::OutputPathError>(())
    /// ```
    #[must_use]
    pub fn tells_rows_apart(&self) -> bool {
        self.segments.iter().any(|segment| matches!(&**segment, [Piece::Index]))
    }
}

/// The template.
impl fmt::Display for OutputPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.segments.iter().enumerate() {
            if at > 0 {
                f.write_char('.')?;
            }
            segment.iter().try_for_each(|piece| piece.fmt(f))?;
        }
        Ok(())
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Value(n) => write!(f, "{{${n}}}"),
            Self::Index => f.write_str("{$index}"),
        }
    }
}

fn pieces(segments: &[Segment]) -> impl Iterator<Item = &Piece> {
    segments.iter().flat_map(|segment| segment.iter())
}

fn push_index(path: &mut String, index: &[u32]) {
    for (at, number) in index.iter().enumerate() {
        // A String takes all that is written to it.
        let _ = write!(path, "{}{number}", if at == 0 { "" } else { "-" });
    }
}

/// The pieces of what stands between two dots.
fn segment(source: &str, mut column: usize, oid_count: usize) -> Result<Segment, OutputPathError> {
    let mut pieces = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let (piece, length) = if first == '{' {
            placeholder(rest, column, oid_count)?
        } else {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            let length = rest.find(|c| !is_plain(c)).unwrap_or(rest.len());
            if length == 0 {
                return Err(OutputPathError::BadCharacter { column, found: first });
            }
            (Piece::Text(rest[..length].into()), length)
        };
        // Pieces are ASCII: their bytes are their characters.
        column += length;
        rest = &rest[length..];
        pieces.push(piece);
    }
    Ok(pieces.into())
}

/// The placeholder that `source` begins with, and its length.
fn placeholder(source: &str, column: usize, oid_count: usize) -> Result<(Piece, usize), OutputPathError> {
    /// The longest part of a text that an error repeats.
    const MAX_QUOTED_CHARS: usize = 40;

    let length = source.find('}').map_or(source.len(), |closing| closing + 1);
    let written = &source[..length];
    let quoted = || written.chars().take(MAX_QUOTED_CHARS).collect::<String>();
    let name = written.strip_prefix("{$").and_then(|name| name.strip_suffix('}'));
    match name {
        Some("index") => Ok((Piece::Index, length)),
        // {$01} is refused: it would be a second name for {$1}.
        Some(digits)
            if digits == "0"
                || (!digits.is_empty()
                    && digits.bytes().all(|digit| digit.is_ascii_digit())
                    && !digits.starts_with('0')) =>
        {
            match digits.parse() {
                Ok(n) if (1..=oid_count).contains(&n) => Ok((Piece::Value(n), length)),
                _ => Err(OutputPathError::UnknownValue { column, name: quoted(), oid_count }),
            }
        }
        _ => Err(OutputPathError::UnknownPlaceholder { column, found: quoted() }),
    }
}
