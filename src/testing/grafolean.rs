//! The handle to a fake backend's insides: setting up, making it misbehave, looking at what arrived.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{
    defaults,
    device::Device,
    faults::{Fault, Faults},
    state::{Account, Answer, Ask, Bot, List, RecordKind, State},
    values::{Values, seconds},
};

/// Requests that are remembered; far more than a test looks at, and bounded for benchmarks.
const LOG_LIMIT: usize = 10_000;

/// A Grafolean backend in memory, as strict as the observed one: what it accepts, a real backend accepts,
/// and what that refuses is refused here with the same status and text.
///
/// This is the part that all fakes share: what the backend holds, what goes wrong with it, and what it was
/// asked. A clone is another handle to the same backend.
#[derive(Clone)]
pub struct FakeGrafolean {
    shared: Arc<Shared>,
    /// Faults that are set through this handle concern requests whose path contains this.
    only: String,
    token: String,
}

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    state: State,
    faults: Faults,
    skew: i64,
    without_defaults: bool,
    requests: VecDeque<SeenRequest>,
    request_count: u64,
}

/// A request that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenRequest {
    /// `GET`, `PUT`, …
    pub method: String,
    /// Below the backend's URL and without the query, where the token is: `/accounts/1/values`.
    pub path: String,
    /// What was answered; `None` where the connection was closed without an answer.
    pub status: Option<u16>,
}

/// What becomes of a request: decided at once, to be carried out by who speaks with the client.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// The backend's time, which may be skewed; microseconds since the epoch.
    pub(crate) now: i64,
    /// To wait before answering.
    pub(crate) delay: Duration,
    pub(crate) retry_after: Option<u32>,
    pub(crate) reply: Reply,
}

/// How a request is answered.
#[derive(Debug)]
pub(crate) enum Reply {
    Whole(Answer),
    /// The beginning only, then the connection is closed; at once where there is nothing to send.
    Half(Answer),
    /// This many bytes of a list that means nothing.
    Huge(u64),
    /// The connection is closed without an answer.
    None,
}

impl fmt::Debug for FakeGrafolean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeGrafolean").field("requests", &self.request_count()).finish_non_exhaustive()
    }
}

impl FakeGrafolean {
    /// An empty backend with one bot, for any protocol, that may see all accounts.
    pub(crate) fn new() -> Self {
        let mut this = Self { shared: Arc::default(), only: String::new(), token: String::new() };
        this.token = this.add_bot("ping");
        this
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request by the rules, or as a fault has it.
    pub(crate) fn exchange(&self, ask: &Ask<'_>) -> Exchange {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let now = ask.now.saturating_add(inner.skew);
        let ask = Ask { now, ..*ask };
        let mut retry_after = None;
        let (delay, reply) = if inner.faults.down {
            (Duration::ZERO, Reply::None)
        } else {
            let (delay, fault) = inner.faults.next(ask.path);
            let reply = match fault {
                None | Some(Fault::Delay(_)) => Reply::Whole(inner.state.respond(&ask)),
                Some(Fault::Half) => Reply::Half(inner.state.respond(&ask)),
                Some(Fault::Lost) => {
                    inner.state.respond(&ask);
                    Reply::None
                }
                Some(Fault::Huge(bytes)) => Reply::Huge(bytes),
                Some(Fault::Html) => {
                    let page = "<!DOCTYPE html><html><body><h1>Welcome to nginx!</h1></body></html>";
                    Reply::Whole(Answer { content_type: "text/html", ..Answer::text(200, page) })
                }
                Some(Fault::Status(status)) => {
                    retry_after = inner.faults.retry_after;
                    Reply::Whole(match status {
                        401 => Answer::unknown_token(),
                        403 => Answer::forbidden(),
                        500 => Answer::stumbled(),
                        _ => Answer::text(status, format!("the test wants a {status}")),
                    })
                }
            };
            (delay, reply)
        };
        let status = match &reply {
            Reply::Whole(answer) | Reply::Half(answer) => Some(answer.status),
            Reply::Huge(_) => Some(200),
            Reply::None => None,
        };
        inner.request_count += 1;
        if inner.requests.len() == LOG_LIMIT {
            inner.requests.pop_front();
        }
        let (method, path) = (ask.method.to_owned(), ask.path.to_owned());
        inner.requests.push_back(SeenRequest { method, path, status });
        self.shared.changed.notify_waiters();
        Exchange { now, delay, retry_after, reply }
    }
}

/// Setting up.
#[expect(clippy::must_use_candidate, reason = "what is added is there, whether its id is wanted or not")]
#[expect(clippy::panic, reason = "a test that names an account that is not there is to fail at that line")]
impl FakeGrafolean {
    /// The token of the bot that is there from the start. It may see all accounts.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A bot's user id, if the token is known.
    #[must_use]
    pub fn bot_id(&self, token: &str) -> Option<u64> {
        self.lock().state.bots.iter().find(|bot| bot.token == token).map(|bot| bot.id)
    }

