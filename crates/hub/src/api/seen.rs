//! When each bot was seen last: noted with every request, written now and then.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

const SECOND: i64 = 1_000_000;

/// A bot that was seen within this time is there.
pub(crate) const ONLINE: i64 = 180 * SECOND;

/// Bots by the time (microseconds) of their last request since the hub started.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    last: HashMap<i64, i64>,
    /// Those that are not written yet.
    unwritten: HashMap<i64, i64>,
    online: HashMap<i64, bool>,
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request; says whether the bot was away before.
    pub(crate) fn note(&self, bot: i64, now: i64) -> bool {
        let mut inner = self.lock();
        inner.last.insert(bot, now);
        inner.unwritten.insert(bot, now);
        !inner.online.insert(bot, true).unwrap_or(false)
    }

    pub(crate) fn last(&self, bot: i64) -> Option<i64> {
        self.lock().last.get(&bot).copied()
    }

    /// What is to be written.
    pub(crate) fn take_unwritten(&self) -> Vec<(i64, i64)> {
        std::mem::take(&mut self.lock().unwritten).into_iter().collect()
    }

    /// What could not be written is to be written still, unless something newer is.
    pub(crate) fn put_back(&self, seen: &[(i64, i64)]) {
        let mut inner = self.lock();
        for (bot, time) in seen {
            inner.unwritten.entry(*bot).or_insert(*time);
        }
    }

    /// Bots that have gone since the last look.
    pub(crate) fn gone(&self, now: i64) -> Vec<i64> {
        let mut inner = self.lock();
        let Inner { last, online, .. } = &mut *inner;
        let is_away = |bot: &i64| last.get(bot).is_none_or(|seen| now - seen >= ONLINE);
        let gone: Vec<_> =
            online.iter().filter(|(bot, on)| **on && is_away(bot)).map(|(bot, _)| *bot).collect();
        for bot in &gone {
            online.remove(bot);
        }
        gone
    }

    pub(crate) fn forget(&self, bot: i64) {
        let mut inner = self.lock();
        inner.last.remove(&bot);
        inner.unwritten.remove(&bot);
        inner.online.remove(&bot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bot_comes_and_goes() {
        let seen = Seen::default();
        assert!(seen.note(1, 10));
        assert!(!seen.note(1, 20));
        assert_eq!(seen.take_unwritten(), [(1, 20)]);
        assert_eq!(seen.take_unwritten(), []);
        seen.put_back(&[(1, 20)]);
        assert_eq!(seen.take_unwritten(), [(1, 20)]);
        assert!(seen.gone(20 + ONLINE - 1).is_empty());
        assert_eq!(seen.gone(20 + ONLINE), [1]);
        assert!(seen.gone(20 + ONLINE).is_empty());
        assert!(seen.note(1, 20 + ONLINE));
    }
}
