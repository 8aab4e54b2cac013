//! Accounts: what belongs together, and is seen by the same people.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::{StoreError, records, values};

/// An account as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Account {
    pub(crate) id: i64,
    pub(crate) name: String,
    /// Days for which each value is kept; roll-ups are kept for ever.
    pub(crate) raw_days: u32,
}

/// All accounts by name.
pub(crate) fn list(c: &Connection) -> Result<Vec<Account>, StoreError> {
    let mut list = c.prepare_cached("SELECT id, name FROM accounts ORDER BY name, id")?;
    let mut rows = list.query([])?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        accounts.push(Account { id, name: row.get(1)?, raw_days: values::raw_days(c, id)? });
    }
    Ok(accounts)
}

pub(crate) fn get(c: &Connection, id: i64) -> Result<Option<Account>, StoreError> {
    let mut get = c.prepare_cached("SELECT name FROM accounts WHERE id = ?1")?;
    let Some(name) = get.query_row([id], |row| row.get(0)).optional()? else { return Ok(None) };
    Ok(Some(Account { id, name, raw_days: values::raw_days(c, id)? }))
}

/// Adds an account with the credentials and sensors that every new one has.
pub(crate) fn insert(c: &Connection, name: &str) -> Result<i64, StoreError> {
    c.execute("INSERT INTO accounts (name) VALUES (?1)", [name])?;
    let id = c.last_insert_rowid();
    records::insert_defaults(c, id)?;
    Ok(id)
}

pub(crate) fn update(
    c: &Connection,
    id: i64,
    name: Option<&str>,
    raw_days: Option<u32>,
) -> Result<bool, StoreError> {
    let mut update = c.prepare_cached("UPDATE accounts SET name = coalesce(?2, name) WHERE id = ?1")?;
    let is_there = update.execute(params![id, name])? > 0;
    if let Some(days) = raw_days.filter(|_| is_there) {
        values::set_raw_days(c, id, days)?;
    }
    Ok(is_there)
}

/// Deletes an account with everything in it: its bots, what was granted for it, and, in the background, its values.
pub(crate) fn delete(c: &Connection, id: i64) -> Result<bool, StoreError> {
    c.execute("DELETE FROM users WHERE id IN (SELECT user_id FROM bots WHERE account = ?1)", [id])?;
    c.execute(
        "DELETE FROM permissions WHERE resource_prefix = ?1 OR resource_prefix GLOB ?1 || '/*'",
        [format!("accounts/{id}")],
    )?;
    let is_there = c.execute("DELETE FROM accounts WHERE id = ?1", [id])? > 0;
    if is_there {
        values::doom_account(c, id)?;
    }
    Ok(is_there)
}
