//! From the backend's lists to a protocol's entities: `1 + 3 × accounts` requests, however many entities there are.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, StreamExt as _};
use serde_json::value::RawValue;

use super::lenient::{self, Values};
use super::wire::{self, RawBinding, RawEntity, RawRecord, RawUse, in_field};
use super::{AccountId, Api, ApiError, CredentialId, EntityId, Resource, SensorId, UserId};
use crate::context::Context;
use crate::error::FetchError;
use crate::protocol::{Details, Entity, Protocol, Sensor};
use crate::schedule::Interval;
use crate::telemetry::Warnings;

/// Accounts that are read at the same time: three requests each, and their lists in memory.
const ACCOUNTS_AT_ONCE: usize = 4;

/// Lists above this size, in bytes, are read on a thread that may block: there it takes milliseconds.
const READ_ASIDE_ABOVE: usize = 256 << 10;

/// Problems of one account that are kept in words; beyond it they are only counted.
const PROBLEMS_KEPT: usize = 1_000;

/// Entities that a problem of something shared names.
const ENTITIES_NAMED: usize = 3;

/// Reads the entities that have protocol `P` and are this bot's to serve, from all accounts.
///
/// An account that cannot be read keeps the entities that it had.
pub(crate) async fn fetch<P: Protocol>(cx: &Context) -> Result<Vec<Arc<Entity<P>>>, FetchError> {
    let body = cx.api.get(Resource::Accounts).await.map_err(FetchError::Accounts)?;
    let (accounts, problems) =
        wire::read(Resource::Accounts, &body, read_accounts).map_err(FetchError::Accounts)?;
    drop(body);
    let user = cx.user;
    let answers: Vec<_> = stream::iter(accounts)
        .map(|account| {
            let api = cx.api.clone();
            async move {
                let answer = read_account::<P>(api, account.id, user).await;
                (account, answer)
            }
        })
        .buffered(ACCOUNTS_AT_ONCE)
        .collect()
        .await;
    Ok(cx.configs.accept::<P>(answers, problems))
}

/// The accounts that this bot may see.
pub(crate) async fn accounts(api: &dyn Api) -> Result<Vec<AccountId>, ApiError> {
    let body = api.get(Resource::Accounts).await?;
    let (accounts, _) = wire::read(Resource::Accounts, &body, read_accounts)?;
    Ok(accounts.into_iter().map(|account| account.id).collect())
}

/// The account list: accounts, and what is wrong with others.
fn read_accounts(body: &[u8]) -> Result<(Vec<Account>, Problems), String> {
    let mut problems = Problems::default();
    let mut accounts = Vec::new();
    let mut seen = HashSet::new();
    for (index, raw) in wire::list(body)?.into_iter().enumerate() {
        let read = wire::object::<RawRecord<'_>>(raw).and_then(|raw| {
            let id = AccountId::new(wire::required("id", raw.id)?);
            Ok(Account { id, name: wire::shown_name(raw.name).into() })
        });
        match read {
            Ok(account) if seen.insert(account.id) => accounts.push(account),
            Ok(account) => {
                problems.add(format_args!("account {}: listed twice; the first one counts", account.id));
            }
            Err(problem) => problems.add(format_args!("account number {} of the list: {problem}", index + 1)),
        }
    }
    Ok((accounts, problems))
}

/// Reads the three lists of an account, all at the same time.
async fn read_account<P: Protocol>(
    api: Arc<dyn Api>,
    account: AccountId,
    user: UserId,
) -> Result<Built<P>, ApiError> {
    let (entities, credentials, sensors) = tokio::try_join!(
        api.get(Resource::Entities(account)),
        api.get(Resource::Credentials(account)),
        api.get(Resource::Sensors(account)),
    )?;
    let lists = Lists { account, user, entities, credentials, sensors };
    if lists.entities.len() + lists.credentials.len() + lists.sensors.len() <= READ_ASIDE_ABOVE {
        return lists.build::<P>();
    }
    match tokio::task::spawn_blocking(move || lists.build::<P>()).await {
        Ok(built) => built,
        Err(error) => match error.try_into_panic() {
            // Somebody's own `Deserialize` panicked: that is theirs to hear of, as if it had been called here.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(wire::malformed(Resource::Entities(account), "the bot is stopping".to_owned())),
        },
    }
}

