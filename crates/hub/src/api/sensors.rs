//! Sensors: what devices are asked for.

use hyper::StatusCode;
use serde_json::json;

use super::{accounts::list_changed, cx::Cx, entities::etag, input::Object, registry::List};
use crate::{
    http::{Answer, Refusal, answer::holds_etag},
    store::{
        StoreError,
        pieces::Pieces,
        records::{self, Sensor},
    },
};

fn no_such() -> Refusal {
    Refusal::not_found("No such sensor")
}

fn write(sensor: &Sensor, json: &mut Pieces) {
    json.raw("{\"id\":");
    json.number(sensor.id);
    json.raw(",\"name\":");
    json.value(&sensor.name);
    json.raw(",\"protocol\":");
    json.value(&sensor.protocol);
    json.raw(",\"default_interval\":");
    json.value(&sensor.default_interval);
    json.raw(",\"details\":");
    json.raw(&sensor.details);
    json.raw("}");
}

pub(crate) async fn list(cx: &Cx) -> Result<Answer, Refusal> {
    let account = cx.account()?;
    let etag = etag(cx, account, &[List::Sensors], ());
    if let Some(etag) = etag.clone().filter(|etag| holds_etag(&cx.headers, etag)) {
        return Ok(Answer::not_modified(etag));
    }
    let list = cx.hub.store.read(move |c| {
        let mut json = Pieces::default();
        json.raw("{\"list\":[");
        for (i, sensor) in records::sensors(c, account)?.iter().enumerate() {
            json.raw(if i == 0 { "" } else { "," });
            write(sensor, &mut json);
            json.rest();
        }
        json.raw("]}");
        Ok(json.finish())
    });
    Ok(etag.into_iter().fold(Answer::json_pieces(list.await?), Answer::with_etag))
}

pub(crate) async fn get(cx: &Cx) -> Result<Answer, Refusal> {
    let (account, id) = (cx.account()?, cx.id(1)?);
    let sensor = cx.hub.store.read(move |c| records::sensor_of(c, account, id)).await?.ok_or_else(no_such)?;
    let mut json = Pieces::default();
    write(&sensor, &mut json);
    Ok(Answer::json_bytes(StatusCode::OK, json.finish().concat()))
}

fn input(cx: &Cx, id: i64) -> Result<Sensor, Refusal> {
    let mut input = Object::parse(&cx.body.bytes)?;
    if !input.has("default_interval") {
        return Err(Refusal::invalid("'default_interval' is a required property"));
    }
    let sensor = Sensor {
        id,
        name: input.name("name")?,
        protocol: input.name("protocol")?,
        default_interval: input.optional_count("default_interval")?,
        details: input.details("details")?,
    };
    input.finish()?;
    Ok(sensor)
}

fn taken(error: StoreError) -> Refusal {
    if error.is_duplicate() {
        return Refusal::bad_request("a sensor with this name exists");
    }
    error.into()
}

pub(crate) async fn create(cx: &Cx) -> Result<Answer, Refusal> {
    let account = cx.account()?;
    let new = input(cx, 0)?;
    let insert = cx.hub.store.write(move |c| {
        records::insert_sensor(c, account, &new.name, &new.protocol, new.default_interval, &new.details)
    });
    let id = insert.await.map_err(taken)?;
    list_changed(cx, account, List::Sensors, id);
    Ok(Answer::created(&json!({ "id": id })))
}

pub(crate) async fn update(cx: &Cx) -> Result<Answer, Refusal> {
    let (account, id) = (cx.account()?, cx.id(1)?);
    let new = input(cx, id)?;
    if !cx.hub.store.write(move |c| records::update_sensor(c, account, &new)).await.map_err(taken)? {
        return Err(no_such());
    }
    changed(cx, account, id);
    Ok(Answer::done())
}

pub(crate) async fn delete(cx: &Cx) -> Result<Answer, Refusal> {
    let (account, id) = (cx.account()?, cx.id(1)?);
    if !cx.hub.store.write(move |c| records::delete_sensor(c, account, id)).await? {
        return Err(no_such());
    }
    changed(cx, account, id);
    Ok(Answer::done())
}

/// Entities may have lost it.
fn changed(cx: &Cx, account: i64, id: i64) {
    list_changed(cx, account, List::Sensors, id);
    cx.hub.accounts.grow(account, List::Entities);
}
