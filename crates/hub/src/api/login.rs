//! Logging in and out, and the first person of all.

use std::time::Duration;

use hyper::{
    StatusCode,
    header::{AUTHORIZATION, HeaderName, HeaderValue, SET_COOKIE},
};
use serde_json::{Value, json};

use super::{cx::Cx, input::Object, persons};
use crate::{
    auth::{
        Grant,
        jwt::REFRESHABLE,
        passwords::{LONGEST, PasswordError},
        who,
    },
    http::{Answer, Refusal},
    store::users,
};

const JWT_HEADER: HeaderName = HeaderName::from_static("x-jwt-token");

impl From<PasswordError> for Refusal {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => {
                Self::detail(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).retry_after(1)
            }
            PasswordError::Broken => {
                tracing::error!(%error, "a password was not checked");
                Self::internal()
            }
        }
    }
}

pub(crate) async fn login(cx: &Cx) -> Result<Answer, Refusal> {
    // Else another site could log somebody's browser in as a person of its choice.
    who::check_origin(&cx.headers)?;
    let mut input = Object::parse(&cx.body.bytes)?;
    let (username, password) = (input.text("username")?, input.text("password")?);
    input.finish()?;
    let invalid = || Refusal::detail(StatusCode::UNAUTHORIZED, "Invalid credentials");
    if password.len() > LONGEST || username.len() > LONGEST {
        return Err(invalid());
    }
    let counted = cx.hub.limiter.begin(&username, cx.peer.address.ip()).map_err(too_many)?;
    let found = cx.hub.store.read(move |c| users::login(c, &username)).await?;
    let (user, hash) = found.unzip();
    // Also where there is no such user, so that nobody can find out who there is.
    let is_right = cx.hub.passwords.verify(password, hash.clone()).await?;
    let user = user.filter(|_| is_right).ok_or_else(invalid)?;
    cx.hub.limiter.succeeded(&counted);
    begin(cx, user, hash, json!({}), StatusCode::OK).await
}

fn too_many(wait: Duration) -> Refusal {
    let seconds = wait.as_secs() + 1;
    let text = format!("too many failed logins; try again in {seconds} seconds");
    Refusal::detail(StatusCode::TOO_MANY_REQUESTS, text).retry_after(seconds)
}

/// Begins a session and tells all that belongs to it, beside what is told anyway.
async fn begin(
    cx: &Cx,
    user: i64,
    verified: Option<String>,
    mut body: Value,
    status: StatusCode,
) -> Result<Answer, Refusal> {
    let record = cx.hub.directory.user(user).ok_or_else(Refusal::access_denied)?;
    let begun = cx.hub.begin_session(user, verified).await?;
    let (session, secret) = begun.ok_or_else(Refusal::access_denied)?;
    let bearer = cx.hub.bearer(user, &session).await?;
    body["user_id"] = user.into();
    body["session_id"] = session.into();
    body["permissions"] = json!(record.permissions);
    body["csrf"] = who::csrf_of(&secret).into();
    let mut answer = with_bearer(Answer::json(status, &body), &bearer);
    if let Some(cookie) = who::set_cookie(Some(&secret), cx.peer) {
        answer = answer.with_header(SET_COOKIE, cookie);
    }
    Ok(answer)
}

fn with_bearer(answer: Answer, bearer: &str) -> Answer {
    match HeaderValue::from_str(bearer) {
        Ok(mut value) => {
            value.set_sensitive(true);
            answer.with_header(JWT_HEADER, value)
        }
        Err(_) => answer,
    }
}

pub(crate) async fn refresh(cx: &Cx) -> Result<Answer, Refusal> {
    let denied = || Refusal::detail(StatusCode::UNAUTHORIZED, "Access denied");
    let header = cx.headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok()).ok_or_else(denied)?;
    let claims = cx.hub.keys.verify(header, cx.now(), REFRESHABLE).ok_or_else(denied)?;
    let user = cx.hub.sessions.user_of(&claims.session_id, cx.now()).ok_or_else(denied)?;
    let user = cx.hub.directory.user(user).ok_or_else(denied)?;
    let bearer = cx.hub.bearer(user.id, &claims.session_id).await?;
    let body = json!({
        "user_id": user.id,
        "session_id": claims.session_id,
        "permissions": user.permissions,
    });
    Ok(with_bearer(Answer::ok(&body), &bearer))
}

pub(crate) async fn logout(cx: &Cx) -> Result<Answer, Refusal> {
    if let Some(session) = cx.caller()?.session()
        && cx.hub.sessions.end(session)
    {
        cx.hub.forget_sessions(vec![session.to_owned()]).await?;
    }
    let cookie = who::set_cookie(None, cx.peer);
    Ok(cookie.into_iter().fold(Answer::done(), |answer, cookie| answer.with_header(SET_COOKIE, cookie)))
}

/// Creates the first person, who may do everything. Needs the one-time token that the hub's owner was shown.
pub(crate) async fn first(cx: &Cx) -> Result<Answer, Refusal> {
    who::check_origin(&cx.headers)?;
    let initialized = || Refusal::detail(StatusCode::UNAUTHORIZED, "System already initialized");
    if cx.hub.has_persons() {
        return Err(initialized());
    }
    let mut input = Object::parse(&cx.body.bytes)?;
    let setup = input.take("setup");
    if !setup.as_ref().and_then(Value::as_str).is_some_and(|token| cx.hub.is_setup_token(token)) {
        return Err(Refusal::forbidden(
            "the setup link is wrong or has been replaced; the hub prints a new one when it starts",
        ));
    }
    let person = persons::new_person(input)?.hashed(&cx.hub.passwords).await?;
    let written = cx.hub.store.write(move |c| {
        // Looked at here, where one comes after the other.
        if users::any_person(c)? {
            return Ok(None);
        }
        let id = users::insert_person(c, &person)?;
        users::grant(c, id, &Grant::new(None, None))?;
        Ok(Some(id))
    });
    let id = written.await?.ok_or_else(initialized)?;
    cx.hub.forget_setup_token();
    cx.hub.reload_users().await?;
    cx.hub.feed.changed("persons", Some(id));
    cx.hub.feed.changed("status/info", None);
    begin(cx, id, None, json!({ "id": id }), StatusCode::CREATED).await
}
