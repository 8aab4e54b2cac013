//! The rules of a Grafolean backend, in memory: from a request to an answer, without sockets and clocks.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{
    changes::Announcer,
    lists::{List, Listing, RecordKind},
    values::{Refusal, Stamp, Values, is_path, micros},
};

/// A request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    /// Below the backend's URL: `/accounts/1/values`.
    pub(crate) path: &'a str,
    /// Without the question mark.
    pub(crate) query: &'a str,
    pub(crate) body: &'a [u8],
    /// Microseconds since the epoch.
    pub(crate) now: i64,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: AnswerBody,
}

/// Bytes that were made for this answer, or a list that is kept until something in it changes.
#[derive(Clone, Debug)]
pub(crate) enum AnswerBody {
    Made(Bytes),
    List(Arc<Listing>),
    /// Changes as they happen, as far as a bot that sees these accounts is told.
    Changes(Option<Vec<u64>>),
}

impl Answer {
    pub(crate) fn text(status: u16, text: impl Into<String>) -> Self {
        let body = AnswerBody::Made(Bytes::from(text.into()));
        Self { status, content_type: "text/plain; charset=utf-8", body }
    }

    fn json(status: u16, json: impl ToString) -> Self {
        let body = AnswerBody::Made(Bytes::from(json.to_string()));
        Self { status, content_type: "application/json", body }
    }

    fn detail(status: u16, detail: &str) -> Self {
        Self::json(status, json!({ "detail": detail }))
    }

    fn done() -> Self {
        Self::json(204, "")
    }

    pub(crate) fn stumbled() -> Self {
        Self::text(500, "Internal Server Error")
    }

    pub(crate) fn unknown_token() -> Self {
        Self::text(401, "Access denied")
    }

    pub(crate) fn forbidden() -> Self {
        Self::text(403, "Access to resource denied, insufficient permissions")
    }

