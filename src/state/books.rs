//! What is counted, and what is said of it.

use std::time::Duration;

use crate::telemetry::{Counter, Gauge, Throttle};

/// How often the same loss is said.
const SAY_DROPPED: Duration = Duration::from_secs(3_600);

/// Why something is not remembered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dropped {
    /// A key or a value beyond all measure.
    TooLarge,
    /// The table, or the memory where there is no file, has reached its limit.
    Full,
    /// The file could not be written, or not as fast, and the memory in its place was full.
    Overflow,
}

impl Dropped {
    pub(super) const ALL: [Self; 3] = [Self::TooLarge, Self::Full, Self::Overflow];

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Full => "full",
            Self::Overflow => "overflow",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::TooLarge => "a key of more than 1 KiB or a value of more than 16 MiB is not remembered",
            Self::Full => "the state has reached its size limit: new keys are not remembered",
            Self::Overflow => {
                "the state file cannot be written fast enough, and the memory in its place is full: \
                 new keys are not remembered"
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Books {
    /// Changes that were written to the file.
    pub(super) written: Counter,
    pub(super) write_errors: Counter,
    /// Whether the file cannot be written.
    pub(super) trouble: Gauge,
    dropped: [Counter; Dropped::ALL.len()],
    say_dropped: [Throttle; Dropped::ALL.len()],
}

impl Default for Books {
    fn default() -> Self {
        Self {
            written: Counter::default(),
            write_errors: Counter::default(),
            trouble: Gauge::default(),
            dropped: Default::default(),
            say_dropped: std::array::from_fn(|_| Throttle::new(1, SAY_DROPPED)),
        }
    }
}

impl Books {
    pub(super) fn dropped(&self, why: Dropped, table: &str, changes: u64) {
        if changes == 0 {
            return;
        }
        self.dropped[why as usize].add(changes);
        if let Some(unsaid) = self.say_dropped[why as usize].say_all(changes) {
            tracing::warn!(table, changes = changes + unsaid.count(), "{}", why.words());
        }
    }

    pub(super) fn dropped_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Dropped::ALL.iter().map(|why| (why.label(), self.dropped[*why as usize].get()))
    }
}