#[derive(Clone, Debug)]
struct Account {
    id: AccountId,
    name: Box<str>,
}

/// An account's entities, and what is wrong with others.
struct Built<P: Protocol> {
    entities: Vec<Arc<Entity<P>>>,
    problems: Problems,
}

/// What is wrong, in words, each once and in the order in which it was found.
#[derive(Clone, Debug, Default)]
struct Problems {
    texts: Vec<String>,
    count: usize,
}

impl Problems {
    fn add(&mut self, text: impl fmt::Display) {
        self.count += 1;
        if self.texts.len() < PROBLEMS_KEPT {
            self.texts.push(text.to_string());
        }
    }
}

/// The lists of an account, as they came.
struct Lists {
    account: AccountId,
    user: UserId,
    entities: Vec<u8>,
    credentials: Vec<u8>,
    sensors: Vec<u8>,
}

impl Lists {
    fn build<P: Protocol>(&self) -> Result<Built<P>, ApiError> {
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
            seen: HashSet::new(),
            shared: BTreeMap::new(),
            problems,
        };
        let entities = entities.into_iter().enumerate();
        let entities = entities.filter_map(|(index, raw)| builder.entity(index, raw)).map(Arc::new).collect();
        Ok(Built { entities, problems: builder.all_problems() })
    }
}

/// Reads any bytes as the answers of a refresh.
#[cfg(fuzzing)]
pub(super) fn read_any<P: Protocol>(
    account: AccountId,
    user: UserId,
    entities: Vec<u8>,
    credentials: Vec<u8>,
    sensors: Vec<u8>,
) {
    let _ = read_accounts(&entities);
    let _ = Lists { account, user, entities, credentials, sensors }.build::<P>();
}

/// Makes entities of records.
struct Builder<'a, P: Protocol> {
    account: AccountId,
    user: UserId,
    credentials: Table<'a, Arc<P::Credential>>,
    sensors: Table<'a, ReadSensor<P>>,
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
        let ours = bot.is_none_or(|bot| UserId::new(bot) == self.user);
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
        let id = EntityId::new(wire::required("id", record.id)?);
        if !self.seen.insert(id) {
            return Err("listed twice; the first one counts".to_owned());
        }
        let name = wire::required("name", record.name)?;
        let parent = wire::optional(record.parent).map_err(in_field("parent"))?.map(EntityId::new);
        let details = match record.details {
            Some(raw) => details(raw).map_err(in_field("details"))?,
            None => Details::default(),
        };
        let credential_id = wire::required("credential", binding.credential)?;
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
        let id = wire::required("sensor", usage.sensor).map_err(in_field(&at()))?;
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
struct Who<'a> {
    index: usize,
    id: Option<&'a RawValue>,
    name: Option<&'a RawValue>,
}

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match wire::required::<u64>("id", self.id) {
            Ok(id) => write!(f, "entity {id}")?,
            Err(_) => write!(f, "entity number {} of the list", self.index + 1)?,
        }
        match wire::shown_name(self.name) {
            name if name.is_empty() => Ok(()),
            name => write!(f, " ({name})"),
        }
    }
}

/// The credentials or the sensors of an account: each read when the first entity wants it, and once.
struct Table<'a, T> {
    what: &'static str,
    slug: &'static str,
    records: HashMap<u64, (RawRecord<'a>, Option<Result<T, String>>)>,
}

