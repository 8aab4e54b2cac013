//! What the sensors of one run come to: every path once, and no more values than the memory of a bot is for.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use grafoleancollector::{AccountId, EntityId, Path, Samples, SensorId};

use crate::notices::Subject;
use crate::poll::{PollStats, Polled};
use crate::sensor::evaluate::Evaluated;

/// Values of one run, some 100 MB: thousands of sensors over a table of thousands of rows are a mistake.
const MOST_VALUES: usize = 1_000_000;

/// The figures of `SNMP_STATS`, below `entity.<id>.snmp.poll.`.
const OK: &str = "ok";
const DURATION: &str = "duration";
const REQUESTS: &str = "requests";

/// The values of a run's sensors, and what somebody should know of them.
pub(crate) struct Harvest<'a> {
    samples: Samples,
    most_values: usize,
    paths: Paths<'a>,
    /// Where the figures about the poll go, if they are wanted.
    figures: Option<String>,
    found: Vec<(Subject, String)>,
}

impl<'a> Harvest<'a> {
    pub(crate) fn new(account: AccountId, entity: EntityId, with_stats: bool) -> Self {
        Self {
            samples: Samples::for_account(account),
            most_values: MOST_VALUES,
            paths: Paths::default(),
            figures: with_stats.then(|| format!("entity.{entity}.snmp.poll.")),
            found: Vec::new(),
        }
    }

    /// Takes what a sensor came to. What cannot be delivered is left out, and found.
    pub(crate) fn take(&mut self, sensor: SensorId, name: &'a str, evaluated: Evaluated) {
        for warning in evaluated.warnings {
            self.found.push((Subject::Refused(sensor, warning.reason), warning.to_string()));
        }
        let (mut repeated, mut first_repeated, mut too_many) = (0, None, 0);
        for (path, value) in evaluated.values {
            if self.samples.len() >= self.most_values {
                too_many += 1;
            } else if let Some(holder) = self.holder(&path, sensor, name) {
                repeated += 1;
                first_repeated.get_or_insert((path, holder));
            } else {
                self.samples.push_at(path, value, None);
            }
        }
        if let Some((path, holder)) = first_repeated {
            let values = if repeated == 1 { "value" } else { "values" };
            let text = format!("sensor {name:?}: left out {repeated} {values}: {holder} has {path}");
            self.found.push((Subject::Repeated(sensor), text));
        }
        if too_many > 0 {
            let most = self.most_values;
            let text = format!("sensor {name:?} and those after it: left out what is beyond {most} values");
            self.found.push((Subject::TooMany, text));
        }
    }

    /// Who has this path already.
    fn holder(&mut self, path: &Path, sensor: SensorId, name: &'a str) -> Option<String> {
        let tail = self.figures.as_ref().and_then(|figures| path.as_str().strip_prefix(&**figures));
        if tail.is_some_and(|tail| [OK, DURATION, REQUESTS].contains(&tail)) {
            return Some("SNMP_STATS".to_owned());
        }
        self.paths.taken_by_other(path, sensor, name).map(|other| format!("sensor {other:?}"))
    }

    /// What was found since this was last called.
    pub(crate) fn found(&mut self) -> Vec<(Subject, String)> {
        std::mem::take(&mut self.found)
    }

    /// All of it, after a poll.
    pub(crate) fn after(mut self, polled: &Polled) -> Samples {
        self.push_figures(polled.gone.is_none(), Some(&polled.stats));
        self.samples
    }

    /// All of it where there was no answer. None: that is nothing at all.
    pub(crate) fn without_answer(mut self) -> Option<Samples> {
        self.push_figures(false, None);
        self.figures.is_some().then_some(self.samples)
    }

    #[expect(clippy::cast_precision_loss, reason = "a poll has far fewer than 2^52 requests")]
    fn push_figures(&mut self, ok: bool, stats: Option<&PollStats>) {
        let Some(figures) = &self.figures else { return };
        let at = |tail: &str| format!("{figures}{tail}");
        self.samples.push(at(OK), if ok { 1.0 } else { 0.0 }, None);
        if let Some(stats) = stats {
            self.samples.push(at(DURATION), stats.duration.as_secs_f64(), None);
            self.samples.push(at(REQUESTS), stats.requests as f64, None);
        }
    }
}

/// Which sensor has which path in this run, by the paths' hashes: two that collide would cost a value once in the
/// life of the universe.
#[derive(Default)]
struct Paths<'a> {
    hasher: RandomState,
    taken: HashMap<u64, (SensorId, &'a str)>,
}

impl<'a> Paths<'a> {
    /// The name of the sensor that has this path, if it is another one.
    fn taken_by_other(&mut self, path: &Path, sensor: SensorId, name: &'a str) -> Option<&'a str> {
        let (first, first_name) = *self.taken.entry(self.hasher.hash_one(path)).or_insert((sensor, name));
        (first != sensor).then_some(first_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harvest<'a>() -> Harvest<'a> {
        Harvest { most_values: 5, ..Harvest::new(AccountId::new(1), EntityId::new(2), true) }
    }

    fn values(tails: &[&str]) -> Evaluated {
        let path = |tail: &&str| Path::new(format!("entity.2.snmp.{tail}")).unwrap();
        Evaluated { values: tails.iter().map(|tail| (path(tail), 1.0)).collect(), ..Evaluated::default() }
    }

    #[test]
    fn a_path_belongs_to_the_first_sensor_that_has_it() {
        let mut harvest = harvest();
        let (one, other) = (SensorId::new(1), SensorId::new(2));
        harvest.take(one, "one", values(&["a", "b", "poll.ok"]));
        harvest.take(other, "other", values(&["c", "b", "a"]));
        let found = harvest.found();
        assert_eq!(
            found,
            [
                (
                    Subject::Repeated(one),
                    "sensor \"one\": left out 1 value: SNMP_STATS has entity.2.snmp.poll.ok".to_owned()
                ),
                (
                    Subject::Repeated(other),
                    "sensor \"other\": left out 2 values: sensor \"one\" has entity.2.snmp.b".to_owned()
                ),
            ]
        );
        let samples = harvest.without_answer().unwrap();
        assert_eq!((samples.len(), samples.get("entity.2.snmp.poll.ok")), (3 + 1, Some(0.0)));
    }

    #[test]
    fn there_is_an_end_to_the_values_of_a_run() {
        let mut harvest = harvest();
        harvest.take(SensorId::new(1), "one", values(&["a", "b", "c"]));
        harvest.take(SensorId::new(2), "other", values(&["d", "e", "f", "g"]));
        let found = harvest.found();
        assert_eq!(found[0].0, Subject::TooMany);
        assert_eq!(found[0].1, "sensor \"other\" and those after it: left out what is beyond 5 values");
        harvest.take(SensorId::new(3), "third", values(&["h"]));
        assert_eq!(harvest.without_answer().unwrap().len(), 5 + 1);
    }
}
