//! Bots, of an account or of the whole system, and their tokens.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{
    cx::Cx,
    input::Object,
    registry::List,
    shared::{Shared, no_random, tagged},
};
use crate::{
    auth::{Grant, Verb, Verbs, permissions, secret},
    http::{Answer, Refusal},
    store::users::{self, Bot, NewBot},
};

/// A bot as the API shows it; lists leave out the configuration.
pub(crate) fn record(hub: &Shared, bot: &Bot, with_config: bool) -> Value {
    let last_login = hub.seen.last(bot.id).or(bot.last_login);
    let mut record = json!({
        "id": bot.id,
        "name": bot.name,
        "protocol": bot.protocol,
        "tied_to_account": bot.account,
        "insert_time": bot.inserted / 1_000_000,
        "last_login": last_login.map(|time| time / 1_000_000),
    });
    if with_config {
        let config = bot.config.as_deref().and_then(|config| serde_json::from_str(config).ok());
        record["config"] = config.unwrap_or(Value::Null);
    }
    record
}

/// Which bots a path is about: those of its account, or those of the whole system. Then the bot's place in it.
fn place(cx: &Cx) -> Result<(Option<i64>, usize), Refusal> {
    if cx.resource.starts_with("accounts/") { Ok((Some(cx.account()?), 1)) } else { Ok((None, 0)) }
}

fn no_such() -> Refusal {
    Refusal::not_found("No such bot")
}

pub(crate) async fn list(cx: &Cx) -> Result<Answer, Refusal> {
    let (account, _) = place(cx)?;
    let bots = cx.hub.store.read(move |c| users::bots(c, account)).await?;
    let list: Vec<_> = bots.iter().map(|bot| record(&cx.hub, bot, false)).collect();
    Ok(tagged(&json!({ "list": list })))
}

pub(crate) async fn get(cx: &Cx) -> Result<Answer, Refusal> {
    let (account, at) = place(cx)?;
    let id = cx.id(at)?;
    let bot = cx.hub.store.read(move |c| users::bot_of(c, account, id)).await?.ok_or_else(no_such)?;
    Ok(Answer::ok(&record(&cx.hub, &bot, true)))
}

struct Input {
    name: String,
    protocol: Option<String>,
    config: Option<String>,
}

fn input(cx: &Cx, account: Option<i64>) -> Result<Input, Refusal> {
    let mut input = Object::parse(&cx.body.bytes)?;
    let (name, protocol) = (input.name("name")?, input.optional_name("protocol")?);
    // A bot of the whole system has none.
    let config = if account.is_some() { input.optional_json_text("config")? } else { None };
    input.finish()?;
    Ok(Input { name, protocol, config })
}

pub(crate) async fn create(cx: &Cx) -> Result<Answer, Refusal> {
    let (account, _) = place(cx)?;
    let Input { name, protocol, config } = input(cx, account)?;
    let token = secret::random_uuid().map_err(no_random)?;
    let token_hash = secret::hash(&token);
    let new = NewBot { name, protocol, account, config, token_hash, inserted: cx.now() };
    let bot = cx.hub.store.write(move |c| {
        let id = users::insert_bot(c, &new)?;
        users::bot_of(c, account, id)
    });
    let bot = bot.await?.ok_or_else(no_such)?;
    cx.hub.reload_users().await?;
    changed(&cx.hub, account, bot.id);
    let mut record = record(&cx.hub, &bot, true);
    record["token"] = token.into();
    Ok(Answer::created(&record))
}

pub(crate) async fn update(cx: &Cx) -> Result<Answer, Refusal> {
    let (account, at) = place(cx)?;
    let id = cx.id(at)?;
    let Input { name, protocol, config } = input(cx, account)?;
    let update = cx
        .hub
        .store
        .write(move |c| users::update_bot(c, account, id, &name, protocol.as_deref(), config.as_deref()));
    if !update.await? {
        return Err(no_such());
    }
    cx.hub.reload_users().await?;
    measures_otherwise(&cx.hub, account, id);
    Ok(Answer::done())
}

