//! The credentials or the sensors of an account, by id.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::value::RawValue;

use super::entities::Problems;
use super::line::one_line;
use super::wire::{self, RawRecord};
use crate::ids::AccountId;

/// The credentials or the sensors of an account: each read when the first entity wants it, and once.
pub(super) struct Table<'a, T> {
    what: &'static str,
    slug: &'static str,
    records: HashMap<u64, (RawRecord<'a>, Option<Result<T, String>>)>,
}

pub(super) enum Found<'t, T> {
    Good(&'t T),
    /// It is there, and broken: what and why.
    Bad(&'t str),
    /// Nothing of the protocol has this id.
    Not(String),
}

impl<'a, T> Table<'a, T> {
    pub(super) fn of(
        what: &'static str,
        account: AccountId,
        slug: &'static str,
        list: Vec<&'a RawValue>,
        problems: &mut Problems,
    ) -> Self {
        let mut records = HashMap::with_capacity(list.len());
        for (index, raw) in list.into_iter().enumerate() {
            let mut note = |problem: String| {
                let number = index + 1;
                problems
                    .add(format_args!("account {account}, {what} number {number} of the list: {problem}"));
            };
            let record: RawRecord<'_> = match wire::object(raw) {
                Ok(record) => record,
                Err(problem) => {
                    note(problem);
                    continue;
                }
            };
            match wire::id("id", record.id) {
                Ok(id) => match records.entry(id) {
                    Entry::Vacant(entry) => {
                        entry.insert((record, None));
                    }
                    Entry::Occupied(_) => {
                        note(format!("id {id} is listed twice; the first one counts"));
                    }
                },
                // Another protocol's troubles are its own bot's to tell.
                Err(problem) if record.protocol.is_none_or(|raw| wire::is_text(raw, slug)) => note(problem),
                Err(_) => {}
            }
        }
        Self { what, slug, records }
    }

    pub(super) fn find(
        &mut self,
        id: u64,
        read: impl FnOnce(&RawRecord<'a>) -> Result<T, String>,
    ) -> Found<'_, T> {
        let Self { what, slug, records } = self;
        let Some((record, state)) = records.get_mut(&id) else {
            return Found::Not(format!("the account has no {what} {id}"));
        };
        let state = state.get_or_insert_with(|| {
            let name = wire::shown_name(record.name);
            let who = if name.is_empty() { format!("{what} {id}") } else { format!("{what} {id} ({name})") };
            let protocol: Result<String, _> = wire::required("protocol", record.protocol);
            match protocol {
                Ok(protocol) if protocol == *slug => {
                    read(record).map_err(|problem| format!("{who}: {problem}"))
                }
                Ok(protocol) => {
                    let protocol = one_line(&protocol, 40).into_owned();
                    Err(format!("{who}: protocol: expected {slug}, got {protocol}"))
                }
                Err(problem) => Err(format!("{who}: {problem}")),
            }
        });
        match state {
            Ok(good) => Found::Good(good),
            Err(problem) => Found::Bad(problem),
        }
    }
}
