//! What Grafolean stores for the NetFlow protocol, and what an entity's details may add.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use grafoleancollector::{Details, Host, Protocol};
use serde::Deserialize;
use serde_json::Value;

use crate::MAX_SAMPLING;
use crate::aggregate::{Nsel, Rules};

/// The protocol `netflow`.
#[derive(Debug)]
pub struct NetFlow;

impl Protocol for NetFlow {
    const SLUG: &'static str = "netflow";
    type Credential = Defaults;
    type Sensor = Nothing;
    /// `{}`, or the sampling rate: nothing that opens anything.
    const CREDENTIAL_IS_SECRET: bool = false;
}

/// The `details` of a credential: what holds for all entities that use it, unless they say otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
pub struct Defaults {
    /// How many packets each sampled one stands for, where the exporter does not say it.
    #[serde(default)]
    pub sampling: Option<NonZeroU32>,
}

/// The `details` of a sensor: there is nothing to choose.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
pub struct Nothing {}

/// Which flows an entity owns, and how they are read: what its details say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ownership {
    /// Where its exporter sends from: one host, or one for each IP version.
    pub(crate) hosts: Vec<Host>,
    /// Only this observation domain (source id, engine, sub-agent) is the entity's.
    pub(crate) domain: Option<u32>,
    /// How its flows are read.
    pub(crate) rules: Rules,
    /// The interfaces at which traffic enters and leaves the account: only these count for its totals. Empty: all.
    pub(crate) boundary: BTreeSet<u32>,
}

impl Ownership {
    /// Reads an entity's details; the error names the field.
    pub(crate) fn read(details: &Details, defaults: Defaults) -> Result<Self, String> {
        let mut hosts = Vec::new();
        for field in ["ipv4", "ipv6"] {
            if let Some(text) = details.text(field) {
                hosts.push(text.parse().map_err(|error| format!("details.{field}: {error}"))?);
            }
        }
        if hosts.is_empty() {
            return Err(
                "details.ipv4: missing: expected the address from which the exporter sends".to_owned()
            );
        }
        let number = |field: &str, most: u32| -> Result<Option<u32>, String> {
            let Some(text) = details.text(field) else { return Ok(None) };
            let number = text.parse().ok().filter(|number| *number <= most);
            let wrong =
                || format!("details.{field}: expected a whole number of at most {most}, got {text:.60?}");
            number.map(Some).ok_or_else(wrong)
        };
        let limited = |rate: Option<NonZeroU32>| rate.filter(|rate| rate.get() <= MAX_SAMPLING);
        if defaults.sampling.is_some() && limited(defaults.sampling).is_none() {
            return Err(format!(
                "its credential: details.sampling: expected a number of at most {MAX_SAMPLING}"
            ));
        }
        let mut rules = Rules {
            sampling: number("netflow_sampling", MAX_SAMPLING)?.and_then(NonZeroU32::new),
            ..Rules::default()
        };
        if let Some(rate) = defaults.sampling {
            rules.default_sampling = rate;
        }
        rules.nsel = match details.text("netflow_nsel").as_deref() {
            None | Some("delete") => Nsel::Deletes,
            Some("update") => Nsel::Updates,
            Some(other) => {
                return Err(format!("details.netflow_nsel: expected delete or update, got {other:.60?}"));
            }
        };
        Ok(Self { hosts, domain: number("netflow_domain", u32::MAX)?, rules, boundary: boundary(details)? })
    }
}

/// Interface indexes: a list, or text with commas.
fn boundary(details: &Details) -> Result<BTreeSet<u32>, String> {
    const FIELD: &str = "netflow_boundary";
    let wrong =
        |what: &str| format!("details.{FIELD}: expected interface indexes such as \"1, 2\", got {what:.60?}");
    let text = match details.get(FIELD) {
        Some(Value::Array(list)) => {
            let texts = list.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
            Some(texts.collect::<Vec<_>>().join(","))
        }
        _ => details.text(FIELD),
    };
    let Some(text) = text else { return Ok(BTreeSet::new()) };
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|item| item.parse().map_err(|_| wrong(item))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Ownership, String> {
        Ownership::read(&serde_json::from_str(json).unwrap(), Defaults::default())
    }

    #[test]
    fn an_entity_needs_an_address_and_nothing_else() {
        let ownership = read(r#"{"ipv4":"10.0.0.7"}"#).unwrap();
        assert_eq!(ownership.hosts, ["10.0.0.7".parse().unwrap()]);
        assert_eq!((ownership.domain, ownership.rules), (None, Rules::default()));
        assert!(read("{}").unwrap_err().starts_with("details.ipv4: missing"));
        assert_eq!(read(r#"{"ipv4":"10.0.0.7","ipv6":"2001:db8::7"}"#).unwrap().hosts.len(), 2);
    }

    #[test]
    fn an_entity_may_say_how_its_flows_are_read() {
        let ownership = read(
            r#"{"ipv6":"2001:db8::7","netflow_domain":"256","netflow_sampling":1000,"netflow_nsel":"update",
                "netflow_boundary":[1,"2"]}"#,
        );
        let Ownership { domain, rules, boundary, .. } = ownership.unwrap();
        assert_eq!(
            (domain, rules.sampling.map(NonZeroU32::get), rules.nsel),
            (Some(256), Some(1_000), Nsel::Updates)
        );
        assert_eq!(boundary.into_iter().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(read(r#"{"ipv4":"a","netflow_boundary":"7, 9,"}"#).unwrap().boundary.len(), 2);
        // As exporters do, a person may write 0 for "not sampled".
        assert_eq!(read(r#"{"ipv4":"a","netflow_sampling":0}"#).unwrap().rules.sampling, None);
    }

    #[test]
    fn a_credential_holds_the_rate_for_exporters_that_do_not_say_theirs() {
        let defaults: Defaults = serde_json::from_str(r#"{"sampling":512,"unknown":[]}"#).unwrap();
        let ownership = Ownership::read(&serde_json::from_str(r#"{"ipv4":"a"}"#).unwrap(), defaults).unwrap();
        assert_eq!(ownership.rules.default_sampling.get(), 512);
        assert_eq!(ownership.rules.sampling, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, field) in [
            (r#"{"ipv4":"10.0.0.0/8"}"#, "details.ipv4"),
            (r#"{"ipv4":"a","netflow_domain":-1}"#, "details.netflow_domain"),
            (r#"{"ipv4":"a","netflow_sampling":4294967295}"#, "details.netflow_sampling"),
            (r#"{"ipv4":"a","netflow_nsel":"both"}"#, "details.netflow_nsel"),
            (r#"{"ipv4":"a","netflow_boundary":"eth0"}"#, "details.netflow_boundary"),
        ] {
            assert!(read(json).unwrap_err().starts_with(field), "{json}");
        }
    }
}