    /// The body's plain bytes.
    pub(crate) fn bytes(&self) -> &Bytes {
        match &self.body {
            AnswerBody::Made(bytes) => bytes,
            AnswerBody::List(listing) => &listing.plain,
            AnswerBody::Changes(_) => {
                static NOTHING: Bytes = Bytes::new();
                &NOTHING
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) id: u64,
    pub(crate) record: Value,
    pub(crate) entities: List,
    pub(crate) credentials: List,
    pub(crate) sensors: List,
    pub(crate) values: Values,
}

impl Account {
    pub(crate) fn list(&mut self, kind: RecordKind) -> &mut List {
        match kind {
            RecordKind::Entities => &mut self.entities,
            RecordKind::Credentials => &mut self.credentials,
            RecordKind::Sensors => &mut self.sensors,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Bot {
    pub(crate) id: u64,
    pub(crate) token: String,
    pub(crate) name: String,
    pub(crate) protocol: String,
    /// The accounts that it may see; all when `None`.
    pub(crate) accounts: Option<Vec<u64>>,
    /// What it said last of what goes wrong.
    pub(crate) problems: Vec<Value>,
}

/// All that a backend knows.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) accounts: Vec<Account>,
    pub(crate) bots: Vec<Bot>,
    /// Methods and paths that are not granted.
    pub(crate) forbidden: Vec<(String, String)>,
    pub(crate) refused_prefixes: Vec<String>,
    pub(crate) migration_needed: bool,
    pub(crate) count_only: bool,
    /// What it offers beyond the original.
    pub(crate) offers_changes: bool,
    pub(crate) offers_problems: bool,
    pub(crate) announcer: Announcer,
    /// Values written, repeated ones included.
    pub(crate) writes: u64,
    /// Values with a path and time of their own.
    pub(crate) stored: u64,
    last_id: u64,
}

impl State {
    pub(crate) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn account(&mut self, id: u64) -> Option<&mut Account> {
        self.accounts.iter_mut().find(|account| account.id == id)
    }

    /// Answers a request, and does what it asks for.
    pub(crate) fn respond(&mut self, ask: &Ask<'_>) -> Answer {
        let path = ask.path.trim_matches('/');
        let segments: Vec<&str> = path.split('/').collect();
        if segments == ["status", "info"] {
            return self.status();
        }
        let token = parameter(ask.query, "b").unwrap_or_default();
        let Some(bot) = self.bots.iter().find(|bot| bot.token == token) else {
            return Answer::unknown_token();
        };
        if self.forbidden.iter().any(|(method, prefix)| is_covered(method, prefix, ask.method, path)) {
            return Answer::forbidden();
        }
        match (ask.method, segments.as_slice()) {
            ("GET", ["profile"]) => Self::profile(bot, ask.now),
            ("GET", ["changes"]) if self.offers_changes => Answer {
                status: 200,
                content_type: "text/event-stream",
                body: AnswerBody::Changes(bot.accounts.clone()),
            },
            ("PUT", ["profile", "problems"]) if self.offers_problems => {
                let id = bot.id;
                self.take_problems(id, ask.body)
            }
            ("GET", ["accounts"]) => {
                let seen = self.accounts.iter().filter(|a| may_see(bot, a.id));
                Answer::json(200, json!({"list": seen.map(|a| &a.record).collect::<Vec<_>>()}))
            }
            (_, ["accounts", account, rest @ ..]) if !rest.is_empty() => {
                let account = account.parse().ok().filter(|&id| may_see(bot, id));
                match account.filter(|&id| self.account(id).is_some()) {
                    Some(account) => self.in_account(account, ask, rest),
                    None => Answer::forbidden(),
                }
            }
            _ => Answer::detail(404, "Not Found"),
        }
    }

    fn status(&self) -> Answer {
        let user_exists = if self.migration_needed { Value::Null } else { Value::Bool(true) };
        let mut status = json!({
            "alive": true, "db_migration_needed": self.migration_needed, "db_version": 30,
            "user_exists": user_exists, "cors_domains": [], "mqtt_ws_hostname": "", "mqtt_ws_port": "",
            "enable_signup": false,
        });
        let features = [("changes", self.offers_changes), ("problems", self.offers_problems)];
        if features.iter().any(|(_, offered)| *offered) {
            let offered = features.iter().filter(|(_, offered)| *offered);
            status["features"] = offered.map(|(name, _)| *name).collect();
        }
        Answer::json(200, status)
    }

    fn profile(bot: &Bot, now: i64) -> Answer {
        let tied_to = bot.accounts.as_deref().and_then(|accounts| match accounts {
            [account] => Some(account),
            _ => None,
        });
        let record = json!({
            "id": bot.id, "name": bot.name, "protocol": bot.protocol, "tied_to_account": tied_to,
            "config": null, "insert_time": now / 1_000_000, "last_login": now / 1_000_000,
        });
        Answer::json(200, json!({"user_id": bot.id, "user_type": "bot", "record": record}))
    }

    /// All problems that a bot has now.
    fn take_problems(&mut self, bot: u64, body: &[u8]) -> Answer {
        let report: Value = serde_json::from_slice(body).unwrap_or_default();
        let is_problem = |problem: &Value| {
            problem["account"].is_u64()
                && problem["entity"].is_u64()
                && problem["protocol"].is_string()
                && problem["since"].is_number()
                && problem["error"].is_string()
        };
        match report["list"].as_array() {
            Some(list) if list.iter().all(is_problem) => {
                if let Some(bot) = self.bots.iter_mut().find(|known| known.id == bot) {
                    bot.problems.clone_from(list);
                }
                Answer::done()
            }
            _ => Answer::detail(400, "Input validation failed: 'list' is not a list of problems"),
        }
    }

    fn in_account(&mut self, account: u64, ask: &Ask<'_>, rest: &[&str]) -> Answer {
        let (kind, singular) = match rest[0] {
            "entities" => (RecordKind::Entities, "entity"),
            "credentials" => (RecordKind::Credentials, "credential"),
            "sensors" => (RecordKind::Sensors, "sensor"),
            "values" => return self.values(account, ask, &rest[1..]),
            _ => return Answer::detail(404, "Not Found"),
        };
        let id = rest.get(1).map(|id| id.parse::<u64>().unwrap_or(u64::MAX));
        let next_id = self.last_id + 1;
        let account_id = account;
        let Some(account) = self.accounts.iter_mut().find(|account| account.id == account_id) else {
            return Answer::forbidden();
        };
        let list = account.list(kind);
        let announce = |id| self.announcer.in_account(account_id, kind.plural(), id);
        let unknown = || Answer::detail(404, &format!("No such {singular}"));
        match (ask.method, kind, id) {
            (_, _, _) if rest.len() > 2 => Answer::detail(404, "Not Found"),
            ("GET", _, None) => Answer {
                status: 200,
                content_type: "application/json",
                body: AnswerBody::List(list.listing()),
            },
            ("GET", _, Some(id)) => list.get(id).map_or_else(unknown, |json| Answer::json(200, json)),
            ("POST", RecordKind::Entities, None) => match entity_input(ask.body) {
                Err(refusal) => refusal,
                Ok(mut entity) => {
                    entity.insert("id".to_owned(), next_id.into());
                    for (key, default) in [("parent", Value::Null), ("protocols", json!({}))] {
                        entity.entry(key).or_insert(default);
                    }
                    list.push(&Value::Object(entity));
                    self.last_id = next_id;
                    announce(next_id);
                    Answer::json(201, json!({ "id": next_id }))
                }
            },
            ("PUT", RecordKind::Entities, Some(id)) => match (entity_input(ask.body), list.get(id)) {
                (Err(refusal), _) => refusal,
                (Ok(_), None) => unknown(),
                (Ok(mut changed), Some(json)) => {
                    let mut entity: Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
                    changed.remove("parent");
                    entity.extend(changed);
                    entity.insert("id".to_owned(), id.into());
                    list.replace(id, &Value::Object(entity));
                    announce(id);
                    Answer::done()
                }
            },
            ("DELETE", RecordKind::Entities, Some(id)) => {
                if list.remove(id) {
                    announce(id);
                    Answer::done()
                } else {
                    unknown()
                }
            }
            _ => Answer::detail(405, "Method Not Allowed"),
        }
    }

    fn values(&mut self, account: u64, ask: &Ask<'_>, rest: &[&str]) -> Answer {
        let keep = !self.count_only;
        let prefixes = std::mem::take(&mut self.refused_prefixes);
        let Some(account) = self.account(account) else { return Answer::forbidden() };
        let result = match (ask.method, rest) {
            ("PUT", []) => Some(account.values.write(ask.body, Stamp::Own, &prefixes, keep)),
            ("POST", []) => Some(account.values.write(ask.body, Stamp::Now(ask.now), &prefixes, keep)),
            _ => None,
        };
        let answer = match (&result, ask.method, rest) {
            (Some(Ok(_)), ..) => Answer::done(),
            (Some(Err(Refusal::Detail(detail))), ..) => Answer::detail(400, detail),
            (Some(Err(Refusal::Path(path))), ..) => invalid_path(path),
            (Some(Err(Refusal::Stumbled)), ..) => Answer::stumbled(),
            (None, "GET", [paths]) => {
                let time = |name| parameter(ask.query, name).and_then(|t| t.parse().ok()).map(micros);
                let (t0, t1) = (time("t0").unwrap_or(i64::MIN), time("t1").unwrap_or(i64::MAX));
                let paths = percent_decoded(paths);
                match paths.split(',').find(|path| !is_path(path)) {
                    Some(path) => invalid_path(path),
                    None => Answer::json(200, account.values.read(&paths, t0, t1)),
                }
            }
            (None, _, []) => Answer::detail(405, "Method Not Allowed"),
            _ => Answer::detail(404, "Not Found"),
        };
        if let Some(Ok(written)) = result {
            self.writes += written.writes;
            self.stored += written.new;
        }
        self.refused_prefixes = prefixes;
        answer
    }
}

fn invalid_path(path: &str) -> Answer {
    Answer::text(400, format!("Input validation failed: Invalid PathInputValue format: {path}"))
}

fn may_see(bot: &Bot, account: u64) -> bool {
    bot.accounts.as_ref().is_none_or(|accounts| accounts.contains(&account))
}

fn is_covered(method: &str, prefix: &str, asked: &str, path: &str) -> bool {
    let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
    (method == "*" || method == asked) && (prefix.is_empty() || path.strip_prefix(prefix).is_some_and(below))
}

/// An entity that a bot writes: name, type and details are required.
fn entity_input(body: &[u8]) -> Result<Map<String, Value>, Answer> {
    let entity: Map<String, Value> = serde_json::from_slice(body).map_err(|_| Answer::stumbled())?;
    for (field, is_right) in [
        ("name", Value::is_string as fn(&Value) -> bool),
        ("entity_type", Value::is_string),
        ("details", Value::is_object),
    ] {
        if !entity.get(field).is_some_and(is_right) {
            return Err(Answer::detail(400, &format!("Input validation failed: '{field}' is required")));
        }
    }
    Ok(entity)
}

/// The first query parameter of this name, decoded.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    let found = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    found.map(|(_, value)| percent_decoded(&value.replace('+', " ")))
}

fn percent_decoded(text: &str) -> String {
    let (mut decoded, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let hex = |digit: Option<&u8>| digit.and_then(|d| char::from(*d).to_digit(16));
        match (first, hex(after.first()), hex(after.get(1))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = &after[2..];
            }
            _ => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
