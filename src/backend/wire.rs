//! What goes over the wire, and nothing else: reading answers field by field, writing values.
//!
//! Answers are read in two steps: first a list is cut into its records, then each record into its fields, all of
//! it without copying; only then is a field's type looked at. So one broken record spoils no other, what is
//! not needed is never read, and an error can name its field.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::DeliveryMode;
use super::lenient::{self, Values};
use super::line::one_line;
use super::{Api, ApiError, Resource};
use crate::ids::{self, AccountId, EntityId, UserId};
use crate::sample::Sample;
use crate::schedule::Interval;

/// How much of a name is shown in a message, in characters.
const NAME: usize = 60;

/// Who the bot is, as the backend sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Profile {
    pub(crate) user_id: UserId,
    /// `bot`, or `user` for a person.
    pub(crate) user_type: Box<str>,
    pub(crate) name: Option<Box<str>>,
    pub(crate) protocol: Option<Box<str>>,
    /// The one account that the bot may serve; none when it may serve several.
    pub(crate) tied_to_account: Option<AccountId>,
}

/// Asks the backend who this bot is.
pub(crate) async fn profile(api: &dyn Api) -> Result<Profile, ApiError> {
    read(Resource::Profile, &api.get(Resource::Profile).await?, read_profile)
}

/// Asks the backend whether it can be worked with: in words what is missing, if something is.
pub(crate) async fn status(api: &dyn Api) -> Result<BackendStatus, ApiError> {
    read(Resource::Status, &api.get(Resource::Status).await?, read_status)
}

/// How far the backend is with its own start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct BackendStatus {
    /// Or what it still lacks.
    pub(crate) ready: Result<(), String>,
    pub(crate) offers: Offers,
}

/// What a backend offers beyond the original one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Offers {
    /// It tells of changes as they happen.
    pub(crate) changes: bool,
    /// It wants to know what goes wrong.
    pub(crate) problems: bool,
}

/// Gives a reader's reason the form of an error.
pub(super) fn read<'a, T>(
    resource: Resource,
    body: &'a [u8],
    reader: impl FnOnce(&'a [u8]) -> Result<T, String>,
) -> Result<T, ApiError> {
    reader(body).map_err(|reason| malformed(resource, reason))
}

pub(super) fn malformed(resource: Resource, reason: String) -> ApiError {
    ApiError::Malformed { request: format!("GET {resource}"), reason }
}

pub(super) fn read_profile(body: &[u8]) -> Result<Profile, String> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(borrow)]
        user_id: Option<&'a RawValue>,
        #[serde(borrow)]
        user_type: Option<&'a RawValue>,
        #[serde(borrow)]
        record: Option<&'a RawValue>,
    }
    #[derive(Deserialize, Default)]
    struct Record<'a> {
        #[serde(borrow)]
        name: Option<&'a RawValue>,
        #[serde(borrow)]
        protocol: Option<&'a RawValue>,
        #[serde(borrow)]
        tied_to_account: Option<&'a RawValue>,
    }
    let raw: Raw<'_> = object(whole(body)?)?;
    let record: Record<'_> =
        raw.record.map(object).transpose().map_err(in_field("record"))?.unwrap_or_default();
    let text = |field, raw| optional::<Box<str>>(raw).map_err(in_field(field));
    Ok(Profile {
        user_id: required("user_id", raw.user_id)?,
        user_type: required("user_type", raw.user_type)?,
        name: text("record.name", record.name)?,
        protocol: text("record.protocol", record.protocol)?,
        tied_to_account: optional(record.tied_to_account).map_err(in_field("record.tied_to_account"))?,
    })
}

pub(super) fn read_status(body: &[u8]) -> Result<BackendStatus, String> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(borrow)]
        db_migration_needed: Option<&'a RawValue>,
        #[serde(borrow)]
        user_exists: Option<&'a RawValue>,
        #[serde(borrow)]
        features: Option<&'a RawValue>,
    }
    let raw: Raw<'_> = object(whole(body)?)?;
    let migration = required("db_migration_needed", raw.db_migration_needed)?;
    let user = optional(raw.user_exists).map_err(in_field("user_exists"))?;
    let ready = match (migration, user) {
        (true, _) => Err("database migration needed".to_owned()),
        (false, Some(true)) => Ok(()),
        (false, _) => Err("no user exists yet".to_owned()),
    };
    // Another backend may mean anything by that name.
    let features = raw.features.and_then(|raw| items(raw).ok()).unwrap_or_default();
    let has = |name| features.iter().any(|raw| is_text(raw, name));
    Ok(BackendStatus { ready, offers: Offers { changes: has("changes"), problems: has("problems") } })
}

