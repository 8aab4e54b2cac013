//! The parts of one entity, in two pieces of memory: a bot may know hundreds of thousands of parts.

use serde_json::{Map, Value};

use super::part::Part;
use crate::ids::EntityId;

/// The parts of one entity, sorted by id.
#[derive(Default, PartialEq, Eq, Debug)]
pub(crate) struct PartList {
    /// Names and details, one behind the other.
    text: String,
    places: Vec<Place>,
}

/// Where a part's texts end; its name begins where the part before ends.
#[derive(PartialEq, Eq, Debug)]
struct Place {
    id: EntityId,
    name_end: usize,
    end: usize,
}

impl PartList {
    /// Adds a part whose id is above all others. The error is what is wrong with its details.
    pub(crate) fn push(&mut self, id: EntityId, name: &str, details: &str) -> Result<(), String> {
        let read: Result<Map<String, Value>, _> = serde_json::from_str(details);
        // Only numbers that no computer holds and hundreds of lists in each other get here.
        read.map_err(|error| format!("cannot be read: {error}"))?;
        self.put(Part { id, name, details });
        Ok(())
    }

    fn put(&mut self, Part { id, name, details }: Part<'_>) {
        self.text.push_str(name);
        let name_end = self.text.len();
        self.text.push_str(details);
        self.places.push(Place { id, name_end, end: self.text.len() });
    }

    /// No more are to come.
    pub(crate) fn finished(mut self) -> Self {
        self.text.shrink_to_fit();
        self.places.shrink_to_fit();
        self
    }

    pub(crate) const fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Part<'_>> {
        let mut begin = 0;
        self.places.iter().map(move |place| {
            let (name, details) = (&self.text[begin..place.name_end], &self.text[place.name_end..place.end]);
            begin = place.end;
            Part { id: place.id, name, details }
        })
    }

    /// The same list with a part, in place of the one with its id.
    pub(super) fn with(&self, part: Part<'_>) -> Self {
        let before = self.iter().take_while(|other| other.id < part.id);
        let after = self.iter().skip_while(|other| other.id <= part.id);
        before.chain([part]).chain(after).collect()
    }

    /// The same list without a part.
    pub(super) fn without(&self, id: EntityId) -> Self {
        self.iter().filter(|part| part.id != id).collect()
    }
}

impl<'a> FromIterator<Part<'a>> for PartList {
    fn from_iter<I: IntoIterator<Item = Part<'a>>>(parts: I) -> Self {
        let mut list = Self::default();
        parts.into_iter().for_each(|part| list.put(part));
        list.finished()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_list_is_what_a_map_would_be(
            writes in prop::collection::vec((0_u64..8, prop::option::of(("\\PC{0,4}", "[a-z]{0,3}"))), 0..40),
        ) {
            let (mut list, mut map) = (PartList::default(), BTreeMap::new());
            for (id, content) in writes {
                let id = EntityId::new(id);
                match content {
                    Some((name, word)) => {
                        let details = format!(r#"{{"a":"{word}"}}"#);
                        list = list.with(Part { id, name: &name, details: &details });
                        map.insert(id, (name, word));
                    }
                    None => {
                        list = list.without(id);
                        map.remove(&id);
                    }
                }
                prop_assert_eq!(list.len(), map.len());
                for (part, (id, (name, word))) in list.iter().zip(&map) {
                    prop_assert_eq!((part.id, part.name), (*id, name.as_str()));
                    prop_assert_eq!(&part.details()["a"], word.as_str());
                }
            }
            let mut pushed = PartList::default();
            for part in list.iter() {
                prop_assert_eq!(pushed.push(part.id, part.name, part.details_text()), Ok(()));
            }
            prop_assert_eq!(pushed.finished(), list);
        }
    }
}
