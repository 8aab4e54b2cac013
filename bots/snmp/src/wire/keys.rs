//! SNMPv3 keys: derived once for each pair of passwords, however many devices share them.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use async_snmp::{DesSaltState, MasterKeys, PersistedDesSaltState};
use tokio::sync::OnceCell;

use super::credential::Passwords;
use crate::agent::SnmpError;

/// More passwords than this are not in use; then all are derived anew, at 1 to 4 ms each.
const MOST: usize = 4096;

#[derive(Clone)]
pub(super) struct Keys {
    pub(super) master: MasterKeys,
    /// What makes each message encrypted with DES different.
    pub(super) salt: DesSaltState,
}

#[derive(Default)]
pub(super) struct KeyCache(Mutex<HashMap<Passwords, Arc<OnceCell<Keys>>>>);

impl KeyCache {
    pub(super) async fn get(&self, passwords: &Passwords) -> Result<Keys, SnmpError> {
        let cell = {
            let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if cells.len() >= MOST && !cells.contains_key(passwords) {
                cells.clear();
            }
            Arc::clone(cells.entry(passwords.clone()).or_default())
        };
        let keys = cell.get_or_try_init(|| async {
            let passwords = passwords.clone();
            // A million hashed bytes each: too long for the threads that serve all devices.
            let derived = tokio::task::spawn_blocking(move || derive(&passwords)).await;
            derived.map_err(|_| SnmpError::Credential("the keys were not derived".to_owned()))?
        });
        keys.await.cloned()
    }

    /// Forgets all others.
    pub(super) fn keep(&self, used: &HashSet<&Passwords>) {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cells.retain(|passwords, _| used.contains(passwords));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

fn derive(Passwords { auth, privacy }: &Passwords) -> Result<Keys, SnmpError> {
    let refused = |field: &str| SnmpError::Credential(format!("{field}: refused"));
    let mut master = MasterKeys::new(auth.0, auth.1.expose()).map_err(|_| refused("snmpv3_authKey"))?;
    if let Some((protocol, password)) = privacy {
        master = master.with_privacy(*protocol, password.expose()).map_err(|_| refused("snmpv3_privKey"))?;
    }
    // A salt may never come again with the same key: a start of the program counts within a random half of the salt,
    // so nothing has to be kept on disk.
    let epoch = RandomState::new().hash_one("epoch") % u64::from(i32::MAX.unsigned_abs() - 2);
    let salt = u32::try_from(epoch).ok().and_then(|epoch| {
        let state = PersistedDesSaltState::new(epoch + 1).ok()?;
        DesSaltState::restart(state, |_| Ok::<_, Infallible>(())).ok()
    });
    Ok(Keys { master, salt: salt.ok_or_else(|| refused("snmpv3_privProtocol"))? })
}
