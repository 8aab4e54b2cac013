//! How many datagrams a source may send.

use std::collections::HashMap;
use std::num::NonZeroU32;

use grafoleancollector::Timestamp;

use crate::Ip;

/// So many sources are told apart at a time, some 2.5 MB. Those that come on top share what one source may send.
const MAX_SOURCES: usize = 65_536;
/// A source that was silent may send at once what it might have sent in this time, in nanoseconds: routers export in
/// bursts, when a cache is emptied.
const BURST: i64 = 2_000_000_000;

/// A limit for each source on its own, so that one that runs wild does not take the time of the others.
///
/// ```
/// use grafolean_netflow_bot::{Ip, receive::RateLimit};
/// use grafoleancollector::Timestamp;
/// let mut limit = RateLimit::new(10.try_into().unwrap());
/// let (router, now) = (Ip::v4(0x0a00_0001), Timestamp::from_secs(1_700_000_000));
/// assert_eq!((0..100).filter(|_| limit.allows(router, now)).count(), 20);
/// assert_eq!(limit.refused(), 80);
/// ```
#[derive(Debug)]
pub struct RateLimit {
    /// What a datagram takes of a source's time, in nanoseconds.
    cost: i64,
    /// For each source the moment at which it may send a whole burst again, in nanoseconds: a token bucket in one
    /// number. One that lies in the past says as much as none.
    sources: HashMap<Ip, i64>,
    others: i64,
    /// Before this moment it is not worth while to look for sources that have been silent.
    next_sweep: i64,
    max_sources: usize,
    refused: u64,
}

impl RateLimit {
    /// So many datagrams per second from each source.
    #[must_use]
    pub fn new(per_second: NonZeroU32) -> Self {
        Self {
            cost: (1_000_000_000 / i64::from(per_second.get())).max(1),
            sources: HashMap::new(),
            others: i64::MIN,
            next_sweep: i64::MIN,
            max_sources: MAX_SOURCES,
            refused: 0,
        }
    }

    /// Whether a datagram of this source is within the limit. One that is not takes nothing of it.
    pub fn allows(&mut self, source: Ip, now: Timestamp) -> bool {
        let now = now.as_micros().saturating_mul(1_000);
        let cost = self.cost;
        if let Some(full_at) = self.sources.get_mut(&source) {
            let allowed = take(full_at, cost, now);
            self.refused += u64::from(!allowed);
            return allowed;
        }
        let full_at =
            if self.has_room(now) { self.sources.entry(source).or_insert(now) } else { &mut self.others };
        let allowed = take(full_at, cost, now);
        self.refused += u64::from(!allowed);
        allowed
    }

    /// How many datagrams were not within the limit.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn has_room(&mut self, now: i64) -> bool {
        if self.sources.len() < self.max_sources {
            return true;
        }
        if now < self.next_sweep && self.next_sweep - now <= BURST {
            return false;
        }
        self.next_sweep = now + BURST / 2;
        self.sources.retain(|_, full_at| *full_at > now && !is_from_another_time(*full_at, now));
        self.sources.len() < self.max_sources
    }
}

/// Nobody's bucket is emptier than empty: the clock was set back.
fn is_from_another_time(full_at: i64, now: i64) -> bool {
    full_at.saturating_sub(now) > BURST
}

fn take(full_at: &mut i64, cost: i64, now: i64) -> bool {
    if *full_at < now || is_from_another_time(*full_at, now) {
        *full_at = now;
    }
    // However dear a datagram is, a source that was silent may send one.
    let after = (*full_at).saturating_add(cost);
    let allowed = after - now <= BURST.max(cost);
    if allowed {
        *full_at = after;
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const ROUTER: Ip = Ip::v4(0x0a00_0001);

    fn limit(per_second: u32) -> RateLimit {
        RateLimit::new(NonZeroU32::new(per_second).unwrap())
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000 + micros)
    }

    fn burst(limit: &mut RateLimit, source: Ip, now: Timestamp) -> usize {
        (0..100_000).take_while(|_| limit.allows(source, now)).count()
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let mut limit = limit(1_000);
        assert_eq!(burst(&mut limit, ROUTER, at(0)), 2_000);
        assert!(!limit.allows(ROUTER, at(999)) && limit.allows(ROUTER, at(1_000)));
        assert_eq!(burst(&mut limit, ROUTER, at(500_000)), 499);
        assert_eq!(burst(&mut limit, ROUTER, at(60_000_000)), 2_000, "silence is not saved up without end");
    }

    #[test]
    fn one_source_does_not_take_from_another() {
        let mut limit = limit(10);
        assert_eq!(burst(&mut limit, ROUTER, at(0)), 20);
        assert_eq!(burst(&mut limit, Ip::v4(0x0a00_0002), at(0)), 20);
        assert_eq!(limit.refused(), 2);
    }

    #[test]
    fn the_slowest_rate_lets_one_through_now_and_then() {
        let mut slow = limit(1);
        assert_eq!(burst(&mut slow, ROUTER, at(0)), 2);
        assert!(!slow.allows(ROUTER, at(900_000)) && slow.allows(ROUTER, at(1_000_000)));
        assert_eq!(burst(&mut limit(u32::MAX), ROUTER, at(0)), 100_000);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let mut limit = limit(10);
        assert_eq!(burst(&mut limit, ROUTER, at(0)), 20);
        assert_eq!(burst(&mut limit, ROUTER, at(0).minus(Duration::from_secs(86_400))), 20);
    }

    #[test]
    fn a_hundred_thousand_spoofed_sources_take_neither_memory_nor_the_place_of_those_before() {
        let mut limit = limit(100);
        assert!(limit.allows(ROUTER, at(0)));
        let spoofed = |n: u32| Ip::v4(0x0b00_0000 + n);
        let allowed = (0..200_000).filter(|n| limit.allows(spoofed(*n), at(1))).count();
        assert_eq!(limit.sources.len(), MAX_SOURCES);
        assert_eq!(allowed, MAX_SOURCES - 1 + 200, "those without a place share one");
        assert_eq!(burst(&mut limit, ROUTER, at(2)), 199);
        // When they are silent their places are free again.
        assert!(limit.allows(Ip::v4(0x0c00_0001), at(3_000_000)));
        assert!(limit.sources.len() <= 2, "{}", limit.sources.len());
    }

    proptest! {
        #[test]
        fn never_more_than_the_rate_and_a_burst(
            per_second in 1_u32..5_000,
            pauses in prop::collection::vec(0_i64..200_000, 1..2_000),
        ) {
            let mut limit = limit(per_second);
            let (mut now, mut allowed) = (0, 0_i64);
            for pause in pauses {
                now += pause;
                allowed += i64::from(limit.allows(ROUTER, at(now)));
                let most = (now * 1_000 + BURST) / limit.cost + 1;
                prop_assert!(allowed <= most, "{} after {} µs, at most {}", allowed, now, most);
            }
        }
    }
}
