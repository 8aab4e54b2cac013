//! From an account's lists to a protocol's entities: what is broken is named and left out, the rest is made.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::children::Children;
use super::lenient::{self, Values};
use super::table::{Found, Table};
use super::wire::{self, RawBinding, RawEntity, RawRecord, RawUse, in_field};
use super::{ApiError, Resource};
use crate::ids::{AccountId, CredentialId, EntityId, SensorId, UserId};
use crate::parts::PartsByEntity;
use crate::protocol::{Details, Entity, Protocol, Sensor};
use crate::schedule::Interval;

/// Problems of one account that are kept in words; beyond it they are only counted.
const PROBLEMS_KEPT: usize = 1_000;

/// Entities that a problem of something shared names.
const ENTITIES_NAMED: usize = 3;

/// An account's entities with their parts, and what is wrong with others.
pub(super) struct Built<P: Protocol> {
    pub(super) entities: Vec<Arc<Entity<P>>>,
    pub(super) parts: PartsByEntity,
    pub(super) problems: Problems,
}

/// What is wrong, in words, each once and in the order in which it was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Problems {
    pub(super) texts: Vec<String>,
    pub(super) count: usize,
    /// The first of each entity that loses something.
    pub(super) of_entities: BTreeMap<EntityId, Box<str>>,
}

impl Problems {
    pub(super) fn add(&mut self, text: impl fmt::Display) {
        self.count += 1;
        if self.texts.len() < PROBLEMS_KEPT {
            self.texts.push(text.to_string());
        }
    }

    /// Notes what an entity loses something to, if it is known which entity that is.
    fn concern(&mut self, who: &Who<'_>, problem: &str) {
        if let Ok(id) = wire::required("id", who.id)
            && self.of_entities.len() < PROBLEMS_KEPT
        {
            self.of_entities.entry(id).or_insert_with(|| problem.into());
        }
    }
}

/// The lists of an account, as they came.
pub(super) struct Lists {
    pub(super) account: AccountId,
    pub(super) user: UserId,
    pub(super) entities: Vec<u8>,
    pub(super) credentials: Vec<u8>,
    pub(super) sensors: Vec<u8>,
}

impl Lists {
    /// Makes entities of them. Parts that are `known` and have not changed are not made anew.
    pub(super) fn build<P: Protocol>(&self, known: &PartsByEntity) -> Result<Built<P>, ApiError> {
        let account = self.account;
        let entities = wire::read(Resource::Entities(account), &self.entities, wire::list)?;
        let credentials = wire::read(Resource::Credentials(account), &self.credentials, wire::list)?;
        let sensors = wire::read(Resource::Sensors(account), &self.sensors, wire::list)?;
        let mut problems = Problems::default();
        let mut builder = Builder::<P> {
            account,
            user: self.user,
            credentials: Table::of("credential", account, P::SLUG, credentials, &mut problems),
            sensors: Table::of("sensor", account, P::SLUG, sensors, &mut problems),
            children: P::PARTS.map(Children::of_type),
            seen: HashSet::new(),
            shared: BTreeMap::new(),
            problems,
        };
        let entities = entities.into_iter().enumerate();
        let entities: Vec<_> =
            entities.filter_map(|(index, raw)| builder.entity(index, raw)).map(Arc::new).collect();
        let served = entities.iter().map(|entity| entity.id);
        let parts = builder.children.take();
        let parts = parts.map(|parts| parts.sort_out(account, served, known, &mut builder.problems));
        Ok(Built { entities, parts: parts.unwrap_or_default(), problems: builder.all_problems() })
    }
}

/// Makes entities of records.
struct Builder<'a, P: Protocol> {
    account: AccountId,
    user: UserId,
    credentials: Table<'a, Arc<P::Credential>>,
    sensors: Table<'a, ReadSensor<P>>,
    /// What may be parts, where the protocol has any.
    children: Option<Children<'a>>,
    seen: HashSet<EntityId>,
    /// Problems of credentials and sensors, with the entities that they cost something.
    shared: BTreeMap<String, Losers>,
    problems: Problems,
}

struct ReadSensor<P: Protocol> {
    name: Arc<str>,
    details: Arc<P::Sensor>,
    default_interval: Result<Option<Interval>, String>,
}

/// Entities that lost something to a problem.
#[derive(Default)]
struct Losers {
    named: Vec<String>,
    count: usize,
}

