//! Entities with what is measured of them.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{StoreError, pieces::Pieces, records, text};
use crate::auth::{Kind, User, Verb};

/// What somebody wants an entity to be; its form is right already.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EntityInput {
    pub(crate) name: String,
    pub(crate) entity_type: String,
    pub(crate) parent: Option<i64>,
    /// JSON.
    pub(crate) details: String,
    pub(crate) protocols: Vec<ProtocolInput>,
}

/// How an entity is to be measured with one protocol.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProtocolInput {
    pub(crate) protocol: String,
    pub(crate) credential: i64,
    /// Any bot of the protocol, where there is none.
    pub(crate) bot: Option<i64>,
    pub(crate) sensors: Vec<(i64, Option<i64>)>,
}

/// Which entities of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct EntityFilter {
    pub(crate) id: Option<i64>,
    pub(crate) parent: Option<i64>,
    pub(crate) entity_type: Option<String>,
    pub(crate) suggested: Option<bool>,
}

/// Why an entity was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotWritten {
    /// There is none of this id in the account.
    NoSuch,
    /// It refers to something that is not there, or does not fit.
    Invalid(String),
    /// A bot would come to see the secrets of this credential by it.
    Secret(i64),
}

pub(crate) type Written<T> = Result<Result<T, NotWritten>, StoreError>;

/// Whether a bot may write this. It could assign any credential to itself, or to any bot of its protocol, and read its
/// secrets then: so it must see them already, or leave the assignment as it is.
pub(crate) fn validate_for_bot(
    c: &Connection,
    account: i64,
    entity: Option<i64>,
    input: &EntityInput,
    user: &User,
) -> Written<()> {
    let Kind::Bot { protocol: own, .. } = &user.kind else { return Ok(Ok(())) };
    if input.protocols.is_empty() {
        return Ok(Ok(()));
    }
    let seen = records::credentials_for_bot(c, account, user.id, own.as_deref())?;
    for ProtocolInput { protocol, credential, bot, .. } in &input.protocols {
        let is_own = bot.map_or(own.as_deref() == Some(protocol), |bot| bot == user.id);
        if !is_own {
            continue;
        }
        let is_kept = c
            .prepare_cached(
                "SELECT 1 FROM entity_protocols
                 WHERE entity = ?1 AND protocol = ?2 AND credential = ?3 AND bot IS ?4",
            )?
            .exists(params![entity, protocol, credential, bot])?;
        let changes = format!("accounts/{account}/credentials/{credential}");
        if !is_kept && !seen.contains(credential) && !user.may(Verb::Put, &changes) {
            return Ok(Err(NotWritten::Secret(*credential)));
        }
    }
    Ok(Ok(()))
}

/// Adds an entity; `suggested_by` is the bot that found it.
pub(crate) fn insert(
    c: &Connection,
    account: i64,
    input: &EntityInput,
    suggested_by: Option<i64>,
) -> Written<i64> {
    if let Err(why) = validate(c, account, input)? {
        return Ok(Err(why));
    }
    if let Some(parent) = input.parent
        && !exists(c, "SELECT 1 FROM entities WHERE id = ?1 AND account = ?2", parent, account)?
    {
        return Ok(Err(NotWritten::Invalid(format!("Invalid parent for this account: {parent}"))));
    }
    c.prepare_cached(
        "INSERT INTO entities (account, name, entity_type, parent, details, suggested_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        account,
        input.name,
        input.entity_type,
        input.parent,
        input.details,
        suggested_by
    ])?;
    let id = c.last_insert_rowid();
    set_protocols(c, id, &input.protocols)?;
    Ok(Ok(id))
}

/// Changes all of an entity but its parent. A person who changes a suggested one accepts it.
pub(crate) fn update(
    c: &Connection,
    account: i64,
    id: i64,
    input: &EntityInput,
    accepts: bool,
) -> Written<()> {
    if let Err(why) = validate(c, account, input)? {
        return Ok(Err(why));
    }
    let changed = c
        .prepare_cached(
            "UPDATE entities SET name = ?3, entity_type = ?4, details = ?5,
                 suggested_by = CASE WHEN ?6 THEN NULL ELSE suggested_by END
             WHERE id = ?1 AND account = ?2",
        )?
        .execute(params![id, account, input.name, input.entity_type, input.details, accepts])?;
    if changed == 0 {
        return Ok(Err(NotWritten::NoSuch));
    }
    c.prepare_cached("DELETE FROM entity_protocols WHERE entity = ?1")?.execute([id])?;
    set_protocols(c, id, &input.protocols)?;
    Ok(Ok(()))
}