    /// From now on accounts start empty, without the default credentials and sensors.
    pub fn without_account_defaults(&self) {
        self.lock().without_defaults = true;
    }

    /// Adds an account and returns its id. It starts with the default credentials and sensors.
    pub fn add_account(&self, name: &str) -> u64 {
        let (id, with_defaults) = {
            let mut inner = self.lock();
            let id = inner.state.new_id();
            inner.state.accounts.push(Account {
                id,
                record: json!({"id": id, "name": name}),
                entities: List::default(),
                credentials: List::default(),
                sensors: List::default(),
                values: Values::default(),
            });
            (id, !inner.without_defaults)
        };
        if with_defaults {
            for (protocol, name, details) in defaults::credentials() {
                self.add_named(id, RecordKind::Credentials, protocol, name, details, None);
            }
            for (protocol, name, interval, details) in defaults::sensors() {
                self.add_named(id, RecordKind::Sensors, protocol, name, details, Some(interval));
            }
        }
        id
    }

    /// Removes an account with all that is in it; says whether it was there.
    pub fn remove_account(&self, account: u64) -> bool {
        let accounts = &mut self.lock().state.accounts;
        let before = accounts.len();
        accounts.retain(|a| a.id != account);
        accounts.len() != before
    }

    /// Adds a bot that may see all accounts, and returns its token.
    pub fn add_bot(&self, protocol: &str) -> String {
        let mut inner = self.lock();
        let id = inner.state.new_id();
        let token =
            format!("{id:08x}-fa4e-4bac-8eed-{:012x}", id.wrapping_mul(0x9e37_79b9) & 0xffff_ffff_ffff);
        let (name, protocol) = (format!("{protocol} bot"), protocol.to_owned());
        inner.state.bots.push(Bot { id, token: token.clone(), name, protocol, accounts: None });
        token
    }

    /// From now on the bot sees these accounts only.
    pub fn restrict_bot(&self, token: &str, accounts: &[u64]) {
        if let Some(bot) = self.lock().state.bots.iter_mut().find(|bot| bot.token == token) {
            bot.accounts = Some(accounts.to_vec());
        }
    }

    /// Forgets a bot: its token is answered with 401 from now on.
    pub fn revoke(&self, token: &str) {
        self.lock().state.bots.retain(|bot| bot.token != token);
    }

    /// Takes a permission from all bots: requests with this method (`*`: any) for this path or one below it
    /// are answered with 403. `forbid("PUT", "accounts/1/values")`
    pub fn forbid(&self, method: &str, path: &str) {
        let rule = (method.to_owned(), path.trim_matches('/').to_owned());
        self.lock().state.forbidden.push(rule);
    }

    /// Grants all that was forbidden.
    pub fn allow_all(&self) {
        self.lock().state.forbidden.clear();
    }

    /// Whether the backend says that its database has to be migrated: then it is not ready.
    pub fn set_migration_needed(&self, needed: bool) {
        self.lock().state.migration_needed = needed;
    }

    /// Adds a credential and returns its id.
    pub fn add_credential(&self, account: u64, protocol: &str, details: Value) -> u64 {
        let name = format!("{protocol} credential");
        self.add_named(account, RecordKind::Credentials, protocol, &name, details, None)
    }

    /// Adds a sensor and returns its id.
    pub fn add_sensor(
        &self,
        account: u64,
        protocol: &str,
        default_interval: Option<u32>,
        details: Value,
    ) -> u64 {
        let name = format!("{protocol} sensor");
        let interval = Some(default_interval);
        self.add_named(account, RecordKind::Sensors, protocol, &name, details, interval)
    }