pub(crate) async fn delete(cx: &Cx) -> Result<Answer, Refusal> {
    let (account, at) = place(cx)?;
    let id = cx.id(at)?;
    if cx.user()?.id == id {
        return Err(Refusal::forbidden("Can't delete yourself"));
    }
    let delete = cx.hub.store.write(move |c| {
        let is_there = users::bot_of(c, account, id)?.is_some();
        Ok(is_there && users::delete(c, id)?)
    });
    if !delete.await? {
        return Err(no_such());
    }
    cx.hub.reload_users().await?;
    cx.hub.seen.forget(id);
    cx.hub.problems.forget(id);
    measures_otherwise(&cx.hub, account, id);
    Ok(Answer::done())
}

/// Tokens are shown once, when they are made: only their hashes are kept.
pub(crate) async fn token(cx: &Cx) -> Result<Answer, Refusal> {
    let text = "a token is shown once, when it is made; POST here makes a new one, and the old one ends";
    may_have_token(cx).await?;
    Err(Refusal::detail(StatusCode::GONE, text))
}

pub(crate) async fn new_token(cx: &Cx) -> Result<Answer, Refusal> {
    let (account, id) = may_have_token(cx).await?;
    let token = secret::random_uuid().map_err(no_random)?;
    let hash = secret::hash(&token);
    if !cx.hub.store.write(move |c| users::set_token(c, id, hash)).await? {
        return Err(no_such());
    }
    cx.hub.reload_users().await?;
    changed(&cx.hub, account, id);
    Ok(Answer::ok(&json!({ "token": token })))
}

/// Who has a bot's token may do all that it may: so who asks must have all that anyway, and may make bots.
async fn may_have_token(cx: &Cx) -> Result<(Option<i64>, i64), Refusal> {
    let (account, at) = place(cx)?;
    let id = cx.id(at)?;
    cx.hub.store.read(move |c| users::bot_of(c, account, id)).await?.ok_or_else(no_such)?;
    let bot = cx.hub.directory.user(id).ok_or_else(no_such)?;
    let ours = &cx.user()?.permissions;
    if !permissions::has_all(ours, &bot.permissions) {
        return Err(Refusal::forbidden("Not enough permissions to see this bot's token"));
    }
    let bots = account.map_or_else(|| "bots".to_owned(), |account| format!("accounts/{account}/bots"));
    if !permissions::can_grant(ours, &Grant::new(Some(&bots), Some(Verbs::of([Verb::Post])))) {
        let text = format!("Not enough permissions to see this bot's token - POST to {bots} not allowed");
        return Err(Refusal::forbidden(text));
    }
    Ok((account, id))
}

/// Tells that a bot has changed.
pub(crate) fn changed(hub: &Shared, account: Option<i64>, id: i64) {
    match account {
        Some(account) => {
            hub.accounts.grow(account, List::Bots);
            hub.feed.changed(format!("accounts/{account}/bots"), Some(id));
        }
        None => {
            hub.accounts.grow_all(List::Bots);
            hub.feed.changed("bots", Some(id));
        }
    }
}

/// As above, and entities may be measured by another bot now.
fn measures_otherwise(hub: &Shared, account: Option<i64>, id: i64) {
    changed(hub, account, id);
    let accounts = account.map_or_else(|| hub.accounts.ids(), |account| vec![account]);
    for account in accounts {
        hub.accounts.grow(account, List::Entities);
        hub.feed.changed(format!("accounts/{account}/entities"), None);
    }
}

/// A bot that was away is there again.
pub(crate) fn came(hub: &Shared, id: i64) {
    if let Some(user) = hub.directory.user(id)
        && let crate::auth::Kind::Bot { account, .. } = user.kind
    {
        changed(hub, account, id);
    }
}

/// What is granted to a bot of an account is asked for below that account.
pub(crate) async fn of_account(cx: &Cx) -> Result<i64, Refusal> {
    let (account, id) = (cx.account()?, cx.id(1)?);
    let bot = cx.hub.store.read(move |c| users::bot_of(c, Some(account), id)).await?;
    bot.map(|bot| bot.id).ok_or_else(no_such)
}
