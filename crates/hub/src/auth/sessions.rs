//! Sessions of people: what a login begins and a logout, a changed password or time ends.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::secret;

const SECOND: i64 = 1_000_000;

/// A session that nobody uses ends after this time.
pub(crate) const IDLE: i64 = 7 * 24 * 3600 * SECOND;

/// No session is longer than this.
pub(crate) const LONGEST: i64 = 30 * 24 * 3600 * SECOND;

/// Sessions of one person: a few browsers, and programs that log in anew each time. The oldest end.
const PER_USER: usize = 32;

/// A session. Times are microseconds since the epoch.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Public: it stands in tokens.
    pub(crate) id: String,
    pub(crate) user: i64,
    /// Of the secret that stands in the cookie.
    pub(crate) secret_hash: [u8; 32],
    pub(crate) created: i64,
    pub(crate) seen: i64,
}

impl Session {
    const fn is_over(&self, now: i64) -> bool {
        now >= self.created + LONGEST || now >= self.seen + IDLE
    }
}

/// All sessions, in memory; the database has them for the next start.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_id: HashMap<String, Session>,
    by_secret: HashMap<[u8; 32], String>,
    /// Up to which time it was told when sessions were used.
    told: i64,
}

impl Inner {
    fn insert(&mut self, session: Session) {
        self.by_secret.insert(session.secret_hash, session.id.clone());
        self.by_id.insert(session.id.clone(), session);
    }

    fn remove(&mut self, id: &str) -> Option<Session> {
        let session = self.by_id.remove(id)?;
        self.by_secret.remove(&session.secret_hash);
        Some(session)
    }

    fn remove_if(&mut self, over: impl Fn(&Session) -> bool) -> Vec<String> {
        let ids: Vec<_> =
            self.by_id.values().filter(|session| over(session)).map(|session| session.id.clone()).collect();
        for id in &ids {
            self.remove(id);
        }
        ids
    }
}

impl Sessions {
    pub(crate) fn new(sessions: Vec<Session>) -> Self {
        let mut inner = Inner::default();
        for session in sessions {
            inner.insert(session);
        }
        Self(Mutex::new(inner))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session; returns those that end for it.
    pub(crate) fn begin(&self, session: Session) -> Vec<String> {
        let mut inner = self.lock();
        let mut of_user: Vec<_> = inner
            .by_id
            .values()
            .filter(|other| other.user == session.user)
            .map(|other| (other.seen, other.id.clone()))
            .collect();
        of_user.sort_unstable();
        let too_many = (of_user.len() + 1).saturating_sub(PER_USER);
        let ended: Vec<_> = of_user.into_iter().take(too_many).map(|(_, id)| id).collect();
        for id in &ended {
            inner.remove(id);
        }
        inner.insert(session);
        ended
    }

    /// The user of a session that goes on.
    pub(crate) fn user_of(&self, id: &str, now: i64) -> Option<i64> {
        let mut inner = self.lock();
        let session = inner.by_id.get_mut(id).filter(|session| !session.is_over(now))?;
        session.seen = session.seen.max(now);
        Some(session.user)
    }

    /// Whether a session goes on; who only looks does not use it.
    pub(crate) fn goes_on(&self, id: &str, now: i64) -> bool {
        self.lock().by_id.get(id).is_some_and(|session| !session.is_over(now))
    }

    /// The session and user that a cookie's secret belongs to.
    pub(crate) fn by_secret(&self, cookie: &str, now: i64) -> Option<(String, i64)> {
        let hash = secret::hash(cookie);
        let mut inner = self.lock();
        let id = inner.by_secret.get(&hash)?.clone();
        let session = inner.by_id.get_mut(&id).filter(|session| !session.is_over(now))?;
        if !secret::same(&session.secret_hash, &hash) {
            return None;
        }
        session.seen = session.seen.max(now);
        Some((id, session.user))
    }

    pub(crate) fn end(&self, id: &str) -> bool {
        self.lock().remove(id).is_some()
    }

    /// Ends all sessions of a user, except one.
    pub(crate) fn end_all_of(&self, user: i64, except: Option<&str>) -> Vec<String> {
        self.lock().remove_if(|session| session.user == user && Some(session.id.as_str()) != except)
    }

    /// Forgets sessions that are over.
    pub(crate) fn sweep(&self, now: i64) -> Vec<String> {
        self.lock().remove_if(|session| session.is_over(now))
    }

    /// The sessions that were used since this was asked last, and when.
    pub(crate) fn take_seen(&self) -> Vec<(String, i64)> {
        let mut inner = self.lock();
        let last = std::mem::replace(&mut inner.told, i64::MIN);
        let seen: Vec<_> = inner
            .by_id
            .values()
            .filter(|session| session.seen > last)
            .map(|session| (session.id.clone(), session.seen))
            .collect();
        inner.told = seen.iter().map(|(_, seen)| *seen).max().unwrap_or(last);
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000 * SECOND;

    fn session(id: &str, user: i64) -> Session {
        let secret_hash = secret::hash(&format!("secret of {id}"));
        Session { id: id.to_owned(), user, secret_hash, created: NOW, seen: NOW }
    }

    #[test]
    fn a_session_ends_when_nobody_uses_it_and_at_the_latest_after_a_month() {
        let sessions = Sessions::new(vec![session("a", 1)]);
        let mut now = NOW;
        while now < NOW + LONGEST {
            assert_eq!(sessions.user_of("a", now), Some(1));
            now += IDLE - 1;
        }
        assert_eq!(sessions.user_of("a", NOW + LONGEST), None);
        let sessions = Sessions::new(vec![session("a", 1)]);
        assert_eq!(sessions.by_secret("secret of a", NOW + IDLE), None);
        assert_eq!(sessions.sweep(NOW + IDLE), ["a"]);
    }

    #[test]
    fn a_cookie_is_known_by_its_secret_only() {
        let sessions = Sessions::new(vec![session("a", 1), session("b", 2)]);
        assert_eq!(sessions.by_secret("secret of b", NOW), Some(("b".to_owned(), 2)));
        assert_eq!(sessions.by_secret("b", NOW), None);
        assert!(sessions.end("b"));
        assert_eq!(sessions.by_secret("secret of b", NOW), None);
    }

    #[test]
    fn a_person_has_so_many_sessions_and_the_oldest_end() {
        let sessions = Sessions::default();
        for i in 0..PER_USER {
            let seen = NOW + i64::try_from(i).unwrap();
            assert!(sessions.begin(Session { seen, ..session(&format!("s{i}"), 1) }).is_empty());
        }
        assert!(sessions.begin(session("other", 2)).is_empty());
        assert_eq!(sessions.begin(Session { seen: NOW + SECOND, ..session("one more", 1) }), ["s0"]);
        assert_eq!(sessions.end_all_of(1, Some("s1")).len(), PER_USER - 1);
        assert_eq!(sessions.user_of("s1", NOW), Some(1));
        assert_eq!(sessions.user_of("other", NOW), Some(2));
    }
}
