//! Giving values out: each one, or as roll-ups.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use hyper::StatusCode;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{SECOND, json as points};
use crate::{
    api::cx::Cx,
    http::{Answer, Refusal, query::Query},
    store::{
        pieces::Pieces,
        values::{Range, is_path},
    },
};

/// Points of one path in one answer.
const MOST_POINTS: usize = 100_000;

/// Points of all paths in one answer. Paths beyond it say where they go on, without a point.
const MOST_POINTS_ALL: usize = 1_000_000;

/// How long a question waits for its part of the memory for answers.
const ROOM_WAIT: Duration = Duration::from_secs(10);

/// Paths in one question.
const MOST_PATHS: usize = 5_000;

/// The coarsest roll-up.
const LAST_LEVEL: u8 = 6;

/// Where the parameters come from.
enum Args<'a> {
    Query(Query<'a>),
    Body(Sent),
}

/// The members of a body that are read. What else there is leaves nothing in memory.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Sent {
    p: Member,
    a: Member,
    t0: Member,
    t1: Member,
    sort: Member,
    limit: Member,
}

/// A text, or what is written instead of one.
#[derive(Default)]
struct Member(Option<String>);

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyMember)
    }
}

struct AnyMember;

impl<'de> Visitor<'de> for AnyMember {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_str<E>(self, text: &str) -> Result<Member, E> {
        Ok(Member(Some(text.to_owned())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Member, E> {
        Ok(Member(Some(number.to_string())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Member, E> {
        Ok(Member(Some(number.to_string())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Member, E> {
        Ok(Member(Some(number.to_string())))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Member, E> {
        Ok(Member(Some(flag.to_string())))
    }

    fn visit_unit<E>(self) -> Result<Member, E> {
        Ok(Member(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Member, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member(Some("[]".to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Member, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Member(Some("{}".to_owned())))
    }
}

impl Args<'_> {
    fn of(cx: &Cx) -> Result<Args<'_>, Refusal> {
        if cx.body.bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte != b'{') {
            return Err(Refusal::invalid("the body is not an object"));
        }
        match serde_json::from_slice(&cx.body.bytes) {
            Ok(sent) => Ok(Args::Body(sent)),
            Err(error) => Err(Refusal::invalid(format!("no JSON: {error}"))),
        }
    }

    /// A parameter as text; an empty one counts as left out.
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let sent = match self {
            Self::Query(query) => return query.get(name),
            Self::Body(sent) => sent,
        };
        let Member(member) = match name {
            "p" => &sent.p,
            "a" => &sent.a,
            "t0" => &sent.t0,
            "t1" => &sent.t1,
            "sort" => &sent.sort,
            "limit" => &sent.limit,
            _ => return None,
        };
        member.as_deref().filter(|text| !text.is_empty()).map(Cow::Borrowed)
    }
}

/// What is asked for.
struct Wanted {
    /// Each path with its beginning; where there is none, from the oldest value on.
    paths: Vec<(String, Option<i64>)>,
    to: i64,
    newest_first: bool,
    limit: usize,
}

impl Wanted {
    fn of(paths: &str, args: &Args<'_>, now: i64) -> Result<Self, Refusal> {
        let paths: Vec<String> = paths.split(',').map(str::to_owned).collect();
        if paths.len() > MOST_PATHS {
            return Err(Refusal::bad_request(format!("more than {MOST_PATHS} paths at once")));
        }
        if !paths.iter().all(|path| is_path(path)) {
            return Err(Refusal::bad_request("Path(s) not specified correctly"));
        }
        let time = |text: &str, name: &str| {
            super::time(text).ok_or_else(|| Refusal::bad_request(format!("Error parsing {name}")))
        };
        let starts = match args.get("t0") {
            None => vec![None; paths.len()],
            Some(text) => {
                let starts: Vec<i64> =
                    text.split(',').map(|text| time(text, "t0")).collect::<Result<_, _>>()?;
                match starts.as_slice() {
                    [one] => vec![Some(*one); paths.len()],
                    many if many.len() == paths.len() => many.iter().copied().map(Some).collect(),
                    _ => {
                        let text = "Number of t0 timestamps must be 1 or equal to number of paths";
                        return Err(Refusal::bad_request(text));
                    }
                }
            }
        };
        let to = args.get("t1").map(|text| time(&text, "t1")).transpose()?.unwrap_or(now);
        let newest_first = match args.get("sort").as_deref() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => {
                return Err(Refusal::bad_request("Invalid parameter: sort (should be 'asc' or 'desc')"));
            }
        };
        let limit = args.get("limit").map(|limit| limit.parse::<usize>());
        let limit = limit.transpose().ok().map(|limit| limit.unwrap_or(MOST_POINTS));
        let limit = limit
            .filter(|limit| (1..=MOST_POINTS).contains(limit))
            .ok_or_else(|| Refusal::bad_request(format!("Invalid parameter: limit (1 to {MOST_POINTS})")))?;
        Ok(Self { paths: paths.into_iter().zip(starts).collect(), to, newest_first, limit })
    }
}

pub(crate) async fn get(cx: &Cx) -> Result<Answer, Refusal> {
    if cx.text.contains(',') {
        return Err(Refusal::bad_request("Only a single path is allowed"));
    }
    if !is_path(&cx.text) {
        return Err(super::invalid_path(&cx.text));
    }
    raw(cx, Wanted::of(&cx.text, &Args::Query(cx.query()), cx.now())?).await
}

fn paths_of<'a>(args: &'a Args<'_>) -> Result<Cow<'a, str>, Refusal> {
    args.get("p").ok_or_else(|| Refusal::bad_request("Path(s) not specified"))
}

pub(crate) async fn get_many(cx: &Cx) -> Result<Answer, Refusal> {
    let args = Args::of(cx)?;
    raw(cx, Wanted::of(&paths_of(&args)?, &args, cx.now())?).await
}

/// A part of the memory for answers, as much as this one can take.
async fn room(cx: &Cx, wanted: &Wanted) -> Result<OwnedSemaphorePermit, Refusal> {
    let most = wanted.paths.len().saturating_mul(wanted.limit).min(MOST_POINTS_ALL);
    let room = Arc::clone(&cx.hub.answers).acquire_many_owned(u32::try_from(most).unwrap_or(u32::MAX));
    match timeout(ROOM_WAIT, room).await {
        Ok(Ok(room)) => Ok(room),
        _ => {
            let text = "too many large answers are on their way; ask again in a moment, or for fewer values";
            Err(Refusal::detail(StatusCode::SERVICE_UNAVAILABLE, text).retry_after(1))
        }
    }
}

/// The answer, which keeps as much of the memory as it has taken.
fn answer(json: Pieces, mut room: OwnedSemaphorePermit, left: usize) -> Answer {
    let unused = room.num_permits().saturating_sub(MOST_POINTS_ALL - left);
    drop(room.split(unused));
    Answer::json_pieces(json.finish()).holding(room)
}

async fn raw(cx: &Cx, wanted: Wanted) -> Result<Answer, Refusal> {
    let account = cx.account()?;
    let room = room(cx, &wanted).await?;
    let values = cx.hub.store.values();
    let mut json = Pieces::default();
    json.raw("{\"paths\":{");
    let mut left = MOST_POINTS_ALL;
    for (i, (path, from)) in wanted.paths.iter().enumerate() {
        json.raw(if i == 0 { "" } else { "," });
        let range = Range { from: from.unwrap_or(i64::MIN), to: wanted.to };
        let limit = wanted.limit.min(left);
        let read = values.read(account, path, range, wanted.newest_first, limit.max(1)).await?;
        let mut series = read.unwrap_or_default();
        if limit == 0 {
            series.next = series.points.first().map(|(time, _)| *time);
            series.points.clear();
        }
        left -= series.points.len();
        points::series(&mut json, path, &series);
    }
    json.raw("}}");
    Ok(answer(json, room, left))
}

pub(crate) async fn rollups(cx: &Cx) -> Result<Answer, Refusal> {
    let account = cx.account()?;
    let args = Args::of(cx)?;
    let paths = paths_of(&args)?;
    let level = args.get("a").and_then(|level| level.parse::<i64>().ok());
    let level = level.ok_or_else(|| Refusal::bad_request("Invalid parameter: a"))?;
    let level = u8::try_from(level).ok().filter(|level| *level <= LAST_LEVEL).ok_or_else(|| {
        Refusal::bad_request(format!(
            "Invalid parameter a (should be a number in range from 0 to {LAST_LEVEL})."
        ))
    })?;
    let wanted = Wanted::of(&paths, &args, cx.now())?;
    let room = room(cx, &wanted).await?;
    let half = 3_i64.pow(u32::from(level)) * 1_800 * SECOND;
    let values = cx.hub.store.values();
    let mut json = Pieces::default();
    json.raw("{\"paths\":{");
    let mut left = MOST_POINTS_ALL;
    for (i, (path, from)) in wanted.paths.iter().enumerate() {
        json.raw(if i == 0 { "" } else { "," });
        let range = Range { from: from.unwrap_or(i64::MIN), to: wanted.to };
        let limit = wanted.limit.min(left);
        let read = values.rollup(account, path, level, range, wanted.newest_first, limit.max(1)).await?;
        let mut rollups = read.unwrap_or_default();
        if limit == 0 {
            rollups.next = rollups.buckets.first().map(|bucket| bucket.start);
            rollups.buckets.clear();
        }
        left -= rollups.buckets.len();
        points::buckets(&mut json, path, &rollups.buckets, rollups.next, half);
    }
    json.raw("}}");
    Ok(answer(json, room, left))
}

/// The newest value of each path.
pub(crate) async fn last(cx: &Cx) -> Result<Answer, Refusal> {
    let account = cx.account()?;
    let query = cx.query();
    let paths = match (query.list("p"), query.get("f")) {
        (Some(paths), _) if paths.len() <= MOST_PATHS => paths,
        (Some(_), _) => return Err(Refusal::bad_request(format!("more than {MOST_PATHS} paths at once"))),
        (None, Some(filter)) => {
            let filter = super::top::filter(&filter)?;
            let (paths, _) = cx.hub.store.values().paths(account, &filter, MOST_PATHS).await?;
            paths.into_iter().map(|(_, path)| path).collect()
        }
        (None, None) => return Err(Refusal::bad_request("neither paths (p) nor a path filter (f)")),
    };
    if let Some(path) = paths.iter().find(|path| !is_path(path)) {
        return Err(super::invalid_path(path));
    }
    let last = cx.hub.store.values().last(account, &paths).await?;
    let mut json = Pieces::default();
    json.raw("{\"list\":[");
    let mut comma = "";
    for (path, last) in paths.iter().zip(last) {
        let Some((time, value)) = last else { continue };
        json.raw(comma);
        comma = ",";
        json.raw("{\"p\":");
        json.value(path);
        json.raw(",\"t\":");
        points::time(&mut json, time);
        json.raw(",\"v\":");
        json.value(&value);
        json.raw("}");
    }
    json.raw("]}");
    Ok(Answer::json_pieces(json.finish()))
}
