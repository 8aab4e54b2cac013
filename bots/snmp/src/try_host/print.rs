//! How values and times are shown, as people read them.

use std::time::Duration;

use grafoleancollector::show::safe;

use crate::oid::Oid;
use crate::sensor::text::text;
use crate::value::Value;

/// A value as net-snmp shows it, its type in front.
pub(super) fn typed(value: &Value, oid: &Oid) -> String {
    let shown = safe(&text(value, oid));
    match value {
        Value::Integer(_) => format!("INTEGER: {shown}"),
        Value::Gauge(_) => format!("Gauge32: {shown}"),
        Value::Counter32(_) => format!("Counter32: {shown}"),
        Value::Counter64(_) => format!("Counter64: {shown}"),
        Value::TimeTicks(ticks) => format!("Timeticks: ({ticks}) {}", uptime(*ticks)),
        Value::Float(_) => format!("Opaque: Float: {shown}"),
        Value::Bytes(bytes) if bytes.starts_with(text(value, oid).as_bytes()) => format!("STRING: {shown}"),
        Value::Bytes(_) => format!("Hex-STRING: {shown}"),
        Value::Oid(_) => format!("OID: {shown}"),
        Value::Address(_) => format!("IpAddress: {shown}"),
        Value::Nothing => "nothing: the device has no such object".to_owned(),
    }
}

/// The name of a value's type.
pub(super) const fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "INTEGER",
        Value::Gauge(_) => "Gauge32",
        Value::Counter32(_) => "Counter32",
        Value::Counter64(_) => "Counter64",
        Value::TimeTicks(_) => "Timeticks",
        Value::Float(_) => "Float",
        Value::Bytes(_) => "STRING",
        Value::Oid(_) => "OID",
        Value::Address(_) => "IpAddress",
        Value::Nothing => "nothing",
    }
}

/// Hundredths of a second as days, hours, minutes and seconds.
pub(super) fn uptime(ticks: u32) -> String {
    let (seconds, hundredths) = (ticks / 100, ticks % 100);
    format!("{}.{hundredths:02}", clock(seconds.into()))
}

/// Seconds as days, hours, minutes and seconds.
pub(super) fn clock(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hours, minutes, seconds) = (rest / 3_600, rest / 60 % 60, rest % 60);
    let days = match days {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        days => format!("{days} days, "),
    };
    format!("{days}{hours}:{minutes:02}:{seconds:02}")
}

/// A duration in milliseconds, with three digits that count.
pub(super) fn millis(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1e3;
    match ms {
        _ if ms < 1.0 => format!("{ms:.3}"),
        _ if ms < 10.0 => format!("{ms:.2}"),
        _ if ms < 100.0 => format!("{ms:.1}"),
        _ => format!("{ms:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Value, oid: &str) -> String {
        typed(&value, &oid.parse().unwrap())
    }

    #[test]
    fn values_look_as_in_net_snmp() {
        let descr = "1.3.6.1.2.1.2.2.1.2.1";
        for (value, expected) in [
            (Value::Integer(-7), "INTEGER: -7"),
            (Value::Gauge(7), "Gauge32: 7"),
            (Value::Counter32(7), "Counter32: 7"),
            (Value::Counter64(u64::MAX), "Counter64: 18446744073709551615"),
            (Value::TimeTicks(123_456), "Timeticks: (123456) 0:20:34.56"),
            (Value::TimeTicks(100_000_000), "Timeticks: (100000000) 11 days, 13:46:40.00"),
            (Value::Float(0.5), "Opaque: Float: 0.5"),
            (Value::Bytes(b"eth0\0".to_vec()), "STRING: eth0"),
            (Value::Bytes(vec![]), "STRING: "),
            (Value::Bytes(vec![0, 0x1b, 0xff]), "Hex-STRING: 00:1b:ff"),
            (Value::Oid(Box::new("1.3.6.1.4.1.9".parse().unwrap())), "OID: 1.3.6.1.4.1.9"),
            (Value::Address([10, 0, 0, 1].into()), "IpAddress: 10.0.0.1"),
            (Value::Nothing, "nothing: the device has no such object"),
        ] {
            assert_eq!(shown(value, descr), expected);
        }
        let mac = Value::Bytes(b"j1k2l3".to_vec());
        assert_eq!(shown(mac, "1.3.6.1.2.1.2.2.1.6.1"), "Hex-STRING: 6a:31:6b:32:6c:33");
    }

    #[test]
    fn times_are_days_hours_minutes_and_seconds() {
        assert_eq!([0, 59, 3_600, 86_399].map(clock), ["0:00:00", "0:00:59", "1:00:00", "23:59:59"]);
        assert_eq!([86_400, 42_949_672].map(clock), ["1 day, 0:00:00", "497 days, 2:27:52"]);
        let times = [29, 1_500, 12_340, 123_400].map(|micros| millis(Duration::from_micros(micros)));
        assert_eq!(times, ["0.029", "1.50", "12.3", "123"]);
    }
}
