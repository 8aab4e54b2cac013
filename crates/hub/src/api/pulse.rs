//! The last half hour of each device, a figure a minute: kept in memory while values come in, so that the
//! overview of a thousand devices costs nothing.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::values::{SECOND, parse::Sent};

/// Minutes that are shown.
pub(crate) const MINUTES: usize = 30;

const MINUTE: i64 = 60 * SECOND;

/// Devices of one account at most; those of the largest installations are far fewer.
const MOST_DEVICES: usize = 200_000;

/// Interfaces of one device that are told apart; when there are more, those that are silent now are forgotten.
const MOST_PARTS: usize = 4_096;

/// What a value says about a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    PingSuccess,
    PingTime,
    /// Octets a second of one interface, known by a hash.
    Octets {
        inward: bool,
        part: u64,
    },
    /// Bytes of a minute, as flows tell.
    Flow {
        inward: bool,
    },
    /// It has answered.
    Answer,
}

/// A value of which the overview is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Noted {
    entity: i64,
    what: What,
    time: i64,
    value: f64,
}

/// Tells whether the overview wants a value.
pub(crate) fn noted(path: &str, time: i64, value: f64) -> Option<Noted> {
    let (entity, what) = if let Some(rest) = path.strip_prefix("entity.") {
        let (entity, rest) = rest.split_once('.')?;
        let what = if let Some(tail) = rest.strip_prefix("ping.") {
            if tail == "success" {
                What::PingSuccess
            } else {
                tail.strip_prefix('p')?.strip_suffix(".rtt").filter(|packet| !packet.contains('.'))?;
                What::PingTime
            }
        } else {
            let tail = rest.strip_prefix("snmp.")?;
            let part = || BuildHasherDefault::<DefaultHasher>::default().hash_one(tail);
            if tail.starts_with("if.in-octets.") {
                What::Octets { inward: true, part: part() }
            } else if tail.starts_with("if.out-octets.") {
                What::Octets { inward: false, part: part() }
            } else {
                What::Answer
            }
        };
        (entity, what)
    } else {
        let (direction, entity) = path.strip_prefix("netflow.1min.")?.split_once(".entity.")?;
        let inward = match direction {
            "ingress" => true,
            "egress" => false,
            _ => return None,
        };
        (entity, What::Flow { inward })
    };
    Some(Noted { entity: entity.parse().ok()?, what, time, value })
}

/// A figure a minute, the newest last.
#[derive(Clone, Debug)]
struct Minutes {
    /// The minute of the last figure.
    newest: i64,
    /// Sums; meaningless where nothing was counted.
    sums: [f32; MINUTES],
    counts: [u16; MINUTES],
}

impl Default for Minutes {
    fn default() -> Self {
        Self { newest: i64::MIN / 2, sums: [0.0; MINUTES], counts: [0; MINUTES] }
    }
}

impl Minutes {
    /// The place of a minute, after room was made for it; none for one that is too old.
    fn place(&mut self, minute: i64) -> Option<usize> {
        if minute > self.newest {
            let gone = usize::try_from(minute.saturating_sub(self.newest)).unwrap_or(MINUTES).min(MINUTES);
            self.sums.rotate_left(gone % MINUTES);
            self.counts.rotate_left(gone % MINUTES);
            self.sums[MINUTES - gone..].fill(0.0);
            self.counts[MINUTES - gone..].fill(0);
            self.newest = minute;
        }
        let back = usize::try_from(self.newest - minute).ok()?;
        (MINUTES - 1).checked_sub(back)
    }

    fn add(&mut self, minute: i64, value: f64, count: u16) {
        if let Some(place) = self.place(minute) {
            #[expect(clippy::cast_possible_truncation, reason = "what is drawn needs no more digits")]
            let value = value as f32;
            self.sums[place] += value;
            self.counts[place] = self.counts[place].saturating_add(count);
        }
    }

    /// Of the minutes up to and with `now`, oldest first; the mean, or the sum where parts were added up.
    fn figures(&self, now: i64, mean: bool) -> [Option<f32>; MINUTES] {
        let mut figures = [None; MINUTES];
        for (place, figure) in (0_i64..).zip(&mut figures) {
            let minute = now - (MINUTES as i64 - 1 - place);
            let back = usize::try_from(self.newest.saturating_sub(minute)).ok();
            let Some(place) = back.and_then(|back| (MINUTES - 1).checked_sub(back)) else { continue };
            if self.counts[place] > 0 {
                let sum = self.sums[place];
                *figure = Some(if mean { sum / f32::from(self.counts[place]) } else { sum });
            }
        }
        figures
    }
}

/// Traffic in one direction.
#[derive(Clone, Debug, Default)]
struct Traffic {
    octets: Minutes,
    flows: Minutes,
    /// The last minute and value of each interface, so that one that is asked twice a minute counts once.
    parts: HashMap<u64, (i64, f64)>,
}

