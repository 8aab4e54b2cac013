//! Users, who are persons or bots, and what they were granted.

use std::{collections::HashMap, sync::Arc};

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::{StoreError, text};
use crate::auth::{
    directory::{Kind, User, Users},
    permissions::{Grant, Permission, Verbs},
};

/// A person as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Person {
    pub(crate) user_id: i64,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) username: String,
    pub(crate) timezone: String,
    pub(crate) email_confirmed: bool,
}

/// A person to be added.
#[derive(Clone)]
pub(crate) struct NewPerson {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) username: String,
    pub(crate) password_hash: String,
    pub(crate) timezone: String,
}

/// A bot as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bot {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) protocol: Option<String>,
    pub(crate) account: Option<i64>,
    /// JSON.
    pub(crate) config: Option<String>,
    /// Microseconds since the epoch.
    pub(crate) inserted: i64,
    /// Microseconds since the epoch; what is in memory may be newer.
    pub(crate) last_login: Option<i64>,
}

/// A bot to be added.
#[derive(Clone, Debug)]
pub(crate) struct NewBot {
    pub(crate) name: String,
    pub(crate) protocol: Option<String>,
    pub(crate) account: Option<i64>,
    pub(crate) config: Option<String>,
    pub(crate) token_hash: [u8; 32],
    pub(crate) inserted: i64,
}

/// All users with what they may do.
pub(crate) fn all(c: &Connection) -> Result<Users, StoreError> {
    let mut granted: HashMap<i64, Vec<Permission>> = HashMap::new();
    let mut rows = c.prepare_cached(
        "SELECT id, resource_prefix, methods, user_id FROM permissions ORDER BY resource_prefix, id",
    )?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        granted.entry(row.get(3)?).or_default().push(permission(row)?);
    }
    let mut users = Users::default();
    let mut rows = c.prepare_cached(
        "SELECT u.id, u.kind, b.protocol, b.account, b.token_hash
         FROM users u LEFT JOIN bots b ON b.user_id = u.id",
    )?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        let kind = if text(row, 1)? == "bot" {
            users.tokens.insert(row.get(4)?, id);
            Kind::Bot { protocol: row.get(2)?, account: row.get(3)? }
        } else {
            Kind::Person
        };
        let permissions = granted.remove(&id).unwrap_or_default();
        users.by_id.insert(id, Arc::new(User { id, kind, permissions }));
    }
    Ok(users)
}

fn permission(row: &Row<'_>) -> rusqlite::Result<Permission> {
    let (prefix, methods): (Option<String>, Option<String>) = (row.get(1)?, row.get(2)?);
    let grant = Grant { resource_prefix: prefix, methods: methods.as_deref().map(Verbs::parse) };
    Ok(Permission { id: row.get(0)?, grant })
}

fn person(row: &Row<'_>) -> rusqlite::Result<Person> {
    Ok(Person {
        user_id: row.get(0)?,
        name: row.get(1)?,
        email: row.get(2)?,
        username: row.get(3)?,
        timezone: row.get(4)?,
        email_confirmed: true,
    })
}

const PERSON: &str = "SELECT user_id, name, email, username, timezone FROM persons";

/// All persons by user name.
pub(crate) fn persons(c: &Connection) -> Result<Vec<Person>, StoreError> {
    let mut list = c.prepare_cached(&format!("{PERSON} ORDER BY username"))?;
    Ok(list.query_map([], person)?.collect::<Result<_, _>>()?)
}

pub(crate) fn person_of(c: &Connection, id: i64) -> Result<Option<Person>, StoreError> {
    let mut get = c.prepare_cached(&format!("{PERSON} WHERE user_id = ?1"))?;
    Ok(get.query_row([id], person).optional()?)
}

pub(crate) fn person_by_username(c: &Connection, username: &str) -> Result<Option<Person>, StoreError> {
    let mut get = c.prepare_cached(&format!("{PERSON} WHERE username = ?1"))?;
    Ok(get.query_row([username], person).optional()?)
}

pub(crate) fn any_person(c: &Connection) -> Result<bool, StoreError> {
    Ok(c.prepare_cached("SELECT 1 FROM persons")?.exists([])?)
}

