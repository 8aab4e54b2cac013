//! Accounts.

use serde_json::json;

use super::{cx::Cx, input::Object, registry::List, shared::tagged};
use crate::{
    http::{Answer, Refusal},
    store::accounts,
};

/// The longest that raw values can be kept.
const MOST_DAYS: i64 = 36_500;

/// The accounts that the caller may see.
pub(crate) async fn list(cx: &Cx) -> Result<Answer, Refusal> {
    let mut list = cx.hub.store.read(accounts::list).await?;
    let user = cx.user()?;
    // Also who may see only something within an account sees that there is one.
    let is_within = |id: i64| {
        let account = format!("accounts/{id}");
        user.permissions.iter().filter_map(|permission| permission.grant.resource_prefix.as_deref()).any(
            |prefix| {
                prefix.strip_prefix(&account).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            },
        )
    };
    let sees_all = user.permissions.iter().any(|permission| {
        permission.grant.resource_prefix.as_deref().is_none_or(|prefix| prefix == "accounts")
    });
    list.retain(|account| sees_all || is_within(account.id));
    Ok(tagged(&json!({ "list": list })))
}

pub(crate) async fn create(cx: &Cx) -> Result<Answer, Refusal> {
    let mut input = Object::parse(&cx.body.bytes)?;
    let name = input.name("name")?;
    input.finish()?;
    let written = name.clone();
    let id = cx.hub.store.write(move |c| accounts::insert(c, &written)).await?;
    cx.hub.accounts.add(id);
    cx.hub.feed.changed("accounts", Some(id));
    Ok(Answer::created(&json!({ "id": id, "name": name })))
}

pub(crate) async fn get(cx: &Cx) -> Result<Answer, Refusal> {
    let id = cx.account()?;
    let account = cx.hub.store.read(move |c| accounts::get(c, id)).await?;
    account.map(|account| Answer::ok(&account)).ok_or_else(no_such)
}

pub(crate) async fn update(cx: &Cx) -> Result<Answer, Refusal> {
    let id = cx.account()?;
    let mut input = Object::parse(&cx.body.bytes)?;
    let raw_days = input.optional_count("raw_days")?;
    // The name may be left out by who changes the days only.
    let name = if raw_days.is_some() { input.optional_name("name")? } else { Some(input.name("name")?) };
    input.finish()?;
    if raw_days.is_some_and(|days| days > MOST_DAYS) {
        return Err(Refusal::invalid(format!("'raw_days' is more than {MOST_DAYS}")));
    }
    let raw_days = raw_days.and_then(|days| u32::try_from(days).ok());
    let update = cx.hub.store.write(move |c| accounts::update(c, id, name.as_deref(), raw_days));
    if !update.await? {
        return Err(no_such());
    }
    cx.hub.feed.changed(format!("accounts/{id}"), None);
    cx.hub.feed.changed("accounts", Some(id));
    Ok(Answer::done())
}

pub(crate) async fn delete(cx: &Cx) -> Result<Answer, Refusal> {
    let id = cx.account()?;
    if !cx.hub.store.write(move |c| accounts::delete(c, id)).await? {
        return Err(no_such());
    }
    cx.hub.accounts.remove(id);
    cx.hub.pulses.forget(id);
    cx.hub.reload_users().await?;
    cx.hub.feed.changed(format!("accounts/{id}"), None);
    cx.hub.feed.changed("accounts", Some(id));
    Ok(Answer::done())
}

pub(crate) fn no_such() -> Refusal {
    Refusal::not_found("No such account")
}

/// Tells that a list of an account has changed.
pub(crate) fn list_changed(cx: &Cx, account: i64, list: List, id: i64) {
    cx.hub.accounts.grow(account, list);
    cx.hub.feed.changed(format!("accounts/{account}/{}", list.name()), Some(id));
}
