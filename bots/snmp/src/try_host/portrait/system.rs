//! Who the device says it is: the system group, and its SNMP engine.

use std::collections::HashMap;

use grafoleancollector::show::safe;
use serde::Serialize;

use super::super::print::{clock, uptime};
use crate::oid::Oid;
use crate::poll::{FetchMethod, Polled, Source};
use crate::sensor::text::{number, text};
use crate::value::Value;

const SYSTEM: [u32; 7] = [1, 3, 6, 1, 2, 1, 1];
const ENGINE: [u32; 9] = [1, 3, 6, 1, 6, 3, 10, 2, 1];

fn system(arc: u32) -> Oid {
    Oid::new(SYSTEM).child(&[arc, 0])
}

fn engine(arc: u32) -> Oid {
    Oid::new(ENGINE).child(&[arc, 0])
}

pub(super) fn sources() -> Vec<Source> {
    let oids = (1..=6).map(system).chain((1..=3).map(engine));
    oids.map(|oid| Source { oid, fetch: FetchMethod::Get }).collect()
}

/// The system group: what is not there is None.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct System {
    sys_descr: Option<String>,
    #[serde(rename = "sysObjectID")]
    sys_object_id: Option<String>,
    /// Hundredths of a second.
    sys_up_time: Option<u32>,
    sys_contact: Option<String>,
    sys_name: Option<String>,
    sys_location: Option<String>,
}

/// The device's SNMP engine, where the device tells it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Engine {
    id: String,
    boots: Option<u64>,
    seconds_since_boot: Option<u64>,
}

/// What of the polled is there.
fn present(polled: &Polled) -> HashMap<&Oid, &Value> {
    let scalars = polled.scalars.iter().filter(|(_, scalar)| scalar.value != Value::Nothing);
    scalars.map(|(oid, scalar)| (oid, &scalar.value)).collect()
}

impl System {
    pub(super) fn of(polled: &Polled) -> Self {
        let present = present(polled);
        let words = |arc| {
            let oid = system(arc);
            Some(text(present.get(&oid)?, &oid).into_owned())
        };
        Self {
            sys_descr: words(1),
            sys_object_id: words(2),
            sys_up_time: match present.get(&system(3)) {
                Some(Value::TimeTicks(ticks)) => Some(*ticks),
                _ => None,
            },
            sys_contact: words(4),
            sys_name: words(5),
            sys_location: words(6),
        }
    }

    /// As lines of a name and what is there.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let up = self.sys_up_time.map(uptime);
        let all = [
            ("sysDescr", &self.sys_descr),
            ("sysObjectID", &self.sys_object_id),
            ("sysUpTime", &up),
            ("sysContact", &self.sys_contact),
            ("sysName", &self.sys_name),
            ("sysLocation", &self.sys_location),
        ];
        let mut lines = Vec::new();
        for (name, value) in all {
            let Some(value) = value else { continue };
            // Some describe themselves in several lines.
            let mut parts = value.lines().filter(|part| !part.trim().is_empty());
            lines.push((name, safe(parts.next().unwrap_or_default())));
            lines.extend(parts.map(|part| ("", safe(part))));
        }
        if lines.is_empty() {
            lines.push(("", "the device shows none of it: this user or community may not see it".to_owned()));
        }
        lines
    }
}

impl Engine {
    pub(super) fn of(polled: &Polled) -> Option<Self> {
        let present = present(polled);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        let whole = |arc| Some(number(present.get(&engine(arc))?)? as u64);
        let Value::Bytes(id) = present.get(&engine(1))? else { return None };
        let id = id.iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Self { id, boots: whole(2), seconds_since_boot: whole(3) })
    }

    pub(super) fn line(&self) -> String {
        let boots = match self.boots {
            None => String::new(),
            Some(1) => ", booted once".to_owned(),
            Some(boots) => format!(", booted {boots} times"),
        };
        let since = self.seconds_since_boot.map(|seconds| format!(", up {}", clock(seconds)));
        format!("{}{boots}{}", self.id, since.unwrap_or_default())
    }
}
