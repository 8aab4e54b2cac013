//! Points as JSON, straight into bytes.

use crate::store::{
    pieces::Pieces,
    values::{Bucket, Series},
};

use super::SECOND;

/// A time as seconds with as many decimals as it has, one at least.
pub(crate) fn time(json: &mut Pieces, micros: i64) {
    let (whole, fraction) = (micros.div_euclid(SECOND), micros.rem_euclid(SECOND));
    // Before 1970 both parts have to be turned round; nobody measured anything then, but it must be no nonsense.
    let (whole, fraction) =
        if micros < 0 && fraction > 0 { (whole + 1, SECOND - fraction) } else { (whole, fraction) };
    if micros < 0 && whole == 0 {
        json.raw("-");
    }
    json.number(whole);
    if fraction == 0 {
        return json.raw(".0");
    }
    let mut digits = [b'.'; 7];
    let mut rest = fraction;
    for digit in digits[1..].iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    let text = std::str::from_utf8(&digits).unwrap_or_default();
    json.raw(text.trim_end_matches('0'));
}

/// A time, or nothing.
pub(crate) fn optional_time(json: &mut Pieces, micros: Option<i64>) {
    match micros {
        Some(micros) => time(json, micros),
        None => json.raw("null"),
    }
}

/// `"path":{"next_data_point":…,"data":[{"t":…,"v":…},…]}`.
pub(crate) fn series(json: &mut Pieces, path: &str, series: &Series) {
    head(json, path, series.next);
    for (i, (at, value)) in series.points.iter().enumerate() {
        json.raw(if i == 0 { "{\"t\":" } else { ",{\"t\":" });
        time(json, *at);
        json.raw(",\"v\":");
        json.value(value);
        json.raw("}");
        json.rest();
    }
    json.raw("]}");
}

/// As above, with the least and the greatest value of each bucket, at its middle.
pub(crate) fn buckets(json: &mut Pieces, path: &str, buckets: &[Bucket], next: Option<i64>, half: i64) {
    head(json, path, next.map(|start| start + half));
    for (i, Bucket { start, average, minimum, maximum }) in buckets.iter().enumerate() {
        json.raw(if i == 0 { "{\"t\":" } else { ",{\"t\":" });
        time(json, start + half);
        json.raw(",\"v\":");
        json.value(average);
        json.raw(",\"minv\":");
        json.value(minimum);
        json.raw(",\"maxv\":");
        json.value(maximum);
        json.raw("}");
        json.rest();
    }
    json.raw("]}");
}

fn head(json: &mut Pieces, path: &str, next: Option<i64>) {
    json.value(path);
    json.raw(":{\"next_data_point\":");
    optional_time(json, next);
    json.raw(",\"data\":[");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_to_the_microsecond_without_more_decimals_than_they_have() {
        for (micros, text) in [
            (1_700_000_000_000_000, "1700000000.0"),
            (1_700_000_000_250_000, "1700000000.25"),
            (1_700_000_000_000_001, "1700000000.000001"),
            (0, "0.0"),
            (5, "0.000005"),
            (-1, "-0.000001"),
            (-1_500_000, "-1.5"),
            (-2_000_000, "-2.0"),
        ] {
            let mut json = Pieces::default();
            time(&mut json, micros);
            assert_eq!(json.finish().concat(), text.as_bytes());
        }
    }
}