/// Deletes an entity with all below it.
pub(crate) fn delete(c: &Connection, account: i64, id: i64) -> Result<bool, StoreError> {
    let mut delete = c.prepare_cached("DELETE FROM entities WHERE id = ?1 AND account = ?2")?;
    Ok(delete.execute([id, account])? > 0)
}

fn set_protocols(c: &Connection, entity: i64, protocols: &[ProtocolInput]) -> Result<(), StoreError> {
    let mut protocol_row = c.prepare_cached(
        "INSERT INTO entity_protocols (entity, protocol, credential, bot) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut sensor_row = c.prepare_cached(
        "INSERT INTO entity_sensors (entity, protocol, position, sensor, interval)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for ProtocolInput { protocol, credential, bot, sensors } in protocols {
        protocol_row.execute(params![entity, protocol, credential, bot])?;
        for (position, (sensor, interval)) in (0_i64..).zip(sensors) {
            sensor_row.execute(params![entity, protocol, position, sensor, interval])?;
        }
    }
    Ok(())
}

fn exists(c: &Connection, sql: &str, id: i64, account: i64) -> Result<bool, StoreError> {
    Ok(c.prepare_cached(sql)?.exists([id, account])?)
}

/// Whether credential, bot and sensors are there, of this account and of this protocol.
fn validate(c: &Connection, account: i64, input: &EntityInput) -> Result<Result<(), NotWritten>, StoreError> {
    let invalid = |what: &str, id: i64| Ok(Err(NotWritten::Invalid(format!("Invalid {what}: {id}"))));
    let of_account = |sql: &str, id: i64, protocol: &str| {
        c.prepare_cached(sql)?.exists(params![id, account, protocol]).map_err(StoreError::from)
    };
    for ProtocolInput { protocol, credential, bot, sensors } in &input.protocols {
        let sql = "SELECT 1 FROM credentials WHERE id = ?1 AND account = ?2 AND protocol = ?3";
        if !of_account(sql, *credential, protocol)? {
            return invalid("credential for this account/protocol combination", *credential);
        }
        if let Some(bot) = *bot {
            let found: Option<Option<String>> = c
                .prepare_cached(
                    "SELECT protocol FROM bots WHERE user_id = ?1 AND (account IS NULL OR account = ?2)",
                )?
                .query_row([bot, account], |row| row.get(0))
                .optional()?;
            match found {
                None => return invalid("bot for this account", bot),
                Some(of_bot) if of_bot.as_deref() != Some(protocol) => {
                    return invalid("bot for this protocol", bot);
                }
                Some(_) => {}
            }
        }
        let mut seen = HashSet::new();
        for &(sensor, _) in sensors {
            let sql = "SELECT 1 FROM sensors WHERE id = ?1 AND account = ?2 AND protocol = ?3";
            if !of_account(sql, sensor, protocol)? {
                return invalid("sensor for this account/protocol combination", sensor);
            }
            if !seen.insert(sensor) {
                return invalid("list of sensors, which names one twice", sensor);
            }
        }
    }
    Ok(Ok(()))
}

/// One entity as JSON.
pub(crate) fn get(c: &Connection, account: i64, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
    let filter = EntityFilter { id: Some(id), ..EntityFilter::default() };
    let mut json = Pieces::default();
    let found = write_each(c, account, &filter, &mut json)?;
    Ok((found > 0).then(|| json.finish().concat()))
}

/// The entities of an account as JSON: `{"list":[…]}`.
pub(crate) fn list(
    c: &Connection,
    account: i64,
    filter: &EntityFilter,
) -> Result<Vec<bytes::Bytes>, StoreError> {
    let mut json = Pieces::default();
    json.raw("{\"list\":[");
    write_each(c, account, filter, &mut json)?;
    json.raw("]}");
    Ok(json.finish())
}

/// A row of what belongs to an entity: the entity, the protocol, and two numbers.
type Part = (i64, String, i64, Option<i64>);

/// Rows of which the next one is looked at before it is taken.
struct Ahead<'a> {
    rows: rusqlite::Rows<'a>,
    next: Option<Part>,
}

impl<'a> Ahead<'a> {
    fn new(rows: rusqlite::Rows<'a>) -> Result<Self, StoreError> {
        let mut ahead = Self { rows, next: None };
        ahead.take()?;
        Ok(ahead)
    }

