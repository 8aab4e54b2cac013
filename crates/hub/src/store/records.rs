//! Credentials and sensors: how something is asked, and what it is asked for.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::StoreError;

/// A credential as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) protocol: String,
    /// JSON. Holds secrets.
    pub(crate) details: String,
}

/// A sensor as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sensor {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) protocol: String,
    pub(crate) default_interval: Option<i64>,
    /// JSON.
    pub(crate) details: String,
}

fn credential(row: &Row<'_>) -> rusqlite::Result<Credential> {
    Ok(Credential { id: row.get(0)?, name: row.get(1)?, protocol: row.get(2)?, details: row.get(3)? })
}

fn sensor(row: &Row<'_>) -> rusqlite::Result<Sensor> {
    Ok(Sensor {
        id: row.get(0)?,
        name: row.get(1)?,
        protocol: row.get(2)?,
        default_interval: row.get(3)?,
        details: row.get(4)?,
    })
}

const CREDENTIAL: &str = "SELECT id, name, protocol, details FROM credentials";
const SENSOR: &str = "SELECT id, name, protocol, default_interval, details FROM sensors";

pub(crate) fn credentials(c: &Connection, account: i64) -> Result<Vec<Credential>, StoreError> {
    let mut list = c.prepare_cached(&format!("{CREDENTIAL} WHERE account = ?1 ORDER BY id"))?;
    Ok(list.query_map([account], credential)?.collect::<Result<_, _>>()?)
}

pub(crate) fn credential_of(c: &Connection, account: i64, id: i64) -> Result<Option<Credential>, StoreError> {
    let mut get = c.prepare_cached(&format!("{CREDENTIAL} WHERE account = ?1 AND id = ?2"))?;
    Ok(get.query_row([account, id], credential).optional()?)
}

