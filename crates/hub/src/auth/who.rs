//! From a request to a user: a bot by its token, a person by a bearer token or by the page's cookie.

use std::sync::Arc;

use hyper::{
    HeaderMap, Method, StatusCode, Uri,
    header::{AUTHORIZATION, COOKIE, HOST, HeaderValue, ORIGIN},
};

use super::{
    directory::{Directory, User},
    jwt::Keys,
    secret,
    sessions::{LONGEST, Sessions},
};
use crate::http::{Refusal, query::Query, server::Peer};

/// The page's cookie.
pub(crate) const COOKIE_NAME: &str = "grafolean_session";

/// The header that proves that a request comes from the page itself.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user: Arc<User>,
    pub(crate) via: Via,
}

/// How we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// By the hash of its token.
    BotToken {
        hash: [u8; 32],
    },
    Bearer {
        session: String,
    },
    Cookie {
        session: String,
        csrf: String,
    },
}

impl Caller {
    /// The session of a person.
    pub(crate) fn session(&self) -> Option<&str> {
        match &self.via {
            Via::BotToken { .. } => None,
            Via::Bearer { session } | Via::Cookie { session, .. } => Some(session),
        }
    }
}

/// What is needed to tell.
pub(crate) struct Register<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) sessions: &'a Sessions,
    pub(crate) keys: &'a Keys,
    /// Microseconds since the epoch.
    pub(crate) now: i64,
}

impl Register<'_> {
    /// Who asks; a refusal when it is nobody that is known.
    pub(crate) fn identify(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Caller, Refusal> {
        if let Some(header) = headers.get(AUTHORIZATION) {
            return self.by_bearer(header).ok_or_else(Refusal::access_denied);
        }
        if let Some(token) = Query::new(uri.query().unwrap_or_default()).get("b") {
            let (user, hash) = self.directory.bot_by_token(&token).ok_or_else(Refusal::access_denied)?;
            return Ok(Caller { user, via: Via::BotToken { hash } });
        }
        let cookie = cookie(headers).ok_or_else(Refusal::access_denied)?;
        let (session, user) = self.sessions.by_secret(cookie, self.now).ok_or_else(Refusal::access_denied)?;
        let user = self.directory.user(user).ok_or_else(Refusal::access_denied)?;
        let csrf = csrf_of(cookie);
        if !matches!(*method, Method::GET | Method::HEAD) {
            check_origin(headers)?;
            let sent = headers.get(CSRF_HEADER).map(HeaderValue::as_bytes).unwrap_or_default();
            if !secret::same(sent, csrf.as_bytes()) {
                return Err(Refusal::forbidden(
                    "the header X-CSRF-Token is missing or wrong; load the page again",
                ));
            }
        }
        Ok(Caller { user, via: Via::Cookie { session, csrf } })
    }

    fn by_bearer(&self, header: &HeaderValue) -> Option<Caller> {
        let claims = self.keys.verify(header.to_str().ok()?, self.now, 0)?;
        let user = self.sessions.user_of(&claims.session_id, self.now)?;
        let user = self.directory.user(user).filter(|user| user.id == claims.user_id)?;
        Some(Caller { user, via: Via::Bearer { session: claims.session_id } })
    }
}

/// The proof that belongs to a cookie: who cannot read our answers cannot know it.
pub(crate) fn csrf_of(cookie: &str) -> String {
    secret::derived(cookie, "csrf")
}

/// The header that begins (or, without a secret, ends) a session in a browser.
pub(crate) fn set_cookie(secret: Option<&str>, peer: Peer) -> Option<HeaderValue> {
    let (value, age) = secret.map_or(("", 0), |secret| (secret, LONGEST / 1_000_000));
    let secure = if peer.tls { "; Secure" } else { "" };
    let cookie = format!("{COOKIE_NAME}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={age}{secure}");
    let mut value = HeaderValue::try_from(cookie).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == COOKIE_NAME && !value.is_empty()).map(|(_, value)| value)
}

/// A browser says where a request comes from: it must be where it goes to.
pub(crate) fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let foreign = || {
        Err(Refusal::detail(StatusCode::FORBIDDEN, "this request comes from another site than this page's"))
    };
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site") {
        return foreign();
    }
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    match (origin, host) {
        (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host) => Ok(()),
        _ => foreign(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=b; grafolean_session=; x=1"));
        headers.append(COOKIE, HeaderValue::from_static("y=2; grafolean_session=abc"));
        assert_eq!(cookie(&headers), Some("abc"));
        assert_eq!(cookie(&HeaderMap::new()), None);
    }

    #[test]
    fn a_write_from_another_site_is_refused() {
        let case = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|(name, value)| {
                let name = hyper::header::HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            });
            check_origin(&headers.collect()).is_ok()
        };
        assert!(case(&[("host", "localhost:8080"), ("origin", "http://localhost:8080")]));
        assert!(case(&[("host", "Hub.example"), ("origin", "https://hub.example")]));
        assert!(case(&[("host", "localhost:8080")]));
        assert!(!case(&[("host", "localhost:8080"), ("origin", "http://localhost:8081")]));
        assert!(!case(&[("host", "localhost:8080"), ("origin", "null")]));
        assert!(!case(&[("host", "localhost:8080"), ("sec-fetch-site", "cross-site")]));
    }
}
