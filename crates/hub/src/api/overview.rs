//! Everything that somebody in charge wants to see first, in one answer.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{
    cx::Cx,
    pulse::{MINUTES, Vital, noted},
    shared::Shared,
    values::{SECOND, json as points},
};
use crate::{
    http::{Answer, Refusal},
    store::{
        StoreError,
        entities::{self, EntityFilter},
        overview::{self, Device},
        pieces::Pieces,
        users,
        values::{PathFilter, Range},
    },
};

pub(crate) use super::pulse::Pulses;

/// A device is not judged by what was measured before this, at least.
const FRESH: i64 = 180 * SECOND;

/// Paths of each kind that are read when the hub starts.
const WARMED: usize = 20_000;

/// How a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ok,
    Warning,
    Down,
    /// Nothing new is known.
    Unknown,
    /// Nothing is measured.
    Off,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Off => "off",
        }
    }
}

fn state(device: &Device, vital: &Vital, has_problem: bool, now: i64) -> State {
    if device.protocols.is_empty() {
        return State::Off;
    }
    // Three measurements may be missing before it counts as silence.
    let interval = device.protocols.iter().filter_map(|(_, interval)| *interval).max().unwrap_or(60);
    let fresh = FRESH.max(interval.saturating_mul(3 * SECOND));
    let is_fresh = |time: i64| now - time <= fresh;
    let pings = device.protocols.iter().any(|(protocol, _)| protocol == "ping");
    match vital.success.filter(|(time, _)| pings && is_fresh(*time)) {
        Some((_, success)) if success <= 0.0 => State::Down,
        Some((_, success)) if success < 1.0 || has_problem => State::Warning,
        Some(_) => State::Ok,
        None if has_problem => State::Warning,
        None if vital.seen.is_some_and(is_fresh) && !pings => State::Ok,
        None => State::Unknown,
    }
}

pub(crate) async fn get(cx: &Cx) -> Result<Answer, Refusal> {
    let (account, now) = (cx.account()?, cx.now());
    let read = cx.hub.store.read(move |c| {
        let devices = overview::devices(c, account)?;
        let filter = EntityFilter { suggested: Some(true), ..EntityFilter::default() };
        let suggested = entities::list(c, account, &filter)?.concat();
        let mut bots = users::bots(c, Some(account))?;
        bots.extend(users::bots(c, None)?);
        Ok((devices, suggested, bots))
    });
    let (devices, suggested, bots) = read.await?;
    let mut problems: HashMap<i64, (f64, String)> = HashMap::new();
    cx.hub.problems.each(account, now, |_, problem| {
        let text = || (problem.since, format!("{}: {}", problem.protocol, problem.error));
        let first = problems.entry(problem.entity).or_insert_with(text);
        // Of several the one that lasts longest.
        if problem.since < first.0 {
            *first = text();
        }
    });
    let ids: Vec<i64> = devices.iter().map(|device| device.id).collect();
    let vitals = cx.hub.pulses.shown(account, &ids, now);
    let mut json = Pieces::default();
    json.raw("{\"now\":");
    points::time(&mut json, now);
    json.raw(",\"devices\":[");
    for (i, (device, vital)) in devices.iter().zip(&vitals).enumerate() {
        json.raw(if i == 0 { "" } else { "," });
        let problem = problems.get(&device.id).map(|(_, text)| &**text);
        write_device(&mut json, device, vital, problem, now);
        json.rest();
    }
    json.raw("],\"suggested\":");
    // The list without what stands around it.
    let list = suggested.strip_prefix(b"{\"list\":").and_then(|list| list.strip_suffix(b"}"));
    json.raw(list.and_then(|list| std::str::from_utf8(list).ok()).unwrap_or("[]"));
    json.raw(",\"bots\":[");
    for (i, bot) in bots.iter().enumerate() {
        let seen = cx.hub.seen.last(bot.id).or(bot.last_login);
        json.raw(if i == 0 { "{\"id\":" } else { ",{\"id\":" });
        json.number(bot.id);
        json.raw(",\"name\":");
        json.value(&bot.name);
        json.raw(",\"protocol\":");
        json.value(&bot.protocol);
        json.raw(",\"last_login\":");
        json.value(&seen.map(|time| time / SECOND));
        json.raw(",\"online\":");
        json.value(&seen.is_some_and(|time| now - time < super::seen::ONLINE));
        json.raw("}");
    }
    json.raw("]}");
    Ok(Answer::json_pieces(json.finish()))
}

