//! What commands print for people: texts that a terminal does not obey, short numbers, columns.

use std::fmt::Write as _;

/// A text that somebody else wrote, with nothing in it that a terminal would obey, and on one line.
///
/// ```
/// use grafoleancollector::show::safe;
/// assert_eq!(safe("eth0\u{1b}[2J\n"), "eth0\\u{1b}[2J\\n");
/// ```
#[must_use]
pub fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // They turn the direction of a line, or take no room.
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                safe.extend(c.escape_unicode());
            }
            c if c.is_control() => safe.extend(c.escape_debug()),
            c => safe.push(c),
        }
    }
    safe
}

/// A number that is not negative, with three digits that count, and the prefix of the unit that follows: none, `k`,
/// `M`, `G`, `T`, `P` or `E`.
///
/// ```
/// use grafoleancollector::show::si;
/// let (number, prefix) = si(12_345.0);
/// assert_eq!(format!("{number} {prefix}bit/s"), "12.3 kbit/s");
/// ```
#[must_use]
pub fn si(number: f64) -> (String, &'static str) {
    const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let (mut number, mut prefix) = (number, 0);
    // 999.5 would be shown as 1000.
    while number >= 999.5 && prefix + 1 < PREFIXES.len() {
        number /= 1_000.0;
        prefix += 1;
    }
    let digits = match number {
        _ if prefix == 0 && number.fract() == 0.0 => 0,
        _ if number < 9.995 => 2,
        _ if number < 99.95 => 1,
        _ => 0,
    };
    let shown = format!("{number:.digits$}");
    let shown = if shown.contains('.') { shown.trim_end_matches('0').trim_end_matches('.') } else { &shown };
    (shown.to_owned(), PREFIXES[prefix])
}

/// Which side of its column a cell stands on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Side {
    /// As texts do.
    Left,
    /// As numbers do.
    Right,
}

/// Rows of cells as lines, in columns that are as wide as they need be. The first row is the head.
///
/// ```
/// use grafoleancollector::show::{Side, table};
/// let rows = [["index", "name"], ["1", "lo"]].map(|row| row.map(str::to_owned).to_vec());
/// assert_eq!(table(&[Side::Right, Side::Left], &rows), ["index  name", "    1  lo"]);
/// ```
#[must_use]
pub fn table(sides: &[Side], rows: &[Vec<String>]) -> Vec<String> {
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..sides.len()).map(|at| width(at).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for ((cell, side), width) in row.iter().zip(sides).zip(&widths) {
            // A String takes all that is written to it.
            let _ = match side {
                Side::Left => write!(line, "{cell:<width$}  "),
                Side::Right => write!(line, "{cell:>width$}  "),
            };
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_shown() {
        let evil = "a\u{1b}[2J\u{7}\r\n\tb\u{9b}31m\u{202e}dlrow\u{2066}\u{200b}ü日";
        let safe = safe(evil);
        assert_eq!(safe, "a\\u{1b}[2J\\u{7}\\r\\n\\tb\\u{9b}31m\\u{202e}dlrow\\u{2066}\\u{200b}ü日");
        assert!(!safe.chars().any(char::is_control));
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        for (number, expected) in [
            (0.0, ("0", "")),
            (0.5, ("0.5", "")),
            (7.0, ("7", "")),
            (999.0, ("999", "")),
            (999.6, ("1", "k")),
            (1_234.0, ("1.23", "k")),
            (12_345.0, ("12.3", "k")),
            (123_456.0, ("123", "k")),
            (999_999.0, ("1", "M")),
            (1e9, ("1", "G")),
            (2.5e9, ("2.5", "G")),
            (1e11, ("100", "G")),
            (4e14, ("400", "T")),
            (1e19, ("10", "E")),
            (1e22, ("10000", "E")),
        ] {
            let (shown, prefix) = si(number);
            assert_eq!((&*shown, prefix), expected, "{number}");
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["index", "name"], vec!["1", "lö"], vec!["20", ""]];
        let rows = rows.map(|row| row.into_iter().map(str::to_owned).collect());
        assert_eq!(table(&[Side::Right, Side::Left], &rows), ["index  name", "    1  lö", "   20"]);
    }
}
