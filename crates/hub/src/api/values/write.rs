//! Taking values in: all of a list, or nothing.

use super::{
    SECOND,
    parse::{self, Sent, Stamp, Wrong},
};
use crate::{
    api::cx::Cx,
    http::{Answer, Refusal},
    store::values::NewPoint,
};
use serde_json::json;

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Self {
        let text = wrong.to_string();
        match wrong {
            Wrong::Path { .. } | Wrong::System { .. } => Self::plain(hyper::StatusCode::BAD_REQUEST, text),
            _ => Self::bad_request(text),
        }
    }
}

/// What is counted for each account and minute, whatever is measured.
const CHANGED: &str = "system.stats.changed";
const INSERTED: &str = "system.stats.inserted";
const UPDATED: &str = "system.stats.updated";

/// Values with times of their own; what is sent again is stored once.
pub(crate) async fn put(cx: &Cx) -> Result<Answer, Refusal> {
    store(cx, parse::list(&cx.body.bytes, Stamp::Own)?, UPDATED).await
}

/// Values of this moment.
pub(crate) async fn post(cx: &Cx) -> Result<Answer, Refusal> {
    let now = cx.now();
    let query = cx.query();
    if cx.body.bytes.iter().all(u8::is_ascii_whitespace)
        && let Some(path) = query.get("p")
    {
        if query.get("t").is_some() {
            return Err(Refusal::bad_request("Query parameter 't' shouldn't be specified with POST"));
        }
        let one = json!([{"p": path, "v": query.get("v")}]).to_string();
        return store(cx, parse::list(one.as_bytes(), Stamp::Now(now))?, INSERTED).await;
    }
    store(cx, parse::list(&cx.body.bytes, Stamp::Now(now))?, INSERTED).await
}

async fn store(cx: &Cx, sent: Vec<Sent<'_>>, counter: &str) -> Result<Answer, Refusal> {
    let account = cx.account()?;
    if sent.is_empty() {
        return Ok(Answer::done());
    }
    let count = sent.len();
    let told = cx.hub.feed.wants_values();
    let noted = cx.hub.pulses.notable(&sent);
    let points: Vec<NewPoint> = sent
        .into_iter()
        .map(|Sent { path, time, value }| NewPoint { path: path.into_owned().into_boxed_str(), time, value })
        .collect();
    // Told when they are stored, and not before: so they are copied, if anybody listens.
    let kept = if told { points.clone() } else { Vec::new() };
    let done = cx.hub.store.values().put(account, points).await?;
    cx.hub.pulses.note(account, noted, cx.now());
    if told {
        cx.hub.feed.stored(account, kept.iter().map(|point| (&*point.path, point.time, point.value)));
    }
    if !done.new_paths.is_empty() {
        cx.hub.feed.changed(format!("accounts/{account}/paths"), None);
    }
    let minute = cx.now().div_euclid(60 * SECOND) * 60 * SECOND;
    #[expect(clippy::cast_precision_loss, reason = "a list is far shorter than 2^53")]
    let count = count as f64;
    cx.hub.store.values().add(account, counter, minute, count).await;
    cx.hub.store.values().add(account, CHANGED, minute, count).await;
    Ok(Answer::done())
}