fn write_device(json: &mut Pieces, device: &Device, vital: &Vital, problem: Option<&str>, now: i64) {
    json.raw("{\"id\":");
    json.number(device.id);
    json.raw(",\"name\":");
    json.value(&device.name);
    json.raw(",\"address\":");
    json.value(&device.address);
    json.raw(",\"protocols\":[");
    for (i, (protocol, _)) in device.protocols.iter().enumerate() {
        json.raw(if i == 0 { "" } else { "," });
        json.value(protocol);
    }
    json.raw("],\"state\":\"");
    json.raw(state(device, vital, problem.is_some(), now).name());
    json.raw("\",\"last_seen\":");
    points::optional_time(json, vital.seen);
    json.raw(",\"ping\":");
    if vital.success.is_some() || vital.rtt.is_some() {
        json.raw("{\"success\":");
        json.value(&vital.success.map(|(_, success)| success));
        json.raw(",\"rtt\":");
        json.value(&vital.rtt);
        json.raw(",\"rtts\":");
        json.value(&vital.rtts.unwrap_or([None; MINUTES])[..]);
        json.raw("}");
    } else {
        json.raw("null");
    }
    json.raw(",\"traffic\":");
    if vital.inward.is_some() || vital.outward.is_some() {
        let part = |json: &mut Pieces, name: &str, shown: &Option<super::pulse::Shown>| {
            json.raw(name);
            json.value(&shown.as_ref().and_then(|shown| shown.now));
        };
        part(json, "{\"in\":", &vital.inward);
        part(json, ",\"out\":", &vital.outward);
        let minutes = |shown: &Option<super::pulse::Shown>| {
            shown.as_ref().map_or([None; MINUTES], |shown| shown.minutes)
        };
        json.raw(",\"ins\":");
        json.value(&minutes(&vital.inward)[..]);
        json.raw(",\"outs\":");
        json.value(&minutes(&vital.outward)[..]);
        json.raw("}");
    } else {
        json.raw("null");
    }
    json.raw(",\"problem\":");
    json.value(&problem);
    json.raw("}");
}

/// Reads the last half hour of all accounts, so that the overview is whole soon after a start.
pub(crate) async fn warm(hub: &Arc<Shared>) -> Result<(), StoreError> {
    // What comes in from now on is noted anyway.
    let now = hub.now();
    for account in hub.accounts.ids() {
        for filter in [
            "entity.?.ping.success",
            "entity.?.ping.?.rtt",
            "entity.?.snmp.if.in-octets.*",
            "entity.?.snmp.if.out-octets.*",
            "netflow.1min.?.entity.?",
        ] {
            let Ok(filter) = PathFilter::parse(filter) else { continue };
            let (paths, _) = hub.store.values().paths(account, &filter, WARMED).await?;
            for (i, (_, path)) in paths.iter().enumerate() {
                let range = Range { from: now - MINUTES as i64 * 60 * SECOND, to: now };
                let mut points = Vec::new();
                if let Some(series) = hub.store.values().read(account, path, range, false, 10_000).await? {
                    points = series.points;
                }
                if points.is_empty() {
                    let last = hub.store.values().last(account, std::slice::from_ref(path)).await?;
                    points = last.into_iter().flatten().collect();
                }
                let values = points.into_iter().filter_map(|(time, value)| noted(path, time, value));
                hub.pulses.note(account, values, now);
                if i % 500 == 499 {
                    // What is asked for now goes first.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000 * SECOND;

    fn judged(
        protocols: &[&str],
        success: Option<(i64, f64)>,
        seen: Option<i64>,
        problem: bool,
    ) -> &'static str {
        let protocols = protocols.iter().map(|name| ((*name).to_owned(), Some(60))).collect();
        let device = Device { id: 1, name: String::new(), address: None, protocols };
        let success = success.map(|(ago, success)| (NOW - ago * SECOND, success));
        let vital = Vital { success, seen: seen.map(|ago| NOW - ago * SECOND), ..Vital::default() };
        state(&device, &vital, problem, NOW).name()
    }

    #[test]
    fn a_device_is_judged_by_what_was_measured_lately() {
        assert_eq!(judged(&[], Some((10, 1.0)), Some(10), false), "off");
        assert_eq!(judged(&["ping"], Some((10, 1.0)), Some(10), false), "ok");
        assert_eq!(judged(&["ping"], Some((10, 0.5)), Some(10), false), "warning");
        assert_eq!(judged(&["ping"], Some((10, 0.0)), Some(900), false), "down");
        assert_eq!(judged(&["ping"], Some((181, 1.0)), Some(181), false), "unknown");
        assert_eq!(judged(&["ping"], None, None, false), "unknown");
        assert_eq!(judged(&["ping", "snmp"], Some((10, 1.0)), Some(10), true), "warning");
        assert_eq!(judged(&["snmp"], None, Some(100), false), "ok");
        assert_eq!(judged(&["snmp"], None, None, true), "warning");
    }
}
