//! Entities: devices and their parts, and how they are measured.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use hyper::{StatusCode, header::HeaderValue};
use serde_json::{Value, json};

use super::{
    accounts::list_changed,
    cx::Cx,
    input::{self, Object},
    registry::List,
};
use crate::{
    http::{Answer, Refusal, answer::holds_etag},
    store::entities::{self, EntityFilter, EntityInput, NotWritten, ProtocolInput},
};

/// Protocols of one entity, and sensors of one protocol.
const MOST_PARTS: usize = 1_000;

fn no_such() -> Refusal {
    Refusal::not_found("No such entity")
}

/// What stands for a state of lists: where the client has it already, the list need not be made.
pub(crate) fn etag(
    cx: &Cx,
    account: i64,
    lists: &[List],
    variant: impl std::hash::Hash,
) -> Option<HeaderValue> {
    let versions = cx.hub.accounts.get(account)?;
    let versions: Vec<_> = lists.iter().map(|list| versions.get(*list).to_string()).collect();
    let variant = BuildHasherDefault::<DefaultHasher>::default().hash_one(variant);
    let etag = format!("W/\"{}-{account}-{}-{variant:x}\"", cx.hub.start, versions.join("."));
    HeaderValue::try_from(etag).ok()
}

pub(crate) async fn list(cx: &Cx) -> Result<Answer, Refusal> {
    let account = cx.account()?;
    let query = cx.query();
    let flag = |name: &str| query.get(name).map(|flag| matches!(&*flag, "true" | "1" | "yes"));
    let parent = query
        .get("parent")
        .map(|id| id.parse().map_err(|_| Refusal::bad_request("Invalid parameter: parent")));
    let filter = EntityFilter {
        id: None,
        parent: parent.transpose()?,
        entity_type: query.get("entity_type").map(|kind| kind.into_owned()),
        suggested: flag("suggested"),
    };
    let etag = etag(cx, account, &[List::Entities], &filter);
    if let Some(etag) = etag.clone().filter(|etag| holds_etag(&cx.headers, etag)) {
        return Ok(Answer::not_modified(etag));
    }
    let list = cx.hub.store.read(move |c| entities::list(c, account, &filter)).await?;
    Ok(etag.into_iter().fold(Answer::json_pieces(list), Answer::with_etag))
}

pub(crate) async fn get(cx: &Cx) -> Result<Answer, Refusal> {
    let (account, id) = (cx.account()?, cx.id(1)?);
    let json = cx.hub.store.read(move |c| entities::get(c, account, id)).await?.ok_or_else(no_such)?;
    Ok(Answer::json_bytes(StatusCode::OK, json))
}

fn input(cx: &Cx) -> Result<EntityInput, Refusal> {
    let mut input = Object::parse(&cx.body.bytes)?;
    let entity = EntityInput {
        name: input.name("name")?,
        entity_type: input.name("entity_type")?,
        parent: input.optional_id("parent")?,
        details: input.details("details")?,
        protocols: protocols(input.take("protocols"))?,
    };
    input.finish()?;
    Ok(entity)
}

fn protocols(value: Option<Value>) -> Result<Vec<ProtocolInput>, Refusal> {
    let protocols = match value {
        None => return Ok(Vec::new()),
        Some(Value::Object(protocols)) if protocols.len() <= MOST_PARTS => protocols,
        Some(_) => return Err(Refusal::invalid("'protocols' is not an object, or too large")),
    };
    protocols.into_iter().map(|(protocol, value)| self::protocol(protocol, value)).collect()
}

fn protocol(protocol: String, value: Value) -> Result<ProtocolInput, Refusal> {
    let mut object = Object::of(value, &format!("protocol '{protocol}'"))?;
    let missing = |key: &str| Refusal::invalid(format!("'{key}' is a required property"));
    let credential = object.optional_id("credential")?.ok_or_else(|| missing("credential"))?;
    let bot = object.take("bot").ok_or_else(|| missing("bot"))?;
    let bot = match bot {
        Value::Null => None,
        bot => Some(input::id(&bot).ok_or_else(|| Refusal::invalid("'bot' is not an id"))?),
    };
    let sensors = match object.take("sensors").ok_or_else(|| missing("sensors"))? {
        Value::Array(sensors) if sensors.len() <= MOST_PARTS => sensors,
        _ => return Err(Refusal::invalid("'sensors' is not a list, or too long")),
    };
    object.finish()?;
    let sensor = |value| {
        let mut object = Object::of(value, "a sensor")?;
        let sensor = object.optional_id("sensor")?.ok_or_else(|| missing("sensor"))?;
        let interval = object.optional_count("interval")?;
        object.finish().map(|()| (sensor, interval))
    };
    let sensors = sensors.into_iter().map(sensor).collect::<Result<_, _>>()?;
    Ok(ProtocolInput { protocol, credential, bot, sensors })
}

fn refused(why: NotWritten) -> Refusal {
    match why {
        NotWritten::NoSuch => no_such(),
        NotWritten::Invalid(why) => Refusal::invalid(why),
        NotWritten::Secret(credential) => Refusal::forbidden(format!(
            "a bot cannot assign credential {credential}, whose secrets it does not see; a person can"
        )),
    }
}

pub(crate) async fn create(cx: &Cx) -> Result<Answer, Refusal> {
    let account = cx.account()?;
    let input = input(cx)?;
    let user = cx.caller()?.user.clone();
    // A device that a bot has found is for people to accept.
    let is_suggestion = user.is_bot() && input.entity_type == "device" && input.protocols.is_empty();
    let suggested_by = is_suggestion.then_some(user.id);
    let insert =
        cx.hub.store.write(move |c| match entities::validate_for_bot(c, account, None, &input, &user)? {
            Ok(()) => entities::insert(c, account, &input, suggested_by),
            Err(why) => Ok(Err(why)),
        });
    let id = insert.await?.map_err(refused)?;
    list_changed(cx, account, List::Entities, id);
    Ok(Answer::created(&json!({ "id": id })))
}

pub(crate) async fn update(cx: &Cx) -> Result<Answer, Refusal> {
    let (account, id) = (cx.account()?, cx.id(1)?);
    let input = input(cx)?;
    let user = cx.caller()?.user.clone();
    let update =
        cx.hub.store.write(move |c| match entities::validate_for_bot(c, account, Some(id), &input, &user)? {
            Ok(()) => entities::update(c, account, id, &input, !user.is_bot()),
            Err(why) => Ok(Err(why)),
        });
    update.await?.map_err(refused)?;
    list_changed(cx, account, List::Entities, id);
    Ok(Answer::done())
}

pub(crate) async fn delete(cx: &Cx) -> Result<Answer, Refusal> {
    let (account, id) = (cx.account()?, cx.id(1)?);
    if !cx.hub.store.write(move |c| entities::delete(c, account, id)).await? {
        return Err(no_such());
    }
    cx.hub.pulses.forget_entity(account, id);
    list_changed(cx, account, List::Entities, id);
    Ok(Answer::done())
}
