//! What is remembered of a device from poll to poll.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use grafoleancollector::{EntityId, Host};
use tokio::sync::Mutex as AsyncMutex;

use crate::interfaces::WriteError;
use crate::notices::Notices;
use crate::patience::Patience;
use crate::poll::{DEFAULT_GET_BATCH, DEFAULT_MAX_REPETITIONS, Manners};
use crate::wire::Credential;

/// A device, as one entity asks it.
#[derive(Debug)]
pub(crate) struct Device {
    host: Host,
    credential: Arc<Credential>,
    /// Locked for the length of a poll: the lane lets no two polls meet.
    pub(crate) manners: AsyncMutex<Manners>,
    patience: Mutex<Patience>,
    notices: Mutex<Notices>,
    /// Why the entities of its interfaces could not be written last, until somebody is told.
    unwritten: Mutex<Option<WriteError>>,
    writing: AtomicBool,
}

impl Device {
    fn new(host: Host, credential: Arc<Credential>) -> Self {
        let rows = credential.max_repetitions().unwrap_or(DEFAULT_MAX_REPETITIONS);
        let manners = AsyncMutex::new(Manners::new(rows, DEFAULT_GET_BATCH));
        let (patience, notices, unwritten) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { host, credential, manners, patience, notices, unwritten, writing: AtomicBool::new(false) }
    }

    pub(crate) fn patience(&self) -> MutexGuard<'_, Patience> {
        self.patience.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn notices(&self) -> MutexGuard<'_, Notices> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one pen with which the entities of its interfaces are written, unless somebody still writes.
    pub(crate) fn pen(device: &Arc<Self>) -> Option<Pen> {
        let taken = device.writing.swap(true, Acquire);
        (!taken).then(|| Pen(Arc::clone(device)))
    }

    /// Why they could not be written, once.
    pub(crate) fn interfaces_unwritten(&self) -> Option<WriteError> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Whoever has it writes; it is put down at the latest when it is dropped.
pub(crate) struct Pen(Arc<Device>);

impl Pen {
    pub(crate) fn put_down(self, result: Result<(), WriteError>) {
        *self.0.unwritten.lock().unwrap_or_else(PoisonError::into_inner) = result.err();
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        self.0.writing.store(false, Release);
    }
}

/// All devices that are served.
#[derive(Debug, Default)]
pub(crate) struct Devices(Mutex<HashMap<EntityId, Arc<Device>>>);

impl Devices {
    fn all(&self) -> MutexGuard<'_, HashMap<EntityId, Arc<Device>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device of an entity, and whether it takes the place of another one. One that is asked elsewhere or
    /// otherwise than before is a new one: what was learnt of the old one does not apply, and nobody should wait for a
    /// mended credential to be tried.
    pub(crate) fn of(
        &self,
        entity: EntityId,
        host: &Host,
        credential: &Arc<Credential>,
    ) -> (Arc<Device>, bool) {
        let mut all = self.all();
        if let Some(known) = all.get(&entity)
            && known.host == *host
            && (Arc::ptr_eq(&known.credential, credential) || known.credential == *credential)
        {
            return (Arc::clone(known), false);
        }
        let device = Arc::new(Device::new(host.clone(), Arc::clone(credential)));
        let replaced = all.insert(entity, Arc::clone(&device)).is_some();
        (device, replaced)
    }

    /// Forgets all others.
    pub(crate) fn keep(&self, entities: &HashSet<EntityId>) {
        self.all().retain(|entity, _| entities.contains(entity));
    }

    /// How many are left alone at this moment because they do not answer.
    pub(crate) fn resting(&self) -> usize {
        let now = tokio::time::Instant::now();
        self.all().values().filter(|device| device.patience().rest(now).is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_remembered_until_it_is_asked_otherwise_or_is_gone() {
        let (devices, entity) = (Devices::default(), EntityId::new(7));
        let host: Host = "127.0.0.1".parse().unwrap();
        let credential = |community: &str| Arc::new(Credential::v2c(community).unwrap());
        let of = |community| devices.of(entity, &host, &credential(community));
        let (first, replaces) = of("public");
        assert!(!replaces);
        let (again, replaces) = of("public");
        assert!(Arc::ptr_eq(&first, &again) && !replaces);
        let (mended, replaces) = of("secret");
        assert!(!Arc::ptr_eq(&first, &mended) && replaces);
        devices.keep(&HashSet::from([entity]));
        assert!(Arc::ptr_eq(&mended, &of("secret").0));
        devices.keep(&HashSet::new());
        let (anew, replaces) = of("secret");
        assert!(!Arc::ptr_eq(&mended, &anew) && !replaces);
    }
}
