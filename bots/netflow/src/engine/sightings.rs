//! Exporters that were seen, and that no entity has.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use grafoleancollector::Timestamp;

use crate::aggregate::ExporterKey;
use crate::flow::Ip;

/// Exporters that are watched at a time. Datagrams are easily sent in another's name: beyond it, nobody is noted until
/// others fall silent.
const MOST: usize = 1_024;
/// One who is silent this long is forgotten.
const SILENT: Duration = Duration::from_secs(900);

/// Exporters that sent flows lately, and that no entity has.
#[derive(Debug, Default)]
pub(crate) struct Sightings(Mutex<HashMap<Ip, Sighting>>);

#[derive(Clone, Copy, Debug)]
struct Sighting {
    first: Timestamp,
    last: Timestamp,
}

impl Sightings {
    /// These sent flows just now.
    pub(crate) fn seen(&self, exporters: impl Iterator<Item = ExporterKey>, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, sighting| now.since(sighting.last) < SILENT);
        for ExporterKey { address, .. } in exporters {
            if let Some(sighting) = all.get_mut(&address) {
                sighting.last = now;
            } else if all.len() < MOST {
                all.insert(address, Sighting { first: now, last: now });
            }
        }
    }

    /// Whether this one sent flows lately.
    pub(crate) fn has(&self, address: Ip) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&address)
    }

    /// Those that have been sending for at least this long, sorted.
    pub(crate) fn lasting(&self, time: Duration) -> Vec<Ip> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lasting = all.iter().filter(|(_, sighting)| sighting.last.since(sighting.first) >= time);
        let mut lasting: Vec<_> = lasting.map(|(address, _)| *address).collect();
        lasting.sort_unstable();
        lasting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> ExporterKey {
        ExporterKey::from(Ip::v4(n))
    }

    #[test]
    fn an_exporter_lasts_when_it_was_seen_again_after_a_while() {
        let (sightings, minute) = (Sightings::default(), Duration::from_secs(60));
        sightings.seen([key(2), key(1)].into_iter(), Timestamp::from_secs(0));
        assert!(sightings.lasting(minute).is_empty());
        sightings.seen([key(2)].into_iter(), Timestamp::from_secs(61));
        assert_eq!(sightings.lasting(minute), [Ip::v4(2)]);
        sightings.seen([key(1)].into_iter(), Timestamp::from_secs(62));
        assert_eq!(sightings.lasting(minute), [Ip::v4(1), Ip::v4(2)]);
    }

    #[test]
    fn a_flood_in_the_names_of_others_takes_no_more_room_than_there_is_and_passes() {
        let sightings = Sightings::default();
        sightings.seen((0..100_000).map(key), Timestamp::from_secs(0));
        assert_eq!(sightings.0.lock().unwrap().len(), MOST);
        sightings.seen([key(200_000)].into_iter(), Timestamp::from_secs(1_000));
        sightings.seen([key(200_000)].into_iter(), Timestamp::from_secs(1_100));
        assert_eq!(sightings.lasting(Duration::from_secs(60)), [Ip::v4(200_000)]);
    }
}
