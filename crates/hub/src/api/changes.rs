//! Changes as they happen, for pages and bots: server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::{StatusCode, body::Frame};
use tokio::{
    sync::broadcast::{
        Receiver,
        error::{RecvError, TryRecvError},
    },
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{
    cx::Cx,
    feed::{Changed, Place, Stored},
    shared::Shared,
    values::json as points,
};
use crate::{
    auth::{Caller, User, Verb, Via},
    http::{Answer, Refusal},
    store::{pieces::Pieces, values::PathFilter},
};

/// Listeners at one time.
const MOST: usize = 512;

/// Those of one user: a bot has one, a person one in each page.
const MOST_OF_USER: usize = 64;

/// Filters of one listener.
const MOST_FILTERS: usize = 50;

/// How often values are told at most.
const VALUES_EVERY: Duration = Duration::from_millis(250);

/// How often a listener is told that there is nothing to tell; also how soon one that may listen no more is let go.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Steps of comparing the filters of one listener with one list of values: some milliseconds.
const MOST_STEPS: usize = 4_000_000;

/// Bytes of values that are gathered before they are told.
const MOST_GATHERED: usize = 1 << 20;

pub(crate) async fn listen(cx: &Cx) -> Result<Answer, Refusal> {
    let caller = cx.caller()?.clone();
    let query = cx.query();
    let filters = query.list("values").unwrap_or_default();
    if filters.len() > MOST_FILTERS {
        return Err(Refusal::bad_request(format!("more than {MOST_FILTERS} path filters")));
    }
    let filters: Vec<_> =
        filters.iter().map(|text| super::values::top::filter(text)).collect::<Result<_, _>>()?;
    let account = query.get("account").map(|id| id.parse::<i64>()).transpose();
    let account = account.map_err(|_| Refusal::bad_request("Invalid parameter: account"))?;
    let values = match (account, filters.is_empty()) {
        (_, true) => None,
        (None, false) => return Err(Refusal::bad_request("'values' needs 'account'")),
        (Some(account), false) => {
            if !caller.user.may(Verb::Get, &format!("accounts/{account}/values")) {
                return Err(Refusal::not_granted());
            }
            Some((account, filters))
        }
    };
    let place = cx.hub.feed.place(caller.user.id, MOST, MOST_OF_USER).ok_or_else(|| {
        let text = "too many listen already";
        Refusal::detail(StatusCode::SERVICE_UNAVAILABLE, text).retry_after(30)
    })?;
    let mut alive = interval_at(Instant::now() + ALIVE_EVERY, ALIVE_EVERY);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let listener = Listener {
        changes: cx.hub.feed.changes(),
        stored: values.is_some().then(|| cx.hub.feed.values()),
        topics: query.list("topics"),
        values,
        alive,
        gathered: Gathered::default(),
        greeted: false,
        caller,
        hub: Arc::clone(&cx.hub),
        _place: place,
    };
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(event)), listener))
    });
    Ok(Answer::live("text/event-stream", StreamBody::new(events).boxed_unsync()))
}

struct Listener {
    changes: Receiver<Changed>,
    stored: Option<Receiver<Stored>>,
    topics: Option<Vec<String>>,
    values: Option<(i64, Vec<PathFilter>)>,
    alive: tokio::time::Interval,
    gathered: Gathered,
    greeted: bool,
    caller: Caller,
    hub: Arc<Shared>,
    _place: Place,
}

/// Values that are told together.
#[derive(Default)]
struct Gathered {
    json: Vec<u8>,
    since: Option<Instant>,
}

