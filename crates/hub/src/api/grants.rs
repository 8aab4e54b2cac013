//! What users may do, and who grants it.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{bots, cx::Cx, input::Object, shared::tagged};
use crate::{
    auth::{Grant, Kind, User, Verb, Verbs, permissions},
    http::{Answer, Refusal},
    store::users,
};
use std::sync::Arc;

/// The user whose permissions a path is about.
async fn subject(cx: &Cx) -> Result<Arc<User>, Refusal> {
    if cx.resource.starts_with("accounts/") {
        let id = bots::of_account(cx).await?;
        return cx.hub.directory.user(id).ok_or_else(|| Refusal::not_found("No such bot"));
    }
    let user = cx.hub.directory.user(cx.id(0)?);
    let (fits, what): (fn(&Kind) -> bool, _) = match cx.resource.split('/').next() {
        Some("persons") => (|kind| *kind == Kind::Person, "No such person"),
        Some("bots") => (|kind| *kind != Kind::Person, "No such bot"),
        _ => (|_| true, "No such user"),
    };
    user.filter(|user| fits(&user.kind)).ok_or_else(|| Refusal::not_found(what))
}

pub(crate) async fn list(cx: &Cx) -> Result<Answer, Refusal> {
    Ok(tagged(&json!({ "list": subject(cx).await?.permissions })))
}

fn input(cx: &Cx) -> Result<Grant, Refusal> {
    let mut input = Object::parse(&cx.body.bytes)?;
    let missing = |key: &str| Refusal::invalid(format!("'{key}' is a required property"));
    let prefix = match input.take("resource_prefix").ok_or_else(|| missing("resource_prefix"))? {
        Value::Null => None,
        Value::String(prefix) if prefix.len() <= 1_000 => Some(prefix),
        _ => return Err(Refusal::invalid("'resource_prefix' is neither a string nor null")),
    };
    let methods = match input.take("methods").ok_or_else(|| missing("methods"))? {
        Value::Null => None,
        Value::Array(list) if !list.is_empty() => {
            let verbs =
                list.iter().map(|name| name.as_str().and_then(Verb::parse)).collect::<Option<Vec<_>>>();
            let verbs = verbs.ok_or_else(|| Refusal::invalid("'methods' are GET, POST, PUT, DELETE"))?;
            if (1..verbs.len()).any(|i| verbs[i..].contains(&verbs[i - 1])) {
                return Err(Refusal::invalid("'methods' has non-unique elements"));
            }
            Some(Verbs::of(verbs))
        }
        _ => return Err(Refusal::invalid("'methods' is neither a list of methods nor null")),
    };
    input.finish()?;
    Ok(Grant::new(prefix.as_deref(), methods))
}

pub(crate) async fn grant(cx: &Cx) -> Result<Answer, Refusal> {
    let subject = subject(cx).await?;
    let grant = input(cx)?;
    may_grant(cx, &subject, &grant)?;
    let (user, kept) = (subject.id, grant.clone());
    let id = cx.hub.store.write(move |c| users::grant(c, user, &kept)).await?;
    changed(cx, &subject).await?;
    let mut answer = json!({ "id": id });
    if cx.resource.starts_with("accounts/") {
        answer["user_id"] = user.into();
        answer["resource_prefix"] = json!(grant.resource_prefix);
        answer["methods"] = json!(grant.methods);
    }
    Ok(Answer::created(&answer))
}

pub(crate) async fn revoke(cx: &Cx) -> Result<Answer, Refusal> {
    let subject = subject(cx).await?;
    let of_account = cx.resource.starts_with("accounts/");
    let id = cx.id(if of_account { 2 } else { 1 })?;
    let Some(permission) = subject.permissions.iter().find(|permission| permission.id == id) else {
        let status = if of_account { StatusCode::NOT_FOUND } else { StatusCode::FORBIDDEN };
        return Err(Refusal::detail(status, "No such permission"));
    };
    may_grant(cx, &subject, &permission.grant)?;
    let user = subject.id;
    cx.hub.store.write(move |c| users::revoke(c, user, id)).await?;
    changed(cx, &subject).await?;
    Ok(Answer::done())
}

/// Nobody changes what they may do themselves, and nobody gives or takes what they do not have.
fn may_grant(cx: &Cx, subject: &User, grant: &Grant) -> Result<(), Refusal> {
    let user = cx.user()?;
    if user.id == subject.id {
        return Err(Refusal::forbidden("Can't grant permissions to yourself"));
    }
    if !permissions::can_grant(&user.permissions, grant) {
        return Err(Refusal::forbidden("Can't grant permission you don't have"));
    }
    Ok(())
}

async fn changed(cx: &Cx, subject: &User) -> Result<(), Refusal> {
    cx.hub.reload_users().await?;
    match subject.kind {
        Kind::Person => {
            cx.hub.feed.changed("persons", Some(subject.id));
            cx.hub.feed.changed("profile", Some(subject.id));
        }
        Kind::Bot { account, .. } => bots::changed(&cx.hub, account, subject.id),
    }
    Ok(())
}

/// A user of either kind with what it may do. The status is the one that clients know.
pub(crate) async fn user(cx: &Cx) -> Result<Answer, Refusal> {
    let id = cx.id(0)?;
    let no_such = || Refusal::not_found("No such user");
    let user = cx.hub.directory.user(id).ok_or_else(no_such)?;
    let name = cx.hub.store.read(move |c| {
        let person = users::person_of(c, id)?.map(|person| person.name);
        Ok(match person {
            None => users::any_bot(c, id)?.map(|bot| bot.name),
            person => person,
        })
    });
    let name = name.await?.ok_or_else(no_such)?;
    let kind = if user.is_bot() { "bot" } else { "person" };
    let record = json!({"user_id": id, "user_type": kind, "name": name, "permissions": user.permissions});
    Ok(Answer::created(&record))
}