impl<'a, P: Protocol> Builder<'a, P> {
    /// The entity in a record, if it is this bot's to serve and nothing is wrong with it.
    fn entity(&mut self, index: usize, raw: &'a RawValue) -> Option<Entity<P>> {
        let record: RawEntity<'_> = match wire::object(raw) {
            Ok(record) => record,
            Err(problem) => {
                let number = index + 1;
                self.problems.add(format_args!(
                    "account {}, entity number {number} of the list: {problem}",
                    self.account
                ));
                return None;
            }
        };
        let who = Who { index, id: record.id, name: record.name };
        match self.children.as_mut().map(|children| children.take(index, raw, &record)) {
            None | Some(Ok(false)) => {}
            Some(Ok(true)) => return None,
            Some(Err(problem)) => return self.reject(&who, problem),
        }
        let binding = match self.binding(&record) {
            Ok(binding) => binding?,
            Err(problem) => return self.reject(&who, problem),
        };
        match self.bound(&who, &record, &binding) {
            Ok(entity) => entity,
            Err(problem) => self.reject(&who, problem),
        }
    }

    fn reject<T>(&mut self, who: &Who<'_>, problem: String) -> Option<T> {
        self.problems.concern(who, &problem);
        self.problems.add(format_args!("account {}, {who}: {problem}", self.account));
        None
    }

    /// What a record says of the protocol, if the entity is this bot's to serve.
    fn binding(&self, record: &RawEntity<'a>) -> Result<Option<RawBinding<'a>>, String> {
        let Some(protocols) = record.protocols else { return Ok(None) };
        let binding = wire::field(protocols, P::SLUG).map_err(in_field("protocols"))?;
        let Some(binding) = binding else { return Ok(None) };
        let field = format!("protocols.{}", P::SLUG);
        let binding: RawBinding<'_> = wire::object(binding).map_err(in_field(&field))?;
        let entity_type: String = wire::required("entity_type", record.entity_type)?;
        if entity_type != "device" {
            return Ok(None);
        }
        let bot = wire::optional(binding.bot).map_err(|problem| format!("{field}.bot: {problem}"))?;
        // Without a bot any bot of the protocol serves it; without a credential it is not enabled yet.
        let ours = bot.is_none_or(|bot: UserId| bot == self.user);
        Ok(Some(binding).filter(|binding| ours && binding.credential.is_some()))
    }

    /// The entity in a record that is this bot's to serve. None when that is already known to be impossible,
    /// or when there is nothing to measure.
    fn bound(
        &mut self,
        who: &Who<'_>,
        record: &RawEntity<'a>,
        binding: &RawBinding<'a>,
    ) -> Result<Option<Entity<P>>, String> {
        let uses = match binding.sensors {
            Some(list) => wire::items(list).map_err(in_field("sensors"))?,
            None => Vec::new(),
        };
        if uses.is_empty() {
            return Ok(None);
        }
        let id: EntityId = wire::required("id", record.id)?;
        if !self.seen.insert(id) {
            return Err("listed twice; the first one counts".to_owned());
        }
        let name = wire::required("name", record.name)?;
        let parent = wire::optional(record.parent).map_err(in_field("parent"))?;
        let details = match record.details {
            Some(raw) => details(raw).map_err(in_field("details"))?,
            None => Details::default(),
        };
        let credential_id = wire::id("credential", binding.credential)?;
        let credential = match self.credentials.find(credential_id, read_credential::<P>) {
            Found::Good(credential) => credential.clone(),
            Found::Bad(problem) => {
                let problem = problem.to_owned();
                self.blame(problem, who);
                return Ok(None);
            }
            Found::Not(problem) => return Err(format!("credential: {problem}")),
        };
        let mut sensors = Vec::with_capacity(uses.len());
        for (index, raw) in uses.into_iter().enumerate() {
            match self.sensor(who, index, raw) {
                Ok(Some(sensor)) if sensors.iter().any(|other: &Sensor<P>| other.id == sensor.id) => {
                    let problem = format!("sensor {}: listed twice; the first one counts", sensor.id);
                    self.reject::<()>(who, problem);
                }
                Ok(Some(sensor)) => sensors.push(sensor),
                Ok(None) => {}
                Err(problem) => drop(self.reject::<()>(who, problem)),
            }
        }
        sensors.shrink_to_fit();
        let credential_id = CredentialId::new(credential_id);
        let entity =
            Entity { account: self.account, id, name, parent, details, credential_id, credential, sensors };
        Ok(Some(entity).filter(|entity| !entity.sensors.is_empty()))
    }

    /// One of an entity's sensors; None when what is wrong with it has been noted.
    fn sensor(
        &mut self,
        who: &Who<'_>,
        index: usize,
        raw: &'a RawValue,
    ) -> Result<Option<Sensor<P>>, String> {
        let at = || format!("sensors.{index}");
        let usage: RawUse<'_> = wire::object(raw).map_err(in_field(&at()))?;
        let id = wire::id("sensor", usage.sensor).map_err(in_field(&at()))?;
        let own =
            wire::interval(usage.interval).map_err(|problem| format!("sensor {id}: interval: {problem}"))?;
        let (sensor, default) = match self.sensors.find(id, read_sensor::<P>) {
            Found::Good(read) => {
                let sensor = Sensor {
                    id: SensorId::new(id),
                    name: read.name.clone(),
                    interval: own,
                    details: read.details.clone(),
                };
                (sensor, read.default_interval.clone())
            }
            Found::Bad(problem) => {
                let problem = problem.to_owned();
                self.blame(problem, who);
                return Ok(None);
            }
            Found::Not(problem) => return Err(format!("sensor: {problem}")),
        };
        match (own, default) {
            (Some(_), _) => Ok(Some(sensor)),
            (None, Ok(interval)) => Ok(Some(Sensor { interval, ..sensor })),
            (None, Err(problem)) => {
                self.blame(problem, who);
                Ok(None)
            }
        }
    }

    /// Notes that a shared thing is broken, and that it costs this entity something.
    fn blame(&mut self, problem: String, who: &Who<'_>) {
        self.problems.concern(who, &problem);
        let losers = self.shared.entry(problem).or_default();
        losers.count += 1;
        if losers.named.len() < ENTITIES_NAMED {
            losers.named.push(who.to_string());
        }
    }

    fn all_problems(mut self) -> Problems {
        for (problem, losers) in self.shared {
            let named = losers.named.join(", ");
            let more = match losers.count - losers.named.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            self.problems.add(format_args!("account {}, {problem}; skipped for {named}{more}", self.account));
        }
        self.problems
    }
}

