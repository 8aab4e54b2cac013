//! The directory with the files, and what is to go.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use grafoleancollector::Timestamp;

use super::file::{FOOTER, PART, recover, remove, with};

/// Where files stand, and how long.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) directory: PathBuf,
    pub(super) keep: Duration,
    pub(super) max_bytes: u64,
}

/// What was removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Removed {
    pub(super) for_age: u64,
    pub(super) for_size: u64,
}

/// A file that is complete. They are sorted by their age.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stored {
    hour: String,
    number: u32,
    bytes: u64,
    path: PathBuf,
}

/// An hour as files are named after it: `2026-11-21T22`.
pub(super) fn hour_of(time: Timestamp) -> String {
    let mut text = time.to_string();
    text.truncate("2026-11-21T22".len());
    text
}

impl Shelf {
    /// The next name of that hour that nobody has.
    pub(super) fn free_name(&self, hour: &str) -> PathBuf {
        let mut number = 1;
        loop {
            let suffix = if number == 1 { String::new() } else { format!("-{number}") };
            let path = self.directory.join(format!("flows-{hour}{suffix}.parquet"));
            if !path.exists() && !with(&path, PART).exists() {
                return path;
            }
            number += 1;
        }
    }

    /// Takes up what a former life left behind.
    pub(super) fn take_up(&self) -> io::Result<()> {
        for path in self.all()? {
            let shown = path.display();
            match path.extension().and_then(|ending| ending.to_str()) {
                Some(PART) if is_ours(&path.with_extension("")) => match recover(&path) {
                    Ok(0) => tracing::info!("{shown} was just begun when the bot was killed: it is removed"),
                    Ok(rows) => {
                        tracing::info!(
                            "{shown} was not finished when the bot was killed: {rows} flows of it are kept"
                        );
                    }
                    Err(error) => tracing::warn!("{shown} cannot be finished: {error}"),
                },
                Some(FOOTER) if is_ours(&path.with_extension("")) && !path.with_extension(PART).exists() => {
                    remove(&path)?;
                }
                Some("footer-new") if is_ours(&path.with_extension("")) => remove(&path)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn all(&self) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(&self.directory)?.map(|entry| entry.map(|entry| entry.path())).collect()
    }

    fn stored(&self) -> io::Result<Vec<Stored>> {
        let mut stored = Vec::new();
        for path in self.all()? {
            if let (Some((hour, number)), Ok(about)) = (hour_and_number(&path), fs::metadata(&path)) {
                stored.push(Stored { hour, number, bytes: about.len(), path });
            }
        }
        stored.sort_unstable();
        Ok(stored)
    }

    /// Removes what is too old, and the oldest of what is too much together with so many bytes that are being written.
    pub(super) fn tidy(&self, now: Timestamp, being_written: u64) -> io::Result<Removed> {
        let stored = self.stored()?;
        let mut bytes = being_written + stored.iter().map(|file| file.bytes).sum::<u64>();
        // A file is as old as its youngest flow.
        let oldest = hour_of(now.minus(self.keep + Duration::from_secs(3_600)));
        let mut removed = Removed::default();
        for file in stored {
            match (file.hour <= oldest, bytes > self.max_bytes) {
                (false, false) => break,
                (true, _) => removed.for_age += 1,
                (false, true) => removed.for_size += 1,
            }
            remove(&file.path)?;
            bytes -= file.bytes;
        }
        Ok(removed)
    }
}

fn is_ours(path: &Path) -> bool {
    hour_and_number(path).is_some()
}

/// What a name says: nothing where it is not one of ours, for others may put files there too.
fn hour_and_number(path: &Path) -> Option<(String, u32)> {
    let name = path.file_name()?.to_str()?.strip_prefix("flows-")?.strip_suffix(".parquet")?;
    let (hour, rest) = name.split_at_checked("2026-11-21T22".len())?;
    let pattern = "dddd-dd-ddTdd".bytes().zip(hour.bytes());
    let fits = pattern.map(|(wanted, is)| if wanted == b'd' { is.is_ascii_digit() } else { is == wanted });
    let number = match rest.strip_prefix('-') {
        Some(number) => number.parse().ok()?,
        None if rest.is_empty() => 1,
        None => return None,
    };
    fits.into_iter().all(|fits| fits).then(|| (hour.to_owned(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf(directory: &Path, keep_hours: u64, max_bytes: u64) -> Shelf {
        Shelf { directory: directory.to_owned(), keep: Duration::from_secs(3_600 * keep_hours), max_bytes }
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    const NOW: Timestamp = Timestamp::from_secs(1_795_298_400); // 2026-11-21T22:00:00Z

    #[test]
    fn files_are_removed_when_their_youngest_flow_is_too_old() {
        let directory = tempfile::tempdir().unwrap();
        for hour in 15..22 {
            fs::write(directory.path().join(format!("flows-2026-11-21T{hour}.parquet")), "x").unwrap();
        }
        fs::write(directory.path().join("flows-2026-11-21T16-2.parquet"), "x").unwrap();
        let shelf = shelf(directory.path(), 4, 1_000_000);
        assert_eq!(shelf.tidy(NOW, 0).unwrap(), Removed { for_age: 4, for_size: 0 });
        let left = ["18", "19", "20", "21"].map(|hour| format!("flows-2026-11-21T{hour}.parquet"));
        assert_eq!(names(directory.path()), left);
        assert_eq!(shelf.tidy(NOW, 0).unwrap(), Removed::default());
    }

    #[test]
    fn the_oldest_go_when_there_is_too_much() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["T09", "T10", "T10-2", "T10-11", "T11"] {
            fs::write(directory.path().join(format!("flows-2026-11-21{name}.parquet")), [0; 100]).unwrap();
        }
        let shelf = shelf(directory.path(), 1_000, 350);
        assert_eq!(shelf.tidy(NOW, 50).unwrap(), Removed { for_age: 0, for_size: 2 });
        let left = ["T10-11", "T10-2", "T11"].map(|name| format!("flows-2026-11-21{name}.parquet"));
        assert_eq!(names(directory.path()), left);
    }

    #[test]
    fn what_others_put_there_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let theirs = [
            "flows-old.parquet",
            "notes.txt",
            "flows-2020-01-01T00.parquet.bak",
            "flows-2020-01-01T0x.parquet",
            "x.part",
            "y.footer",
        ];
        for name in theirs {
            fs::write(directory.path().join(name), [0; 100]).unwrap();
        }
        let shelf = shelf(directory.path(), 1, 1);
        shelf.take_up().unwrap();
        assert_eq!(shelf.tidy(NOW, 0).unwrap(), Removed::default());
        assert_eq!(names(directory.path()).len(), theirs.len());
    }

    #[test]
    fn no_name_is_given_twice() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = shelf(directory.path(), 1, 1);
        let hour = hour_of(NOW);
        assert_eq!(hour, "2026-11-21T22");
        let path = shelf.free_name(&hour);
        assert_eq!(path, directory.path().join("flows-2026-11-21T22.parquet"));
        fs::write(path, "").unwrap();
        let path = shelf.free_name(&hour);
        assert_eq!(path, directory.path().join("flows-2026-11-21T22-2.parquet"));
        fs::write(with(&path, PART), "").unwrap();
        assert_eq!(shelf.free_name(&hour), directory.path().join("flows-2026-11-21T22-3.parquet"));
    }
}