    fn take(&mut self) -> Result<Option<Part>, StoreError> {
        let part = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let next = self.rows.next()?.map(part).transpose().map_err(|error: rusqlite::Error| error)?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    /// The next row, if it belongs to this entity, and to this protocol where one is given.
    fn take_of(&mut self, entity: i64, protocol: Option<&str>) -> Result<Option<Part>, StoreError> {
        let fits = |part: &Part| part.0 == entity && protocol.is_none_or(|protocol| part.1 == protocol);
        if self.next.as_ref().is_some_and(fits) { self.take() } else { Ok(None) }
    }
}

/// Writes the entities in the order of their ids: three queries in step, however many there are.
fn write_each(
    c: &Connection,
    account: i64,
    filter: &EntityFilter,
    json: &mut Pieces,
) -> Result<usize, StoreError> {
    // The same filter for all three, so that they stay in step; what is null does not filter.
    const WHICH: &str = "e.account = ?1 AND (?2 IS NULL OR e.id = ?2) AND (?3 IS NULL OR e.parent = ?3)
        AND (?4 IS NULL OR e.entity_type = ?4) AND (?5 IS NULL OR (e.suggested_by IS NOT NULL) = ?5)";
    // By the one that finds few.
    let source = match filter {
        EntityFilter { id: Some(_), .. } => "entities e NOT INDEXED",
        EntityFilter { parent: Some(_), .. } => "entities e INDEXED BY entities_parent",
        _ => "entities e INDEXED BY entities_account",
    };
    let which = match filter {
        EntityFilter { id: Some(_), .. } => format!("e.id = ?2 AND {WHICH}"),
        EntityFilter { parent: Some(_), .. } => format!("e.parent = ?3 AND {WHICH}"),
        _ => WHICH.to_owned(),
    };
    let bound = params![account, filter.id, filter.parent, filter.entity_type, filter.suggested];
    let mut entities = c.prepare_cached(&format!(
        "SELECT e.id, e.name, e.entity_type, e.parent, e.details, e.suggested_by
         FROM {source} WHERE {which} ORDER BY e.id"
    ))?;
    let mut protocols = c.prepare_cached(&format!(
        "SELECT p.entity, p.protocol, p.credential, p.bot
         FROM {source} CROSS JOIN entity_protocols p ON p.entity = e.id
         WHERE {which} ORDER BY e.id, p.protocol"
    ))?;
    let mut sensors = c.prepare_cached(&format!(
        "SELECT s.entity, s.protocol, s.sensor, s.interval
         FROM {source} CROSS JOIN entity_sensors s ON s.entity = e.id
         WHERE {which} ORDER BY e.id, s.protocol, s.position"
    ))?;
    let mut entities = entities.query(bound)?;
    let mut protocols = Ahead::new(protocols.query(bound)?)?;
    let mut sensors = Ahead::new(sensors.query(bound)?)?;
    let mut count = 0;
    while let Some(row) = entities.next()? {
        if count > 0 {
            json.raw(",");
        }
        count += 1;
        let id = row.get(0)?;
        write_head(row, id, json)?;
        json.raw(",\"protocols\":{");
        let mut comma = "";
        while let Some((_, protocol, credential, bot)) = protocols.take_of(id, None)? {
            json.raw(comma);
            comma = ",";
            json.value(&protocol);
            json.raw(":{\"credential\":");
            json.number(credential);
            json.raw(",\"bot\":");
            json.value(&bot);
            json.raw(",\"sensors\":[");
            let mut comma = "";
            while let Some((_, _, sensor, interval)) = sensors.take_of(id, Some(&protocol))? {
                json.raw(comma);
                comma = ",";
                json.raw("{\"sensor\":");
                json.number(sensor);
                json.raw(",\"interval\":");
                json.value(&interval);
                json.raw("}");
            }
            json.raw("]}");
        }
        json.raw("}}");
        json.rest();
    }
    Ok(count)
}

fn write_head(row: &Row<'_>, id: i64, json: &mut Pieces) -> Result<(), StoreError> {
    json.raw("{\"id\":");
    json.number(id);
    json.raw(",\"name\":");
    json.value(text(row, 1)?);
    json.raw(",\"entity_type\":");
    json.value(text(row, 2)?);
    json.raw(",\"parent\":");
    json.value(&row.get::<_, Option<i64>>(3)?);
    json.raw(",\"details\":");
    json.raw(text(row, 4)?);
    if let Some(bot) = row.get::<_, Option<i64>>(5)? {
        json.raw(",\"suggested_by\":");
        json.number(bot);
    }
    Ok(())
}
