//! A device's interfaces as entities below it: what to create, change and delete.

mod keep;
mod write;

pub(crate) use write::{Keeper, WriteError};

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use grafoleancollector::EntityId;
use serde_json::{Map, Value as Json};

use crate::oid::Oid;
use crate::poll::Column;
use crate::poll::{FetchMethod, Polled, Source};
use crate::sensor::text::{number, text};
use crate::value::Value;

const IF_DESCR: [u32; 10] = [1, 3, 6, 1, 2, 1, 2, 2, 1, 2];
const IF_SPEED: [u32; 10] = [1, 3, 6, 1, 2, 1, 2, 2, 1, 5];
const IF_NAME: [u32; 11] = [1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1];
const IF_HIGH_SPEED: [u32; 11] = [1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 15];
const IF_ALIAS: [u32; 11] = [1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 18];
/// What ifSpeed says of an interface that is faster than it can say.
const SPEED_IS_HIGHER: u64 = u32::MAX as u64;
const MEGA: u64 = 1_000_000;

/// The `entity_type` of an interface.
pub(crate) const ENTITY_TYPE: &str = "interface";

/// The columns that interfaces are read from.
pub(crate) fn sources() -> Vec<Source> {
    let walk = |oid: Oid| Source { oid, fetch: FetchMethod::Walk };
    let columns: [Oid; 5] = [
        Oid::new(IF_DESCR),
        Oid::new(IF_SPEED),
        Oid::new(IF_NAME),
        Oid::new(IF_HIGH_SPEED),
        Oid::new(IF_ALIAS),
    ];
    columns.map(walk).into()
}

/// An interface as the device describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Interface {
    pub(crate) index: u32,
    /// ifDescr.
    pub(crate) name: String,
    /// Bits per second, where it is known.
    pub(crate) speed_bps: Option<u64>,
    /// ifName: the short one. Empty where the device says that there is none.
    pub(crate) if_name: Option<String>,
    /// ifAlias: what somebody configured. Empty where the device says that there is none.
    pub(crate) alias: Option<String>,
}

/// An entity of type `interface` below the device, as the backend has it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Child {
    pub(crate) id: EntityId,
    pub(crate) name: String,
    pub(crate) details: Map<String, Json>,
}

/// What the backend is to be told about an entity.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Wish {
    pub(crate) name: String,
    pub(crate) details: Map<String, Json>,
}

/// All that is to be written: nothing, when nothing has changed.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Changes {
    pub(crate) create: Vec<Wish>,
    pub(crate) update: Vec<(EntityId, Wish)>,
    pub(crate) delete: Vec<EntityId>,
    /// Interfaces that the device no longer has, but may have: its table was not read to the end (which the log says),
    /// or was empty.
    pub(crate) spared: usize,
}

/// The interfaces that a poll has read, by index.
pub(crate) fn read(polled: &Polled) -> Vec<Interface> {
    let column = |oid| polled.columns.get(&oid);
    let (descr, speed) = (column(Oid::new(IF_DESCR)), column(Oid::new(IF_SPEED)));
    let (name, alias) = (column(Oid::new(IF_NAME)), column(Oid::new(IF_ALIAS)));
    let high_speed = column(Oid::new(IF_HIGH_SPEED));
    let all_high_speeds = high_speed.is_some_and(Column::is_complete);
    let interface = |index: &[u32]| {
        let &[number] = index else { return None };
        // Without a description, some agents still give a name.
        let if_name = words(name, index);
        Some(Interface {
            index: number,
            name: [words(descr, index), if_name.clone()]
                .into_iter()
                .flatten()
                .find(|name| !name.is_empty())?,
            // A poor speed must not replace a good one, only because the better column was not read this time.
            speed_bps: bits_per_second(whole(speed, index), whole(high_speed, index), all_high_speeds),
            if_name,
            alias: words(alias, index),
        })
    };
    descr.map_or(&[][..], |descr| &descr.rows).iter().filter_map(|row| interface(&row.index)).collect()
}