impl Traffic {
    /// Makes room for one more interface.
    fn make_room(&mut self, minute: i64) {
        if self.parts.len() < MOST_PARTS {
            return;
        }
        self.parts.retain(|_, (last, _)| *last == minute);
        // So many within a minute are names that come and go: it does no harm to count one of them twice.
        if self.parts.len() > MOST_PARTS / 2 {
            self.parts.clear();
        }
    }
}

/// What is known of one device.
#[derive(Clone, Debug, Default)]
struct Pulse {
    success: Option<(i64, f64)>,
    /// The newest run: its time, the sum of its packets' times, and how many they are.
    rtt: Option<(i64, f64, u32)>,
    rtts: Minutes,
    seen: Option<i64>,
    inward: Option<Box<Traffic>>,
    outward: Option<Box<Traffic>>,
}

/// Traffic as it is shown: bits a second.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    pub(crate) now: Option<f32>,
    pub(crate) minutes: [Option<f32>; MINUTES],
}

/// A device as it is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Vital {
    pub(crate) success: Option<(i64, f64)>,
    pub(crate) rtt: Option<f64>,
    pub(crate) rtts: Option<[Option<f32>; MINUTES]>,
    pub(crate) seen: Option<i64>,
    pub(crate) inward: Option<Shown>,
    pub(crate) outward: Option<Shown>,
}

impl Pulse {
    fn note(&mut self, Noted { what, time, value, .. }: Noted) {
        let minute = time.div_euclid(MINUTE);
        let mut answered = true;
        match what {
            What::PingSuccess => {
                if self.success.is_none_or(|(last, _)| time >= last) {
                    self.success = Some((time, value));
                }
                answered = value > 0.0;
            }
            What::PingTime => {
                self.rtt = match self.rtt {
                    Some((last, sum, count)) if last == time => Some((last, sum + value, count + 1)),
                    Some((last, ..)) if last > time => self.rtt,
                    _ => Some((time, value, 1)),
                };
                self.rtts.add(minute, value, 1);
            }
            What::Octets { inward, part } => {
                let traffic = if inward { &mut self.inward } else { &mut self.outward };
                let traffic = traffic.get_or_insert_default();
                let bits = value * 8.0;
                traffic.make_room(minute);
                match traffic.parts.insert(part, (minute, bits)) {
                    Some((last, before)) if last == minute => traffic.octets.add(minute, bits - before, 0),
                    _ => traffic.octets.add(minute, bits, 1),
                }
            }
            What::Flow { inward } => {
                let traffic = if inward { &mut self.inward } else { &mut self.outward };
                // A window's values carry its end: they are of the minute before.
                traffic.get_or_insert_default().flows.add(minute - 1, value * 8.0 / 60.0, 1);
            }
            What::Answer => {}
        }
        if answered {
            self.seen = self.seen.max(Some(time));
        }
    }

    fn shown(&self, minute: i64) -> Vital {
        let traffic = |traffic: &Option<Box<Traffic>>| {
            let traffic = traffic.as_ref()?;
            let octets = traffic.octets.figures(minute, false);
            // What the device counts itself is better than what its flows let guess.
            let has_octets = octets.iter().any(Option::is_some);
            let minutes = if has_octets { octets } else { traffic.flows.figures(minute, false) };
            // The minute that goes on is not complete yet.
            let whole = &minutes[..MINUTES - 1];
            Some(Shown {
                now: whole.iter().rev().take(5).find_map(|figure| *figure).or(minutes[MINUTES - 1]),
                minutes,
            })
        };
        let rtts = self.rtts.figures(minute, true);
        Vital {
            success: self.success,
            rtt: self.rtt.map(|(_, sum, count)| sum / f64::from(count)),
            rtts: rtts.iter().any(Option::is_some).then_some(rtts),
            seen: self.seen,
            inward: traffic(&self.inward),
            outward: traffic(&self.outward),
        }
    }
}

/// The devices of all accounts.
#[derive(Debug, Default)]
pub(crate) struct Pulses(Mutex<HashMap<i64, HashMap<i64, Pulse>>>);

