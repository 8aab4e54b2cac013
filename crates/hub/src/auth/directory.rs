//! All users with what they may do, in memory: who asks is known without a question to the database.
//!
//! There are few users and they change rarely, so that the whole is read again after each change.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    permissions::{self, Permission, Verb},
    secret,
};

/// What kind of user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Person,
    Bot {
        protocol: Option<String>,
        /// The account that it belongs to; none for one that serves the whole system.
        account: Option<i64>,
    },
}

/// A user, as far as requests are concerned.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) kind: Kind,
    pub(crate) permissions: Vec<Permission>,
}

impl User {
    pub(crate) fn may(&self, verb: Verb, resource: &str) -> bool {
        permissions::allowed(&self.permissions, resource, verb)
    }

    pub(crate) const fn is_bot(&self) -> bool {
        matches!(self.kind, Kind::Bot { .. })
    }
}

/// All users at one moment.
#[derive(Debug, Default)]
pub(crate) struct Users {
    pub(crate) by_id: HashMap<i64, Arc<User>>,
    /// Bots by the hash of their token.
    pub(crate) tokens: HashMap<[u8; 32], i64>,
}

impl Users {
    pub(crate) fn get(&self, id: i64) -> Option<&Arc<User>> {
        self.by_id.get(&id)
    }

    pub(crate) fn has_persons(&self) -> bool {
        self.by_id.values().any(|user| user.kind == Kind::Person)
    }
}

/// The users now.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    users: RwLock<Arc<Users>>,
    /// Held while they are read again, so that who reads last has seen all changes.
    pub(crate) reading: tokio::sync::Mutex<()>,
}

impl Directory {
    pub(crate) fn now(&self) -> Arc<Users> {
        Arc::clone(&self.users.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, users: Users) {
        *self.users.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(users);
    }

    pub(crate) fn user(&self, id: i64) -> Option<Arc<User>> {
        self.now().get(id).cloned()
    }

    /// The bot that this token belongs to, with the token's hash.
    pub(crate) fn bot_by_token(&self, token: &str) -> Option<(Arc<User>, [u8; 32])> {
        if !secret::is_uuid(token) {
            return None;
        }
        let hash = secret::hash(&token.to_ascii_lowercase());
        let users = self.now();
        // Looked up by a hash that a caller cannot steer, and then compared in constant time.
        let (kept, id) = users.tokens.get_key_value(&hash)?;
        let user = users.get(*id).filter(|_| secret::same(kept, &hash))?;
        Some((Arc::clone(user), hash))
    }

    /// Whether a token is still that of this bot.
    pub(crate) fn holds_token(&self, bot: i64, hash: &[u8; 32]) -> bool {
        self.now().tokens.get(hash) == Some(&bot)
    }
}
