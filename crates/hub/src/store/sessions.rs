//! Sessions and the keys of tokens, for the next start: while the hub runs it has them in memory.

use rusqlite::{Connection, params};

use super::StoreError;
use crate::auth::{jwt::Key, sessions::Session};

pub(crate) fn all(c: &Connection) -> Result<Vec<Session>, StoreError> {
    let mut list = c.prepare_cached("SELECT id, user_id, secret_hash, created, seen FROM sessions")?;
    let sessions = list.query_map([], |row| {
        Ok(Session {
            id: row.get(0)?,
            user: row.get(1)?,
            secret_hash: row.get(2)?,
            created: row.get(3)?,
            seen: row.get(4)?,
        })
    })?;
    Ok(sessions.collect::<Result<_, _>>()?)
}

pub(crate) fn insert(c: &Connection, session: &Session) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO sessions (id, user_id, secret_hash, created, seen) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![session.id, session.user, session.secret_hash, session.created, session.seen])?;
    Ok(())
}

pub(crate) fn delete(c: &Connection, ids: &[String]) -> Result<(), StoreError> {
    let mut delete = c.prepare_cached("DELETE FROM sessions WHERE id = ?1")?;
    for id in ids {
        delete.execute([id])?;
    }
    Ok(())
}

/// Deletes all sessions of a user, except one.
pub(crate) fn delete_of_user(c: &Connection, user: i64, except: Option<&str>) -> Result<(), StoreError> {
    c.execute("DELETE FROM sessions WHERE user_id = ?1 AND id IS NOT ?2", params![user, except])?;
    Ok(())
}

pub(crate) fn set_seen(c: &Connection, seen: &[(String, i64)]) -> Result<(), StoreError> {
    let mut update = c.prepare_cached("UPDATE sessions SET seen = ?2 WHERE id = ?1 AND seen < ?2")?;
    for (id, time) in seen {
        update.execute(params![id, time])?;
    }
    Ok(())
}

pub(crate) fn keys(c: &Connection) -> Result<Vec<Key>, StoreError> {
    let mut list = c.prepare_cached("SELECT id, secret, created FROM jwt_keys ORDER BY created")?;
    let keys =
        list.query_map([], |row| Ok(Key { id: row.get(0)?, secret: row.get(1)?, created: row.get(2)? }))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

/// Adds a key, and deletes those created before a time.
pub(crate) fn insert_key(
    c: &Connection,
    secret: &[u8],
    created: i64,
    forget_before: i64,
) -> Result<i64, StoreError> {
    c.execute("DELETE FROM jwt_keys WHERE created < ?1", [forget_before])?;
    c.execute("INSERT INTO jwt_keys (secret, created) VALUES (?1, ?2)", params![secret, created])?;
    Ok(c.last_insert_rowid())
}
