//! The rows of the outbox file: what is written and removed, statement by statement.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::codec;
use super::parcel::Seq;
use crate::ids::AccountId;
use crate::sample::Sample;

/// A row that was removed to make room.
pub(super) struct DroppedRow {
    pub(super) seq: Seq,
    pub(super) account: AccountId,
    pub(super) samples: usize,
    pub(super) bytes: u64,
}

/// Writes a parcel: a new one with its account, or what is left of one. Returns its bytes.
pub(super) fn store(
    tx: &Connection,
    account: Option<AccountId>,
    seq: Seq,
    samples: &[Sample],
) -> rusqlite::Result<u64> {
    let blob = codec::encode(samples);
    let times = || samples.iter().map(|sample| sample.time.as_micros());
    let (oldest, newest) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    if let Some(account) = account {
        let sql = "INSERT INTO parcel VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        tx.prepare_cached(sql)?.execute(params![
            seq.0,
            account.get(),
            samples.len(),
            oldest,
            newest,
            blob.as_slice()
        ])?;
    } else {
        let sql = "UPDATE parcel SET samples = ?2, oldest = ?3, newest = ?4, blob = ?5 WHERE seq = ?1";
        tx.prepare_cached(sql)?.execute(params![seq.0, samples.len(), oldest, newest, blob.as_slice()])?;
    }
    Ok(blob.len() as u64)
}

pub(super) fn length(tx: &Connection, seq: Seq) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT length(blob) FROM parcel WHERE seq = ?1";
    tx.prepare_cached(sql)?.query_row([seq.0], |row| row.get(0)).optional()
}

/// Removes a parcel. Returns the bytes that it had; none when it was dropped before.
pub(super) fn delete(tx: &Connection, seq: Seq) -> rusqlite::Result<Option<u64>> {
    let bytes = length(tx, seq)?;
    tx.prepare_cached("DELETE FROM parcel WHERE seq = ?1")?.execute([seq.0])?;
    Ok(bytes)
}

/// Removes parcels, the oldest first, as long as `more` says so of their bytes and newest sample.
pub(super) fn drop_oldest(
    tx: &Connection,
    mut more: impl FnMut(u64, i64) -> bool,
) -> rusqlite::Result<Vec<DroppedRow>> {
    let sql = "SELECT seq, account, samples, length(blob), newest FROM parcel ORDER BY seq";
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut dropped = Vec::new();
    while let Some(row) = rows.next()? {
        let bytes = row.get(3)?;
        if !more(bytes, row.get(4)?) {
            break;
        }
        let (seq, account) = (Seq(row.get(0)?), AccountId::new(row.get(1)?));
        dropped.push(DroppedRow { seq, account, samples: row.get(2)?, bytes });
    }
    let mut delete = tx.prepare_cached("DELETE FROM parcel WHERE seq = ?1")?;
    for row in &dropped {
        delete.execute([row.seq.0])?;
    }
    Ok(dropped)
}
