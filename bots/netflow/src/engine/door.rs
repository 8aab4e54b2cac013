//! Whose flows are added up: those that some entity owns. All others are only seen.
//!
//! Datagrams are easily sent in another's name: exporters that nobody set up must not take the room of those that
//! somebody did.

use std::collections::HashSet;

use super::directives::Directives;
use crate::aggregate::ExporterKey;

/// Exporters whose flows are added up while the configuration is not known, or not all of it.
const MOST_STRANGERS: usize = 1_024;

/// Who is let in.
#[derive(Default, Debug)]
pub(super) struct Door {
    /// Those that came before the configuration did.
    strangers: HashSet<ExporterKey>,
    /// Exporters that were seen, in this slice, and not let in.
    seen: HashSet<ExporterKey>,
}

impl Door {
    /// Whether an exporter's flows are added up.
    pub(super) fn lets_in(&mut self, exporter: &ExporterKey, directives: Option<&Directives>) -> bool {
        if directives.is_some_and(|directives| directives.is_owned(exporter)) {
            return true;
        }
        let may_be_owned = directives.is_none_or(Directives::is_incomplete);
        let is_in = may_be_owned && {
            let has_room = self.strangers.len() < MOST_STRANGERS;
            self.strangers.contains(exporter) || (has_room && self.strangers.insert(*exporter))
        };
        if !is_in && self.seen.len() < MOST_STRANGERS {
            self.seen.insert(*exporter);
        }
        is_in
    }

    /// Who was seen since the last time, and not let in.
    pub(super) fn take_seen(&mut self) -> Vec<ExporterKey> {
        self.seen.drain().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Rules;
    use crate::flow::Ip;

    fn key(n: u32) -> ExporterKey {
        ExporterKey::from(Ip::v4(n))
    }

    #[test]
    fn once_the_configuration_is_known_only_those_are_let_in_that_an_entity_owns() {
        let directives = Directives::new([(key(1), Rules::default())]);
        let mut door = Door::default();
        assert!(door.lets_in(&key(1), Some(&directives)));
        assert!(!door.lets_in(&key(2), Some(&directives)));
        assert_eq!((door.take_seen(), door.take_seen()), (vec![key(2)], vec![]));
        let some = Directives::new([(key(1), Rules::default())]).incomplete();
        assert!(door.lets_in(&key(2), Some(&some)), "an account could not be read: it may be its");
    }

    #[test]
    fn before_that_some_strangers_are_and_a_flood_of_them_takes_no_more_room() {
        let mut door = Door::default();
        let let_in = (0..100_000).filter(|n| door.lets_in(&key(*n), None)).count();
        assert_eq!(let_in, MOST_STRANGERS);
        assert!(door.lets_in(&key(5), None), "who was let in stays so");
        assert_eq!(door.take_seen().len(), MOST_STRANGERS);
    }
}