/// Compares what a poll has read with what the backend has. Entities of indexes that are only missing from a
/// partial or empty table are spared.
pub(crate) fn compare(polled: &Polled, children: &[Child]) -> Changes {
    let mut changes = Changes::default();
    let mut known: BTreeMap<u32, &Child> = BTreeMap::new();
    for child in children {
        // Of several for one index, one is kept up to date: which of them people use is not ours to guess.
        // Those without an index are not ours at all.
        if let Some(index) = index_of(child) {
            known
                .entry(index)
                .and_modify(|first| *first = if child.id < first.id { child } else { first })
                .or_insert(child);
        }
    }
    for interface in read(polled) {
        match known.get(&interface.index) {
            None => {
                let details = interface.details(&Map::new());
                changes.create.push(Wish { name: interface.name, details });
            }
            Some(child) => {
                let details = interface.details(&child.details);
                if child.name != interface.name || details != child.details {
                    changes.update.push((child.id, Wish { name: interface.name, details }));
                }
            }
        }
    }

    let present = indexes(polled);
    let gone = known.iter().filter(|(index, _)| !present.contains(index)).map(|(_, child)| child.id);
    // An agent that has just started may have an empty table for a moment.
    let whole = polled
        .columns
        .get(&Oid::new(IF_DESCR))
        .is_some_and(|descr| descr.is_complete() && !descr.rows.is_empty() && !polled.restarted);
    if whole {
        changes.delete = gone.collect();
    } else {
        changes.spared = gone.count();
    }
    changes
}

/// Every index that any of the columns has.
fn indexes(polled: &Polled) -> BTreeSet<u32> {
    let columns = sources().into_iter().filter_map(|source| polled.columns.get(&source.oid));
    columns.flat_map(|column| &column.rows).filter_map(|row| row.index.first().copied()).collect()
}

fn index_of(child: &Child) -> Option<u32> {
    plain(child.details.get("snmp_index")?).parse().ok()
}

/// A detail as text: numbers are sometimes stored as such, sometimes as strings.
fn plain(detail: &Json) -> Cow<'_, str> {
    match detail {
        Json::String(text) => text.trim().into(),
        other => other.to_string().into(),
    }
}

fn words(column: Option<&Column>, index: &[u32]) -> Option<String> {
    let column = column?;
    Some(text(&column.row(index)?.value, &column.oid).trim().to_owned())
}

fn whole(column: Option<&Column>, index: &[u32]) -> Option<u64> {
    match &column?.row(index)?.value {
        Value::Gauge(value) | Value::Counter32(value) => Some((*value).into()),
        Value::Counter64(value) => Some(*value),
        Value::Integer(value) => u64::try_from(*value).ok(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        other => number(other).filter(|number| *number >= 0.0).map(|number| number as u64),
    }
}

/// ifSpeed, except where it cannot say the speed, or does not. `sure` says that there is no other high speed.
fn bits_per_second(speed: Option<u64>, high_speed: Option<u64>, sure: bool) -> Option<u64> {
    let exact = speed.filter(|speed| *speed != 0 && *speed < SPEED_IS_HIGHER);
    let by_millions =
        high_speed.filter(|millions| *millions != 0).map(|millions| millions.saturating_mul(MEGA));
    exact.or(by_millions).or(speed.filter(|_| sure || high_speed.is_some()))
}

impl Interface {
    /// The details of its entity: `old` with what is known now. What others have put there stays.
    fn details(&self, old: &Map<String, Json>) -> Map<String, Json> {
        let mut details = old.clone();
        let mut set = |key: &str, value: Option<String>| {
            // What the device did not say this time is not thereby wrong.
            let Some(value) = value else { return };
            if value.is_empty() {
                details.remove(key);
            } else if details.get(key).is_none_or(|known| plain(known) != value) {
                // Strings: so the backend's own page reads and writes them.
                details.insert(key.to_owned(), Json::String(value));
            }
        };
        set("snmp_index", Some(self.index.to_string()));
        set("speed_bps", self.speed_bps.map(|speed| speed.to_string()));
        set("if_name", self.if_name.clone());
        set("if_alias", self.alias.clone());
        details
    }
}

#[cfg(test)]
mod tests;
