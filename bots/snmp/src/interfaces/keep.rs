//! One run of an entity's interfaces: reads what the device has, and has written what the backend does not know yet.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use grafoleancollector::{JobError, Part, Parts, Run, Samples};
use tokio::time::timeout;

use super::{Changes, Child, compare, read, sources};
use crate::bot::{SnmpBot, SnmpTask};
use crate::counter::advice::advise;
use crate::device::Device;
use crate::measure::unread;
use crate::notices::Subject;
use crate::poll::{FetchMethod, Polled, Wanted};
use crate::protocol::Snmp;

/// How long a run waits for its writes. A slow backend must not keep the device's sensors waiting, so that the rest is
/// written without the run.
const WAIT_FOR_WRITES: Duration = Duration::from_secs(2);

impl SnmpBot {
    /// Brings the entities of a device's interfaces up to date.
    pub(crate) async fn keep_interfaces(&self, run: &Run<SnmpTask>) -> Result<Samples, JobError> {
        let (account, entity) = (run.task.entity.account, run.task.entity.id);
        let device = self.device(run);
        let columns = sources();
        let polled = self.ask(run, &device, &Wanted::of(&columns)).await?;
        let columns: HashSet<_> = columns.into_iter().collect();
        self.notice(run, &device, unread(&polled), |subject| match subject {
            Subject::Unread(column) => polled.gone.is_none() && columns.contains(column),
            _ => false,
        });
        self.advise(run, &polled);
        // Where it is not known what there is, all would be created once more.
        if !self.keeper.is_denied(account)
            && let Some(parts) = run.context().parts_of::<Snmp>(account, entity)
        {
            let changes = compare(&polled, &children(&parts));
            if !changes.is_empty() {
                self.have_written(run, &device, parts, changes).await?;
            }
        }
        match device.interfaces_unwritten() {
            None => Ok(Samples::for_account(account)),
            Some(error) => Err(JobError::because("the entities of its interfaces are not up to date", error)),
        }
    }

    /// Writes in a task of its own, and waits for a while. How it ended later, the next run tells.
    async fn have_written(
        &self,
        run: &Run<SnmpTask>,
        device: &Arc<Device>,
        parts: Parts,
        changes: Changes,
    ) -> Result<(), JobError> {
        let (Some(desk), Some(pen)) = (self.keeper.desk(), Device::pen(device)) else {
            self.counts.postponed.inc();
            return Ok(());
        };
        let (keeper, counts, account) =
            (Arc::clone(&self.keeper), Arc::clone(&self.counts), run.task.entity.account);
        let writing = tokio::spawn(async move {
            pen.put_down(keeper.write(&counts, account, &parts, changes).await);
            drop(desk);
        });
        match timeout(WAIT_FOR_WRITES, writing).await {
            Ok(Err(error)) if error.is_panic() => {
                Err(JobError::because("the writing of its interfaces panicked, which is a bug", error))
            }
            _ => Ok(()),
        }
    }

    /// Says which sensors count with 32 bits what needs 64, now that the speeds are known.
    fn advise(&self, run: &Run<SnmpTask>, polled: &Polled) {
        let speeds = read(polled).into_iter().filter_map(|one| Some((one.index, one.speed_bps?)));
        let speeds: HashMap<u32, u64> = speeds.collect();
        let Some(fastest) = speeds.values().max().copied() else { return };
        for sensor in &run.task.entity.sensors {
            let Some(interval) = sensor.interval else { continue };
            let advice = sensor.details.sources().iter().find_map(|source| {
                // A single object ends in its interface's index; a column has all of them.
                let one = source.oid.arcs().last().and_then(|index| speeds.get(index)).copied();
                let speed = if source.fetch == FetchMethod::Get { one? } else { fastest };
                advise(&source.oid, speed, interval.as_duration())
            });
            // Once in the life of the bot for each sensor, so that nothing has to hold it back.
            if let Some(advice) = advice
                && self.keeper.is_first_advice(sensor.id)
            {
                let SnmpTask { entity, credential, .. } = &*run.task;
                let version =
                    if credential.has_bulk() { "" } else { ", with SNMPv2c or v3, as SNMPv1 has none" };
                self.counts.warnings.inc();
                tracing::warn!(
                    "entity {} ({}): sensor {:?}: {advice}{version}",
                    entity.id,
                    entity.name,
                    sensor.name
                );
            }
        }
    }
}

fn children(parts: &Parts) -> Vec<Child> {
    let child = |part: Part<'_>| Child { id: part.id, name: part.name.to_string(), details: part.details() };
    parts.list().map(child).collect()
}
