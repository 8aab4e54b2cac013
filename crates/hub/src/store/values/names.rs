//! Which path has which id, of those that were used last.

use std::collections::HashMap;

/// Paths that are remembered; twice as many for a while.
const NAMES: usize = 300_000;

type ByAccount = HashMap<i64, HashMap<Box<str>, i64>>;

/// When there are too many, those that were not used since the last time that there were too many are forgotten.
#[derive(Debug, Default)]
pub(super) struct Names {
    young: ByAccount,
    count: usize,
    old: ByAccount,
    /// How often a name was taken from a path.
    epoch: u64,
}

impl Names {
    pub(super) fn get(&self, account: i64, path: &str) -> Option<i64> {
        let of = |names: &ByAccount| names.get(&account)?.get(path).copied();
        of(&self.young).or_else(|| of(&self.old))
    }

    /// Whether it was used lately, and needs no [`insert`](Self::insert) to be kept.
    pub(super) fn is_young(&self, account: i64, path: &str) -> bool {
        self.young.get(&account).is_some_and(|names| names.contains_key(path))
    }

    pub(super) fn insert(&mut self, account: i64, path: &str, id: i64) {
        if self.count >= NAMES {
            self.old = std::mem::take(&mut self.young);
            self.count = 0;
        }
        let before = self.young.entry(account).or_default().insert(path.into(), id);
        self.count += usize::from(before.is_none());
    }

    pub(super) fn remove(&mut self, account: i64, path: &str) {
        let young = self.young.get_mut(&account).and_then(|names| names.remove(path));
        self.count -= usize::from(young.is_some());
        self.old.get_mut(&account).and_then(|names| names.remove(path));
        self.epoch += 1;
    }

    pub(super) fn remove_account(&mut self, account: i64) {
        self.count -= self.young.remove(&account).map_or(0, |names| names.len());
        self.old.remove(&account);
        self.epoch += 1;
    }

    /// Changes whenever what the file said before may be true no more.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_used_is_forgotten_in_time() {
        let mut names = Names::default();
        names.insert(1, "kept", 1);
        names.insert(1, "unused", 2);
        for n in 0..NAMES as i64 {
            names.insert(2, &n.to_string(), n);
        }
        assert_eq!(names.get(1, "kept"), Some(1));
        assert!(!names.is_young(1, "kept"));
        names.insert(1, "kept", 1);
        for n in 0..NAMES as i64 {
            names.insert(3, &n.to_string(), n);
        }
        assert_eq!(names.get(1, "kept"), Some(1));
        assert_eq!(names.get(1, "unused"), None);
    }

    #[test]
    fn what_was_removed_is_gone() {
        let mut names = Names::default();
        names.insert(1, "a", 1);
        names.insert(1, "b", 2);
        names.insert(2, "a", 3);
        let epoch = names.epoch();
        names.remove(1, "a");
        assert_eq!((names.get(1, "a"), names.get(1, "b")), (None, Some(2)));
        names.remove_account(1);
        assert_eq!((names.get(1, "b"), names.get(2, "a")), (None, Some(3)));
        assert!(names.epoch() > epoch);
    }
}
