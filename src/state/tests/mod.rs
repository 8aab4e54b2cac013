//! State in memory and in a file.

mod keeping;

use std::path::Path;

use super::{Remembered, State};

pub(super) const URL: &str = "https://grafolean.example.org/api";

pub(super) fn open(directory: &Path) -> State {
    State::sqlite(directory, URL).unwrap()
}

pub(super) fn sorted(mut remembered: Remembered) -> Vec<(String, String)> {
    remembered.sort();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    remembered.iter().map(|(key, value)| (text(key), text(value))).collect()
}

pub(super) fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