impl Pulses {
    fn lock(&self) -> MutexGuard<'_, HashMap<i64, HashMap<i64, Pulse>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of a list of values those that the overview is made of.
    pub(crate) fn notable(&self, sent: &[Sent<'_>]) -> Vec<Noted> {
        sent.iter().filter_map(|one| noted(&one.path, one.time, one.value)).collect()
    }

    /// To be called when they are stored. Values of the future are wrong clocks, and would hide all that follow.
    pub(crate) fn note(&self, account: i64, noted: impl IntoIterator<Item = Noted>, now: i64) {
        let mut all = self.lock();
        let devices = all.entry(account).or_default();
        for one in noted.into_iter().filter(|one| one.time <= now + 2 * MINUTE) {
            if devices.len() < MOST_DEVICES || devices.contains_key(&one.entity) {
                devices.entry(one.entity).or_default().note(one);
            }
        }
    }

    /// What is known of these devices.
    pub(crate) fn shown(&self, account: i64, entities: &[i64], now: i64) -> Vec<Vital> {
        let all = self.lock();
        let devices = all.get(&account);
        let vital =
            |id| devices.and_then(|devices| devices.get(id)).map(|pulse| pulse.shown(now.div_euclid(MINUTE)));
        entities.iter().map(|id| vital(id).unwrap_or_default()).collect()
    }

    /// Forgets a device.
    pub(crate) fn forget_entity(&self, account: i64, entity: i64) {
        if let Some(devices) = self.lock().get_mut(&account) {
            devices.remove(&entity);
        }
    }

    pub(crate) fn forget(&self, account: i64) {
        self.lock().remove(&account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_040 * SECOND;

    fn shown(values: &[(&str, i64, f64)]) -> Vital {
        let pulses = Pulses::default();
        let values = values.iter().filter_map(|(path, time, value)| noted(path, NOW + time * SECOND, *value));
        pulses.note(1, values, NOW);
        pulses.shown(1, &[5], NOW).remove(0)
    }

    #[test]
    fn round_trips_are_meant_over_packets_and_minutes() {
        let vital = shown(&[
            ("entity.5.ping.p0.rtt", -120, 0.010),
            ("entity.5.ping.p0.rtt", -60, 0.020),
            ("entity.5.ping.p1.rtt", -60, 0.040),
            ("entity.5.ping.success", -60, 0.5),
            ("entity.6.ping.success", -60, 1.0),
        ]);
        assert_eq!(vital.success, Some((NOW - 60 * SECOND, 0.5)));
        assert!((vital.rtt.unwrap() - 0.030).abs() < 1e-9);
        let rtts = vital.rtts.unwrap();
        assert!((rtts[MINUTES - 2].unwrap() - 0.030).abs() < 1e-6);
        assert!((rtts[MINUTES - 3].unwrap() - 0.010).abs() < 1e-6);
        assert_eq!(rtts[MINUTES - 1], None);
        assert_eq!(vital.seen, Some(NOW - 60 * SECOND));
    }

    #[test]
    fn a_device_that_does_not_answer_was_last_seen_when_it_did() {
        let vital = shown(&[("entity.5.ping.success", -120, 1.0), ("entity.5.ping.success", -60, 0.0)]);
        assert_eq!(vital.success, Some((NOW - 60 * SECOND, 0.0)));
        assert_eq!(vital.seen, Some(NOW - 120 * SECOND));
    }

    #[test]
    fn traffic_is_the_sum_of_all_interfaces_in_bits_and_each_counts_once_a_minute() {
        let vital = shown(&[
            ("entity.5.snmp.if.in-octets.1.eth0", -70, 100.0),
            ("entity.5.snmp.if.in-octets.2.eth1", -70, 50.0),
            ("entity.5.snmp.if.in-octets.1.eth0", -65, 200.0),
            ("entity.5.snmp.if.out-octets.1.eth0", -70, 1.0),
        ]);
        let inward = vital.inward.unwrap();
        assert_eq!(inward.now, Some(2_000.0));
        assert_eq!(inward.minutes[MINUTES - 3], Some(2_000.0));
        assert_eq!(vital.outward.unwrap().now, Some(8.0));
    }

    #[test]
    fn flows_stand_in_where_a_device_counts_nothing_itself() {
        let vital = shown(&[
            ("netflow.1min.ingress.entity.5", -40, 60.0),
            ("netflow.1min.ingress.entity.5.topip.1", -40, 9.0),
        ]);
        assert_eq!(vital.inward.unwrap().now, Some(8.0));
    }

    #[test]
    fn what_is_too_old_or_of_the_future_is_left_out() {
        let vital = shown(&[("entity.5.ping.p0.rtt", 0, 0.1), ("entity.5.ping.p0.rtt", -3_600, 0.9)]);
        assert_eq!(vital.rtts.unwrap().iter().flatten().count(), 1);
        assert_eq!(shown(&[("entity.5.ping.success", 3_600, 1.0)]), Vital::default());
        for path in
            ["entity.x.ping.success", "entity.5", "entity.5.ping.p0.ok", "other", "netflow.1min.x.entity.5"]
        {
            assert_eq!(noted(path, 0, 1.0), None, "{path}");
        }
    }

    #[test]
    fn names_of_interfaces_that_come_and_go_do_not_fill_the_memory() {
        let pulses = Pulses::default();
        for i in 0..3 * MOST_PARTS {
            let path = format!("entity.5.snmp.if.in-octets.{i}.ppp{i}");
            pulses.note(1, noted(&path, NOW, 1.0), NOW);
        }
        assert!(pulses.lock()[&1][&5].inward.as_ref().unwrap().parts.len() <= MOST_PARTS);
    }
}