/// An entity's fields, unread.
#[derive(Deserialize)]
pub(super) struct RawEntity<'a> {
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) entity_type: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) parent: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) details: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) protocols: Option<&'a RawValue>,
}

/// What an entity says of one protocol, unread.
#[derive(Deserialize)]
pub(super) struct RawBinding<'a> {
    #[serde(borrow)]
    pub(super) credential: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) bot: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) sensors: Option<&'a RawValue>,
}

/// What an entity says of one sensor, unread.
#[derive(Deserialize)]
pub(super) struct RawUse<'a> {
    #[serde(borrow)]
    pub(super) sensor: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) interval: Option<&'a RawValue>,
}

/// The fields of a credential or a sensor, unread. An account has the first two of them.
#[derive(Deserialize)]
pub(super) struct RawRecord<'a> {
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) protocol: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) default_interval: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) details: Option<&'a RawValue>,
}

/// Cuts an answer's list into its records.
pub(super) fn list(body: &[u8]) -> Result<Vec<&RawValue>, String> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        list: Option<&'a RawValue>,
    }
    let answer: Answer<'_> = object(whole(body)?)?;
    items(answer.list.ok_or("list: missing")?).map_err(in_field("list"))
}

/// The whole answer, if it is JSON.
fn whole(body: &[u8]) -> Result<&RawValue, String> {
    if let Some(reason) = not_json(body) {
        return Err(reason);
    }
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Eof => "it breaks off before its end".to_owned(),
        // Where it is, and nothing of what is there.
        _ => format!("not JSON at line {}, column {}", error.line(), error.column()),
    })
}

/// The items of a list.
pub(super) fn items(raw: &RawValue) -> Result<Vec<&RawValue>, String> {
    if !raw.get().starts_with('[') {
        return Err(wrong("a list", raw));
    }
    serde_json::from_str(raw.get()).map_err(|error| format!("cannot be read: {error}"))
}

/// The fields of an object.
pub(super) fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, String> {
    if !raw.get().starts_with('{') {
        return Err(wrong("an object", raw));
    }
    // All fields are unread, so that it can only be one that is there twice, or a name that is no text.
    serde_json::from_str(raw.get()).map_err(|error| format!("cannot be read: {error}"))
}

/// The field `name` of an object, if it is there and not null.
pub(super) fn field<'a>(raw: &'a RawValue, name: &str) -> Result<Option<&'a RawValue>, String> {
    struct Find<'n>(&'n str);

    impl<'de> Visitor<'de> for Find<'_> {
        type Value = Option<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some((Text(key), value)) = map.next_entry::<Text<'de>, Option<&'de RawValue>>()? {
                if key == self.0 && found.is_none() {
                    found = value;
                }
            }
            Ok(found)
        }
    }

    // Some languages write an empty object as an empty list.
    if raw.get().starts_with('[') && items(raw)?.is_empty() {
        return Ok(None);
    }
    if !raw.get().starts_with('{') {
        return Err(wrong("an object", raw));
    }
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    deserializer.deserialize_map(Find(name)).map_err(|error| format!("cannot be read: {error}"))
}

/// A text, borrowed where it holds no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Whether a value is the text `wanted`.
pub(super) fn is_text(raw: &RawValue, wanted: &str) -> bool {
    serde_json::from_str(raw.get()).is_ok_and(|Text(text)| text == wanted)
}

/// A value of which null means that there is none.
pub(super) fn optional<T: DeserializeOwned>(raw: Option<&RawValue>) -> Result<Option<T>, String> {
    raw.map(|raw| lenient::read(&value(raw)?, Values::Shown)).transpose()
}

/// A value that has to be there.
pub(super) fn required<T: DeserializeOwned>(name: &str, raw: Option<&RawValue>) -> Result<T, String> {
    optional(raw).map_err(in_field(name))?.ok_or_else(|| format!("{name}: missing"))
}

/// The id of something of any kind.
pub(super) fn id(name: &str, raw: Option<&RawValue>) -> Result<u64, String> {
    #[derive(Deserialize)]
    struct Id(#[serde(deserialize_with = "ids::read")] u64);
    required(name, raw).map(|Id(id)| id)
}

pub(super) fn value(raw: &RawValue) -> Result<Value, String> {
    // Only numbers that no computer holds and hundreds of lists in each other get here.
    serde_json::from_str(raw.get()).map_err(|error| format!("cannot be read: {error}"))
}

/// An interval: whole seconds, or none.
pub(super) fn interval(raw: Option<&RawValue>) -> Result<Option<Interval>, String> {
    let Some(raw) = raw else { return Ok(None) };
    let seconds = value(raw).and_then(|value| lenient::read::<u64>(&value, Values::Shown)).ok();
    match seconds.map(Interval::from_secs) {
        Some(Ok(interval)) => Ok(Some(interval)),
        _ => Err(wrong(format_args!("whole seconds from 1 to {}", u32::MAX), raw)),
    }
}

/// The name of something, for messages: short, on one line, and empty when there is none.
pub(super) fn shown_name(raw: Option<&RawValue>) -> String {
    let name: Option<String> = optional(raw).ok().flatten();
    name.map(|name| one_line(&name, NAME).into_owned()).unwrap_or_default()
}

/// Puts a field's name before what is wrong with it.
pub(super) fn in_field(name: &str) -> impl Fn(String) -> String + '_ {
    move |problem| format!("{name}: {problem}")
}

