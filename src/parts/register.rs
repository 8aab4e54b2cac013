//! What is known of one protocol's parts, and since when: looks and writes are brought in order here, without any I/O.
//!
//! A look takes a while, and the list that it brings was made at some moment of it. So it says nothing of an entity
//! whose parts were written to meanwhile: looks are numbered, and only one that began after the last write ended
//! replaces what is known. Where nobody knows whether a write was done, nothing is known any more, until a look that
//! began when that write must have come to its end.
//!
//! Two who write compare with what they were shown: a version tells whether that has been written to since, so that
//! not both create what was missing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::part::Part;
use crate::ids::{AccountId, EntityId};

/// A request that was given up may be under way for this long: in the queue of a backend that is overloaded, behind
/// a proxy that waits longer than we do.
pub(crate) const SETTLED_AFTER: Duration = Duration::from_secs(60);

/// The parts of each entity of an account.
pub(crate) type PartsByEntity = HashMap<EntityId, Arc<Vec<Part>>>;

#[derive(Default)]
pub(crate) struct Register {
    looks: u64,
    /// The last version that was given.
    version: Version,
    accounts: HashMap<AccountId, Account>,
}

/// What was shown to somebody who may want to write.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Version(u64);

/// Why there is no writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// It is not known what there is.
    NotKnown,
    /// Somebody else wrote since.
    Outdated,
}

/// A look at the backend, from before its first request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    number: u64,
    began: Instant,
}

#[derive(Default)]
struct Account {
    /// The look that what is known comes from.
    read_in: u64,
    owners: HashMap<EntityId, Owner>,
}

/// An entity, as far as its parts are concerned.
#[derive(Default)]
struct Owner {
    /// Sorted by id.
    parts: Arc<Vec<Part>>,
    /// Another one with each write; none while they are not known.
    version: Option<Version>,
    writes_under_way: u32,
    /// The last look that had begun when a write ended: it may have seen what was before.
    written_in: u64,
    /// Until then, something that was asked for may still come to be.
    unsettled_until: Option<Instant>,
}

/// What came of a write.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The part is like this now.
    Is(Part),
    /// The part is no more.
    Gone(EntityId),
    /// All is as it was, or does not depend on whether it is: it would be asked for in the same words again.
    Same,
    /// Nobody knows.
    Doubtful,
}

impl Owner {
    const fn is_idle(&self) -> bool {
        self.writes_under_way == 0
    }

    /// Whether a look has seen all that was written.
    fn is_overseen_by(&self, look: Look) -> bool {
        let settled = self.unsettled_until.is_none_or(|until| look.began >= until);
        self.is_idle() && look.number > self.written_in && settled
    }

    fn forget(&mut self) {
        self.parts = Arc::default();
        self.version = None;
    }
}

impl Register {
    pub(crate) fn begin_look(&mut self, now: Instant) -> Look {
        self.looks += 1;
        Look { number: self.looks, began: now }
    }

    /// Takes what a look found in an account: the parts of all entities that are served.
    pub(crate) fn end_look(&mut self, look: Look, id: AccountId, mut found: PartsByEntity) {
        let account = self.accounts.entry(id).or_default();
        // A look that was given up as hanging may come back after the next one.
        if look.number < account.read_in {
            return;
        }
        account.read_in = look.number;
        self.version.0 += 1;
        let version = Some(self.version);
        account.owners.retain(|id, owner| {
            let found = found.remove(id);
            let overseen = owner.is_overseen_by(look);
            match found {
                Some(parts) if overseen => {
                    owner.parts = parts;
                    owner.version = owner.version.or(version);
                    owner.unsettled_until = None;
                }
                Some(_) => {}
                // It stays as a reminder that no look has seen yet what was written.
                None => owner.forget(),
            }
            owner.version.is_some() || !overseen
        });
        let new = found.into_iter().map(|(id, parts)| (id, Owner { parts, version, ..Owner::default() }));
        account.owners.extend(new);
        account.owners.shrink_to_fit();
    }

    /// A look found that these are all the accounts that there are.
    pub(crate) fn keep_accounts(&mut self, look: Look, listed: &[AccountId]) {
        let gone: Vec<_> = self.accounts.keys().filter(|id| !listed.contains(id)).copied().collect();
        for id in gone {
            self.end_look(look, id, PartsByEntity::new());
        }
        self.accounts.retain(|id, account| listed.contains(id) || !account.owners.is_empty());
    }

    /// All that is known of an account.
    pub(crate) fn known_in(&self, account: AccountId) -> PartsByEntity {
        let owners = self.accounts.get(&account).map(|account| account.owners.iter());
        owners.into_iter().flatten().map(|(id, owner)| (*id, owner.parts.clone())).collect()
    }

    /// The parts of an entity. None while they are not known, and while they are written to: a run that was dropped
    /// may have left a write behind.
    pub(crate) fn of(&self, account: AccountId, owner: EntityId) -> Option<(Arc<Vec<Part>>, Version)> {
        let owner = self.accounts.get(&account)?.owners.get(&owner).filter(|owner| owner.is_idle())?;
        Some((owner.parts.clone(), owner.version?))
    }

    /// Begins a write by somebody who was shown a version, or wrote that one.
    pub(crate) fn begin_write(
        &mut self,
        account: AccountId,
        owner: EntityId,
        shown: Version,
    ) -> Result<Version, Refusal> {
        let owner = self.accounts.get_mut(&account).and_then(|account| account.owners.get_mut(&owner));
        let owner = owner.ok_or(Refusal::NotKnown)?;
        if owner.version.ok_or(Refusal::NotKnown)? != shown {
            return Err(Refusal::Outdated);
        }
        owner.writes_under_way += 1;
        self.version.0 += 1;
        owner.version = Some(self.version);
        Ok(self.version)
    }

    pub(crate) fn end_write(&mut self, account: AccountId, owner: EntityId, outcome: Outcome, now: Instant) {
        let Some(account) = self.accounts.get_mut(&account) else { return };
        // Where a write is under way, the entry stays.
        let Entry::Occupied(mut owner) = account.owners.entry(owner) else { return };
        let owner = owner.get_mut();
        owner.writes_under_way = owner.writes_under_way.saturating_sub(1);
        let place = |parts: &[Part], id| parts.binary_search_by_key(&id, |part| part.id);
        match outcome {
            Outcome::Same => return,
            Outcome::Doubtful => {
                owner.forget();
                owner.unsettled_until = Some(now + SETTLED_AFTER);
            }
            Outcome::Is(_) | Outcome::Gone(_) if owner.version.is_none() => {}
            Outcome::Is(part) => {
                let parts = Arc::make_mut(&mut owner.parts);
                match place(parts, part.id) {
                    Ok(at) => parts[at] = part,
                    Err(at) => parts.insert(at, part),
                }
            }
            Outcome::Gone(id) => {
                let parts = Arc::make_mut(&mut owner.parts);
                if let Ok(at) = place(parts, id) {
                    parts.remove(at);
                }
            }
        }
        owner.written_in = self.looks;
    }

    /// Parts, and entities whose parts are not known.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let owners = || self.accounts.values().flat_map(|account| account.owners.values());
        let parts = owners().map(|owner| owner.parts.len()).sum();
        (parts, owners().filter(|owner| owner.version.is_none()).count())
    }
}
