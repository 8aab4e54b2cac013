//! The largest values of one moment.

use super::{json as points, time};
use crate::{
    api::cx::Cx,
    http::{Answer, Refusal},
    store::{pieces::Pieces, values::PathFilter},
};

/// Paths that are shown unless more are wanted.
const SHOWN: usize = 5;

/// Paths that can be wanted.
const MOST: usize = 10_000;

/// A filter in a request.
pub(crate) fn filter(text: &str) -> Result<PathFilter, Refusal> {
    PathFilter::parse(text).map_err(|_| Refusal::invalid("Invalid path filter"))
}

pub(crate) async fn get(cx: &Cx) -> Result<Answer, Refusal> {
    let account = cx.account()?;
    let query = cx.query();
    let n = query.get("n").map(|n| n.parse::<i64>()).transpose();
    let n = n.map_err(|_| Refusal::bad_request("Invalid parameter n"))?;
    let n = n.map_or(SHOWN, |n| usize::try_from(n).unwrap_or(0).min(MOST));
    let text = query.get("f").ok_or_else(|| Refusal::bad_request("Path filter not specified"))?;
    let filter = filter(&text)?;
    let until = match query.get("t") {
        None => cx.now(),
        Some(text) => time(&text).ok_or_else(|| Refusal::invalid("Invalid parameter t"))?,
    };
    let top = cx.hub.store.values().top(account, &filter, n, until).await?;
    let mut json = Pieces::default();
    json.raw("{\"t\":");
    points::time(&mut json, top.as_ref().map_or(until, |top| top.time));
    json.raw(",\"total\":");
    json.value(&top.as_ref().map_or(0.0, |top| top.total));
    json.raw(",\"list\":[");
    for (i, (path, value)) in top.iter().flat_map(|top| &top.list).enumerate() {
        json.raw(if i == 0 { "{\"p\":" } else { ",{\"p\":" });
        json.value(path);
        json.raw(",\"v\":");
        json.value(value);
        json.raw("}");
    }
    json.raw("]}");
    Ok(Answer::json_pieces(json.finish()))
}