fn wrong(expected: impl fmt::Display, raw: &RawValue) -> String {
    format!("expected {expected}, got {}", one_line(raw.get(), 40))
}

/// What is wrong with a body that cannot be JSON, by its first character.
pub(super) fn not_json(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&body[..body.len().min(4_096)]);
    match text.trim_start().chars().next() {
        Some('{' | '[') => None,
        None => Some("it is empty".to_owned()),
        Some('<') => {
            Some(format!("{}, not JSON: is BACKEND_URL right? It has to include /api", html(&text)?))
        }
        // Nothing of it is shown: this may be called on anything.
        Some(_) => Some("neither an object nor a list of JSON".to_owned()),
    }
}

/// Whether the body of a success is the backend's own answer to values: it says nothing, or it says JSON.
pub(crate) fn stored(body: &[u8]) -> Result<(), String> {
    let nothing = body.trim_ascii().is_empty();
    if nothing || serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        return Ok(());
    }
    Err(not_json(body).unwrap_or_else(|| "it is not JSON".to_owned()))
}

/// The id of an entity that was created.
pub(super) fn created(body: &[u8]) -> Result<EntityId, String> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
    }
    let raw: Raw<'_> = object(whole(body)?)?;
    required("id", raw.id)
}

/// What to call a text that is an HTML page: by its title, if it has one.
pub(super) fn html(text: &str) -> Option<String> {
    if !text.trim_start().starts_with('<') {
        return None;
    }
    // Lower case of ASCII only, so that positions stay the same.
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|tag| {
        let begin = tag + lower[tag..].find('>')? + 1;
        let end = begin + lower[begin..].find("</")?;
        Some(one_line(&text[begin..end], 100))
    });
    match title {
        Some(title) if !title.is_empty() => Some(format!("an HTML page ({title})")),
        _ => Some("an HTML page".to_owned()),
    }
}

/// The reason in a refusal of the form `{"detail": reason}`.
pub(super) fn detail(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        detail: String,
    }
    serde_json::from_str::<Refusal>(text).ok().map(|refusal| refusal.detail)
}