impl Listener {
    /// The next event; nothing when the listener is to go.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(Bytes::from_static(b"event: hello\ndata: {}\n\n"));
        }
        loop {
            let due = self.gathered.since.map(|since| since + VALUES_EVERY);
            let stored = async {
                match &mut self.stored {
                    Some(stored) => stored.recv().await,
                    None => std::future::pending().await,
                }
            };
            let told = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let mut stopping = self.hub.stopping.clone();
            tokio::select! {
                // The hub stops, or is gone.
                _ = async { stopping.wait_for(|stop| *stop).await.is_err() } => return None,
                changed = self.changes.recv() => match changed {
                    Ok(changed) => {
                        let user = self.user()?;
                        if let Some(event) = self.changed(&user, changed) {
                            return Some(event);
                        }
                    }
                    Err(RecvError::Lagged(_)) => return Some(self.lost()),
                    Err(RecvError::Closed) => return None,
                },
                stored = stored => match stored {
                    Ok(stored) => {
                        if !self.gather(&stored) {
                            return Some(self.lost());
                        }
                    }
                    Err(RecvError::Lagged(_)) => return Some(self.lost()),
                    Err(RecvError::Closed) => return None,
                },
                () = told => {
                    let user = self.user()?;
                    if let Some(event) = self.tell(&user) {
                        return Some(event);
                    }
                }
                _ = self.alive.tick() => {
                    self.user()?;
                    return Some(Bytes::from_static(b": alive\n\n"));
                }
            }
        }
    }

    /// Who listens, as long as they may: a session ends, a bot gets another token, a user goes.
    fn user(&self) -> Option<Arc<User>> {
        let user = self.hub.directory.user(self.caller.user.id)?;
        match &self.caller.via {
            // A token that was replaced while somebody listens is noticed by the users' table: the hash is another one.
            Via::BotToken { hash } => self.hub.directory.holds_token(user.id, hash).then_some(user),
            Via::Bearer { session } | Via::Cookie { session, .. } => {
                self.hub.sessions.goes_on(session, self.hub.now()).then_some(user)
            }
        }
    }

    /// The event for a change that this listener wants and may know of.
    fn changed(&self, user: &User, Changed { topic, id }: Changed) -> Option<Bytes> {
        let is_below = |wanted: &String| {
            topic.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if !self.topics.as_ref().is_none_or(|topics| topics.iter().any(is_below)) {
            return None;
        }
        let may = match (&*topic, id) {
            // What somebody may do has changed: nobody else's concern.
            ("profile", id) => id == Some(user.id),
            ("accounts", Some(id)) => user.may(Verb::Get, &format!("accounts/{id}")),
            ("accounts" | "bots" | "status/info", _) => true,
            (topic, _) => user.may(Verb::Get, topic),
        };
        may.then(|| event(&topic, id))
    }

    fn gather(&mut self, stored: &Stored) -> bool {
        let Some((account, filters)) = &self.values else { return true };
        if *account != stored.account {
            return true;
        }
        if stored.cut || self.gathered.json.len() > MOST_GATHERED {
            return false;
        }
        // What one list adds is bounded as well: by what is told of it.
        let mut json = Pieces::default();
        let mut any = !self.gathered.json.is_empty();
        let mut steps = MOST_STEPS;
        for (path, time, value) in stored.points.iter() {
            let matches = filters.iter().any(|filter| filter.matches_within(path, &mut steps));
            if steps == 0 {
                return false;
            }
            if matches {
                json.raw(if any { ",{\"p\":" } else { "{\"p\":" });
                any = true;
                json.value(&**path);
                json.raw(",\"t\":");
                points::time(&mut json, *time);
                json.raw(",\"v\":");
                json.value(value);
                json.raw("}");
            }
        }
        json.finish().iter().for_each(|piece| self.gathered.json.extend_from_slice(piece));
        if any && self.gathered.since.is_none() {
            self.gathered.since = Some(Instant::now());
        }
        true
    }

    fn tell(&mut self, user: &User) -> Option<Bytes> {
        let Gathered { json, .. } = std::mem::take(&mut self.gathered);
        let (account, _) = self.values.as_ref()?;
        if json.is_empty() || !user.may(Verb::Get, &format!("accounts/{account}/values")) {
            return None;
        }
        let mut event = format!("event: values\ndata: {{\"account\":{account},\"values\":[").into_bytes();
        event.extend_from_slice(&json);
        event.extend_from_slice(b"]}\n\n");
        Some(event.into())
    }

    /// Something was missed: everything that waits is left out as well, for the listener starts anew.
    fn lost(&mut self) -> Bytes {
        self.gathered = Gathered::default();
        while !matches!(self.changes.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
        if let Some(stored) = &mut self.stored {
            while !matches!(stored.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
        }
        Bytes::from_static(b"event: lost\ndata: {}\n\n")
    }
}

fn event(topic: &str, id: Option<i64>) -> Bytes {
    let id = id.map_or_else(|| "null".to_owned(), |id| id.to_string());
    Bytes::from(format!("event: changed\ndata: {{\"topic\":\"{topic}\",\"id\":{id}}}\n\n"))
}
