//! How long and how much is kept, as people write it.

use std::time::Duration;

/// Why that is neither a time nor a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// Not a time.
    #[error("\"{0}\" is not a time: write 12h, 5d or 4w")]
    Time(String),
    /// Less than a file holds.
    #[error("\"{0}\" is too short: flows are kept by the hour")]
    Short(String),
    /// Not a size.
    #[error("\"{0}\" is not a size: write 500MB, 50GB or 2TB")]
    Size(String),
    /// So little that hardly anything could be kept.
    #[error("\"{0}\" is too little: 10MB at least")]
    Little(String),
}

/// Reads how long flows are kept.
///
/// ```
/// use grafolean_netflow_bot::archive::keep;
/// assert_eq!(keep("5d").unwrap().as_secs(), 5 * 86_400);
/// assert!(keep("5").is_err());
/// ```
pub fn keep(text: &str) -> Result<Duration, LimitError> {
    let wrong = || LimitError::Time(text.to_owned());
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let hours = match unit {
        "h" => 1,
        "d" => 24,
        "w" => 7 * 24,
        _ => return Err(wrong()),
    };
    match number.checked_mul(hours * 3_600).ok_or_else(wrong)? {
        0 => Err(LimitError::Short(text.to_owned())),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

/// Reads how many bytes the files may have together.
///
/// ```
/// use grafolean_netflow_bot::archive::size;
/// assert_eq!(size("50GB").unwrap(), 50_000_000_000);
/// assert_eq!(size("1 GiB").unwrap(), 1 << 30);
/// ```
pub fn size(text: &str) -> Result<u64, LimitError> {
    const LITTLE: u64 = 10_000_000;
    let wrong = || LimitError::Size(text.to_owned());
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let factor = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "MB" | "M" => 1_000_000,
        "GB" | "G" => 1_000_000_000,
        "TB" | "T" => 1_000_000_000_000,
        "MIB" => 1 << 20,
        "GIB" => 1 << 30,
        "TIB" => 1 << 40,
        _ => return Err(wrong()),
    };
    match number.checked_mul(factor).ok_or_else(wrong)? {
        bytes if bytes < LITTLE => Err(LimitError::Little(text.to_owned())),
        bytes => Ok(bytes),
    }
}

/// A number and what comes after it.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_understood() {
        assert_eq!(keep("12h"), Ok(Duration::from_secs(12 * 3_600)));
        assert_eq!(keep(" 30 d "), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(keep("2w"), Ok(Duration::from_secs(14 * 86_400)));
        assert_eq!(size("10000000"), Ok(10_000_000));
        assert_eq!(size("2tb"), Ok(2_000_000_000_000));
        assert_eq!(size("500 MiB"), Ok(500 << 20));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        for text in ["", "5", "d", "-5d", "5.5d", "5 days", "99999999999999999999d", "18446744073709551615w"]
        {
            assert_eq!(keep(text), Err(LimitError::Time(text.to_owned())));
        }
        assert_eq!(keep("0d").unwrap_err().to_string(), "\"0d\" is too short: flows are kept by the hour");
        for text in ["", "GB", "5 apples", "-1GB", "18446744073709551615TB"] {
            assert_eq!(size(text), Err(LimitError::Size(text.to_owned())));
        }
        assert_eq!(size("5000").unwrap_err().to_string(), "\"5000\" is too little: 10MB at least");
    }
}