/// The body that stores values. Written by hand: it is what a bot does most.
pub(crate) fn values(samples: &[Sample], mode: DeliveryMode) -> Vec<u8> {
    /// Bytes of a value, about: for the buffer's first size.
    const VALUE: usize = 80;
    let mut body = Vec::with_capacity(samples.len() * VALUE + 2);
    body.push(b'[');
    for (index, sample) in samples.iter().enumerate() {
        // A path holds no character that JSON escapes.
        body.extend_from_slice(if index == 0 { br#"{"p":""# } else { br#",{"p":""# });
        body.extend_from_slice(sample.path.as_str().as_bytes());
        body.extend_from_slice(br#"","v":"#);
        // The shortest digits that read back as the same number. Writing to memory cannot fail.
        let _ = serde_json::to_writer(&mut body, &sample.value);
        if mode == DeliveryMode::Put {
            body.extend_from_slice(br#","t":"#);
            seconds(&mut body, sample.time.as_micros());
        }
        body.push(b'}');
    }
    body.push(b']');
    body
}

/// Writes microseconds as seconds, without a rounding and without idle zeros.
fn seconds(body: &mut Vec<u8>, micros: i64) {
    let (whole, mut rest) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    let sign = if micros < 0 { "-" } else { "" };
    // Writing to memory cannot fail.
    let _ = write!(body, "{sign}{whole}");
    if rest > 0 {
        let mut digits = 6;
        while rest % 10 == 0 {
            rest /= 10;
            digits -= 1;
        }
        let _ = write!(body, ".{rest:0digits$}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;
    use crate::sample::Path;

    #[test]
    fn the_profile_of_a_bot_is_read() {
        let body = br#"{"user_id":1787087446,"user_type":"bot","record":{"id":1787087446,"name":"ping bot",
            "protocol":"ping","tied_to_account":1507890873,"config":null,"insert_time":1795260238,"last_login":1}}"#;
        let profile = read_profile(body).unwrap();
        assert_eq!((profile.user_id.get(), &*profile.user_type), (1_787_087_446, "bot"));
        assert_eq!((profile.name.as_deref(), profile.protocol.as_deref()), (Some("ping bot"), Some("ping")));
        assert_eq!(profile.tied_to_account.map(AccountId::get), Some(1_507_890_873));
    }

    #[test]
    fn a_profile_needs_its_id_and_type_only() {
        let profile = read_profile(br#"{"user_id":"5","user_type":"user"}"#).unwrap();
        assert_eq!((profile.user_id.get(), profile.name, profile.tied_to_account), (5, None, None));
        for (body, error) in [
            (r#"{"user_type":"bot"}"#, "user_id: missing"),
            (r#"{"user_id":"x","user_type":"bot"}"#, "user_id: expected an integer, got \"x\""),
            (
                r#"{"user_id":9223372036854775808,"user_type":"bot"}"#,
                "user_id: expected an id of at most 2^63 - 1, got 9223372036854775808",
            ),
            (r#"{"user_id":1,"user_type":null}"#, "user_type: missing"),
            (r#"{"user_id":1,"user_type":"bot","record":3}"#, "record: expected an object, got 3"),
            (r#"{"user_id":1,"#, "it breaks off before its end"),
            (r#"{"user_id":1]"#, "not JSON at line 1, column 13"),
            ("[]", "expected an object, got []"),
            ("access denied", "neither an object nor a list of JSON"),
        ] {
            assert_eq!(read_profile(body.as_bytes()).unwrap_err(), error, "{body}");
        }
    }

    #[test]
    fn a_status_says_what_the_backend_lacks() {
        let ready = |body: &str| read_status(body.as_bytes()).map(|status| status.ready);
        for (body, expected) in [
            (r#"{"alive":true,"db_migration_needed":false,"user_exists":true,"new":1}"#, Ok(())),
            (
                r#"{"db_migration_needed":true,"user_exists":null}"#,
                Err("database migration needed".to_owned()),
            ),
            (r#"{"db_migration_needed":false,"user_exists":false}"#, Err("no user exists yet".to_owned())),
            (r#"{"db_migration_needed":false}"#, Err("no user exists yet".to_owned())),
        ] {
            assert_eq!(ready(body), Ok(expected), "{body}");
        }
        assert_eq!(ready(r#"{"status":"ok"}"#), Err("db_migration_needed: missing".to_owned()));
    }

    #[test]
    fn what_is_no_list_says_what_it_is() {
        for (body, error) in [
            ("", "it is empty"),
            ("{}", "list: missing"),
            (r#"{"list":null}"#, "list: missing"),
            (r#"{"list":{"a":1}}"#, "list: expected a list, got {\"a\":1}"),
            (r#"{"list":[1"#, "it breaks off before its end"),
            (" <p>", "an HTML page, not JSON: is BACKEND_URL right? It has to include /api"),
        ] {
            assert_eq!(list(body.as_bytes()).unwrap_err(), error, "{body}");
        }
        assert!(list(b"{\"list\":[\"\xff\"]}").is_err());
    }

    #[test]
    fn a_field_is_found_whatever_is_around_it() {
        let raw: &RawValue = serde_json::from_str(r#"{"a":null,"p\u0069ng":{"x":1},"z":[]}"#).unwrap();
        assert_eq!(field(raw, "ping").unwrap().unwrap().get(), r#"{"x":1}"#);
        assert!(field(raw, "a").unwrap().is_none());
        assert!(field(raw, "b").unwrap().is_none());
    }

    proptest! {
        #[test]
        fn values_read_back_as_they_were(value: f64, micros in -4_000_000_000_000_000_i64..4_000_000_000_000_000) {
            prop_assume!(value.is_finite());
            let time = Timestamp::from_micros(micros);
            let samples = [Sample { path: Path::new("a.b").unwrap(), value, time }];
            let body = String::from_utf8(values(&samples, DeliveryMode::Put)).unwrap();
            // The standard library reads floats exactly, which serde_json does not.
            let number = |name: &str| -> f64 {
                let text = body.split_once(&format!("\"{name}\":")).unwrap().1;
                text.split([',', '}']).next().unwrap().parse().unwrap()
            };
            prop_assert_eq!(number("v"), value);
            #[expect(clippy::cast_possible_truncation, reason = "microseconds of these years fit")]
            let back = (number("t") * 1e6).round() as i64;
            prop_assert!(serde_json::from_str::<Value>(&body).is_ok());
            prop_assert_eq!(back, micros);
        }
    }
}