    fn add_named(
        &self,
        account: u64,
        kind: RecordKind,
        protocol: &str,
        name: &str,
        details: Value,
        interval: Option<Option<u32>>,
    ) -> u64 {
        let mut record = json!({"name": name, "protocol": protocol, "details": details});
        if let Some(interval) = interval {
            record["default_interval"] = json!(interval);
        }
        self.add_record(account, kind, record)
    }

    /// Begins a device; [`Device::add`] puts it into the account.
    pub fn device(&self, account: u64, name: &str) -> Device {
        Device::new(self.clone(), account, name)
    }

    /// Adds any record, giving it an id if it is an object that has none; returns the id.
    ///
    /// # Panics
    ///
    /// If there is no such account.
    pub fn add_record(&self, account: u64, kind: RecordKind, mut record: Value) -> u64 {
        let new_id = self.lock().state.new_id();
        if let Value::Object(fields) = &mut record {
            fields.entry("id").or_insert(new_id.into());
        }
        self.plant(account, kind, &record);
        record["id"].as_u64().unwrap_or(new_id)
    }

    /// Adds a record exactly as it is, however broken.
    ///
    /// # Panics
    ///
    /// If there is no such account.
    pub fn plant(&self, account: u64, kind: RecordKind, record: &Value) {
        self.with_list(account, kind, |list| list.push(record));
    }

    /// Changes a record, in whatever way; says whether it was there.
    ///
    /// # Panics
    ///
    /// If there is no such account.
    pub fn edit(&self, account: u64, kind: RecordKind, id: u64, change: impl FnOnce(&mut Value)) -> bool {
        self.with_list(account, kind, |list| {
            let Some(mut record) = list.get(id).and_then(|json| serde_json::from_str(json).ok()) else {
                return false;
            };
            change(&mut record);
            list.replace(id, &record)
        })
    }

    /// Removes a record; says whether it was there.
    ///
    /// # Panics
    ///
    /// If there is no such account.
    pub fn remove(&self, account: u64, kind: RecordKind, id: u64) -> bool {
        self.with_list(account, kind, |list| list.remove(id))
    }

    fn with_list<T>(&self, account: u64, kind: RecordKind, act: impl FnOnce(&mut List) -> T) -> T {
        match self.lock().state.account(account) {
            Some(account) => act(account.list(kind)),
            None => panic!("the fake backend has no account {account}"),
        }
    }
}

/// Misbehaving. Faults are taken in the order in which they were set, one per request; delays come on top.
impl FakeGrafolean {
    /// This backend, for faults of requests whose path contains `part` only:
    /// `backend.on("/values").fail_next(503)`.
    #[must_use]
    pub fn on(&self, part: &str) -> Self {
        Self { only: part.to_owned(), ..self.clone() }
    }

    fn plan(&self, fault: Fault, times: Option<u64>) {
        self.lock().faults.plan(fault, &self.only, times);
    }

    /// From now on every connection is closed without an answer.
    pub fn down(&self) {
        self.lock().faults.down = true;
    }

    /// Answers again.
    pub fn up(&self) {
        self.lock().faults.down = false;
    }

    /// Answers the next request with this status; it has no effect.
    pub fn fail_next(&self, status: u16) {
        self.plan(Fault::Status(status), Some(1));
    }

    /// Answers the next `n` requests with this status.
    pub fn fail_next_n(&self, n: u64, status: u16) {
        self.plan(Fault::Status(status), Some(n));
    }

    /// Answers every request with this status, until told otherwise.
    pub fn fail_all(&self, status: Option<u16>) {
        self.lock().faults.take_back(&self.only, |fault| matches!(fault, Fault::Status(_)));
        if let Some(status) = status {
            self.plan(Fault::Status(status), None);
        }
    }

    /// Says in answers with a planned status how many seconds the client is to wait (`Retry-After`).
    pub fn with_retry_after(&self, seconds: Option<u32>) {
        self.lock().faults.retry_after = seconds;
    }

    /// Every request has its effect at once, but is answered this much later.
    pub fn answer_after(&self, delay: Duration) {
        self.lock().faults.take_back(&self.only, |fault| matches!(fault, Fault::Delay(_)));
        if !delay.is_zero() {
            self.plan(Fault::Delay(delay), None);
        }
    }

