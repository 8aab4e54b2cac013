//! What fails now, as the bots tell: in memory only, for it changes all the time and is told again soon.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{cx::Cx, shared::tagged, values::SECOND};
use crate::{
    auth::Verb,
    http::{Answer, Refusal},
};

/// Problems of one bot.
const MOST: usize = 10_000;

/// Problems of all bots, so that many bots cannot fill the memory.
const MOST_ALL: usize = 100_000;

/// Letters of one text.
const LONGEST: usize = 500;

/// What a bot has not told for so long is forgotten.
const KEPT: i64 = 600 * SECOND;

/// A job that fails.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    pub(crate) account: i64,
    pub(crate) entity: i64,
    pub(crate) protocol: String,
    pub(crate) since: f64,
    pub(crate) error: String,
}

#[derive(Deserialize)]
struct Sent {
    list: Vec<SentProblem>,
}

#[derive(Deserialize)]
struct SentProblem {
    account: i64,
    entity: i64,
    protocol: String,
    since: f64,
    error: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    bot: i64,
    entity: i64,
    protocol: &'a str,
    since: f64,
    error: &'a str,
}

/// What each bot told last.
#[derive(Debug, Default)]
pub(crate) struct Problems(Mutex<HashMap<i64, Told>>);

#[derive(Debug)]
struct Told {
    at: i64,
    list: Vec<Problem>,
}

impl Problems {
    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces what a bot told before; returns the accounts in which something is otherwise now.
    fn replace(&self, bot: i64, list: Vec<Problem>, now: i64) -> Option<Vec<i64>> {
        let mut all = self.lock();
        all.retain(|_, told| now - told.at < KEPT);
        let others: usize = all.iter().filter(|(id, _)| **id != bot).map(|(_, told)| told.list.len()).sum();
        if others + list.len() > MOST_ALL {
            return None;
        }
        let before = all.remove(&bot).map(|told| told.list).unwrap_or_default();
        let mut accounts: Vec<i64> = Vec::new();
        if before != list {
            accounts = before.iter().chain(&list).map(|problem| problem.account).collect();
            accounts.sort_unstable();
            accounts.dedup();
        }
        if !list.is_empty() {
            all.insert(bot, Told { at: now, list });
        }
        Some(accounts)
    }

    pub(crate) fn forget(&self, bot: i64) {
        self.lock().remove(&bot);
    }

    /// Calls `each` for every problem of an account.
    pub(crate) fn each(&self, account: i64, now: i64, mut each: impl FnMut(i64, &Problem)) {
        for (bot, told) in self.lock().iter().filter(|(_, told)| now - told.at < KEPT) {
            told.list
                .iter()
                .filter(|problem| problem.account == account)
                .for_each(|problem| each(*bot, problem));
        }
    }
}

/// A bot tells all that fails now.
pub(crate) async fn put(cx: &Cx) -> Result<Answer, Refusal> {
    let sent: Sent =
        serde_json::from_slice(&cx.body.bytes).map_err(|error| Refusal::invalid(error.to_string()))?;
    if sent.list.len() > MOST {
        return Err(Refusal::bad_request(format!("more than {MOST} problems")));
    }
    let user = cx.user()?;
    let mut list = Vec::with_capacity(sent.list.len());
    for SentProblem { account, entity, protocol, since, error } in sent.list {
        if !since.is_finite() {
            return Err(Refusal::invalid("'since' is not a time"));
        }
        // Of accounts that it may not see a bot cannot know anything.
        if cx.hub.accounts.get(account).is_some()
            && user.may(Verb::Get, &format!("accounts/{account}/entities"))
        {
            let short = |text: String| text.chars().take(LONGEST).collect();
            list.push(Problem { account, entity, protocol: short(protocol), since, error: short(error) });
        }
    }
    let Some(changed) = cx.hub.problems.replace(user.id, list, cx.now()) else {
        return Err(Refusal::detail(hyper::StatusCode::SERVICE_UNAVAILABLE, "too many problems of all bots"));
    };
    for account in changed {
        cx.hub.feed.changed(format!("accounts/{account}/problems"), None);
    }
    Ok(Answer::done())
}

pub(crate) async fn list(cx: &Cx) -> Result<Answer, Refusal> {
    let mut list = Vec::new();
    cx.hub.problems.each(cx.account()?, cx.now(), |bot, problem| {
        let Problem { entity, protocol, since, error, .. } = problem;
        list.push(json!(Shown { bot, entity: *entity, protocol, since: *since, error }));
    });
    Ok(tagged(&json!({ "list": list })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(account: i64, error: &str) -> Problem {
        Problem { account, entity: 2, protocol: "snmp".to_owned(), since: 1.0, error: error.to_owned() }
    }

    fn count(problems: &Problems, account: i64, now: i64) -> usize {
        let mut count = 0;
        problems.each(account, now, |_, _| count += 1);
        count
    }

    #[test]
    fn a_list_replaces_the_last_one_and_is_forgotten_when_it_is_not_repeated() {
        let problems = Problems::default();
        assert_eq!(problems.replace(7, vec![problem(1, "a"), problem(2, "b")], 0), Some(vec![1, 2]));
        assert_eq!(problems.replace(7, vec![problem(1, "a"), problem(2, "b")], 1), Some(vec![]));
        assert_eq!(problems.replace(7, vec![problem(1, "a")], 2), Some(vec![1, 2]));
        assert_eq!((count(&problems, 1, 2), count(&problems, 2, 2)), (1, 0));
        assert_eq!(count(&problems, 1, 2 + KEPT), 0);
        assert_eq!(problems.replace(7, vec![], 3), Some(vec![1]));
        assert_eq!(count(&problems, 1, 3), 0);
    }

    #[test]
    fn there_is_a_limit_for_all_bots_together() {
        let problems = Problems::default();
        for bot in 0..10 {
            problems.replace(bot, vec![problem(1, "x"); MOST], 0).unwrap();
        }
        assert_eq!(problems.replace(10, vec![problem(1, "x")], 0), None);
    }
}