/// The id and the hashed password of who logs in as this.
pub(crate) fn login(c: &Connection, username: &str) -> Result<Option<(i64, String)>, StoreError> {
    let mut get = c.prepare_cached("SELECT user_id, password_hash FROM persons WHERE username = ?1")?;
    Ok(get.query_row([username], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

pub(crate) fn password_hash(c: &Connection, id: i64) -> Result<Option<String>, StoreError> {
    let mut get = c.prepare_cached("SELECT password_hash FROM persons WHERE user_id = ?1")?;
    Ok(get.query_row([id], |row| row.get(0)).optional()?)
}

pub(crate) fn insert_person(c: &Connection, new: &NewPerson) -> Result<i64, StoreError> {
    c.execute("INSERT INTO users (kind) VALUES ('person')", [])?;
    let id = c.last_insert_rowid();
    c.execute(
        "INSERT INTO persons (user_id, name, email, username, password_hash, timezone)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![id, new.name, new.email, new.username, new.password_hash, new.timezone],
    )?;
    Ok(id)
}

/// Changes what is given.
pub(crate) fn update_person(
    c: &Connection,
    id: i64,
    [name, email, username, timezone]: [Option<&str>; 4],
) -> Result<bool, StoreError> {
    let mut update = c.prepare_cached(
        "UPDATE persons SET name = coalesce(?2, name), email = coalesce(?3, email),
             username = coalesce(?4, username), timezone = coalesce(?5, timezone)
         WHERE user_id = ?1",
    )?;
    Ok(update.execute(params![id, name, email, username, timezone])? > 0)
}

pub(crate) fn set_password(c: &Connection, id: i64, hash: &str) -> Result<bool, StoreError> {
    Ok(c.execute("UPDATE persons SET password_hash = ?2 WHERE user_id = ?1", params![id, hash])? > 0)
}

fn bot(row: &Row<'_>) -> rusqlite::Result<Bot> {
    Ok(Bot {
        id: row.get(0)?,
        name: row.get(1)?,
        protocol: row.get(2)?,
        account: row.get(3)?,
        config: row.get(4)?,
        inserted: row.get(5)?,
        last_login: row.get(6)?,
    })
}

const BOT: &str = "SELECT user_id, name, protocol, account, config, inserted, last_login FROM bots";

/// The bots of an account, or those of the whole system; the newest first.
pub(crate) fn bots(c: &Connection, account: Option<i64>) -> Result<Vec<Bot>, StoreError> {
    let mut list =
        c.prepare_cached(&format!("{BOT} WHERE account IS ?1 ORDER BY inserted DESC, user_id DESC"))?;
    Ok(list.query_map([account], bot)?.collect::<Result<_, _>>()?)
}

/// A bot, if it belongs to this account (or to the whole system).
pub(crate) fn bot_of(c: &Connection, account: Option<i64>, id: i64) -> Result<Option<Bot>, StoreError> {
    let mut get = c.prepare_cached(&format!("{BOT} WHERE account IS ?1 AND user_id = ?2"))?;
    Ok(get.query_row(params![account, id], bot).optional()?)
}

/// A bot, wherever it belongs.
pub(crate) fn any_bot(c: &Connection, id: i64) -> Result<Option<Bot>, StoreError> {
    let mut get = c.prepare_cached(&format!("{BOT} WHERE user_id = ?1"))?;
    Ok(get.query_row([id], bot).optional()?)
}

pub(crate) fn insert_bot(c: &Connection, new: &NewBot) -> Result<i64, StoreError> {
    c.execute("INSERT INTO users (kind) VALUES ('bot')", [])?;
    let id = c.last_insert_rowid();
    c.execute(
        "INSERT INTO bots (user_id, name, protocol, account, config, token_hash, inserted)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![id, new.name, new.protocol, new.account, new.config, new.token_hash, new.inserted],
    )?;
    Ok(id)
}

/// Changes a bot. Entities that it measured with another protocol are given to any bot of that protocol.
pub(crate) fn update_bot(
    c: &Connection,
    account: Option<i64>,
    id: i64,
    name: &str,
    protocol: Option<&str>,
    config: Option<&str>,
) -> Result<bool, StoreError> {
    let changed = c.execute(
        "UPDATE bots SET name = ?3, protocol = ?4, config = ?5 WHERE account IS ?1 AND user_id = ?2",
        params![account, id, name, protocol, config],
    )?;
    if changed > 0 {
        c.execute(
            "UPDATE entity_protocols SET bot = NULL WHERE bot = ?1 AND protocol IS NOT ?2",
            params![id, protocol],
        )?;
    }
    Ok(changed > 0)
}

pub(crate) fn set_token(c: &Connection, id: i64, hash: [u8; 32]) -> Result<bool, StoreError> {
    Ok(c.execute("UPDATE bots SET token_hash = ?2 WHERE user_id = ?1", params![id, hash])? > 0)
}

/// When bots were last seen, all at once.
pub(crate) fn set_last_logins(c: &Connection, seen: &[(i64, i64)]) -> Result<(), StoreError> {
    let mut update = c.prepare_cached("UPDATE bots SET last_login = ?2 WHERE user_id = ?1")?;
    for (id, time) in seen {
        update.execute([id, time])?;
    }
    Ok(())
}

/// Deletes a user with all that was granted; what it measured is measured by any bot of the protocol.
pub(crate) fn delete(c: &Connection, id: i64) -> Result<bool, StoreError> {
    Ok(c.execute("DELETE FROM users WHERE id = ?1", [id])? > 0)
}

pub(crate) fn grant(c: &Connection, user: i64, grant: &Grant) -> Result<i64, StoreError> {
    let methods = grant.methods.map(Verbs::to_list);
    c.execute(
        "INSERT INTO permissions (user_id, resource_prefix, methods) VALUES (?1, ?2, ?3)",
        params![user, grant.resource_prefix, methods],
    )?;
    Ok(c.last_insert_rowid())
}

pub(crate) fn revoke(c: &Connection, user: i64, permission: i64) -> Result<bool, StoreError> {
    Ok(c.execute("DELETE FROM permissions WHERE id = ?2 AND user_id = ?1", [user, permission])? > 0)
}
