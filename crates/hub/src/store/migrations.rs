//! The tables, and how a file of an earlier version gets those of the next.
//!
//! A file carries its version as `user_version`: the number of migrations that it has seen. A released migration is
//! never changed; what comes later is a new one at the end of the list.

use rusqlite::Connection;

use super::{inventory, values};
use crate::first_start;

/// The migrations in order. Each is a list of SQL texts, one per resource, that run in one transaction.
const MIGRATIONS: &[&[&str]] = &[&[values::TABLES, inventory::TABLES, first_start::TABLES]];

/// The version that this program writes, and the newest that it reads.
pub(super) fn version() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Brings the file from `found` to [`version`]: all steps, or none.
pub(super) fn migrate(db: &Connection, found: u32) -> rusqlite::Result<()> {
    migrate_with(db, found, MIGRATIONS)
}

fn migrate_with(db: &Connection, found: u32, migrations: &[&[&str]]) -> rusqlite::Result<()> {
    if found as usize >= migrations.len() {
        return Ok(());
    }
    let transaction = db.unchecked_transaction()?;
    for texts in &migrations[found as usize..] {
        for text in *texts {
            transaction.execute_batch(text)?;
        }
    }
    transaction.pragma_update(None, "user_version", migrations.len())?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(db: &Connection) -> Vec<String> {
        let mut names = db.prepare("SELECT name FROM sqlite_schema ORDER BY name").unwrap();
        names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn a_file_gets_the_steps_it_has_not_seen() {
        let db = Connection::open_in_memory().unwrap();
        let steps: &[&[&str]] = &[&["CREATE TABLE a (x)"], &["CREATE TABLE b (x)", "CREATE TABLE c (x)"]];
        migrate_with(&db, 0, &steps[..1]).unwrap();
        assert_eq!(names(&db), ["a"]);
        migrate_with(&db, 1, steps).unwrap();
        assert_eq!(names(&db), ["a", "b", "c"]);
        let version: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(version, 2);
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was() {
        let db = Connection::open_in_memory().unwrap();
        migrate_with(&db, 0, &[&["CREATE TABLE a (x)"], &["CREATE TABLE a (x)"]]).unwrap_err();
        assert!(names(&db).is_empty());
    }
}
