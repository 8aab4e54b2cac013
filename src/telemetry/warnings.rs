//! Warnings that say a thing once, however often it is found again.

use std::collections::HashSet;
use std::sync::Mutex;

/// Problems that a repeated look finds: each is logged when it is new, and again only after it was gone.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    known: Mutex<HashSet<String>>,
}

/// New problems that one look may log in full; beyond it only their number is said.
const LOGGED_AT_ONCE: usize = 20;

impl Warnings {
    /// Logs those of `found` that the last look did not find, and remembers `found`.
    pub(crate) fn look(&self, found: HashSet<String>) {
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut new: Vec<_> = found.difference(&known).collect();
        new.sort();
        for problem in new.iter().take(LOGGED_AT_ONCE) {
            tracing::warn!("{problem}");
        }
        if new.len() > LOGGED_AT_ONCE {
            tracing::warn!(
                "and {} more such problems; the `check` command lists them all",
                new.len() - LOGGED_AT_ONCE
            );
        }
        *known = found;
    }

    /// All problems of the last look, sorted.
    pub(crate) fn list(&self) -> Vec<String> {
        let known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut list: Vec<_> = known.iter().cloned().collect();
        list.sort();
        list
    }
}
