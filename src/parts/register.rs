//! What is known of one protocol's parts, and since when: looks and writes are brought in order here, without any I/O.
//!
//! A look takes a while, and the list that it brings was made at some moment of it. So it says nothing of an entity
//! whose parts were written to meanwhile: looks are numbered, and only one that began after the last write ended
//! replaces what is known. Where nobody knows whether a write was done, nothing is known any more, until a look that
//! began when that write must have come to its end.
//!
//! Two who write compare with what they were shown: a version tells whether that has been written to since, so that
//! not both create what was missing.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::list::PartList;
use super::part::Part;
use crate::ids::{AccountId, EntityId};

/// A request that was given up may be under way for this long: in the queue of a backend that is overloaded, behind
/// a proxy that waits longer than we do.
pub(crate) const SETTLED_AFTER: Duration = Duration::from_secs(60);

/// The parts of each entity of an account.
pub(crate) type PartsByEntity = HashMap<EntityId, Arc<PartList>>;

#[derive(Default)]
pub(crate) struct Register {
    /// The last look that began.
    looks: u64,
    /// The last look that ended.
    looked: u64,
    /// The last version that was given.
    version: Version,
    accounts: HashMap<AccountId, Owners>,
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

type Owners = HashMap<EntityId, Owner>;

/// An entity, as far as its parts are concerned.
#[derive(Default)]
struct Owner {
    parts: Arc<PartList>,
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
    /// The part is like this now; its details as JSON.
    Is { id: EntityId, name: String, details: String },
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

/// Brings an account in line with what a look found.
fn replace(owners: &mut Owners, look: Look, version: Version, mut found: PartsByEntity) {
    let version = Some(version);
    owners.retain(|id, owner| {
        let overseen = owner.is_overseen_by(look);
        match found.remove(id) {
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
    owners.extend(found.into_iter().map(|(id, parts)| (id, Owner { parts, version, ..Owner::default() })));
    owners.shrink_to_fit();
}

impl Register {
    pub(crate) fn begin_look(&mut self, now: Instant) -> Look {
        self.looks += 1;
        Look { number: self.looks, began: now }
    }

    /// A look is over: it found these accounts, and in those that could be read these entities with their parts.
    pub(crate) fn end_look(
        &mut self,
        look: Look,
        accounts: &HashSet<AccountId>,
        found: Vec<(AccountId, PartsByEntity)>,
    ) {
        // A look that was given up as hanging may come back after the next one.
        if look.number < self.looked {
            return;
        }
        self.looked = look.number;
        self.version.0 += 1;
        let gone: Vec<_> = self.accounts.keys().filter(|id| !accounts.contains(id)).copied().collect();
        let gone = gone.into_iter().map(|id| (id, PartsByEntity::new()));
        for (id, found) in found.into_iter().chain(gone) {
            let owners = self.accounts.entry(id).or_default();
            replace(owners, look, self.version, found);
            if owners.is_empty() {
                self.accounts.remove(&id);
            }
        }
    }

    /// All that is known of an account.
    pub(crate) fn known_in(&self, account: AccountId) -> PartsByEntity {
        let owners = self.accounts.get(&account).map(HashMap::iter);
        owners.into_iter().flatten().map(|(id, owner)| (*id, owner.parts.clone())).collect()
    }

    /// The parts of an entity. None while they are not known, and while they are written to: a run that was dropped
    /// may have left a write behind.
    pub(crate) fn of(&self, account: AccountId, owner: EntityId) -> Option<(Arc<PartList>, Version)> {
        let owner = self.accounts.get(&account)?.get(&owner).filter(|owner| owner.is_idle())?;
        Some((owner.parts.clone(), owner.version?))
    }

    /// Begins a write by somebody who was shown a version, or wrote that one.
    pub(crate) fn begin_write(
        &mut self,
        account: AccountId,
        owner: EntityId,
        shown: Version,
    ) -> Result<Version, Refusal> {
        let owner = self.accounts.get_mut(&account).and_then(|owners| owners.get_mut(&owner));
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
        let Some(owners) = self.accounts.get_mut(&account) else { return };
        // Where a write is under way, the entry stays.
        let Entry::Occupied(mut owner) = owners.entry(owner) else { return };
        let owner = owner.get_mut();
        owner.writes_under_way = owner.writes_under_way.saturating_sub(1);
        match outcome {
            Outcome::Same => return,
            Outcome::Doubtful => {
                owner.forget();
                owner.unsettled_until = Some(now + SETTLED_AFTER);
            }
            Outcome::Is { .. } | Outcome::Gone(_) if owner.version.is_none() => {}
            Outcome::Is { id, name, details } => {
                owner.parts = Arc::new(owner.parts.with(Part { id, name: &name, details: &details }));
            }
            Outcome::Gone(id) => owner.parts = Arc::new(owner.parts.without(id)),
        }
        owner.written_in = self.looks;
    }

    /// Parts, and entities whose parts are not known.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let owners = || self.accounts.values().flat_map(HashMap::values);
        let parts = owners().map(|owner| owner.parts.len()).sum();
        (parts, owners().filter(|owner| owner.version.is_none()).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountId = AccountId::new(1);
    const OWNER: EntityId = EntityId::new(7);

    fn is(id: u64, name: &str) -> Outcome {
        Outcome::Is { id: EntityId::new(id), name: name.to_owned(), details: "{}".to_owned() }
    }

    fn found(ids: &[u64]) -> PartsByEntity {
        let part = |id: &u64| Part { id: EntityId::new(*id), name: "eth", details: "{}" };
        let parts = ids.iter().map(part).collect();
        PartsByEntity::from([(OWNER, Arc::new(parts))])
    }

    /// A register and a clock of its own.
    struct Bench {
        register: Register,
        now: Instant,
    }

    impl Bench {
        /// After a look that found these parts.
        fn after_a_look(ids: &[u64]) -> Self {
            let mut bench = Self { register: Register::default(), now: Instant::now() };
            bench.look(ids);
            bench
        }

        fn begin(&mut self) -> Look {
            self.now += Duration::from_secs(1);
            self.register.begin_look(self.now)
        }

        fn end(&mut self, look: Look, ids: &[u64]) {
            self.register.end_look(look, &HashSet::from([ACCOUNT]), vec![(ACCOUNT, found(ids))]);
        }

        /// It found the account without the entity.
        fn end_without(&mut self, look: Look) {
            self.register.end_look(look, &HashSet::from([ACCOUNT]), vec![(ACCOUNT, PartsByEntity::new())]);
        }

        fn look(&mut self, ids: &[u64]) {
            let look = self.begin();
            self.end(look, ids);
        }

        fn shown(&self) -> Version {
            self.register.of(ACCOUNT, OWNER).unwrap().1
        }

        fn begin_write(&mut self) {
            let shown = self.shown();
            self.register.begin_write(ACCOUNT, OWNER, shown).unwrap();
        }

        fn end_write(&mut self, outcome: Outcome) {
            self.register.end_write(ACCOUNT, OWNER, outcome, self.now);
        }

        fn write(&mut self, outcome: Outcome) {
            self.begin_write();
            self.end_write(outcome);
        }

        fn ids(&self) -> Option<Vec<u64>> {
            let (parts, _) = self.register.of(ACCOUNT, OWNER)?;
            Some(parts.iter().map(|part| part.id.get()).collect())
        }
    }

    #[test]
    fn a_look_replaces_what_is_known_and_writes_change_it() {
        let mut bench = Bench::after_a_look(&[3, 5]);
        bench.write(is(4, "new"));
        bench.write(is(5, "changed"));
        bench.write(Outcome::Gone(EntityId::new(3)));
        bench.write(Outcome::Gone(EntityId::new(3)));
        bench.write(Outcome::Same);
        assert_eq!(bench.ids(), Some(vec![4, 5]));
        assert_eq!(bench.register.of(ACCOUNT, OWNER).unwrap().0.iter().nth(1).unwrap().name, "changed");
        bench.look(&[1]);
        assert_eq!(bench.ids(), Some(vec![1]));
    }

    #[test]
    fn a_look_that_began_before_the_end_of_a_write_says_nothing_of_that_entity() {
        let mut bench = Bench::after_a_look(&[]);
        let before = bench.begin();
        bench.begin_write();
        let meanwhile = bench.begin();
        bench.end(before, &[]);
        assert_eq!(bench.ids(), None, "it is being written to");
        bench.end_write(is(4, "new"));
        bench.end(meanwhile, &[]);
        assert_eq!(bench.ids(), Some(vec![4]));
        bench.look(&[]);
        assert_eq!(bench.ids(), Some(vec![]), "somebody else deleted it");
    }

    #[test]
    fn what_was_refused_does_not_hold_up_a_look() {
        let mut bench = Bench::after_a_look(&[]);
        let look = bench.begin();
        bench.write(Outcome::Same);
        bench.end(look, &[9]);
        assert_eq!(bench.ids(), Some(vec![9]));
    }

    #[test]
    fn after_a_doubtful_write_nothing_is_known_until_a_look_that_begins_when_it_is_settled() {
        let mut bench = Bench::after_a_look(&[3]);
        let shown = bench.shown();
        bench.write(Outcome::Doubtful);
        assert_eq!(bench.ids(), None);
        assert_eq!(bench.register.begin_write(ACCOUNT, OWNER, shown), Err(Refusal::NotKnown));
        assert_eq!(bench.register.counts(), (0, 1));
        bench.look(&[3]);
        assert_eq!(bench.ids(), None, "the request may still be in a queue");
        let too_early = bench.begin();
        bench.now += SETTLED_AFTER;
        bench.end(too_early, &[3]);
        assert_eq!(bench.ids(), None);
        bench.look(&[3, 4]);
        assert_eq!(bench.ids(), Some(vec![3, 4]));
        assert_eq!(bench.register.begin_write(ACCOUNT, OWNER, shown), Err(Refusal::Outdated));
        assert_eq!(bench.register.counts(), (2, 0));
    }

    #[test]
    fn a_write_beside_a_doubtful_one_makes_nothing_known() {
        let mut bench = Bench::after_a_look(&[]);
        let shown = bench.shown();
        let mine = bench.register.begin_write(ACCOUNT, OWNER, shown).unwrap();
        bench.register.begin_write(ACCOUNT, OWNER, mine).unwrap();
        bench.end_write(Outcome::Doubtful);
        bench.end_write(is(4, "new"));
        assert_eq!(bench.ids(), None);
        bench.now += SETTLED_AFTER;
        bench.look(&[4]);
        assert_eq!(bench.ids(), Some(vec![4]));
    }

    #[test]
    fn of_two_that_were_shown_the_same_only_the_first_writes() {
        let mut bench = Bench::after_a_look(&[]);
        let shown = bench.shown();
        let mine = bench.register.begin_write(ACCOUNT, OWNER, shown).unwrap();
        assert_eq!(bench.register.begin_write(ACCOUNT, OWNER, shown), Err(Refusal::Outdated));
        assert!(bench.register.begin_write(ACCOUNT, OWNER, mine).is_ok());
    }

    #[test]
    fn an_entity_that_is_gone_loses_its_parts_but_not_the_memory_of_a_write() {
        let mut bench = Bench::after_a_look(&[3]);
        let (without, with) = (bench.begin(), bench.begin());
        bench.write(is(4, "new"));
        bench.end_without(without);
        assert_eq!((bench.ids(), bench.register.counts()), (None, (0, 1)));
        // It is served again, but that list may be older than the part.
        bench.end(with, &[3]);
        assert_eq!(bench.ids(), None);
        let look = bench.begin();
        bench.end_without(look);
        assert_eq!(bench.register.counts(), (0, 0));
        bench.look(&[3, 4]);
        assert_eq!(bench.ids(), Some(vec![3, 4]));
    }

    #[test]
    fn a_look_that_comes_back_after_the_next_one_is_too_late() {
        let mut bench = Bench::after_a_look(&[]);
        let hanging = bench.begin();
        bench.look(&[5]);
        bench.end(hanging, &[]);
        assert_eq!(bench.ids(), Some(vec![5]));
        // Nor does it bring back what a later look did not find any more.
        let hanging = bench.begin();
        bench.write(is(6, "new"));
        let look = bench.begin();
        bench.register.end_look(look, &HashSet::new(), Vec::new());
        bench.end(hanging, &[5]);
        assert_eq!(bench.ids(), None);
    }

    #[test]
    fn an_account_that_is_not_listed_any_more_is_forgotten() {
        let mut bench = Bench::after_a_look(&[3]);
        let look = bench.begin();
        bench.register.end_look(look, &HashSet::from([ACCOUNT]), Vec::new());
        assert_eq!(bench.ids(), Some(vec![3]), "it could not be read, that is all");
        bench.register.end_look(look, &HashSet::new(), Vec::new());
        assert!(bench.register.accounts.is_empty());
    }

    #[test]
    fn nobody_writes_to_what_was_never_read() {
        let mut register = Register::default();
        let refused = register.begin_write(ACCOUNT, OWNER, Version::default());
        assert_eq!(refused, Err(Refusal::NotKnown));
    }
}
