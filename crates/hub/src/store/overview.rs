//! The devices of an account, as far as the overview is concerned.

use rusqlite::Connection;
use serde::Deserialize;

use super::{StoreError, text};

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) address: Option<String>,
    /// What it is measured with, and the longest time from one measurement to the next, in seconds.
    pub(crate) protocols: Vec<(String, Option<i64>)>,
}

#[derive(Deserialize)]
struct Details {
    ipv4: Option<serde_json::Value>,
}

/// The devices in the order of their ids, without those that are only suggested.
pub(crate) fn devices(c: &Connection, account: i64) -> Result<Vec<Device>, StoreError> {
    let mut rows = c.prepare_cached(
        "SELECT id, name, details FROM entities INDEXED BY entities_account
         WHERE account = ?1 AND entity_type = 'device' AND suggested_by IS NULL ORDER BY id",
    )?;
    let mut rows = rows.query([account])?;
    let mut devices = Vec::new();
    while let Some(row) = rows.next()? {
        let details = serde_json::from_str::<Details>(text(row, 2)?).ok();
        let address = details.and_then(|details| match details.ipv4? {
            serde_json::Value::String(address) => Some(address),
            _ => None,
        });
        devices.push(Device { id: row.get(0)?, name: row.get(1)?, address, protocols: Vec::new() });
    }
    let mut rows = c.prepare_cached(
        "SELECT p.entity, p.protocol,
             (SELECT max(coalesce(s.interval, d.default_interval)) FROM entity_sensors s
              JOIN sensors d ON d.id = s.sensor WHERE s.entity = p.entity AND s.protocol = p.protocol)
         FROM entities e INDEXED BY entities_account CROSS JOIN entity_protocols p ON p.entity = e.id
         WHERE e.account = ?1 ORDER BY p.entity, p.protocol",
    )?;
    let mut rows = rows.query([account])?;
    while let Some(row) = rows.next()? {
        let entity: i64 = row.get(0)?;
        if let Ok(place) = devices.binary_search_by_key(&entity, |device| device.id) {
            devices[place].protocols.push((row.get(1)?, row.get(2)?));
        }
    }
    Ok(devices)
}
