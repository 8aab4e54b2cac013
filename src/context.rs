//! What a collector works with.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::backend::config_cache::ConfigCache;
use crate::backend::devices::{self, Device};
use crate::backend::{Api, ApiError, EntityContent, EntityWrite, job_configs};
use crate::clock::{Clock, SystemClock};
use crate::error::FetchError;
use crate::ids::{AccountId, EntityId, UserId};
use crate::job::About;
use crate::parts::{Knowledge, Parts};
use crate::protocol::{Entity, Protocol};
use crate::state::State;
use crate::telemetry::{MetricsText, Warnings};

/// What a collector works with while it lists its jobs and [performs](crate::Run::context) them: the backend, and
/// who it is there.
///
/// ```
/// use grafoleancollector::{Context, Entity, Protocol};
///
/// /// The device's address; without one the entity is skipped, and the log says so once.
/// fn address<P: Protocol>(cx: &Context, entity: &Entity<P>) -> Option<String> {
///     let address = entity.details.text("ipv4");
///     if address.is_none() {
///         cx.skip(entity, "details.ipv4: missing");
///     }
///     address
/// }
/// ```
#[derive(Clone)]
pub struct Context {
    pub(crate) api: Arc<dyn Api>,
    pub(crate) user: UserId,
    pub(crate) configs: Arc<ConfigCache>,
    parts: Arc<Knowledge>,
    skipped: Arc<Skipped>,
    state: State,
    clock: Arc<dyn Clock>,
    data_dir: Option<PathBuf>,
    may_write: bool,
}

/// What the collector itself could not use.
#[derive(Default)]
struct Skipped {
    found: Mutex<Found>,
    said: Warnings,
    /// What the last look found, by the entity.
    last: Mutex<HashMap<About, Box<str>>>,
}

#[derive(Default)]
struct Found {
    texts: HashSet<String>,
    of_entities: HashMap<About, Box<str>>,
}

/// Skipped entities that are kept in words. A wrong template can concern all entities of an account.
const SKIPPED_KEPT: usize = 1_000;

impl Context {
    /// Nobody yet: the backend has not said who we are.
    pub(crate) fn new(api: Arc<dyn Api>) -> Self {
        Self {
            api,
            user: UserId::new(0),
            configs: Arc::default(),
            parts: Arc::default(),
            skipped: Arc::default(),
            state: State::memory(),
            clock: Arc::new(SystemClock),
            data_dir: None,
            may_write: true,
        }
    }

    /// As this, but nothing is written to the backend: parts are as if they were not known.
    pub(crate) fn looking_only(mut self) -> Self {
        self.may_write = false;
        self
    }

    pub(crate) fn remembering(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    pub(crate) fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    pub(crate) fn with_data_dir(mut self, data_dir: Option<PathBuf>) -> Self {
        self.data_dir = data_dir;
        self
    }

    pub(crate) fn of_user(mut self, user: UserId) -> Self {
        self.user = user;
        self
    }

    /// This bot's id in the backend.
    #[must_use]
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// The clock by which this bot's runs are planned and stamped.
    #[must_use]
    pub const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Where this bot may keep files of its own: `DATA_DIR`, unless that is `none`. Nobody else uses it.
    #[must_use]
    pub fn data_dir(&self) -> Option<&Path> {
        self.data_dir.as_deref()
    }

    /// What this bot remembers between its runs and lives: in `DATA_DIR`, or in memory where that is `none`, and in
    /// the commands `check` and `once`.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use grafoleancollector::Context;
    ///
    /// /// The counters as they were when they were last seen.
    /// async fn baselines(cx: &Context) -> HashMap<Box<[u8]>, u64> {
    ///     let remembered = cx.state().table("baselines").load().await;
    ///     let number = |value: Box<[u8]>| Some(u64::from_le_bytes((*value).try_into().ok()?));
    ///     remembered.into_iter().filter_map(|(key, value)| Some((key, number(value)?))).collect()
    /// }
    /// ```
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Notes that an entity cannot be served, and why: name the field. It is logged once, not at every refresh,
    /// `check` and `/jobs` show it, and the backend is told where it wants to know.
    pub fn skip<P: Protocol>(&self, entity: &Entity<P>, why: impl fmt::Display) {
        let mut found = self.skipped.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.texts.len() < SKIPPED_KEPT {
            let Entity { account, id, name, .. } = entity;
            let why = why.to_string();
            found.texts.insert(format!("account {account}, entity {id} ({name}): {why}"));
            found.of_entities.entry(About::of(entity)).or_insert_with(|| why.into());
        }
    }

    /// The parts of an entity that is served, to read and to change. None as long as they are not known: until a
    /// look has read the account's list, while they are written to, and after a write of which nobody knows whether it
    /// was done. None as well where nothing is to be written at all: under the command `once`.
    ///
    /// It does not compile for a protocol without [`PARTS`](Protocol::PARTS).
    #[must_use]
    pub fn parts_of<P: Protocol>(&self, account: AccountId, entity: EntityId) -> Option<Parts> {
        const { assert!(P::PARTS.is_some(), "the protocol has to say what its parts are: set PARTS") };
        if !self.may_write {
            return None;
        }
        Parts::of::<P>(self.api.clone(), self.parts.clone(), account, entity)
    }

    /// The accounts that this bot may see, as the last look at the jobs found them.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountId> {
        self.configs.accounts()
    }