    /// The next request has its effect at once, but is answered this much later.
    pub fn slow_next(&self, delay: Duration) {
        self.plan(Fault::Delay(delay), Some(1));
    }

    /// The next `n` requests have their effect, but half of the answer is missing. Where an answer has no
    /// body, all of it is.
    pub fn half_answers(&self, n: u64) {
        self.plan(Fault::Half, Some(n));
    }

    /// The next `n` requests have their effect, but the connection is closed without an answer.
    pub fn lose_answers(&self, n: u64) {
        self.plan(Fault::Lost, Some(n));
    }

    /// Answers the next `n` requests with a page and status 200, as a wrongly configured proxy does.
    pub fn html_instead_of_json(&self, n: u64) {
        self.plan(Fault::Html, Some(n));
    }

    /// Answers the next `n` requests with a list of this many bytes, made while it is sent.
    pub fn huge_body(&self, n: u64, bytes: u64) {
        self.plan(Fault::Huge(bytes), Some(n));
    }

    /// Refuses, with the 400 for an invalid path, every list of values that holds a path with this prefix.
    pub fn refuse_paths(&self, prefix: &str) {
        self.lock().state.refused_prefixes.push(prefix.to_owned());
    }

    /// Refuses no paths any more, but for the rules.
    pub fn accept_paths(&self) {
        self.lock().state.refused_prefixes.clear();
    }

    /// Moves the backend's clock by this many seconds: its `Date` header, and the time it stamps.
    #[expect(clippy::cast_possible_truncation, reason = "a skew out of range becomes the largest one")]
    pub fn skew(&self, seconds: f64) {
        self.lock().skew = (seconds * 1e6) as i64;
    }
}

/// Looking at what arrived.
impl FakeGrafolean {
    /// The last 10,000 requests.
    #[must_use]
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.lock().requests.iter().cloned().collect()
    }

    /// Requests since the start, or since they were cleared.
    #[must_use]
    pub fn request_count(&self) -> u64 {
        self.lock().request_count
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        let mut inner = self.lock();
        inner.requests.clear();
        inner.request_count = 0;
    }

    /// From now on values are judged and counted, but not kept: for measuring how fast they are delivered.
    pub fn count_values_only(&self) {
        self.lock().state.count_only = true;
    }

    /// An account's values: by path, each with its time in seconds.
    #[must_use]
    pub fn values(&self, account: u64) -> BTreeMap<String, Vec<(f64, f64)>> {
        self.read_values(account, |time, stored| (seconds(time), stored.value))
    }

    /// How often each value of an account was written: by path, each with its time in microseconds. More
    /// than once means that it was sent again, and stored once nevertheless.
    #[must_use]
    pub fn stored_writes(&self, account: u64) -> BTreeMap<String, Vec<(i64, u32)>> {
        self.read_values(account, |time, stored| (time, stored.writes))
    }

    fn read_values<T>(
        &self,
        account: u64,
        each: impl Fn(i64, &super::values::Stored) -> T,
    ) -> BTreeMap<String, Vec<T>> {
        let mut inner = self.lock();
        let all = inner.state.account(account).map(|account| account.values.all());
        let in_time = all.into_iter().flatten();
        in_time.map(|(p, times)| (p.clone(), times.iter().map(|(&t, s)| each(t, s)).collect())).collect()
    }

    /// Values stored in all accounts; one that was sent again counts once.
    #[must_use]
    pub fn value_count(&self) -> u64 {
        self.lock().state.stored
    }

    /// Values accepted in all accounts; one that was sent again counts again.
    #[must_use]
    pub fn write_count(&self) -> u64 {
        self.lock().state.writes
    }

    /// Waits until `condition` holds, looking after every request; says whether it did within the time.
    pub async fn wait_until(&self, condition: impl Fn(&Self) -> bool, limit: Duration) -> bool {
        let holds = async {
            loop {
                // Registered before looking, so that a request in between is not missed.
                let mut changed = std::pin::pin!(self.shared.changed.notified());
                changed.as_mut().enable();
                if condition(self) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, holds).await.is_ok() || condition(self)
    }
}
