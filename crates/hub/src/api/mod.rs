//! The API: from a request to a handler and back.

pub(crate) mod accounts;
pub(crate) mod bots;
pub(crate) mod changes;
pub(crate) mod credentials;
pub(crate) mod cx;
pub(crate) mod entities;
pub(crate) mod feed;
pub(crate) mod grants;
pub(crate) mod input;
pub(crate) mod login;
pub(crate) mod openapi;
pub(crate) mod overview;
pub(crate) mod paths;
pub(crate) mod persons;
pub(crate) mod problems;
pub(crate) mod profile;
pub(crate) mod pulse;
pub(crate) mod registry;
pub(crate) mod routes;
pub(crate) mod schemas;
pub(crate) mod seen;
pub(crate) mod sensors;
pub(crate) mod shared;
pub(crate) mod status;
pub(crate) mod upkeep;
pub(crate) mod values;

use std::sync::Arc;

use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, HeaderName, HeaderValue},
    http::request,
};

use crate::{
    auth::{Caller, Verb},
    http::{Answer, Refusal, answer::Body, server::Peer},
    ui,
};
use cx::Cx;
use routes::{Access, Found, Parts, Route};
use shared::Shared;

/// The largest body where no lists of values are expected.
const SMALL_BODY: usize = 1 << 20;

/// The largest body of who is not known: a login fits many times. The memory that all bodies share is not for them.
const PUBLIC_BODY: usize = 16 << 10;

/// Set on every answer.
const SECURITY_HEADERS: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Answers a request, whatever it is.
pub(crate) async fn answer(hub: Arc<Shared>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
    let (head, body) = request.into_parts();
    let (method, headers) = (head.method.clone(), head.headers.clone());
    // Without the query, in which tokens stand.
    let path = head.uri.path().to_owned();
    let api = path.strip_prefix("/api").filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let answer = match api {
        Some(api) => in_api(hub, api.trim_matches('/'), head, body, peer).await.unwrap_or_else(Answer::from),
        None => ui::answer(&method, &path),
    };
    let mut response = answer.into_response(&method, &headers).await;
    for (name, value) in SECURITY_HEADERS {
        response
            .headers_mut()
            .entry(HeaderName::from_static(name))
            .or_insert(HeaderValue::from_static(value));
    }
    if peer.tls {
        let value = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(HeaderName::from_static("strict-transport-security"), value);
    }
    tracing::debug!(%method, path, status = response.status().as_u16(), peer = %peer.address.ip(), "answered");
    response
}

async fn in_api(
    hub: Arc<Shared>,
    path: &str,
    head: request::Parts,
    body: Incoming,
    peer: Peer,
) -> Result<Answer, Refusal> {
    let (route, parts) = match routes::find(&head.method, path) {
        Found::Route(route, parts) => (route, parts),
        // Who is nobody, or may nothing here, learns nothing about what there is.
        Found::Methods(methods, parts) => {
            identified(&hub, &head, verb(&head.method), &parts.resource)?;
            let methods: Vec<_> = methods.iter().map(Method::as_str).collect();
            let allow = HeaderValue::try_from(methods.join(", ")).unwrap_or(HeaderValue::from_static("GET"));
            let refusal = Refusal::detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
            return Err(refusal.with_header(ALLOW, allow));
        }
        Found::Nothing => {
            identified(&hub, &head, verb(&head.method), path)?;
            return Err(Refusal::not_found("Not Found"));
        }
    };
    let caller = allowed(&hub, &head, route, &parts)?;
    let account = parts.ids.first().copied().filter(|_| route.pattern.starts_with("accounts/"));
    let is_there = || match account {
        Some(account) if hub.accounts.get(account).is_none() => Err(accounts::no_such()),
        _ => Ok(()),
    };
    is_there()?;
    // Only now, so that nobody who may not can make us read much.
    let limit = match (&caller, route.large) {
        (None, _) => PUBLIC_BODY,
        (_, true) => usize::MAX,
        (_, false) => SMALL_BODY,
    };
    let body = hub.bodies.read(&head.headers, body, limit).await?;
    // A body takes its time; what is stored for an account that has gone meanwhile would never be found again.
    is_there()?;
    let Parts { ids, text, resource } = parts;
    let query = head.uri.query().unwrap_or_default().to_owned();
    let cx = Cx { hub, caller, ids, text, resource, query, headers: head.headers, body, peer };
    if !route.changes_something() {
        return (route.handler)(&cx).await;
    }
    // Who asks may go at any time, and the connection's future with them. A change that is in the file by then must
    // reach what is kept in memory too: who may do what, the versions of lists, and who listens.
    let change = tokio::spawn(async move { (route.handler)(&cx).await });
    change.await.unwrap_or_else(|error| {
        tracing::error!(%error, path = route.pattern, "a change did not come to its end");
        Err(Refusal::internal())
    })
}

/// The permission that a method needs; methods that nobody has are like changes.
fn verb(method: &Method) -> Verb {
    match *method {
        Method::HEAD => Verb::Get,
        ref method => Verb::parse(method.as_str()).unwrap_or(Verb::Delete),
    }
}

/// Who asks, and notes that they did.
fn caller(hub: &Shared, head: &request::Parts) -> Result<Caller, Refusal> {
    let caller = hub.register().identify(&head.method, &head.uri, &head.headers)?;
    if caller.user.is_bot() && hub.seen.note(caller.user.id, hub.now()) {
        bots::came(hub, caller.user.id);
    }
    Ok(caller)
}

/// Who asks for something that there is not.
fn identified(hub: &Shared, head: &request::Parts, verb: Verb, resource: &str) -> Result<Caller, Refusal> {
    let caller = caller(hub, head)?;
    if caller.user.may(verb, resource) { Ok(caller) } else { Err(Refusal::not_granted()) }
}

/// Who asks, if they may.
fn allowed(
    hub: &Shared,
    head: &request::Parts,
    route: &Route,
    parts: &Parts,
) -> Result<Option<Caller>, Refusal> {
    if route.access == Access::Public {
        return Ok(None);
    }
    let caller = caller(hub, head)?;
    let user = &caller.user;
    let may = match route.access {
        Access::Public | Access::User => true,
        Access::Bot => user.is_bot(),
        Access::Granted => user.may(route.verb, &parts.resource),
        Access::GrantedOrRead => {
            user.may(route.verb, &parts.resource) || user.may(Verb::Get, &parts.resource)
        }
        Access::GrantedOrSelf => {
            let is_self = !user.is_bot() && parts.ids.last() == Some(&user.id);
            is_self || user.may(route.verb, &parts.resource)
        }
    };
    if may { Ok(Some(caller)) } else { Err(Refusal::not_granted()) }
}
