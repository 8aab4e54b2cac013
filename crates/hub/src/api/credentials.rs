//! Credentials: what devices want to know before they answer. Their secrets are for who needs them.

use std::collections::HashSet;

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::{accounts::list_changed, cx::Cx, entities::etag, input::Object, registry::List};
use crate::{
    auth::{Kind, User, Verb},
    http::{Answer, Refusal, answer::holds_etag},
    store::{
        StoreError,
        pieces::Pieces,
        records::{self, Credential},
    },
};

fn no_such() -> Refusal {
    Refusal::not_found("No such credential")
}

/// Whether a key of `details` holds a secret.
pub(crate) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["key", "password", "passphrase", "secret", "community", "token"].iter().any(|end| key.ends_with(end))
}

/// Whose secrets the caller sees.
enum Sees {
    /// Those of these credentials.
    Some(HashSet<i64>),
    /// Those that the caller may change.
    Changeable(Vec<crate::auth::Permission>),
}

impl Sees {
    fn of(c: &rusqlite::Connection, account: i64, user: &User) -> Result<Self, StoreError> {
        match &user.kind {
            Kind::Person => Ok(Self::Changeable(user.permissions.clone())),
            Kind::Bot { protocol, .. } => {
                let needed = records::credentials_for_bot(c, account, user.id, protocol.as_deref())?;
                Ok(Self::Some(needed.into_iter().collect()))
            }
        }
    }

    fn all_of(&self, account: i64, credential: i64) -> bool {
        match self {
            Self::Some(needed) => needed.contains(&credential),
            Self::Changeable(permissions) => {
                let resource = format!("accounts/{account}/credentials/{credential}");
                crate::auth::permissions::allowed(permissions, &resource, Verb::Put)
            }
        }
    }
}

fn write(account: i64, credential: &Credential, sees: &Sees, json: &mut Pieces) {
    json.raw("{\"id\":");
    json.number(credential.id);
    json.raw(",\"name\":");
    json.value(&credential.name);
    json.raw(",\"protocol\":");
    json.value(&credential.protocol);
    json.raw(",\"details\":");
    if sees.all_of(account, credential.id) {
        json.raw(&credential.details);
    } else {
        let mut details: Map<String, Value> = serde_json::from_str(&credential.details).unwrap_or_default();
        let before = details.len();
        details.retain(|key, _| !is_secret(key));
        json.value(&details);
        if details.len() < before {
            json.raw(",\"secrets_hidden\":true");
        }
    }
    json.raw("}");
}

pub(crate) async fn list(cx: &Cx) -> Result<Answer, Refusal> {
    let account = cx.account()?;
    let user = cx.caller()?.user.clone();
    // Who is assigned what stands in the entities; who may change what, in the permissions; what a bot measures with,
    // in itself: it may belong to another account, whose lists have grown.
    let variant = (user.id, format!("{:?} {:?}", user.kind, user.permissions));
    let etag = etag(cx, account, &[List::Credentials, List::Entities, List::Bots], variant);
    if let Some(etag) = etag.clone().filter(|etag| holds_etag(&cx.headers, etag)) {
        return Ok(Answer::not_modified(etag));
    }
    let list = cx.hub.store.read(move |c| {
        let sees = Sees::of(c, account, &user)?;
        let mut json = Pieces::default();
        json.raw("{\"list\":[");
        for (i, credential) in records::credentials(c, account)?.iter().enumerate() {
            json.raw(if i == 0 { "" } else { "," });
            write(account, credential, &sees, &mut json);
            json.rest();
        }
        json.raw("]}");
        Ok(json.finish())
    });
    Ok(etag.into_iter().fold(Answer::json_pieces(list.await?), Answer::with_etag))
}

pub(crate) async fn get(cx: &Cx) -> Result<Answer, Refusal> {
    let (account, id) = (cx.account()?, cx.id(1)?);
    let user = cx.caller()?.user.clone();
    let found = cx.hub.store.read(move |c| {
        let Some(credential) = records::credential_of(c, account, id)? else { return Ok(None) };
        let mut json = Pieces::default();
        write(account, &credential, &Sees::of(c, account, &user)?, &mut json);
        Ok(Some(json.finish().concat()))
    });
    Ok(Answer::json_bytes(StatusCode::OK, found.await?.ok_or_else(no_such)?))
}