pub(crate) fn insert_credential(
    c: &Connection,
    account: i64,
    name: &str,
    protocol: &str,
    details: &str,
) -> Result<i64, StoreError> {
    c.prepare_cached("INSERT INTO credentials (account, name, protocol, details) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![account, name, protocol, details])?;
    Ok(c.last_insert_rowid())
}

/// Changes a credential. Entities that were measured with it are so no longer when it is one of another protocol.
pub(crate) fn update_credential(
    c: &Connection,
    account: i64,
    id: i64,
    name: &str,
    protocol: &str,
    details: &str,
) -> Result<bool, StoreError> {
    let changed = c
        .prepare_cached(
            "UPDATE credentials SET name = ?3, protocol = ?4, details = ?5 WHERE account = ?1 AND id = ?2",
        )?
        .execute(params![account, id, name, protocol, details])?;
    if changed > 0 {
        c.prepare_cached("DELETE FROM entity_protocols WHERE credential = ?1 AND protocol <> ?2")?
            .execute(params![id, protocol])?;
    }
    Ok(changed > 0)
}

pub(crate) fn delete_credential(c: &Connection, account: i64, id: i64) -> Result<bool, StoreError> {
    let mut delete = c.prepare_cached("DELETE FROM credentials WHERE account = ?1 AND id = ?2")?;
    Ok(delete.execute([account, id])? > 0)
}

/// The credentials of an account whose secrets this bot needs: those of entities that it measures, or that
/// any bot of its protocol may measure.
pub(crate) fn credentials_for_bot(
    c: &Connection,
    account: i64,
    bot: i64,
    protocol: Option<&str>,
) -> Result<Vec<i64>, StoreError> {
    let mut needed = c.prepare_cached(
        "SELECT DISTINCT p.credential FROM entity_protocols p
         JOIN credentials c ON c.id = p.credential
         WHERE c.account = ?1 AND (p.bot = ?2 OR (p.bot IS NULL AND p.protocol = ?3))",
    )?;
    Ok(needed.query_map(params![account, bot, protocol], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

pub(crate) fn sensors(c: &Connection, account: i64) -> Result<Vec<Sensor>, StoreError> {
    let mut list = c.prepare_cached(&format!("{SENSOR} WHERE account = ?1 ORDER BY id"))?;
    Ok(list.query_map([account], sensor)?.collect::<Result<_, _>>()?)
}

pub(crate) fn sensor_of(c: &Connection, account: i64, id: i64) -> Result<Option<Sensor>, StoreError> {
    let mut get = c.prepare_cached(&format!("{SENSOR} WHERE account = ?1 AND id = ?2"))?;
    Ok(get.query_row([account, id], sensor).optional()?)
}

pub(crate) fn insert_sensor(
    c: &Connection,
    account: i64,
    name: &str,
    protocol: &str,
    default_interval: Option<i64>,
    details: &str,
) -> Result<i64, StoreError> {
    c.prepare_cached(
        "INSERT INTO sensors (account, name, protocol, default_interval, details) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![account, name, protocol, default_interval, details])?;
    Ok(c.last_insert_rowid())
}

/// Changes a sensor. Entities lose it when it is one of another protocol.
pub(crate) fn update_sensor(c: &Connection, account: i64, new: &Sensor) -> Result<bool, StoreError> {
    let changed = c
        .prepare_cached(
            "UPDATE sensors SET name = ?3, protocol = ?4, default_interval = ?5, details = ?6
             WHERE account = ?1 AND id = ?2",
        )?
        .execute(params![account, new.id, new.name, new.protocol, new.default_interval, new.details])?;
    if changed > 0 {
        c.prepare_cached("DELETE FROM entity_sensors WHERE sensor = ?1 AND protocol <> ?2")?
            .execute(params![new.id, new.protocol])?;
    }
    Ok(changed > 0)
}

pub(crate) fn delete_sensor(c: &Connection, account: i64, id: i64) -> Result<bool, StoreError> {
    let mut delete = c.prepare_cached("DELETE FROM sensors WHERE account = ?1 AND id = ?2")?;
    Ok(delete.execute([account, id])? > 0)
}

/// What every new account starts with, so that a first device can be measured at once.
pub(super) fn insert_defaults(c: &Connection, account: i64) -> Result<(), StoreError> {
    // Numbers as text: that is how forms write them.
    let ping = r#"{"n_packets":"3","sleep_packets":"1.0","timeout":"1.0","retry":"0"}"#;
    let snmp = r#"{"version":"snmpv2c","snmpv12_community":"public"}"#;
    for (name, protocol, details) in [
        ("Default ICMP ping credential (3 packets)", "ping", ping),
        ("Default SNMP credential (SNMPv2c, 'public')", "snmp", snmp),
        ("Default NetFlow credential", "netflow", "{}"),
    ] {
        insert_credential(c, account, name, protocol, details)?;
    }
    let walks = |one: &str, other: &str, expression: &str, output_path: &str| {
        let walk = |oid: &str| serde_json::json!({"oid": oid, "fetch_method": "walk"});
        let oids = [walk(one), walk(other)];
        serde_json::json!({"oids": oids, "expression": expression, "output_path": output_path}).to_string()
    };
    // The names, octets in and octets out of the interfaces table; the temperatures of lm-sensors.
    let (names, octets_in, octets_out) =
        ("1.3.6.1.2.1.2.2.1.2", "1.3.6.1.2.1.2.2.1.10", "1.3.6.1.2.1.2.2.1.16");
    let (lm_names, lm_values) = ("1.3.6.1.4.1.2021.13.16.2.1.2", "1.3.6.1.4.1.2021.13.16.2.1.3");
    let traffic_in = walks(names, octets_in, "$2", "if.in-octets.{$index}.{$1}");
    let traffic_out = walks(names, octets_out, "$2", "if.out-octets.{$index}.{$1}");
    let temperature = walks(lm_names, lm_values, "$2 / 1000.0", "lmsensors.temp.{$index}.{$1}");
    for (name, protocol, interval, details) in [
        ("Default ICMP ping sensor", "ping", Some(60), "{}"),
        ("Traffic IN [bps]", "snmp", Some(60), &*traffic_in),
        ("Traffic OUT [bps]", "snmp", Some(60), &*traffic_out),
        ("Linux lmsensors - temperature [°C]", "snmp", Some(60), &*temperature),
        ("Default NetFlow sensor", "netflow", None, "{}"),
    ] {
        insert_sensor(c, account, name, protocol, interval, details)?;
    }
    Ok(())
}
