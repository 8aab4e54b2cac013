//! What Grafolean stores for the SNMP protocol, and what an entity's details may add.

use std::str::FromStr;

use grafoleancollector::{Details, Protocol};

use crate::interfaces::ENTITY_TYPE;
use crate::sensor::Sensor;
use crate::wire::{Credential, Tuning};

/// The protocol `snmp`.
#[derive(Debug)]
pub struct Snmp;

impl Protocol for Snmp {
    const SLUG: &'static str = "snmp";
    type Credential = Credential;
    type Sensor = Sensor;
    const PARTS: Option<&'static str> = Some(ENTITY_TYPE);
}

/// What the details of one entity say of how it is asked: the keys of [`Tuning`]. None when they say nothing.
pub(crate) fn tuning(details: &Details) -> Result<Option<Tuning>, String> {
    let tuning = Tuning {
        port: number(details, "port")?,
        timeout: number(details, "timeout")?,
        retries: number(details, "retries")?,
        max_repetitions: number(details, "max_repetitions")?,
        context: details.text("context"),
        accept_any_source: flag(details, "accept_any_source")?,
        any_order: flag(details, "any_order")?,
    };
    Ok(Some(tuning).filter(|tuning| *tuning != Tuning::default()))
}

fn number<T: FromStr>(details: &Details, name: &str) -> Result<Option<T>, String> {
    let Some(text) = details.text(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| format!("{name}: expected a number, got {text:.60?}"))
}

fn flag(details: &Details, name: &str) -> Result<Option<bool>, String> {
    let Some(value) = details.get(name) else { return Ok(None) };
    match (value, details.text(name).as_deref()) {
        (serde_json::Value::Bool(yes), _) => Ok(Some(*yes)),
        (_, Some("true" | "1")) => Ok(Some(true)),
        (_, Some("false" | "0")) => Ok(Some(false)),
        _ => Err(format!("{name}: expected true or false, got {value:.60}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Option<Tuning>, String> {
        tuning(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn an_entity_may_say_how_it_is_asked_in_numbers_or_in_text() {
        assert_eq!(read(r#"{"ipv4":"10.0.0.7"}"#), Ok(None));
        let tuning =
            read(r#"{"port":"1161","timeout":0.5,"retries":0,"accept_any_source":"true","any_order":0}"#);
        let tuning = tuning.unwrap().unwrap();
        assert_eq!((tuning.port, tuning.timeout, tuning.retries), (Some(1161), Some(0.5), Some(0)));
        assert_eq!((tuning.accept_any_source, tuning.any_order), (Some(true), Some(false)));
        assert_eq!(tuning.context, None);
    }

    #[test]
    fn what_is_no_number_is_named() {
        assert_eq!(read(r#"{"port":"snmp"}"#).unwrap_err(), "port: expected a number, got \"snmp\"");
        assert!(read(r#"{"retries":-1}"#).unwrap_err().starts_with("retries: "));
        assert!(read(r#"{"accept_any_source":"maybe"}"#).unwrap_err().starts_with("accept_any_source: "));
        assert!(read(r#"{"any_order":2}"#).unwrap_err().starts_with("any_order: "));
    }
}
