//! How things are shown: safely, and as people read them.

use std::fmt::Write as _;
use std::time::Duration;

/// A text from the network with nothing in it that a terminal would obey, and on one line.
pub(super) fn safe(text: &str) -> String {
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

/// A number with three digits that count, and its prefix: `12.3M`.
pub(super) fn short(number: f64) -> String {
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
    format!("{shown}{}", PREFIXES[prefix])
}

/// A part of a whole.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    if percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// A duration in its largest units: `7 s`, `3 min`, `2 h`.
pub(super) fn span(duration: Duration) -> String {
    match duration.as_secs() {
        0..=9 => format!("{:.1} s", duration.as_secs_f64()),
        seconds @ 10..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// One thing, or so many of it.
pub(super) fn many(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// Which side of its column a cell stands on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Left,
    Right,
}

/// Rows of cells, in columns that are as wide as they need be. The first row is the head.
pub(super) fn table(sides: &[Side], rows: &[Vec<String>]) -> Vec<String> {
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

/// Blocks of lines side by side, as many as have room, and the others below.
pub(super) fn beside(blocks: &[Vec<String>], width: usize) -> Vec<String> {
    const GAP: usize = 4;
    let wide = |block: &Vec<String>| block.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let mut lines = Vec::new();
    let mut rest = blocks;
    while !rest.is_empty() {
        let mut taken = 0;
        let mut used = 0;
        for block in rest {
            used += wide(block) + if taken == 0 { 0 } else { GAP };
            if taken > 0 && used > width {
                break;
            }
            taken += 1;
        }
        let (row, below) = rest.split_at(taken);
        for at in 0..row.iter().map(Vec::len).max().unwrap_or_default() {
            let mut line = String::new();
            for block in row {
                let cell = block.get(at).map_or("", String::as_str);
                let _ = write!(line, "{cell:<width$}", width = wide(block) + GAP);
            }
            lines.push(line.trim_end().to_owned());
        }
        lines.push(String::new());
        rest = below;
    }
    lines
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
            (0.0, "0"),
            (0.5, "0.5"),
            (7.0, "7"),
            (999.6, "1k"),
            (1_234.0, "1.23k"),
            (12_345.0, "12.3k"),
            (123_456.0, "123k"),
            (2.5e9, "2.5G"),
            (1e19, "10E"),
        ] {
            assert_eq!(short(number), expected, "{number}");
        }
        assert_eq!([percent(1, 3), percent(1, 30), percent(0, 0)], ["33 %", "3.3 %", ""]);
        let spans = [500, 59_000, 600_000, 7_200_000, 900_000_000].map(|ms| span(Duration::from_millis(ms)));
        assert_eq!(spans, ["0.5 s", "59 s", "10 min", "2 h", "10 days"]);
        assert_eq!([many(1, "flow"), many(2, "flow")], ["1 flow", "2 flows"]);
    }

    #[test]
    fn blocks_stand_side_by_side_as_long_as_there_is_room() {
        let block = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let blocks = [block(&["aa", "a"]), block(&["bbb"]), block(&["cccc", "c"])];
        assert_eq!(beside(&blocks, 9), ["aa    bbb", "a", "", "cccc", "c", ""]);
        assert_eq!(beside(&blocks, 17), ["aa    bbb    cccc", "a            c", ""]);
        assert_eq!(beside(&blocks, 0).len(), 8);
    }
}
