//! People.

use hyper::StatusCode;
use serde_json::json;

use super::{cx::Cx, input::Object, shared::tagged};
use crate::{
    auth::{
        passwords::{LONGEST, Passwords, SHORTEST},
        permissions,
    },
    http::{Answer, Refusal},
    store::{
        StoreError,
        users::{self, NewPerson},
    },
};

fn no_such() -> Refusal {
    Refusal::not_found("No such person")
}

pub(crate) async fn list(cx: &Cx) -> Result<Answer, Refusal> {
    let list = cx.hub.store.read(users::persons).await?;
    Ok(tagged(&json!({ "list": list })))
}

pub(crate) async fn get(cx: &Cx) -> Result<Answer, Refusal> {
    let id = cx.id(0)?;
    let person = cx.hub.store.read(move |c| users::person_of(c, id)).await?.ok_or_else(no_such)?;
    let permissions = cx.hub.directory.user(id).map(|user| user.permissions.clone()).unwrap_or_default();
    let mut record = json!(person);
    record["permissions"] = json!(permissions);
    Ok(Answer::ok(&record))
}

/// A person whose password is not hashed yet.
pub(crate) struct Unhashed {
    person: NewPerson,
    password: String,
}

impl Unhashed {
    pub(crate) async fn hashed(mut self, passwords: &Passwords) -> Result<NewPerson, Refusal> {
        self.person.password_hash = passwords.hash(self.password).await?;
        Ok(self.person)
    }
}

pub(crate) fn new_person(mut input: Object) -> Result<Unhashed, Refusal> {
    let person = NewPerson {
        name: input.name("name")?,
        email: email(input.name("email")?)?,
        username: input.name("username")?,
        password_hash: String::new(),
        timezone: input.optional_name("timezone")?.unwrap_or_else(|| "UTC".to_owned()),
    };
    let password = input.text("password")?;
    input.finish()?;
    check_password(&password).map_err(Refusal::invalid)?;
    Ok(Unhashed { person, password })
}

/// Why this is no password, if it is none.
pub(crate) fn check_password(password: &str) -> Result<(), String> {
    match password.len() {
        0..SHORTEST => Err(format!("the password is shorter than {SHORTEST} characters")),
        SHORTEST..=LONGEST => Ok(()),
        _ => Err(format!("the password is longer than {LONGEST} bytes")),
    }
}

fn email(email: String) -> Result<String, Refusal> {
    match email.split_once('@') {
        Some((name, host)) if !name.is_empty() && !host.is_empty() => Ok(email),
        _ => Err(Refusal::invalid("'email' is not an e-mail address")),
    }
}

fn taken(error: StoreError) -> Refusal {
    if error.is_duplicate() {
        return Refusal::bad_request("a person with this username exists");
    }
    error.into()
}

pub(crate) async fn create(cx: &Cx) -> Result<Answer, Refusal> {
    let person = new_person(Object::parse(&cx.body.bytes)?)?.hashed(&cx.hub.passwords).await?;
    let id = cx.hub.store.write(move |c| users::insert_person(c, &person)).await.map_err(taken)?;
    cx.hub.reload_users().await?;
    cx.hub.feed.changed("persons", Some(id));
    Ok(Answer::created(&json!({ "id": id })))
}

/// Whether somebody may do to another person what locks that one out: only who may do all that this person may.
fn may_manage(cx: &Cx, id: i64) -> Result<(), Refusal> {
    let user = cx.user()?;
    let theirs = cx.hub.directory.user(id).ok_or_else(no_such)?;
    if user.id == id || permissions::has_all(&user.permissions, &theirs.permissions) {
        return Ok(());
    }
    Err(Refusal::forbidden("only who may do all that this person may"))
}

pub(crate) async fn update(cx: &Cx) -> Result<Answer, Refusal> {
    let id = cx.id(0)?;
    may_manage(cx, id)?;
    let mut input = Object::parse(&cx.body.bytes)?;
    let (name, username) = (input.optional_name("name")?, input.optional_name("username")?);
    let email = input.optional_name("email")?.map(email).transpose()?;
    let timezone = input.optional_name("timezone")?;
    input.finish()?;
    let update = cx.hub.store.write(move |c| {
        let changed = [name.as_deref(), email.as_deref(), username.as_deref(), timezone.as_deref()];
        users::update_person(c, id, changed)
    });
    if !update.await.map_err(taken)? {
        return Err(no_such());
    }
    changed(cx, id);
    Ok(Answer::done())
}

pub(crate) async fn delete(cx: &Cx) -> Result<Answer, Refusal> {
    let id = cx.id(0)?;
    if cx.user()?.id == id {
        return Err(Refusal::forbidden("Can't delete yourself"));
    }
    may_manage(cx, id)?;
    let delete = cx.hub.store.write(move |c| {
        let is_there = users::person_of(c, id)?.is_some();
        Ok(is_there && users::delete(c, id)?)
    });
    if !delete.await? {
        return Err(no_such());
    }
    cx.hub.sessions.end_all_of(id, None);
    cx.hub.reload_users().await?;
    changed(cx, id);
    Ok(Answer::done())
}

/// Changes a password: with the old one, or by somebody else who may do all that the person may.
pub(crate) async fn set_password(cx: &Cx) -> Result<Answer, Refusal> {
    let id = cx.id(0)?;
    let mut input = Object::parse(&cx.body.bytes)?;
    let old = input.take("old_password");
    let new = input.text("new_password")?;
    input.finish()?;
    check_password(&new).map_err(Refusal::invalid)?;
    let hash = cx.hub.store.read(move |c| users::password_hash(c, id)).await?.ok_or_else(no_such)?;
    let user = cx.user()?;
    let failed = || Refusal::bad_request("Change failed: the old password is not right");
    match old {
        Some(serde_json::Value::String(old)) if old.len() <= LONGEST => {
            // Guessing here is as slow as guessing at the login.
            let name = format!("\0person {id}");
            let counted = cx.hub.limiter.begin(&name, cx.peer.address.ip()).map_err(|wait| {
                Refusal::detail(StatusCode::TOO_MANY_REQUESTS, "too many wrong passwords; try again later")
                    .retry_after(wait.as_secs() + 1)
            })?;
            if !cx.hub.passwords.verify(old, Some(hash)).await? {
                return Err(failed());
            }
            cx.hub.limiter.succeeded(&counted);
        }
        None if user.id != id => {
            let theirs = cx.hub.directory.user(id).ok_or_else(no_such)?;
            if !permissions::has_all(&user.permissions, &theirs.permissions) {
                return Err(Refusal::forbidden(
                    "without the old password, only who may do all that this person may",
                ));
            }
        }
        _ => return Err(failed()),
    }
    let hash = cx.hub.passwords.hash(new).await?;
    // Whoever knew the old password is out.
    let ours = cx.caller()?.session().filter(|_| user.id == id).map(str::to_owned);
    if !cx.hub.set_password(id, hash, ours).await? {
        return Err(no_such());
    }
    Ok(Answer::done())
}

fn changed(cx: &Cx, id: i64) {
    cx.hub.feed.changed("persons", Some(id));
    cx.hub.feed.changed(format!("persons/{id}"), None);
}
