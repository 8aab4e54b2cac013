//! How figures are shown, as people read them, and where.

use std::fmt::Write as _;
use std::time::Duration;

use grafoleancollector::show::si;

/// A number with three digits that count, and its prefix: `12.3M`.
pub(super) fn short(number: f64) -> String {
    let (number, prefix) = si(number);
    number + prefix
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
    fn figures_are_short() {
        assert_eq!([7.0, 12_345.0, 2.5e9].map(short), ["7", "12.3k", "2.5G"]);
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
