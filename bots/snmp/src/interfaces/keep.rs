//! One run of an entity's interfaces: reads what the device has, and writes what the backend does not know yet.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use grafoleancollector::{
    AccountId, EntityId, JobError, PartContent, Parts, PartsError, Run, Samples, SensorId,
};
use tokio::time::Instant;

use super::{Changes, Child, compare, read, sources};
use crate::bot::{SnmpBot, SnmpTask};
use crate::counter::advice::advise;
use crate::poll::{FetchMethod, Polled, Wanted};
use crate::protocol::Snmp;

/// When an account that refused a write is tried again: somebody may have given the permission.
const DENIED_FOR: Duration = Duration::from_secs(3_600);
/// A backend that fails so often in one run is left alone until the next.
const MOST_FAILURES: usize = 3;
/// Sensors that advice was given for.
const MOST_ADVISED: usize = 10_000;

/// What is remembered between runs, of all entities.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    /// Accounts whose entities this bot may not write, and until when that is believed.
    denied: Mutex<HashMap<AccountId, Instant>>,
    /// Sensors that are known to count with too few bits.
    advised: Mutex<HashSet<SensorId>>,
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

/// A change that is to be written.
enum Write {
    Create(PartContent),
    Update(EntityId, PartContent),
    Delete(EntityId),
}

impl Changes {
    /// In an order in which a name that moves from one interface to another is free before it is taken.
    fn writes(self) -> impl Iterator<Item = Write> {
        let content = |wish: super::Wish| PartContent::new(wish.name, wish.details);
        let deletes = self.delete.into_iter().map(Write::Delete);
        let updates = self.update.into_iter().map(move |(id, wish)| Write::Update(id, content(wish)));
        deletes.chain(updates).chain(self.create.into_iter().map(move |wish| Write::Create(content(wish))))
    }
}

impl SnmpBot {
    /// Brings the entities of a device's interfaces up to date.
    pub(crate) async fn keep_interfaces(&self, run: &Run<SnmpTask>) -> Result<Samples, JobError> {
        let (account, entity) = (run.task.entity.account, run.task.entity.id);
        let nothing = Samples::for_account(account);
        let polled = self.ask(run, &Wanted::of(&sources()), run.task.poll_time()).await?;
        self.advise(run, &polled);
        if self.keeper.is_denied(account) {
            return Ok(nothing);
        }
        // Where it is not known what there is, all would be created once more.
        let Some(parts) = run.context().parts_of::<Snmp>(account, entity) else { return Ok(nothing) };
        let children = parts.list().iter().map(|part| Child {
            id: part.id,
            name: part.name.to_string(),
            details: part.details(),
        });
        let changes = compare(&polled, &children.collect::<Vec<_>>());
        let mut failures = Vec::new();
        for write in changes.writes() {
            match self.write(&parts, write).await {
                Ok(()) => {}
                Err(PartsError::Backend(error)) if matches!(error.status(), Some(401 | 403)) => {
                    if self.keeper.deny(account) {
                        tracing::warn!(
                            "account {account}: this bot may not write entities, so that interfaces are not kept \
                             up to date ({error}); give it POST, PUT and DELETE on accounts/{account}/entities, \
                             or set SNMP_INTERFACES=0"
                        );
                    }
                    return Ok(nothing);
                }
                Err(error) => {
                    self.counts.unwritten.inc();
                    failures.push(error);
                    if failures.len() >= MOST_FAILURES {
                        break;
                    }
                }
            }
        }
        match failures.into_iter().next() {
            None => Ok(nothing),
            Some(error) => Err(JobError::because("cannot write the entities of its interfaces", error)),
        }
    }

    async fn write(&self, parts: &Parts, write: Write) -> Result<(), PartsError> {
        match write {
            Write::Create(content) => {
                parts.create(&content).await?;
                self.counts.created.inc();
            }
            Write::Update(id, content) => {
                parts.update(id, &content).await?;
                self.counts.updated.inc();
            }
            Write::Delete(id) => {
                parts.delete(id).await?;
                self.counts.deleted.inc();
            }
        }
        Ok(())
    }

    /// Says which sensors count with 32 bits what needs 64, now that the speeds are known.
    fn advise(&self, run: &Run<SnmpTask>, polled: &Polled) {
        let speeds =
            read(polled).into_iter().filter_map(|interface| Some((interface.index, interface.speed_bps?)));
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
