//! Paths: which there are, and what becomes of them.

use serde_json::{Map, Value, json};

use super::{cx::Cx, input::Object, shared::tagged, values};
use crate::{
    http::{Answer, Refusal},
    store::{
        StoreError, text,
        values::{MOST_STEPS, PathFilter, Renamed, is_path, too_costly},
    },
};

/// Paths for each filter unless more are wanted.
const SHOWN: usize = 10;

/// Paths that can be wanted.
const MOST: usize = 100_000;

/// Filters in one question.
const MOST_FILTERS: usize = 200;

/// Paths that are looked at for what somebody is typing.
const LOOKED_AT: usize = 200_000;

fn no_such() -> Refusal {
    Refusal::not_found("No such path")
}

pub(crate) async fn list(cx: &Cx) -> Result<Answer, Refusal> {
    let account = cx.account()?;
    let query = cx.query();
    let limit = query.get("limit").map(|limit| limit.parse::<i64>()).transpose();
    let limit = limit.map_err(|_| Refusal::bad_request("Invalid parameter: limit"))?;
    let limit = limit.map_or(SHOWN, |limit| usize::try_from(limit).unwrap_or(0).min(MOST));
    let trailing = query.get("failover_trailing").is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
    let filters = match query.list("filter") {
        Some(filters) if filters.len() <= MOST_FILTERS => filters,
        Some(_) => return Err(Refusal::bad_request(format!("more than {MOST_FILTERS} filters at once"))),
        // As if somebody had asked for this name, which is how the question without a filter has always been answered.
        None => vec![if trailing { String::new() } else { "None".to_owned() }],
    };
    let parsed: Result<Vec<_>, _> = filters.iter().map(|text| PathFilter::parse(text)).collect();
    let mut found = Map::new();
    let mut any = false;
    let mut reached = false;
    match parsed {
        Ok(parsed) => {
            for filter in &parsed {
                let (paths, more) = cx.hub.store.values().paths(account, filter, limit).await?;
                any |= !paths.is_empty();
                reached |= more;
                found.insert(filter.as_str().to_owned(), shown(paths));
            }
        }
        Err(_) if trailing => {}
        Err(error) => return Err(Refusal::invalid(format!("Invalid PathFilter format: {error}"))),
    }
    let mut answer = json!({ "paths": if any { found } else { Map::new() }, "limit_reached": reached });
    if trailing && !any {
        let mut found = Map::new();
        for text in filters {
            let unfinished = Unfinished::parse(&text)
                .ok_or_else(|| Refusal::invalid("Invalid UnfinishedPathFilter format"))?;
            let (paths, more) = cx.hub.store.read(move |c| unfinished.matching(c, account, limit)).await?;
            reached |= more;
            found.insert(text, shown(paths));
        }
        answer["paths_with_trailing"] = found.into();
        answer["limit_reached"] = reached.into();
    }
    Ok(tagged(&answer))
}

fn shown(paths: Vec<(i64, String)>) -> Value {
    paths.into_iter().map(|(id, path)| json!({"id": id, "path": path})).collect()
}

/// What somebody is typing: a filter of which the last segment may have only begun.
struct Unfinished {
    /// Before the last dot.
    head: Option<PathFilter>,
    /// The segments of that, when none of them stands for others: what all matching paths begin with.
    literal: String,
    last: String,
}

impl Unfinished {
    fn parse(text: &str) -> Option<Self> {
        let (head, last) = match text.rsplit_once('.') {
            Some((head, last)) => (Some(PathFilter::parse(head).ok()?), last),
            None => (None, text),
        };
        let is_wild = matches!(last, "*" | "?");
        if !is_wild && !last.is_empty() && !last.split('%').all(|part| part.is_empty() || is_path(part)) {
            return None;
        }
        let wild = text.find(['*', '?']).unwrap_or(text.len());
        Some(Self {
            head,
            literal: text[..wild].to_owned(),
            last: if is_wild { "" } else { last }.to_owned(),
        })
    }

    fn matches(&self, path: &str, steps: &mut usize) -> bool {
        let Some(head) = &self.head else { return path.starts_with(&self.last) };
        // Some beginning of the path matches the head, and what follows begins like the last segment.
        path.match_indices('.').any(|(dot, _)| {
            path[dot + 1..].starts_with(&self.last) && head.matches_within(&path[..dot], steps)
        })
    }

    fn matching(
        &self,
        c: &rusqlite::Connection,
        account: i64,
        limit: usize,
    ) -> Result<(Vec<(i64, String)>, bool), StoreError> {
        let mut rows = c.prepare_cached(
            "SELECT id, path FROM paths WHERE account = ?1 AND path >= ?2 ORDER BY path LIMIT ?3",
        )?;
        let mut rows = rows.query((account, &self.literal, LOOKED_AT))?;
        let (mut found, mut steps) = (Vec::new(), MOST_STEPS);
        while let Some(row) = rows.next()? {
            let path = text(row, 1)?;
            if !path.starts_with(&self.literal) {
                break;
            }
            if self.matches(path, &mut steps) {
                if found.len() == limit {
                    return Ok((found, true));
                }
                found.push((row.get(0)?, path.to_owned()));
            }
            if steps == 0 {
                return Err(too_costly());
            }
        }
        Ok((found, false))
    }
}

pub(crate) async fn get(cx: &Cx) -> Result<Answer, Refusal> {
    let path = cx.hub.store.values().path_by_id(cx.account()?, cx.id(1)?).await?.ok_or_else(no_such)?;
    Ok(Answer::ok(&json!({ "path": path })))
}

pub(crate) async fn rename(cx: &Cx) -> Result<Answer, Refusal> {
    let account = cx.account()?;
    let mut input = Object::parse(&cx.body.bytes)?;
    let path = input.text("path")?;
    input.finish()?;
    if !is_path(&path) {
        return Err(values::invalid_path(&path));
    }
    if path.starts_with("system.") {
        return Err(Refusal::invalid("Invalid path - should not start with 'system.'!"));
    }
    match cx.hub.store.values().rename_path(account, cx.id(1)?, &path).await? {
        Renamed::Done => {}
        Renamed::NoSuchPath => return Err(no_such()),
        Renamed::Taken => return Err(Refusal::bad_request("a path of this name exists")),
    }
    cx.hub.feed.changed(format!("accounts/{account}/paths"), Some(cx.id(1)?));
    Ok(Answer::done())
}

pub(crate) async fn delete(cx: &Cx) -> Result<Answer, Refusal> {
    let account = cx.account()?;
    if !cx.hub.store.values().delete_path(account, cx.id(1)?).await? {
        return Err(no_such());
    }
    cx.hub.feed.changed(format!("accounts/{account}/paths"), Some(cx.id(1)?));
    Ok(Answer::done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_typed_matches_what_it_may_become() {
        for (typed, path, expected) in [
            ("t", "test.values", true),
            ("test", "test.values", true),
            ("test.", "test.values", true),
            ("test.v", "test.values.x", true),
            ("test.x", "test.values.x", false),
            ("a.?.c", "a.b.cde.f", true),
            ("a.?.c", "a.b.x", false),
            ("*.v", "a.b.value", true),
            ("a.*", "a.b.c", true),
            ("", "anything", true),
        ] {
            assert_eq!(
                Unfinished::parse(typed).unwrap().matches(path, &mut 1_000),
                expected,
                "{typed} {path}"
            );
        }
        for nonsense in ["a..b", "a b", ".a", "a?.b"] {
            assert!(Unfinished::parse(nonsense).is_none(), "{nonsense}");
        }
    }
}
