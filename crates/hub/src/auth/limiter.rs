//! How often somebody may try a password: per user name and per address, whatever comes of it.
//!
//! A name has few tries from one network and more from all together: who guesses does not lock out who knows, and
//! guessing from many places leads nowhere either.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A user name from one network: ten tries, and another one each half a minute.
const PER_NAME_THERE: Allowance = Allowance { burst: 10, refill: Duration::from_secs(30) };

/// A user name from everywhere.
const PER_NAME: Allowance = Allowance { burst: 200, refill: Duration::from_secs(5) };

/// An address, behind which there may be several people.
const PER_ADDRESS: Allowance = Allowance { burst: 30, refill: Duration::from_secs(10) };

/// Names and addresses that are remembered. When all are used, those that have waited longest go first.
const REMEMBERED: usize = 20_000;

#[derive(Clone, Copy)]
struct Allowance {
    burst: u32,
    refill: Duration,
}

/// Failed tries, as the time at which all of them will be forgotten.
#[derive(Debug)]
pub(crate) struct LoginLimiter {
    keys: RandomState,
    tries: Mutex<HashMap<u64, Instant>>,
}

/// A try that was counted; given back when it succeeded.
#[derive(Debug)]
pub(crate) struct Try([(u64, Duration); 3]);

impl Default for LoginLimiter {
    fn default() -> Self {
        Self { keys: RandomState::new(), tries: Mutex::default() }
    }
}

impl LoginLimiter {
    /// Counts a try before it is made, or says how long to wait.
    pub(crate) fn begin(&self, name: &str, address: IpAddr) -> Result<Try, Duration> {
        let now = Instant::now();
        let network = network(address);
        let counted = [
            (self.keys.hash_one(("name there", name, network)), PER_NAME_THERE),
            (self.keys.hash_one(("name", name)), PER_NAME),
            (self.keys.hash_one(("address", network)), PER_ADDRESS),
        ];
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, Allowance { burst, refill }) in counted {
            let full = tries.get(&key).map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
            let limit = refill * (burst - 1);
            if full > limit {
                return Err(full - limit);
            }
        }
        if tries.len() >= REMEMBERED {
            tries.retain(|_, until| *until > now);
            if tries.len() >= REMEMBERED {
                let mut ends: Vec<_> = tries.values().copied().collect();
                let (_, &mut middle, _) = ends.select_nth_unstable(REMEMBERED / 2);
                tries.retain(|_, until| *until > middle);
            }
        }
        for (key, Allowance { refill, .. }) in counted {
            let until = tries.entry(key).or_insert(now);
            *until = (*until).max(now) + refill;
        }
        Ok(Try(counted.map(|(key, allowance)| (key, allowance.refill))))
    }

    /// The password was right: the try does not count.
    pub(crate) fn succeeded(&self, counted: &Try) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, refill) in counted.0 {
            if let Some(until) = tries.get_mut(&key)
                && let Some(earlier) = until.checked_sub(refill)
            {
                *until = earlier;
            }
        }
    }
}

/// Who has one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_has_ten_tries_from_a_network_and_then_one_each_half_a_minute() {
        let limiter = LoginLimiter::default();
        let attempt = || limiter.begin("admin", address("10.0.0.1"));
        for _ in 0..10 {
            attempt().unwrap();
        }
        let wait = attempt().unwrap_err();
        assert!(wait <= Duration::from_secs(30), "{wait:?}");
        limiter.begin("somebody", address("10.0.0.1")).unwrap();
        tokio::time::advance(Duration::from_secs(31)).await;
        attempt().unwrap();
        attempt().unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn who_guesses_does_not_lock_out_who_comes_from_elsewhere() {
        let limiter = LoginLimiter::default();
        for _ in 0..1_000 {
            let _ = limiter.begin("admin", address("10.0.0.66"));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        limiter.begin("admin", address("10.0.0.1")).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_not_guessed_from_many_places_either() {
        let limiter = LoginLimiter::default();
        let try_from = |i: u32| limiter.begin("admin", IpAddr::V4((0x0a00_0000 + i).into()));
        for i in 0..200 {
            try_from(i).unwrap();
        }
        try_from(300).unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_limited_over_all_names_and_a_network_of_ipv6_counts_as_one() {
        let limiter = LoginLimiter::default();
        for i in 0..30 {
            limiter.begin(&format!("user{i}"), address(&format!("2001:db8::{i}"))).unwrap();
        }
        limiter.begin("another", address("2001:db8::ffff")).unwrap_err();
        limiter.begin("another", address("2001:db8:0:1::1")).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn right_passwords_do_not_count() {
        let limiter = LoginLimiter::default();
        for _ in 0..100 {
            let counted = limiter.begin("admin", address("10.0.0.1")).unwrap();
            limiter.succeeded(&counted);
        }
    }
}
