//! Whether the device's clocks run as ours do.

use std::time::Duration;

use grafoleancollector::{Clock, SystemClock, Timestamp};
use serde::Serialize;

use crate::oid::Oid;
use crate::poll::{FetchMethod, Polled, Source, Uptime};
use crate::value::Value;

/// hrSystemDate.
const DATE: [u32; 10] = [1, 3, 6, 1, 2, 1, 25, 1, 2, 0];

pub(super) fn source() -> Source {
    Source { oid: Oid::new(DATE), fetch: FetchMethod::Get }
}

/// The device's time of day, and how far it is from ours.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(super) struct Date {
    /// Seconds that it is ahead of ours.
    ahead: f64,
    /// Whether it says its time zone; otherwise it is taken for UTC.
    zone_known: bool,
}

impl Date {
    /// None where the device does not tell the time of day.
    pub(super) fn of(polled: &Polled) -> Option<Self> {
        let scalar = polled.scalars.get(&Oid::new(DATE))?;
        let Value::Bytes(bytes) = &scalar.value else { return None };
        let (date, zone_known) = read(bytes)?;
        let received = SystemClock.now().minus(scalar.received.elapsed());
        Some(Self { ahead: date.as_secs_f64() - received.as_secs_f64(), zone_known })
    }

    pub(super) fn line(&self) -> String {
        /// Most agents tell whole seconds only.
        const SAME: f64 = 1.5;
        let zone = if self.zone_known { "" } else { " (taken as UTC: it does not say its time zone)" };
        let away = self.ahead.abs();
        if away <= SAME {
            return format!("hrSystemDate is as our time{zone}");
        }
        let side = if self.ahead > 0.0 { "ahead of" } else { "behind" };
        let away = match away {
            _ if away < 120.0 => format!("{away:.1} s"),
            _ => super::super::print::clock(Duration::from_secs_f64(away).as_secs()),
        };
        format!("hrSystemDate is {away} {side} our time{zone}")
    }
}

/// `DateAndTime` of RFC 2579: 8 bytes of local time, or 11 with the distance from UTC.
fn read(bytes: &[u8]) -> Option<(Timestamp, bool)> {
    let &[year_high, year_low, month, day, hour, minute, second, tenths, ref zone @ ..] = bytes else {
        return None;
    };
    let offset = match zone {
        [] => None,
        &[b'+', hours, minutes] => Some(i64::from(hours) * 60 + i64::from(minutes)),
        &[b'-', hours, minutes] => Some(-(i64::from(hours) * 60 + i64::from(minutes))),
        _ => return None,
    };
    let plausible = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    if !plausible || second > 60 || tenths > 9 {
        return None;
    }
    let days = days_since_1970(u16::from_be_bytes([year_high, year_low]).into(), month.into(), day.into());
    let minutes = (days * 24 + i64::from(hour)) * 60 + i64::from(minute) - offset.unwrap_or(0);
    let micros = (minutes * 60 + i64::from(second)) * 1_000_000 + i64::from(tenths) * 100_000;
    Some((Timestamp::from_micros(micros), offset.is_some()))
}

/// Of a date of the Gregorian calendar (Howard Hinnant's algorithm: years that begin in March).
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// How sysUpTime went on while we waited.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(super) struct UptimePace {
    device_millis: i64,
    our_millis: i64,
}

impl UptimePace {
    pub(super) fn between(first: Option<Uptime>, second: Option<Uptime>) -> Option<Self> {
        let (first, second) = (first?, second?);
        let ours = second.received.saturating_duration_since(first.received);
        Some(Self {
            device_millis: (i64::from(second.ticks) - i64::from(first.ticks)) * 10,
            our_millis: i64::try_from(ours.as_millis()).unwrap_or(i64::MAX),
        })
    }

    pub(super) fn line(&self) -> String {
        let Self { device_millis: device, our_millis: ours } = *self;
        // Some agents count whole seconds; an answer may have come late.
        let slack = ours / 50 + if device % 1_000 == 0 { 1_000 } else { 100 };
        match device {
            0 => "sysUpTime stands still: rates are made by our clock".to_owned(),
            ..0 => "sysUpTime went back: the device restarted just now".to_owned(),
            _ if device.abs_diff(ours) <= slack.unsigned_abs() => "sysUpTime runs as our clock".to_owned(),
            #[expect(clippy::cast_precision_loss, reason = "both are seconds to minutes")]
            _ => format!("sysUpTime runs {:.2} times as fast as our clock", device as f64 / ours as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> Option<(String, bool)> {
        read(bytes).map(|(time, zone)| (time.to_string(), zone))
    }

    #[test]
    fn dates_are_read_with_and_without_their_time_zone() {
        let date = [0x07, 0xe8, 2, 29, 23, 5, 6, 7];
        assert_eq!(shown(&date), Some(("2024-02-29T23:05:06.700Z".to_owned(), false)));
        let with = |zone: [u8; 3]| shown(&[&date[..], &zone].concat());
        assert_eq!(with([b'+', 2, 0]), Some(("2024-02-29T21:05:06.700Z".to_owned(), true)));
        assert_eq!(with([b'-', 3, 30]), Some(("2024-03-01T02:35:06.700Z".to_owned(), true)));
        let old = [0x07, 0xb2, 1, 1, 0, 0, 0, 0];
        assert_eq!(shown(&old), Some(("1970-01-01T00:00:00.000Z".to_owned(), false)));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for bytes in [&[][..], &[7, 0xe8, 2, 29], &[7, 0xe8, 0, 1, 0, 0, 0, 0], &[7, 0xe8, 1, 1, 24, 0, 0, 0]]
        {
            assert_eq!(shown(bytes), None, "{bytes:?}");
        }
        assert_eq!(shown(&[7, 0xe8, 2, 29, 23, 5, 6, 7, b'?', 1, 2]), None);
        assert_eq!(shown(&[0xff; 11]), None);
    }

    #[test]
    fn a_clock_that_is_off_is_told() {
        let line = |ahead, zone_known| Date { ahead, zone_known }.line();
        assert_eq!(line(-0.9, true), "hrSystemDate is as our time");
        assert_eq!(line(-90.04, true), "hrSystemDate is 90.0 s behind our time");
        let far =
            "hrSystemDate is 1 day, 1:00:00 ahead of our time (taken as UTC: it does not say its time zone)";
        assert_eq!(line(90_000.4, false), far);
    }

    #[test]
    fn an_uptime_that_runs_otherwise_is_told() {
        let line = |device_millis, our_millis| UptimePace { device_millis, our_millis }.line();
        assert_eq!(line(5_010, 5_003), "sysUpTime runs as our clock");
        assert_eq!(line(6_000, 5_003), "sysUpTime runs as our clock", "it may count whole seconds");
        assert_eq!(line(5_510, 5_000), "sysUpTime runs 1.10 times as fast as our clock");
        assert!(line(0, 5_000).starts_with("sysUpTime stands still"));
        assert!(line(-9_000, 5_000).starts_with("sysUpTime went back"));
    }
}
