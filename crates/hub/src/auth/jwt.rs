//! Bearer tokens of people: JSON Web Tokens, signed (HS256) with keys that change each day.
//!
//! The header reads `Bearer <id of the key>:<token>`. A token is good for ten minutes, and can be exchanged
//! for a fresh one for ten more. It names its session, which can be ended at any time.

use std::sync::{PoisonError, RwLock};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use serde::{Deserialize, Serialize};

const SECOND: i64 = 1_000_000;

/// How long a token is good.
pub(crate) const VALID: i64 = 600 * SECOND;

/// How long after that it can be exchanged for a fresh one.
pub(crate) const REFRESHABLE: i64 = 600 * SECOND;

/// How long a key signs.
pub(crate) const KEY_SIGNS: i64 = 24 * 3600 * SECOND;

/// How long a key is known: what it signed last can still be exchanged then.
pub(crate) const KEY_KNOWN: i64 = KEY_SIGNS + VALID + REFRESHABLE + 60 * SECOND;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) user_id: i64,
    pub(crate) session_id: String,
    /// Seconds since the epoch.
    pub(crate) exp: i64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

/// A key as it is kept. Times are microseconds since the epoch.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: i64,
    pub(crate) secret: Vec<u8>,
    pub(crate) created: i64,
}

/// The keys that are known, the newest last.
#[derive(Default)]
pub(crate) struct Keys(RwLock<Vec<Key>>);

impl Keys {
    pub(crate) fn new(keys: Vec<Key>) -> Self {
        Self(RwLock::new(keys))
    }

    /// Adds a key, and forgets those that nothing refers to any more.
    pub(crate) fn add(&self, key: Key, now: i64) {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|old| now < old.created + KEY_KNOWN && old.id != key.id);
        keys.push(key);
    }

    /// A header for this session, or `None` when there is no key that may sign now.
    pub(crate) fn sign(&self, user_id: i64, session_id: &str, now: i64) -> Option<String> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.iter().rev().find(|key| (key.created..key.created + KEY_SIGNS).contains(&now))?;
        let claims = Claims { user_id, session_id: session_id.to_owned(), exp: (now + VALID) / SECOND };
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).ok()?);
        let signed = format!("{header}.{claims}");
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key.secret), signed.as_bytes());
        Some(format!("Bearer {}:{signed}.{}", key.id, URL_SAFE_NO_PAD.encode(signature)))
    }

    /// What a header says, when one of our keys signed it and it ended no longer than `leeway` ago.
    pub(crate) fn verify(&self, header: &str, now: i64, leeway: i64) -> Option<Claims> {
        let (id, token) = header.strip_prefix("Bearer ")?.split_once(':')?;
        let id = id.parse::<i64>().ok()?;
        let (signed, signature) = token.rsplit_once('.')?;
        let (head, claims) = signed.split_once('.')?;
        let head: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).ok()?).ok()?;
        if head.alg != "HS256" {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        {
            let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let key = keys.iter().find(|key| key.id == id && now < key.created + KEY_KNOWN)?;
            let key = hmac::Key::new(hmac::HMAC_SHA256, &key.secret);
            // Compares in constant time.
            hmac::verify(&key, signed.as_bytes(), &signature).ok()?;
        }
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        (now <= claims.exp.saturating_mul(SECOND).saturating_add(leeway)).then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000 * SECOND;

    fn keys() -> Keys {
        Keys::new(vec![Key { id: 3, secret: vec![7; 32], created: NOW }])
    }

    #[test]
    fn a_token_is_good_for_ten_minutes_and_can_be_exchanged_for_ten_more() {
        let keys = keys();
        let header = keys.sign(5, "abc", NOW).unwrap();
        assert!(header.starts_with("Bearer 3:"), "{header}");
        let claims = keys.verify(&header, NOW, 0).unwrap();
        assert_eq!((claims.user_id, claims.session_id.as_str()), (5, "abc"));
        assert!(keys.verify(&header, NOW + VALID, 0).is_some());
        assert!(keys.verify(&header, NOW + VALID + SECOND, 0).is_none());
        assert!(keys.verify(&header, NOW + VALID + REFRESHABLE, REFRESHABLE).is_some());
        assert!(keys.verify(&header, NOW + VALID + REFRESHABLE + SECOND, REFRESHABLE).is_none());
    }

    #[test]
    fn what_was_changed_or_signed_by_somebody_else_is_not_believed() {
        let keys = keys();
        let header = keys.sign(5, "abc", NOW).unwrap();
        let (head, rest) = header.split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode(r#"{"user_id":1,"session_id":"abc","exp":99999999999}"#);
        assert!(keys.verify(&format!("{head}.{other}.{signature}"), NOW, 0).is_none());
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        assert!(keys.verify(&format!("Bearer 3:{none}.{other}."), NOW, 0).is_none());
        assert!(keys.verify(&header.replace("Bearer 3", "Bearer 4"), NOW, 0).is_none());
        let others = Keys::new(vec![Key { id: 3, secret: vec![8; 32], created: NOW }]);
        assert!(others.verify(&header, NOW, 0).is_none());
        for nonsense in
            ["", "Bearer", "Bearer 3", "Bearer 3:", "Bearer x:a.b.c", "Bearer 3:..", "Basic 3:a.b.c"]
        {
            assert!(keys.verify(nonsense, NOW, 0).is_none(), "{nonsense}");
        }
    }

    #[test]
    fn a_key_signs_for_a_day_and_is_known_a_little_longer() {
        let keys = keys();
        let last = keys.sign(5, "abc", NOW + KEY_SIGNS - 1).unwrap();
        assert!(keys.sign(5, "abc", NOW + KEY_SIGNS).is_none());
        keys.add(Key { id: 4, secret: vec![9; 32], created: NOW + KEY_SIGNS }, NOW + KEY_SIGNS);
        assert!(keys.sign(5, "abc", NOW + KEY_SIGNS).unwrap().starts_with("Bearer 4:"));
        assert!(keys.verify(&last, NOW + KEY_SIGNS + VALID + REFRESHABLE - SECOND, REFRESHABLE).is_some());
        keys.add(Key { id: 5, secret: vec![1; 32], created: NOW + KEY_KNOWN }, NOW + KEY_KNOWN);
        assert!(keys.verify(&last, NOW + KEY_SIGNS, REFRESHABLE).is_none());
    }
}