enum Found<'t, T> {
    Good(&'t T),
    /// It is there, and broken: what and why.
    Bad(&'t str),
    /// Nothing of the protocol has this id.
    Not(String),
}

impl<'a, T> Table<'a, T> {
    fn of(
        what: &'static str,
        account: AccountId,
        slug: &'static str,
        list: Vec<&'a RawValue>,
        problems: &mut Problems,
    ) -> Self {
        let mut records = HashMap::with_capacity(list.len());
        for (index, raw) in list.into_iter().enumerate() {
            let mut note = |problem: String| {
                let number = index + 1;
                problems
                    .add(format_args!("account {account}, {what} number {number} of the list: {problem}"));
            };
            let record: RawRecord<'_> = match wire::object(raw) {
                Ok(record) => record,
                Err(problem) => {
                    note(problem);
                    continue;
                }
            };
            match wire::required("id", record.id) {
                Ok(id) => match records.entry(id) {
                    std::collections::hash_map::Entry::Vacant(entry) => {
                        entry.insert((record, None));
                    }
                    std::collections::hash_map::Entry::Occupied(_) => {
                        note(format!("id {id} is listed twice; the first one counts"));
                    }
                },
                // Another protocol's troubles are its own bot's to tell.
                Err(problem) if record.protocol.is_none_or(|raw| wire::is_text(raw, slug)) => note(problem),
                Err(_) => {}
            }
        }
        Self { what, slug, records }
    }

    fn find(&mut self, id: u64, read: impl FnOnce(&RawRecord<'a>) -> Result<T, String>) -> Found<'_, T> {
        let Self { what, slug, records } = self;
        let Some((record, state)) = records.get_mut(&id) else {
            return Found::Not(format!("the account has no {what} {id}"));
        };
        let state = state.get_or_insert_with(|| {
            let name = wire::shown_name(record.name);
            let who = if name.is_empty() { format!("{what} {id}") } else { format!("{what} {id} ({name})") };
            let protocol: Result<String, _> = wire::required("protocol", record.protocol);
            match protocol {
                Ok(protocol) if protocol == *slug => {
                    read(record).map_err(|problem| format!("{who}: {problem}"))
                }
                Ok(protocol) => {
                    let protocol = super::token::one_line(&protocol, 40).into_owned();
                    Err(format!("{who}: protocol: expected {slug}, got {protocol}"))
                }
                Err(problem) => Err(format!("{who}: {problem}")),
            }
        });
        match state {
            Ok(good) => Found::Good(good),
            Err(problem) => Found::Bad(problem),
        }
    }
}

fn read_credential<P: Protocol>(record: &RawRecord<'_>) -> Result<Arc<P::Credential>, String> {
    read_details(record, Values::Hidden)
}

fn read_sensor<P: Protocol>(record: &RawRecord<'_>) -> Result<ReadSensor<P>, String> {
    let name: Box<str> = wire::required("name", record.name)?;
    let id: u64 = wire::required("id", record.id)?;
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

fn details(raw: &RawValue) -> Result<Details, String> {
    match wire::value(raw)? {
        serde_json::Value::Object(map) => Ok(map.into()),
        serde_json::Value::Array(list) if list.is_empty() => Ok(Details::default()),
        _ => Err("expected an object".to_owned()),
    }
}

/// What the last refresh found, of every protocol: so that an account that cannot be read keeps what it had,
/// and a problem is said once.
///
/// It holds what the backend holds: an account that is not listed any more is forgotten.
#[derive(Default)]
pub(crate) struct ConfigCache {
    protocols: Mutex<HashMap<TypeId, Known>>,
}

#[derive(Default)]
struct Known {
    accounts: HashMap<AccountId, Kept>,
    warnings: Warnings,
    report: RefreshReport,
}

#[derive(Default)]
struct Kept {
    /// A `Vec<Arc<Entity<P>>>`; none until the account was read once.
    entities: Option<Box<dyn Any + Send + Sync>>,
    problems: Problems,
    /// What was last said of the account's failure.
    failing: Option<Sort>,
}

/// What sort of failure it is: only another sort is worth another warning.
type Sort = (std::mem::Discriminant<ApiError>, Option<u16>);

/// How the last refresh went.
#[derive(Clone, Debug, Default)]
pub(crate) struct RefreshReport {
    /// Accounts that this bot may see.
    pub(crate) accounts: usize,
    /// Accounts that could not be read, and keep what they had.
    pub(crate) failed: Vec<FailedAccount>,
    /// Entities to serve, with those that failed accounts keep.
    pub(crate) entities: usize,
    /// Sensors of these entities.
    pub(crate) sensors: usize,
    /// Things that are broken and were skipped, all of them.
    pub(crate) problem_count: usize,
    /// The same in words; of very many only some.
    pub(crate) problems: Vec<String>,
}

/// An account that could not be read.
#[derive(Clone, Debug)]
pub(crate) struct FailedAccount {
    pub(crate) id: AccountId,
    pub(crate) name: Box<str>,
    pub(crate) error: ApiError,
}

impl ConfigCache {
    /// How the last refresh went: all protocols together.
    pub(crate) fn report(&self) -> RefreshReport {
        let protocols = self.protocols.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = RefreshReport::default();
        for known in protocols.values() {
            let RefreshReport { accounts, failed, entities, sensors, problem_count, .. } = &known.report;
            // Every protocol sees the same accounts.
            sum.accounts = sum.accounts.max(*accounts);
            sum.failed.extend(failed.iter().cloned());
            sum.entities += entities;
            sum.sensors += sensors;
            sum.problem_count += problem_count;
            sum.problems.extend(known.warnings.list());
        }
        sum.failed.sort_by_key(|account| account.id);
        sum.failed.dedup_by_key(|account| account.id);
        sum
    }

    /// Takes a refresh's answers, and gives the entities that there are now.
    fn accept<P: Protocol>(
        &self,
        answers: Vec<(Account, Result<Built<P>, ApiError>)>,
        mut problems: Problems,
    ) -> Vec<Arc<Entity<P>>> {
        let mut protocols = self.protocols.lock().unwrap_or_else(PoisonError::into_inner);
        let known = protocols.entry(TypeId::of::<P>()).or_default();
        let mut before = std::mem::take(&mut known.accounts);
        let mut report = RefreshReport { accounts: answers.len(), ..RefreshReport::default() };
        let mut all = Vec::new();
        for (account, answer) in answers {
            let mut kept = before.remove(&account.id).unwrap_or_default();
            match answer {
                Ok(built) => {
                    if kept.failing.take().is_some() {
                        tracing::info!("{} can be read again", account.shown());
                    }
                    all.extend(built.entities.iter().cloned());
                    kept = Kept {
                        entities: Some(Box::new(built.entities)),
                        problems: built.problems,
                        failing: None,
                    };
                }
                Err(error) => {
                    let had = kept.entities.as_deref().and_then(<dyn Any + Send + Sync>::downcast_ref);
                    let had: &[Arc<Entity<P>>] = had.map_or(&[], |had: &Vec<_>| had);
                    all.extend(had.iter().cloned());
                    let sort = (std::mem::discriminant(&error), error.status());
                    if kept.failing.replace(sort) != Some(sort) {
                        let (who, keeps) = (account.shown(), had.len());
                        tracing::warn!(
                            "{who} cannot be read and keeps what it had (entities: {keeps}): {error}"
                        );
                    }
                    report.failed.push(FailedAccount { id: account.id, name: account.name, error });
                }
            }
            problems.count += kept.problems.count;
            problems.texts.extend(kept.problems.texts.iter().cloned());
            known.accounts.insert(account.id, kept);
        }
        report.entities = all.len();
        report.sensors = all.iter().map(|entity| entity.sensors.len()).sum();
        report.problem_count = problems.count;
        known.report = report;
        known.warnings.look(problems.texts.into_iter().collect());
        all
    }
}

impl Account {
    fn shown(&self) -> String {
        let Self { id, name } = self;
        if name.is_empty() { format!("account {id}") } else { format!("account {id} ({name})") }
    }
}

#[cfg(test)]
mod tests;