struct Input {
    name: String,
    protocol: String,
    details: String,
}

fn input(cx: &Cx) -> Result<Input, Refusal> {
    let mut input = Object::parse(&cx.body.bytes)?;
    let parsed = Input {
        name: input.name("name")?,
        protocol: input.name("protocol")?,
        details: input.details("details")?,
    };
    input.finish()?;
    Ok(parsed)
}

fn taken(error: StoreError) -> Refusal {
    if error.is_duplicate() {
        return Refusal::bad_request("a credential with this name exists");
    }
    error.into()
}

pub(crate) async fn create(cx: &Cx) -> Result<Answer, Refusal> {
    let account = cx.account()?;
    let Input { name, protocol, details } = input(cx)?;
    let insert =
        cx.hub.store.write(move |c| records::insert_credential(c, account, &name, &protocol, &details));
    let id = insert.await.map_err(taken)?;
    list_changed(cx, account, List::Credentials, id);
    Ok(Answer::created(&json!({ "id": id })))
}

pub(crate) async fn update(cx: &Cx) -> Result<Answer, Refusal> {
    let (account, id) = (cx.account()?, cx.id(1)?);
    let Input { name, protocol, details } = input(cx)?;
    let update = cx.hub.store.write(move |c| {
        let Some(kept) = records::credential_of(c, account, id)? else { return Ok(false) };
        // Who was not shown the secrets cannot send them back.
        let details =
            if kept.protocol == protocol { with_kept_secrets(&kept.details, details) } else { details };
        records::update_credential(c, account, id, &name, &protocol, &details)
    });
    if !update.await.map_err(taken)? {
        return Err(no_such());
    }
    changed(cx, account, id);
    Ok(Answer::done())
}

/// The new details, with those secrets of the old ones that were left out.
fn with_kept_secrets(kept: &str, new: String) -> String {
    let Ok(kept) = serde_json::from_str::<Map<String, Value>>(kept) else { return new };
    let Ok(mut details) = serde_json::from_str::<Map<String, Value>>(&new) else { return new };
    for (key, value) in kept.into_iter().filter(|(key, _)| is_secret(key)) {
        details.entry(key).or_insert(value);
    }
    Value::Object(details).to_string()
}

pub(crate) async fn delete(cx: &Cx) -> Result<Answer, Refusal> {
    let (account, id) = (cx.account()?, cx.id(1)?);
    if !cx.hub.store.write(move |c| records::delete_credential(c, account, id)).await? {
        return Err(no_such());
    }
    changed(cx, account, id);
    Ok(Answer::done())
}

/// Entities may be measured no longer.
fn changed(cx: &Cx, account: i64, id: i64) {
    list_changed(cx, account, List::Credentials, id);
    cx.hub.accounts.grow(account, List::Entities);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_the_end_of_their_name() {
        for key in
            ["snmpv12_community", "snmpv3_authKey", "snmpv3_privKey", "password", "api_token", "clientSecret"]
        {
            assert!(is_secret(key), "{key}");
        }
        for key in ["version", "snmpv3_securityName", "n_packets", "keyboard", "timeout"] {
            assert!(!is_secret(key), "{key}");
        }
    }

    #[test]
    fn secrets_that_are_left_out_stay_and_everything_else_is_as_it_was_sent() {
        let kept = r#"{"version":"snmpv2c","snmpv12_community":"s3cret","port":161}"#;
        let new = with_kept_secrets(kept, r#"{"version":"snmpv1"}"#.to_owned());
        assert_eq!(new, r#"{"snmpv12_community":"s3cret","version":"snmpv1"}"#);
        let new = with_kept_secrets(kept, r#"{"snmpv12_community":"other"}"#.to_owned());
        assert_eq!(new, r#"{"snmpv12_community":"other"}"#);
    }
}
