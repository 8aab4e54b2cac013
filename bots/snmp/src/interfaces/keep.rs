//! One run of an entity's interfaces: reads what the device has, and writes what the backend does not know yet.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use grafoleancollector::{
    AccountId, EntityId, JobError, Part, PartContent, Parts, PartsError, Run, Samples, SensorId,
};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::{Changes, Child, Wish, compare, read, sources};
use crate::bot::{SnmpBot, SnmpTask};
use crate::counter::advice::advise;
use crate::metrics::Counts;
use crate::poll::{FetchMethod, Polled, Wanted};
use crate::protocol::Snmp;

/// When an account that refused a write is tried again: somebody may have given the permission.
const DENIED_FOR: Duration = Duration::from_secs(3_600);
/// A backend that fails so often in one run is left alone until the next.
const MOST_FAILURES: usize = 3;
/// Devices whose interfaces are written at a time: at a first start thousands have to be, and what waits takes memory.
/// The others come at their next look.
const WRITTEN_AT_ONCE: usize = 64;
/// How long a run waits for its writes. A slow backend must not keep the device's sensors waiting, so that the rest is
/// written without the run.
const WAIT_FOR_WRITES: Duration = Duration::from_secs(2);
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
    fn is_denied(&self, account: AccountId) -> bool {
        let denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        denied.get(&account).is_some_and(|until| Instant::now() < *until)
    }

    /// Whether that is news.
    fn deny(&self, account: AccountId) -> bool {
        let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        denied.insert(account, Instant::now() + DENIED_FOR).is_none()
    }

    fn is_first_advice(&self, sensor: SensorId) -> bool {
        let mut advised = self.advised.lock().unwrap_or_else(PoisonError::into_inner);
        advised.len() < MOST_ADVISED && advised.insert(sensor)
    }
}

impl SnmpBot {
    /// Brings the entities of a device's interfaces up to date.
    pub(crate) async fn keep_interfaces(&self, run: &Run<SnmpTask>) -> Result<Samples, JobError> {
        let (account, entity) = (run.task.entity.account, run.task.entity.id);
        let device = self.device(run);
        let polled = self.ask(run, &device, &Wanted::of(&sources())).await?;
        self.advise(run, &polled);
        if !self.keeper.is_denied(account)
            // Where it is not known what there is, all would be created once more.
            && let Some(parts) = run.context().parts_of::<Snmp>(account, entity)
        {
            let changes = compare(&polled, &children(&parts));
            if !changes.is_empty()
                && let Ok(desk) = Arc::clone(&self.keeper.desks).try_acquire_owned()
            {
                let (keeper, counts) = (Arc::clone(&self.keeper), Arc::clone(&self.counts));
                let written = Arc::clone(&device);
                let writing = tokio::spawn(async move {
                    written.interfaces_written(keeper.write(&counts, account, &parts, changes).await);
                    drop(desk);
                });
                // What is not written by then goes on; how it ended, the next run tells.
                let _ = timeout(WAIT_FOR_WRITES, writing).await;
            }
        }
        match device.interfaces_unwritten() {
            None => Ok(Samples::for_account(account)),
            Some(error) => Err(JobError::because("cannot write the entities of its interfaces", error)),
        }
    }

    /// Says which sensors count with 32 bits what needs 64, now that the speeds are known.
    fn advise(&self, run: &Run<SnmpTask>, polled: &Polled) {
        let speeds = read(polled).into_iter().filter_map(|one| Some((one.index, one.speed_bps?)));
        let speeds: HashMap<u32, u64> = speeds.collect();
        let Some(fastest) = speeds.values().max().copied() else { return };
        for sensor in &run.task.entity.sensors {
            let Some(interval) = sensor.interval else { continue };
            let every = Duration::from_secs(interval.as_secs().into());
            let advice = sensor.details.sources().iter().find_map(|source| {
                // A single object ends in its interface's index; a column has all of them.
                let one = source.oid.arcs().last().and_then(|index| speeds.get(index)).copied();
                let speed = if source.fetch == FetchMethod::Get { one? } else { fastest };
                advise(&source.oid, speed, every)
            });
            if let Some(advice) = advice
                && self.keeper.is_first_advice(sensor.id)
            {
                self.say(run, &format!("sensor {:?}: {advice}", sensor.name));
            }
        }
    }
}

fn children(parts: &Parts) -> Vec<Child> {
    let child = |part: &Part| Child { id: part.id, name: part.name.to_string(), details: part.details() };
    parts.list().iter().map(child).collect()
}

/// A change that is to be written.
enum Write {
    Create(PartContent),
    Update(EntityId, PartContent),
    Delete(EntityId),
}

impl Changes {
    const fn is_empty(&self) -> bool {
        let Self { create, update, delete, spared: _ } = self;
        create.is_empty() && update.is_empty() && delete.is_empty()
    }

    /// In an order in which a name that moves from one interface to another is free before it is taken.
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
    /// Writes all that the backend takes. An error is the first of several.
    async fn write(
        &self,
        counts: &Counts,
        account: AccountId,
        parts: &Parts,
        changes: Changes,
    ) -> Result<(), PartsError> {
        let mut failures = Vec::new();
        for write in changes.writes() {
            match write.put(parts, counts).await {
                Ok(()) => {}
                Err(PartsError::Backend(error)) if matches!(error.status(), Some(401 | 403)) => {
                    if self.deny(account) {
                        tracing::warn!(
                            "account {account}: this bot may not write entities, so that interfaces are not kept \
                             up to date ({error}); give it POST, PUT and DELETE on accounts/{account}/entities, \
                             or set SNMP_INTERFACES=0"
                        );
                    }
                    return Ok(());
                }
                Err(error) => {
                    counts.unwritten.inc();
                    failures.push(error);
                    if failures.len() >= MOST_FAILURES {
                        break;
                    }
                }
            }
        }
        failures.into_iter().next().map_or(Ok(()), Err)
    }
}