    /// Whether every account that this bot may see has been read, at the last look or before. As long as one never was,
    /// there may be entities that nobody knows of.
    #[must_use]
    pub fn knows_all_accounts(&self) -> bool {
        !self.configs.report().failed.iter().any(|account| account.never_read)
    }

    /// Reads the devices of an account, whoever serves them: with one request, however many they are. Those that
    /// cannot be read are left out; a look at the jobs names them.
    ///
    /// # Errors
    /// When the backend does not give the list.
    pub async fn devices(&self, account: AccountId) -> Result<Vec<Device>, ApiError> {
        devices::list(&*self.api, account).await
    }

    /// Suggests a device: an entity without any protocol, for a person to set up or to delete. None where nothing is
    /// to be written: under the command `once`.
    ///
    /// When the answer is lost nobody knows whether it was created: look at [`devices`](Self::devices) before
    /// suggesting it again.
    ///
    /// # Errors
    /// When the backend refuses, or does not answer.
    pub async fn suggest_device(
        &self,
        account: AccountId,
        name: impl Into<String> + Send,
        details: Map<String, Value>,
    ) -> Result<Option<EntityId>, ApiError> {
        if !self.may_write {
            return Ok(None);
        }
        let content = EntityContent::new(name, devices::DEVICE, details);
        let write = EntityWrite::Create { parent: None, content };
        self.api.write_entity(account, &write).await.map(Some)
    }

    /// Reads the entities that have protocol `P` and are this bot's to serve.
    pub(crate) fn fetch<P: Protocol>(
        &self,
    ) -> impl Future<Output = Result<Vec<Arc<Entity<P>>>, FetchError>> + Send {
        job_configs::fetch(&self.api, self.user, &self.configs, &self.parts)
    }

    /// A look at the jobs is over: what it skipped is logged, if it is new.
    pub(crate) fn settle(&self) {
        let found = std::mem::take(&mut *self.skipped.found.lock().unwrap_or_else(PoisonError::into_inner));
        self.skipped.said.look(found.texts);
        *self.skipped.last.lock().unwrap_or_else(PoisonError::into_inner) = found.of_entities;
    }

    /// Entities that are not served, or not in full, and why: as the last look found.
    pub(crate) fn unserved(&self) -> HashMap<About, Box<str>> {
        let mut unserved: HashMap<_, _> = self.configs.broken().into_iter().collect();
        let skipped = self.skipped.last.lock().unwrap_or_else(PoisonError::into_inner);
        unserved.extend(skipped.iter().map(|(about, why)| (*about, why.clone())));
        unserved
    }

    /// All that is wrong with the configuration, as far as the last look found.
    pub(crate) fn problems(&self) -> Vec<String> {
        let report = self.configs.report();
        let failed = report.failed.iter().map(ToString::to_string);
        let mut problems: Vec<_> = failed.chain(report.problems).collect();
        problems.extend(self.skipped.said.list());
        problems
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
    pub(crate) fn write_metrics(&self, out: &mut MetricsText) {
        let report = self.configs.report();
        let problems = report.problem_count + self.skipped.said.list().len();
        out.gauge("grafolean_accounts", "Accounts that this bot may see.", report.accounts as f64);
        out.gauge(
            "grafolean_accounts_failed",
            "Accounts that could not be read last.",
            report.failed.len() as f64,
        );
        out.gauge("grafolean_entities", "Entities that this bot serves.", report.entities as f64);
        out.gauge("grafolean_sensors", "Sensors on these entities.", report.sensors as f64);
        out.gauge(
            "grafolean_config_problems",
            "Broken parts of the configuration, which are skipped.",
            problems as f64,
        );
        self.parts.write_metrics(out);
        self.state.write_metrics(out);
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("user", &self.user).finish_non_exhaustive()
    }
}
