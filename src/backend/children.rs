//! From the records of an account's list to the parts of the entities that are served.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::entities::{Problems, Who};
use super::wire::{self, RawEntity, in_field};
use crate::ids::{AccountId, EntityId};
use crate::parts::{Part, PartList, PartsByEntity};

/// The records of one entity type, unread: whether the entity that one is a part of is served is only known when the
/// whole list was looked at.
pub(super) struct Children<'a> {
    entity_type: &'static str,
    /// In one piece, and small: there may be hundreds of thousands.
    all: Vec<Child<'a>>,
}

#[derive(Clone, Copy)]
struct Child<'a> {
    parent: EntityId,
    index: usize,
    record: &'a RawValue,
}

/// The fields of a child.
struct Fields<'a> {
    id: EntityId,
    who: Who<'a>,
    details: Option<&'a RawValue>,
}

/// No details at all, as JSON.
const NOTHING: &str = "{}";

impl<'a> Children<'a> {
    pub(super) fn of_type(entity_type: &'static str) -> Self {
        Self { entity_type, all: Vec::new() }
    }

    /// Takes a record, if it is of the type. The error is what is wrong with it.
    pub(super) fn take(
        &mut self,
        index: usize,
        raw: &'a RawValue,
        record: &RawEntity<'a>,
    ) -> Result<bool, String> {
        if !record.entity_type.is_some_and(|raw| wire::is_text(raw, self.entity_type)) {
            return Ok(false);
        }
        // Without a parent it is nobody's part.
        if let Some(parent) = wire::optional(record.parent).map_err(in_field("parent"))? {
            self.all.push(Child { parent, index, record: raw });
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
        self.all.sort_unstable_by_key(|child| (child.parent, child.index));
        let mut parts_of = |owner: EntityId| {
            let mut reject = |who: &Who<'_>, problem: String| {
                problems.add(format_args!("account {account}, {who}, a part of entity {owner}: {problem}"));
            };
            let begin = self.all.partition_point(|child| child.parent < owner);
            let children = self.all[begin..].iter().take_while(|child| child.parent == owner);
            let fields = children.filter_map(|child| match child.fields() {
                Ok(fields) => Some(fields),
                Err((who, problem)) => {
                    reject(&who, problem);
                    None
                }
            });
            let mut children: Vec<_> = fields.collect();
            children.sort_by_key(|child| child.id);
            children.dedup_by(|later, first| {
                let twice = later.id == first.id;
                if twice {
                    reject(&later.who, "listed twice; the first one counts".to_owned());
                }
                twice
            });
            if let Some(known) = known.get(&owner)
                && known.len() == children.len()
                && known.iter().zip(&children).all(|(part, child)| child.is(&part))
            {
                return known.clone();
            }
            let mut parts = PartList::default();
            for child in children {
                child.add_to(&mut parts).unwrap_or_else(|problem| reject(&child.who, problem));
            }
            Arc::new(parts.finished())
        };
        served.map(|owner| (owner, parts_of(owner))).collect()
    }
}

impl<'a> Child<'a> {
    fn fields(&self) -> Result<Fields<'a>, (Who<'a>, String)> {
        let Self { index, record, .. } = *self;
        let nameless = Who { index, id: None, name: None };
        // It was an object when it was taken.
        let record: RawEntity<'_> = wire::object(record).map_err(|problem| (nameless, problem))?;
        let who = Who { index, id: record.id, name: record.name };
        let id = wire::required("id", record.id).map_err(|problem| (who, problem))?;
        Ok(Fields { id, who, details: record.details })
    }
}

