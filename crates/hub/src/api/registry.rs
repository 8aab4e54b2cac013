//! Which accounts there are, and a number for each of their lists that grows with every change: so that a list
//! that has not changed is known without making it.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// A list of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Entities,
    Credentials,
    Sensors,
    Bots,
}

impl List {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Entities => "entities",
            Self::Credentials => "credentials",
            Self::Sensors => "sensors",
            Self::Bots => "bots",
        }
    }
}

/// The versions of an account's lists.
#[derive(Debug, Default)]
pub(crate) struct Versions([AtomicU64; 4]);

impl Versions {
    pub(crate) fn get(&self, list: List) -> u64 {
        self.0[list as usize].load(Ordering::Acquire)
    }

    /// To be called when a change is committed, and before it is answered.
    pub(crate) fn grow(&self, list: List) {
        self.0[list as usize].fetch_add(1, Ordering::Release);
    }
}

/// The accounts.
#[derive(Debug, Default)]
pub(crate) struct Registry(RwLock<HashMap<i64, Arc<Versions>>>);

impl Registry {
    pub(crate) fn new(accounts: impl IntoIterator<Item = i64>) -> Self {
        let accounts = accounts.into_iter().map(|account| (account, Arc::default()));
        Self(RwLock::new(accounts.collect()))
    }

    pub(crate) fn get(&self, account: i64) -> Option<Arc<Versions>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&account).cloned()
    }

    pub(crate) fn ids(&self) -> Vec<i64> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(crate) fn add(&self, account: i64) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).entry(account).or_default();
    }

    pub(crate) fn remove(&self, account: i64) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&account);
    }

    pub(crate) fn grow(&self, account: i64, list: List) {
        if let Some(versions) = self.get(account) {
            versions.grow(list);
        }
    }

    /// As above, for all accounts: a bot of the whole system has changed, say.
    pub(crate) fn grow_all(&self, list: List) {
        for versions in self.0.read().unwrap_or_else(PoisonError::into_inner).values() {
            versions.grow(list);
        }
    }
}
