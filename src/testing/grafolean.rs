//! The handle to a fake backend's insides: answering a request, and looking at what arrived.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::Notify;

use super::{
    changes::Listening,
    faults::{Fault, Faults},
    lists::RecordKind,
    state::{Answer, AnswerBody, Ask, State},
    values::{Stored, seconds},
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
    /// Faults that are set through this handle concern requests whose method and path contain this.
    pub(super) only: String,
    pub(super) token: String,
}

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) state: State,
    pub(super) faults: Faults,
    /// Microseconds that the backend's clock is ahead.
    pub(super) skew: i64,
    pub(super) without_defaults: bool,
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
    /// Changes as they happen.
    Changes(Listening),
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

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
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
            let (delay, fault) = inner.faults.next(ask.method, ask.path);
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
        let reply = match reply {
            Reply::Whole(Answer { body: AnswerBody::Changes(accounts), .. }) => {
                Reply::Changes(inner.state.announcer.listen(accounts))
            }
            other => other,
        };
        let status = match &reply {
            Reply::Whole(answer) | Reply::Half(answer) => Some(answer.status),
            Reply::Huge(_) | Reply::Changes(_) => Some(200),
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

    /// An account's records of one kind, as its list shows them.
    #[must_use]
    pub fn records(&self, account: u64, kind: RecordKind) -> Vec<Value> {
        let mut inner = self.lock();
        let list = inner.state.account(account).map(|account| account.list(kind).listing());
        let list = list.and_then(|list| serde_json::from_slice::<Value>(&list.plain).ok());
        list.and_then(|mut list| list["list"].as_array_mut().map(std::mem::take)).unwrap_or_default()
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

    fn read_values<T>(&self, account: u64, each: impl Fn(i64, &Stored) -> T) -> BTreeMap<String, Vec<T>> {
        let mut inner = self.lock();
        let all = inner.state.account(account).map(|account| account.values.all());
        let in_time = all.into_iter().flatten();
        in_time.map(|(p, times)| (p.clone(), times.iter().map(|(&t, s)| each(t, s)).collect())).collect()
    }

    /// What a bot said last of what goes wrong: `{"account", "entity", "protocol", "since", "error"}` each.
    #[must_use]
    pub fn problems(&self, token: &str) -> Vec<Value> {
        let inner = self.lock();
        let bot = inner.state.bots.iter().find(|bot| bot.token == token);
        bot.map(|bot| bot.problems.clone()).unwrap_or_default()
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
