//! Writing what has changed: as much as the backend takes, beside the runs.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use grafoleancollector::{AccountId, ApiError, EntityId, PartContent, Parts, PartsError, SensorId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::{Changes, Wish};
use crate::metrics::Counts;

/// When an account that refused a write is tried again: somebody may have given the permission.
const DENIED_FOR: Duration = Duration::from_secs(3_600);
/// A backend that is out of order so often in one run is left alone until the next. What it refuses does not count:
/// one interface that it does not like must not keep the others from being written.
const MOST_FAILURES: usize = 3;
/// Devices whose interfaces are written at a time: at a first start thousands have to be, and what waits takes memory.
/// The others come at their next look.
const WRITTEN_AT_ONCE: usize = 64;
/// Sensors that advice was given for.
const MOST_ADVISED: usize = 10_000;

/// What is remembered between runs, of all entities.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Accounts whose entities this bot may not write, and until when that is believed.
    denied: Mutex<HashMap<AccountId, Instant>>,
    /// Sensors that are known to count with too few bits.
    advised: Mutex<HashSet<SensorId>>,
    desks: Arc<Semaphore>,
}

impl Default for Keeper {
    fn default() -> Self {
        let desks = Arc::new(Semaphore::new(WRITTEN_AT_ONCE));
        Self { denied: Mutex::default(), advised: Mutex::default(), desks }
    }
}

impl Keeper {
    /// A place to write at, if one is free.
    pub(super) fn desk(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.desks).try_acquire_owned().ok()
    }

    pub(super) fn is_denied(&self, account: AccountId) -> bool {
        let denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        denied.get(&account).is_some_and(|until| Instant::now() < *until)
    }

    /// Whether that is news.
    fn deny(&self, account: AccountId) -> bool {
        let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        denied.insert(account, Instant::now() + DENIED_FOR).is_none()
    }

    pub(super) fn is_first_advice(&self, sensor: SensorId) -> bool {
        let mut advised = self.advised.lock().unwrap_or_else(PoisonError::into_inner);
        advised.len() < MOST_ADVISED && advised.insert(sensor)
    }
}

/// A change that is to be written.
enum Write {
    Create(PartContent),
    Update(EntityId, PartContent),
    Delete(EntityId),
}

impl Changes {
    pub(super) const fn is_empty(&self) -> bool {
        let Self { create, update, delete, spared: _ } = self;
        create.is_empty() && update.is_empty() && delete.is_empty()
    }

    /// What is gone first, so that a name is free before another interface takes it.
    fn writes(self) -> impl Iterator<Item = Write> {
        let content = |wish: Wish| PartContent::new(wish.name, wish.details);
        let deletes = self.delete.into_iter().map(Write::Delete);
        let updates = self.update.into_iter().map(move |(id, wish)| Write::Update(id, content(wish)));
        deletes.chain(updates).chain(self.create.into_iter().map(move |wish| Write::Create(content(wish))))
    }
}

impl Write {
    async fn put(self, parts: &Parts, counts: &Counts) -> Result<(), PartsError> {
        match self {
            Self::Create(content) => {
                parts.create(&content).await?;
                counts.created.inc();
            }
            Self::Update(id, content) => {
                parts.update(id, &content).await?;
                counts.updated.inc();
            }
            Self::Delete(id) => {
                parts.delete(id).await?;
                counts.deleted.inc();
            }
        }
        Ok(())
    }
}

impl Keeper {
    /// Writes all that the backend takes. An error tells the first failure.
    pub(super) async fn write(
        &self,
        counts: &Counts,
        account: AccountId,
        parts: &Parts,
        changes: Changes,
    ) -> Result<(), WriteError> {
        let (mut first, mut failed, mut out_of_order) = (None, 0, 0);
        for write in changes.writes() {
            let what = write.to_string();
            let error = match write.put(parts, counts).await {
                Ok(()) => continue,
                Err(PartsError::Backend(error)) if error.status() == Some(403) => {
                    self.is_refused(account, &error);
                    return Ok(());
                }
                Err(error) => error,
            };
            counts.unwritten.inc();
            failed += 1;
            let refused = matches!(&error, PartsError::Backend(error) if is_refusal(error));
            first.get_or_insert(WriteError { what, failed, error });
            out_of_order += usize::from(!refused);
            if out_of_order >= MOST_FAILURES {
                break;
            }
        }
        first.map_or(Ok(()), |first| Err(WriteError { failed, ..first }))
    }

    fn is_refused(&self, account: AccountId, error: &ApiError) {
        if self.deny(account) {
            tracing::warn!(
                "account {account}: this bot may not write entities, so that interfaces are not kept up to date \
                 ({error}); give it POST, PUT and DELETE on accounts/{account}/entities, or set SNMP_INTERFACES=0"
            );
        }
    }
}

/// Whether the backend is well and does not want this one thing.
fn is_refusal(error: &ApiError) -> bool {
    error.status().is_some_and(|status| (400..500).contains(&status) && ![401, 408, 429].contains(&status))
}

/// Entities that were not written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}{}", match failed { 1 => String::new(), n => format!(", the first of {n} failures") })]
pub(crate) struct WriteError {
    what: String,
    failed: usize,
    #[source]
    error: PartsError,
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(content) => write!(f, "create an entity for interface {:.80?}", content.name),
            Self::Update(id, content) => write!(f, "change entity {id} of interface {:.80?}", content.name),
            Self::Delete(id) => write!(f, "delete entity {id} of an interface that is gone"),
        }
    }
}
