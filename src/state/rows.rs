//! The rows of the state file: what is written, removed and read, statement by statement.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::Remembered;
use super::waiting::Size;

pub(super) const SCHEMA: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE tables (
        id    INTEGER PRIMARY KEY,
        name  TEXT    NOT NULL UNIQUE,
        keys  INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    );
    CREATE TABLE entry (
        id    INTEGER PRIMARY KEY,
        tbl   INTEGER NOT NULL,
        key   BLOB    NOT NULL,
        value BLOB    NOT NULL,
        sum   INTEGER NOT NULL,
        UNIQUE (tbl, key)
    );
";

pub(super) fn meta(db: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()
}

pub(super) fn set_meta(db: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    db.execute(sql, [key, value]).map(|_| ())
}

/// A table, and how much it has.
pub(super) struct TableRow {
    id: i64,
    pub(super) size: Size,
}

pub(super) fn table(db: &Connection, name: &str) -> rusqlite::Result<Option<TableRow>> {
    let mut statement = db.prepare_cached("SELECT id, keys, bytes FROM tables WHERE name = ?1")?;
    statement
        .query_row([name], |row| {
            Ok(TableRow { id: row.get(0)?, size: Size { keys: row.get(1)?, bytes: row.get(2)? } })
        })
        .optional()
}

pub(super) fn add_table(tx: &Connection, name: &str) -> rusqlite::Result<TableRow> {
    tx.prepare_cached("INSERT INTO tables (name, keys, bytes) VALUES (?1, 0, 0)")?.execute([name])?;
    Ok(TableRow { id: tx.last_insert_rowid(), size: Size::default() })
}

pub(super) fn set_size(tx: &Connection, table: &TableRow) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached("UPDATE tables SET keys = ?2, bytes = ?3 WHERE id = ?1")?;
    statement.execute(params![table.id, table.size.keys, table.size.bytes]).map(|_| ())
}

/// The row of a key, and the bytes of its value.
fn find(tx: &Connection, table: &TableRow, key: &[u8]) -> rusqlite::Result<Option<(i64, u64)>> {
    let sql = "SELECT id, length(value) FROM entry WHERE tbl = ?1 AND key = ?2";
    let mut statement = tx.prepare_cached(sql)?;
    statement.query_row(params![table.id, key], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// Writes an entry. False, and nothing is changed, when the table would grow beyond `max_bytes` by it.
pub(super) fn put(
    tx: &Connection,
    table: &mut TableRow,
    key: &[u8],
    value: &[u8],
    max_bytes: u64,
) -> rusqlite::Result<bool> {
    let old = find(tx, table, key)?;
    let before = old.map_or(0, |(_, length)| key.len() as u64 + length);
    let after = (key.len() + value.len()) as u64;
    let total = table.size.bytes.saturating_sub(before) + after;
    if after > before && total > max_bytes {
        return Ok(false);
    }
    let sum = checksum(key, value);
    if let Some((id, _)) = old {
        let sql = "UPDATE entry SET value = ?3, sum = ?4 WHERE id = ?1 AND key = ?2";
        if tx.prepare_cached(sql)?.execute(params![id, key, value, sum])? != 1 {
            return Err(altered());
        }
    } else {
        let sql = "INSERT INTO entry (tbl, key, value, sum) VALUES (?1, ?2, ?3, ?4)";
        tx.prepare_cached(sql)?.execute(params![table.id, key, value, sum])?;
        table.size.keys += 1;
    }
    table.size.bytes = total;
    Ok(true)
}

pub(super) fn remove(tx: &Connection, table: &mut TableRow, key: &[u8]) -> rusqlite::Result<()> {
    if let Some((id, length)) = find(tx, table, key)? {
        tx.prepare_cached("DELETE FROM entry WHERE id = ?1")?.execute([id])?;
        table.size.keys = table.size.keys.saturating_sub(1);
        table.size.bytes = table.size.bytes.saturating_sub(key.len() as u64 + length);
    }
    Ok(())
}

pub(super) fn read(db: &Connection, table: &TableRow) -> rusqlite::Result<Remembered> {
    /// What the file says of itself may be wrong.
    const MOST_AT_FIRST: usize = 1 << 20;
    let expected = usize::try_from(table.size.keys).unwrap_or(usize::MAX);
    let mut read = Vec::with_capacity(expected.min(MOST_AT_FIRST));
    // In the order of the file, not in that of the keys, which is all over it.
    let mut statement = db.prepare("SELECT key, value, sum FROM entry NOT INDEXED WHERE tbl = ?1")?;
    let mut rows = statement.query([table.id])?;
    while let Some(row) = rows.next()? {
        let (key, value) = (row.get_ref(0)?.as_bytes()?, row.get_ref(1)?.as_bytes()?);
        if row.get::<_, i64>(2)? != checksum(key, value) {
            return Err(altered());
        }
        read.push((key.into(), value.into()));
    }
    Ok(read)
}

/// Disks do alter bits, and SQLite does not look: a counter's baseline would be wrong by billions.
fn checksum(key: &[u8], value: &[u8]) -> i64 {
    // FNV-1a; the length keeps the two apart.
    let bytes = key.iter().chain(value).copied();
    let sum = bytes.fold(0xcbf2_9ce4_8422_2325 ^ key.len() as u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    sum.cast_signed()
}

fn altered() -> rusqlite::Error {
    let why = "an entry is not what was written";
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, why.into())
}
