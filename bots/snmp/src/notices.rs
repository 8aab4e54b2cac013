//! What is said of a device: each thing once, not at every poll.

use std::collections::HashSet;

use grafoleancollector::SensorId;

use crate::poll::Source;
use crate::sensor::evaluate::Refusal;

/// What a notice is about: of two about the same, the second is not said.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Subject {
    /// Rows of a sensor are refused.
    Refused(SensorId, Refusal),
    /// Rows of a sensor have paths that another sensor has.
    Repeated(SensorId),
    /// The sensors have more values together than there is room for.
    TooMany,
    /// An object or a column cannot be read, or not fully.
    Unread(Source),
}

/// Notices of one device that are remembered; beyond it none are said, of a device of which much was said already.
const MOST_REMEMBERED: usize = 1_000;

/// What was found at the last poll that could have found it.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    known: HashSet<Subject>,
}

impl Notices {
    /// Says what is new among `found`. `covered` says what the poll was about: what it did not find of that is gone,
    /// and will be said again when it comes back. What cannot be said now, as too much is being said, comes again.
    pub(crate) fn look(
        &mut self,
        found: Vec<(Subject, String)>,
        covered: impl Fn(&Subject) -> bool,
        say: impl Fn(&str) -> bool,
    ) {
        let still: HashSet<&Subject> = found.iter().map(|(subject, _)| subject).collect();
        self.known.retain(|known| !covered(known) || still.contains(known));
        for (subject, text) in found {
            if self.known.len() < MOST_REMEMBERED && !self.known.contains(&subject) && say(&text) {
                self.known.insert(subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::oid::Oid;
    use crate::poll::FetchMethod;

    fn unread(arc: u32) -> Subject {
        Subject::Unread(Source { oid: Oid::new([1, 3, arc]), fetch: FetchMethod::Walk })
    }

    fn said(notices: &mut Notices, found: &[u32], covered: &[u32]) -> Vec<String> {
        let found = found.iter().map(|arc| (unread(*arc), arc.to_string())).collect();
        let said = RefCell::new(Vec::new());
        let say = |text: &str| {
            said.borrow_mut().push(text.to_owned());
            true
        };
        notices.look(found, |subject| covered.iter().any(|arc| unread(*arc) == *subject), say);
        said.into_inner()
    }

    #[test]
    fn a_notice_is_said_once_and_again_after_it_was_gone() {
        let mut notices = Notices::default();
        assert_eq!(said(&mut notices, &[1, 2], &[1, 2, 3]), ["1", "2"]);
        assert_eq!(said(&mut notices, &[1, 2], &[1, 2, 3]), [""; 0]);
        assert_eq!(said(&mut notices, &[], &[2]), [""; 0]);
        assert_eq!(said(&mut notices, &[1, 2], &[1, 2]), ["2"], "1 was not looked at in between");
    }

    #[test]
    fn what_could_not_be_said_is_said_another_time() {
        let mut notices = Notices::default();
        notices.look(vec![(unread(1), "one".to_owned())], |_| true, |_| false);
        assert_eq!(said(&mut notices, &[1], &[1]), ["1"]);
    }

    #[test]
    fn a_device_with_endless_troubles_does_not_fill_the_memory() {
        let mut notices = Notices::default();
        for arc in 0..5_000 {
            said(&mut notices, &[arc], &[arc]);
        }
        assert_eq!(notices.known.len(), MOST_REMEMBERED);
    }
}