impl Fields<'_> {
    fn add_to(&self, parts: &mut PartList) -> Result<(), String> {
        let name: Box<str> = wire::required("name", self.who.name)?;
        self.details().and_then(|details| parts.push(self.id, &name, details)).map_err(in_field("details"))
    }

    fn is(&self, part: &Part<'_>) -> bool {
        let same_name = self.who.name.is_some_and(|name| wire::is_text(name, part.name));
        part.id == self.id && same_name && self.details().is_ok_and(|details| details == part.details_text())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::entities::{Built, Lists};
    use super::*;
    use crate::ids::UserId;
    use crate::protocol::Protocol;

    struct Switch;

    impl Protocol for Switch {
        const SLUG: &'static str = "switch";
        type Credential = ();
        type Sensor = ();
        const PARTS: Option<&'static str> = Some("interface");
    }

    struct NoParts;

    impl Protocol for NoParts {
        const SLUG: &'static str = "switch";
        type Credential = ();
        type Sensor = ();
    }

    fn switch(id: u64) -> Value {
        json!({"id": id, "name": "switch", "entity_type": "device", "parent": null, "details": {},
               "protocols": {"switch": {"credential": 1, "bot": null, "sensors": [{"sensor": 2}]}}})
    }

    fn interface(id: u64, parent: u64) -> Value {
        json!({"id": id, "name": format!("eth{id}"), "entity_type": "interface", "parent": parent,
               "details": {"snmp_index": id.to_string()}, "protocols": {}})
    }

    fn changed(field: &str, value: Value) -> Value {
        let mut interface = interface(12, 7);
        interface[field] = value;
        interface
    }

    fn build_as<P: Protocol>(entities: &Value, known: &PartsByEntity) -> Built<P> {
        let record =
            |id: u64| json!({"list": [{"id": id, "name": "", "protocol": "switch", "details": null}]});
        let lists = Lists {
            account: AccountId::new(1),
            user: UserId::new(9),
            entities: json!({ "list": entities }).to_string().into_bytes(),
            credentials: record(1).to_string().into_bytes(),
            sensors: record(2).to_string().into_bytes(),
        };
        lists.build::<P>(known).unwrap()
    }

    fn build(entities: &Value) -> Built<Switch> {
        build_as(entities, &PartsByEntity::new())
    }

    /// The ids of the parts of an entity; none where it has no entry at all.
    fn ids(built: &Built<Switch>, owner: u64) -> Option<Vec<u64>> {
        let parts = built.parts.get(&EntityId::new(owner))?;
        Some(parts.iter().map(|part| part.id.get()).collect())
    }

    #[test]
    fn each_entity_that_is_served_has_its_parts_in_whatever_order_they_are_listed() {
        let mut other = switch(9);
        other["protocols"]["switch"]["bot"] = json!(10);
        let built = build(&json!([
            interface(13, 7),
            interface(99, 9),
            switch(7),
            other,
            switch(8),
            interface(12, 7),
            json!({"id": 14, "name": "card", "entity_type": "card", "parent": 7, "details": {}}),
            json!({"id": 15, "name": "nobody's", "entity_type": "interface", "parent": null, "details": {}}),
        ]));
        assert_eq!(built.entities.len(), 2);
        assert_eq!(
            (ids(&built, 7), ids(&built, 8), ids(&built, 9)),
            (Some(vec![12, 13]), Some(vec![]), None)
        );
        assert!(built.problems.texts.is_empty(), "{:?}", built.problems.texts);
        let part = built.parts[&EntityId::new(7)].iter().next().unwrap();
        assert_eq!((part.name, part.details()["snmp_index"].as_str()), ("eth12", Some("12")));
    }

    #[test]
    fn a_protocol_without_parts_keeps_none() {
        let built = build_as::<NoParts>(&json!([switch(7), interface(12, 7)]), &PartsByEntity::new());
        assert_eq!((built.entities.len(), built.parts.len(), built.problems.count), (1, 0, 0));
    }

    #[test]
    fn a_broken_part_is_named_and_left_out_and_spoils_neither_parent_nor_neighbour() {
        for (broken, problem) in [
            (changed("name", json!(null)), "entity 12, a part of entity 7: name: missing"),
            (changed("name", json!([])), "entity 12, a part of entity 7: name: expected a text, got a list"),
            (
                changed("details", json!("x")),
                "entity 12 (eth12), a part of entity 7: details: expected an object",
            ),
            (
                changed("details", json!([1])),
                "entity 12 (eth12), a part of entity 7: details: expected an object",
            ),
            (
                changed("id", json!("x")),
                "entity number 2 of the list (eth12), a part of entity 7: id: expected an integer, got \"x\"",
            ),
            (
                changed("id", json!(13)),
                "entity 13 (eth13), a part of entity 7: listed twice; the first one counts",
            ),
            (changed("parent", json!({})), "entity 12 (eth12): parent: expected an integer, got an object"),
        ] {
            let built = build(&json!([switch(7), broken, interface(13, 7)]));
            assert_eq!((built.entities.len(), ids(&built, 7)), (1, Some(vec![13])), "{broken}");
            assert_eq!(built.problems.texts, [format!("account 1, {problem}")]);
        }
    }

    #[test]
    fn details_that_could_never_be_read_again_are_refused_at_once() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
        for details in [r#"{"speed": 1e999}"#, &deep] {
            let list = json!([switch(7), interface(12, 7)]).to_string();
            let list = list.replace(r#"{"snmp_index":"12"}"#, details);
            // Not through a value of serde_json, which holds none of these.
            let lists = Lists {
                account: AccountId::new(1),
                user: UserId::new(9),
                entities: format!(r#"{{"list":{list}}}"#).into_bytes(),
                credentials: br#"{"list":[{"id":1,"protocol":"switch"}]}"#.to_vec(),
                sensors: br#"{"list":[{"id":2,"name":"","protocol":"switch"}]}"#.to_vec(),
            };
            let built = lists.build::<Switch>(&PartsByEntity::new()).unwrap();
            assert_eq!(ids(&built, 7), Some(vec![]));
            let start = "account 1, entity 12 (eth12), a part of entity 7: details: cannot be read: ";
            assert!(built.problems.texts[0].starts_with(start), "{:?}", built.problems.texts);
        }
    }

    #[test]
    fn odd_forms_of_a_part_are_taken() {
        let odd = json!([
            switch(7),
            {"id": "12", "name": 3, "entity_type": "interface", "parent": "7", "details": [], "new": {}},
            {"id": 13, "name": "b", "entity_type": "interface", "parent": 7, "details": null, "protocols": "x"},
            {"id": 14, "name": "c", "entity_type": "interface", "parent": 7},
        ]);
        let built = build(&odd);
        assert_eq!((ids(&built, 7), built.problems.count), (Some(vec![12, 13, 14]), 0));
        let parts = &built.parts[&EntityId::new(7)];
        assert!(parts.iter().all(|part| part.details().is_empty()));
        assert_eq!(parts.iter().next().unwrap().name, "3");
    }

    #[test]
    fn what_has_not_changed_is_not_made_anew() {
        let list = json!([switch(7), switch(8), interface(12, 7), interface(13, 7), interface(14, 8)]);
        let first = build(&list);
        let again = build_as::<Switch>(&list, &first.parts);
        let same = |built: &Built<Switch>, owner: u64| {
            Arc::ptr_eq(&first.parts[&EntityId::new(owner)], &built.parts[&EntityId::new(owner)])
        };
        assert!(same(&again, 7) && same(&again, 8));
        for other in [
            changed("name", json!("lan")),
            changed("details", json!({"snmp_index": "13"})),
            changed("id", json!(15)),
            changed("entity_type", json!("card")),
            changed("name", json!(null)),
        ] {
            let mut list = list.clone();
            list[2] = other;
            let again = build_as::<Switch>(&list, &first.parts);
            assert!(!same(&again, 7) && same(&again, 8), "{list}");
        }
    }

    proptest! {
        /// Whatever was known: what comes out is what the list says.
        #[test]
        fn what_is_known_changes_nothing_but_the_effort(
            before in prop::collection::vec((10_u64..16, 7_u64..10, 0_u8..3), 0..8),
            now in prop::collection::vec((10_u64..16, 7_u64..10, 0_u8..3), 0..8),
        ) {
            let list = |interfaces: &[(u64, u64, u8)]| {
                let one = |(id, parent, kind): &(u64, u64, u8)| {
                    let mut record = interface(*id, *parent);
                    match kind {
                        0 => {}
                        1 => record["name"] = json!("other"),
                        _ => record["details"] = json!("broken"),
                    }
                    record
                };
                json!([switch(7), switch(8)].into_iter().chain(interfaces.iter().map(one)).collect::<Vec<_>>())
            };
            let known = build(&list(&before)).parts;
            let (fresh, again) = (build(&list(&now)), build_as::<Switch>(&list(&now), &known));
            prop_assert_eq!(fresh.parts, again.parts);
            prop_assert_eq!(fresh.problems.texts, again.problems.texts);
        }
    }
}
