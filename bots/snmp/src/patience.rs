//! How often a device is asked that does not answer: at first as always, then less and less, but never never.

use std::time::Duration;

use tokio::time::Instant;

/// Polls in vain that change nothing: a device may be restarted.
const EAGER: u32 = 3;
/// How long a dead device is left alone at most: it is back on the charts that soon after it is back.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// What is known of a device's silence.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    silence: Option<Silence>,
}

#[derive(Debug)]
struct Silence {
    polls: u32,
    again: Instant,
    why: String,
}

/// A device is left alone for now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Rest {
    /// Polls in a row without an answer.
    pub(crate) polls: u32,
    /// For how much longer.
    pub(crate) left: Duration,
    /// What the last poll failed with.
    pub(crate) why: String,
}

impl Patience {
    /// Whether the device is left alone at this moment.
    pub(crate) fn rest(&self, now: Instant) -> Option<Rest> {
        let Silence { polls, again, why } = self.silence.as_ref()?;
        let left = again.checked_duration_since(now).filter(|left| !left.is_zero())?;
        Some(Rest { polls: *polls, left, why: why.clone() })
    }

    /// The device answered.
    pub(crate) fn answered(&mut self) {
        self.silence = None;
    }

    /// A poll that began then, of a device that is polled so often, got no answer.
    pub(crate) fn silent(&mut self, began: Instant, every: Duration, why: String) {
        let polls = self.silence.as_ref().map_or(1, |silence| silence.polls.saturating_add(1));
        let doublings = polls.saturating_sub(EAGER).min(16);
        let rest = if doublings == 0 {
            Duration::ZERO
        } else {
            // Half an interval less: the tick at the end of the rest may come a moment early.
            every.saturating_mul(1 << doublings).min(LONGEST_REST).saturating_sub(every / 2)
        };
        self.silence = Some(Silence { polls, again: began + rest, why });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In which of the ticks a device that never answers is polled.
    fn polled_ticks(every: Duration, ticks: u32) -> Vec<u32> {
        let (start, mut patience) = (Instant::now(), Patience::default());
        let mut polled = Vec::new();
        for tick in 0..ticks {
            let now = start + every * tick;
            if patience.rest(now).is_none() {
                polled.push(tick);
                patience.silent(now, every, "no answer".to_owned());
            }
        }
        polled
    }

    #[test]
    fn a_dead_device_is_polled_less_and_less_but_at_least_every_five_minutes() {
        assert_eq!(polled_ticks(Duration::from_secs(60), 25), [0, 1, 2, 3, 5, 9, 14, 19, 24]);
        assert_eq!(polled_ticks(Duration::from_secs(600), 5), [0, 1, 2, 3, 4], "seldom enough");
        assert_eq!(polled_ticks(Duration::from_secs(7 * 86_400), 6), [0, 1, 2, 3, 4, 5]);
        let per_second = polled_ticks(Duration::from_secs(1), 3_000);
        assert!(per_second.windows(2).all(|pair| pair[1] - pair[0] <= 300));
        assert!(per_second.len() < 25, "{per_second:?}");
    }

    #[test]
    fn an_answer_ends_it_at_once() {
        let (now, every, mut patience) = (Instant::now(), Duration::from_secs(60), Patience::default());
        for _ in 0..9 {
            patience.silent(now, every, "no answer".to_owned());
        }
        let rest = patience.rest(now).unwrap();
        assert_eq!((rest.polls, rest.left, &*rest.why), (9, Duration::from_secs(270), "no answer"));
        patience.answered();
        assert_eq!(patience.rest(now), None);
        patience.silent(now, every, "no answer".to_owned());
        assert_eq!(patience.rest(now), None, "the next silence is a new one");
    }
}