/// How messages name an entity.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub(super) index: usize,
    pub(super) id: Option<&'a RawValue>,
    pub(super) name: Option<&'a RawValue>,
}

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match wire::id("id", self.id) {
            Ok(id) => write!(f, "entity {id}")?,
            Err(_) => write!(f, "entity number {} of the list", self.index + 1)?,
        }
        match wire::shown_name(self.name) {
            name if name.is_empty() => Ok(()),
            name => write!(f, " ({name})"),
        }
    }
}

fn read_credential<P: Protocol>(record: &RawRecord<'_>) -> Result<Arc<P::Credential>, String> {
    read_details(record, if P::CREDENTIAL_IS_SECRET { Values::Hidden } else { Values::Shown })
}

fn read_sensor<P: Protocol>(record: &RawRecord<'_>) -> Result<ReadSensor<P>, String> {
    let name: Box<str> = wire::required("name", record.name)?;
    let id = wire::id("id", record.id)?;
    Ok(ReadSensor {
        details: read_details(record, Values::Shown)?,
        default_interval: wire::interval(record.default_interval).map_err(|problem| {
            format!("sensor {id} ({}): default_interval: {problem}", wire::shown_name(record.name))
        }),
        name: name.into(),
    })
}

fn read_details<T: serde::de::DeserializeOwned>(
    record: &RawRecord<'_>,
    values: Values,
) -> Result<Arc<T>, String> {
    let nothing = || serde_json::Value::Object(serde_json::Map::new());
    let value = match record.details {
        Some(raw) => match wire::value(raw).map_err(in_field("details"))? {
            // Some languages write an empty object as an empty list.
            serde_json::Value::Array(list) if list.is_empty() => nothing(),
            value => value,
        },
        None => nothing(),
    };
    lenient::read(&value, values).map(Arc::new).map_err(in_field("details"))
}

pub(super) fn details(raw: &RawValue) -> Result<Details, String> {
    match wire::value(raw)? {
        serde_json::Value::Object(map) => Ok(map.into()),
        serde_json::Value::Array(list) if list.is_empty() => Ok(Details::default()),
        _ => Err("expected an object".to_owned()),
    }
}
