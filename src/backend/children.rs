//! From the records of an account's list to the parts of the entities that are served.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::value::RawValue;

use super::entities::{Problems, Who};
use super::wire::{self, RawEntity, in_field};
use crate::ids::{AccountId, EntityId};
use crate::parts::{Part, PartsByEntity};

/// The records of one entity type, unread, by the entity that they are a part of: whether that is served is only
/// known when the whole list was looked at.
pub(super) struct Children<'a> {
    entity_type: &'static str,
    by_parent: HashMap<EntityId, Vec<Child<'a>>>,
}

struct Child<'a> {
    who: Who<'a>,
    details: Option<&'a RawValue>,
}

/// No details at all, as JSON.
const NOTHING: &str = "{}";

impl<'a> Children<'a> {
    pub(super) fn of_type(entity_type: &'static str) -> Self {
        Self { entity_type, by_parent: HashMap::new() }
    }

    /// Takes a record, if it is of the type. The error is what is wrong with it.
    pub(super) fn take(&mut self, who: &Who<'a>, record: &RawEntity<'a>) -> Result<bool, String> {
        if !record.entity_type.is_some_and(|raw| wire::is_text(raw, self.entity_type)) {
            return Ok(false);
        }
        // Without a parent it is nobody's part.
        if let Some(parent) = wire::optional(record.parent).map_err(in_field("parent"))? {
            let child = Child { who: *who, details: record.details };
            self.by_parent.entry(parent).or_default().push(child);
        }
        Ok(true)
    }

    /// The parts of each entity that is served. What is `known` and the same is not made anew.
    pub(super) fn sort_out(
        mut self,
        account: AccountId,
        served: impl Iterator<Item = EntityId>,
        known: &PartsByEntity,
        problems: &mut Problems,
    ) -> PartsByEntity {
        let mut seen = HashSet::new();
        let mut parts_of = |owner: EntityId| {
            let mut reject = |who: &Who<'_>, problem: String| {
                problems.add(format_args!("account {account}, {who}, a part of entity {owner}: {problem}"));
            };
            let mut children = Vec::new();
            for child in self.by_parent.remove(&owner).unwrap_or_default() {
                match wire::required("id", child.who.id) {
                    Ok(id) if seen.insert(id) => children.push((id, child)),
                    Ok(_) => reject(&child.who, "listed twice; the first one counts".to_owned()),
                    Err(problem) => reject(&child.who, problem),
                }
            }
            children.sort_unstable_by_key(|(id, _)| *id);
            if let Some(known) = known.get(&owner)
                && known.len() == children.len()
                && known.iter().zip(&children).all(|(part, (id, child))| part.id == *id && child.is(part))
            {
                return known.clone();
            }
            let mut parts = Vec::with_capacity(children.len());
            for (id, child) in children {
                match child.read(id) {
                    Ok(part) => parts.push(part),
                    Err(problem) => reject(&child.who, problem),
                }
            }
            Arc::new(parts)
        };
        served.map(|owner| (owner, parts_of(owner))).collect()
    }
}

impl Child<'_> {
    fn read(&self, id: EntityId) -> Result<Part, String> {
        let name = wire::required("name", self.who.name)?;
        self.details().and_then(|details| Part::read(id, name, details)).map_err(in_field("details"))
    }

    fn is(&self, part: &Part) -> bool {
        let same_name = self.who.name.is_some_and(|name| wire::is_text(name, &part.name));
        same_name && self.details().is_ok_and(|details| details == part.details_text())
    }

    fn details(&self) -> Result<&str, String> {
        match self.details.map_or(NOTHING, RawValue::get) {
            object if object.starts_with('{') => Ok(object),
            // Some languages write an empty object as an empty list.
            list if list.starts_with('[') && list[1..list.len() - 1].trim().is_empty() => Ok(NOTHING),
            _ => Err("expected an object".to_owned()),
        }
    }
}
