//! What a bot knows of parts, of all its protocols: shared by looks, runs and metrics.

use std::any::TypeId;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::list::PartList;
use super::register::{Look, Outcome, PartsByEntity, Refusal, Register, Version};
use crate::ids::{AccountId, EntityId};
use crate::protocol::Protocol;
use crate::telemetry::MetricsText;

/// Parts that are written at the same time, to all accounts together. A first start may create hundreds of
/// thousands, and the backend has values to store meanwhile.
const WRITES_AT_ONCE: usize = 4;

pub(crate) struct Knowledge {
    registers: Mutex<HashMap<TypeId, Register>>,
    turns: Arc<Semaphore>,
}

impl Default for Knowledge {
    fn default() -> Self {
        Self { registers: Mutex::default(), turns: Arc::new(Semaphore::new(WRITES_AT_ONCE)) }
    }
}

/// A protocol's place in what is known.
#[derive(Clone, Copy)]
pub(super) struct Shelf(TypeId);

impl Shelf {
    pub(super) fn of<P: Protocol>() -> Self {
        Self(TypeId::of::<P>())
    }
}

impl Knowledge {
    /// A look begins, if the protocol has parts. Call it before the first request.
    pub(crate) fn begin_look<P: Protocol>(&self) -> Option<Look> {
        P::PARTS?;
        Some(self.register(Shelf::of::<P>(), |register| register.begin_look(Instant::now())))
    }

    /// A look is over: it found these accounts, and in those that could be read these entities with their parts.
    pub(crate) fn end_look<P: Protocol>(
        &self,
        look: Look,
        accounts: &HashSet<AccountId>,
        found: Vec<(AccountId, PartsByEntity)>,
    ) {
        self.register(Shelf::of::<P>(), |register| register.end_look(look, accounts, found));
    }

    /// All that is known of an account: nothing, if the protocol has no parts.
    pub(crate) fn known_in<P: Protocol>(&self, account: AccountId) -> PartsByEntity {
        let registers = self.lock();
        registers.get(&TypeId::of::<P>()).map(|register| register.known_in(account)).unwrap_or_default()
    }

    pub(super) fn of(
        &self,
        shelf: Shelf,
        account: AccountId,
        owner: EntityId,
    ) -> Option<(Arc<PartList>, Version)> {
        self.register(shelf, |register| register.of(account, owner))
    }

    fn register<T>(&self, Shelf(protocol): Shelf, act: impl FnOnce(&mut Register) -> T) -> T {
        act(self.lock().entry(protocol).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TypeId, Register>> {
        self.registers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
    pub(crate) fn write_metrics(&self, out: &mut MetricsText) {
        let registers = self.lock();
        if registers.is_empty() {
            return;
        }
        let counts = registers.values().map(Register::counts);
        let (parts, unknown) = counts.fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1));
        out.gauge(
            "grafolean_parts",
            "Parts that are known of the entities that this bot serves.",
            parts as f64,
        );
        out.gauge(
            "grafolean_parts_unknown",
            "Entities whose parts are not known, because of a write of which nobody knows whether it was done.",
            unknown as f64,
        );
    }
}

/// A write that is under way. Dropped without a word, it is doubtful whether it was done.
pub(super) struct Writing {
    knowledge: Arc<Knowledge>,
    shelf: Shelf,
    account: AccountId,
    owner: EntityId,
    outcome: Outcome,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Writing {
    /// Waits for a turn. `shown` is the version that the writer has before its eyes, and its own one from now on.
    pub(super) async fn begin(
        knowledge: Arc<Knowledge>,
        shelf: Shelf,
        account: AccountId,
        owner: EntityId,
        shown: &Mutex<Version>,
    ) -> Result<Self, Refusal> {
        // It is never closed, so that there always is a turn in the end.
        let turn = knowledge.turns.clone().acquire_owned().await.ok();
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = knowledge.register(shelf, |register| register.begin_write(account, owner, *shown))?;
        Ok(Self { knowledge, shelf, account, owner, outcome: Outcome::Doubtful, _turn: turn })
    }

    pub(super) fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let Self { knowledge, shelf, account, owner, outcome, .. } = self;
        let outcome = std::mem::replace(outcome, Outcome::Doubtful);
        knowledge.register(*shelf, |register| register.end_write(*account, *owner, outcome, Instant::now()));
    }
}
