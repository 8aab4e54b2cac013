use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::backend::EntityWrite;
use crate::context::Context;
use crate::ids::EntityId;
use crate::parts::PartsByEntity;
use crate::sample::Sample;
use crate::schedule::Interval;
use crate::telemetry::logged;

const BOT: u64 = 9;

#[derive(Deserialize, Clone, Debug, PartialEq)]
struct Credential {
    n_packets: u32,
    community: Option<String>,
}

#[derive(Deserialize, Clone, Debug, PartialEq)]
struct SensorDetails {
    size: Option<u16>,
}

struct Ping;

impl Protocol for Ping {
    const SLUG: &'static str = "ping";
    type Credential = Credential;
    type Sensor = SensorDetails;
}

struct Bare;

impl Protocol for Bare {
    const SLUG: &'static str = "netflow";
    type Credential = ();
    type Sensor = ();
}

/// Answers from memory; what is not there fails with 500.
#[derive(Default)]
struct Answers {
    bodies: Mutex<HashMap<Resource, String>>,
    asked: Mutex<Vec<Resource>>,
    at_once: Mutex<(usize, usize)>,
    delay: Duration,
}

impl Answers {
    fn set(&self, resource: Resource, body: impl ToString) {
        self.bodies.lock().unwrap().insert(resource, body.to_string());
    }

    fn fail(&self, resource: Resource) {
        self.bodies.lock().unwrap().remove(&resource);
    }

    fn account(&self, id: u64, entities: &Value, credentials: &Value, sensors: &Value) {
        let id = AccountId::new(id);
        self.set(Resource::Entities(id), json!({"list": entities}));
        self.set(Resource::Credentials(id), json!({"list": credentials}));
        self.set(Resource::Sensors(id), json!({"list": sensors}));
    }
}

#[async_trait]
impl Api for Answers {
    async fn get(&self, resource: Resource) -> Result<Vec<u8>, ApiError> {
        self.asked.lock().unwrap().push(resource);
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        tokio::time::sleep(self.delay).await;
        self.at_once.lock().unwrap().0 -= 1;
        match self.bodies.lock().unwrap().get(&resource) {
            Some(body) => Ok(body.clone().into_bytes()),
            None => Err(ApiError::Status {
                request: format!("GET {resource}"),
                status: 500,
                message: "Oops".to_owned(),
                retry_after: None,
            }),
        }
    }

    async fn store(&self, _: AccountId, _: &[Sample]) -> Result<(), ApiError> {
        Ok(())
    }

    async fn may_store(&self, _: AccountId) -> Result<(), ApiError> {
        Ok(())
    }

    async fn write_entity(&self, _: AccountId, _: &EntityWrite) -> Result<EntityId, ApiError> {
        Ok(EntityId::new(1))
    }
}

fn entity(id: u64) -> Value {
    json!({"id": id, "name": "router", "entity_type": "device", "parent": null, "details": {"ipv4": "10.0.0.7"},
           "protocols": {"ping": {"credential": 5, "bot": BOT, "sensors": [{"sensor": 12, "interval": null}]}}})
}

/// The entity 7 with its protocol's settings changed.
fn bound(change: impl FnOnce(&mut Value)) -> Value {
    let mut entity = entity(7);
    change(&mut entity["protocols"]["ping"]);
    entity
}

fn changed(field: &str, value: Value) -> Value {
    let mut entity = entity(7);
    entity[field] = value;
    entity
}

fn credential() -> Value {
    json!({"id": 5, "name": "3 packets", "protocol": "ping", "details": {"n_packets": "3"}})
}

fn sensor() -> Value {
    json!({"id": 12, "name": "ICMP", "protocol": "ping", "default_interval": 60, "details": {}})
}

struct Bench {
    answers: Arc<Answers>,
    cx: Context,
}

impl Bench {
    /// One account with these lists.
    fn of(entities: &Value, credentials: &Value, sensors: &Value) -> Self {
        let bench = Self::accounts(&[1]);
        bench.answers.account(1, entities, credentials, sensors);
        bench
    }

    fn accounts(ids: &[u64]) -> Self {
        let answers = Arc::new(Answers { delay: Duration::from_millis(5), ..Answers::default() });
        let list: Vec<_> = ids.iter().map(|id| json!({"id": id, "name": format!("A{id}")})).collect();
        answers.set(Resource::Accounts, json!({"list": list}));
        for id in ids {
            answers.account(*id, &json!([entity(*id)]), &json!([credential()]), &json!([sensor()]));
        }
        Self { cx: Context::new(answers.clone()).of_user(UserId::new(BOT)), answers }
    }

    async fn fetch(&self) -> Vec<Arc<Entity<Ping>>> {
        self.cx.fetch::<Ping>().await.unwrap()
    }

    fn problems(&self) -> Vec<String> {
        self.cx.configs.report().problems
    }

    fn asked(&self) -> usize {
        self.answers.asked.lock().unwrap().len()
    }
}

/// Of these entities one has something wrong: it is skipped with this one warning, and its neighbour is not.
async fn assert_skipped(broken: Value, warning: &str) {
    let bench = Bench::of(&json!([broken, entity(8)]), &json!([credential()]), &json!([sensor()]));
    let entities = bench.fetch().await;
    assert_eq!(entities.iter().map(|e| e.id.get()).collect::<Vec<_>>(), [8], "{broken}");
    let problems: &[&str] = if warning.is_empty() { &[] } else { &[warning] };
    assert_eq!(bench.problems(), problems, "{broken}");
}

#[tokio::test(start_paused = true)]
async fn an_entity_is_read_with_its_credential_and_sensors() {
    let bench = Bench::of(&json!([entity(7)]), &json!([credential()]), &json!([sensor()]));
    let entities = bench.fetch().await;
    let entity = &entities[0];
    assert_eq!((entity.account.get(), entity.id.get(), &*entity.name), (1, 7, "router"));
    assert_eq!(entity.details.text("ipv4").as_deref(), Some("10.0.0.7"));
    assert_eq!(*entity.credential, Credential { n_packets: 3, community: None });
    assert_eq!(entity.credential_id.get(), 5);
    assert_eq!(&*entity.sensors[0].name, "ICMP");
    assert_eq!(entity.intervals(), [Interval::from_secs(60).unwrap()]);
    assert_eq!(bench.asked(), 4);
    assert!(bench.problems().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_refresh_costs_one_request_and_three_for_each_account() {
    let bench = Bench::accounts(&(1..=20).collect::<Vec<_>>());
    let entities = bench.fetch().await;
    assert_eq!(entities.iter().map(|e| e.id.get()).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    assert_eq!(bench.asked(), 61);
    assert_eq!(bench.answers.at_once.lock().unwrap().1, 12, "four accounts at once, three lists each");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_this_bots_is_left_out_in_silence() {
    for other in [
        changed("entity_type", json!("interface")),
        changed("protocols", json!({})),
        changed("protocols", json!(null)),
        changed("protocols", json!([])),
        changed("protocols", json!({"snmp": {"credential": "x"}})),
        changed("protocols", json!({"ping": null})),
        bound(|b| b["bot"] = json!(10)),
        bound(|b| b["credential"] = json!(null)),
        bound(|b| b["sensors"] = json!([])),
        bound(|b| b["sensors"] = json!(null)),
    ] {
        assert_skipped(other, "").await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_entity_without_a_bot_is_any_bots() {
    for free in [bound(|b| b["bot"] = json!(null)), bound(|b| drop(b.as_object_mut().unwrap().remove("bot")))]
    {
        let bench = Bench::of(&json!([free]), &json!([credential()]), &json!([sensor()]));
        assert_eq!(bench.fetch().await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn numbers_as_strings_and_unknown_fields_are_taken() {
    let mut odd = json!({"id": "7", "name": 7, "entity_type": "device", "new": [1], "protocols": {"new": 1, "ping":
        {"credential": "5", "bot": "9", "new": {}, "sensors": [{"sensor": " 12 ", "interval": "30", "new": 1}]}}});
    odd["details"] = json!({"ipv4": "::1", "deep": {"x": [{}]}});
    let credential =
        json!({"id": "5", "name": "c", "protocol": "ping", "new": 1, "details": {"n_packets": 3, "x": 1}});
    let sensor = json!({"id": "12", "protocol": "ping", "name": "s", "default_interval": "60", "details": null, "n": 1});
    let bench = Bench::of(&json!([odd]), &json!([credential]), &json!([sensor]));
    bench.answers.set(Resource::Accounts, r#"{"list":[{"id":"1","name":5,"new":{}}],"new":1}"#);
    let entities = bench.fetch().await;
    assert_eq!((entities[0].id.get(), &*entities[0].name), (7, "7"));
    assert_eq!(entities[0].intervals(), [Interval::from_secs(30).unwrap()]);
    assert!(bench.problems().is_empty(), "{:?}", bench.problems());
}

#[tokio::test(start_paused = true)]
async fn an_interval_is_the_entitys_else_the_sensors_else_none() {
    for (own, default, expected) in [
        (json!(30), json!(60), Some(30)),
        (json!(null), json!(60), Some(60)),
        (json!(null), json!(null), None),
        (json!(30.0), json!("x"), Some(30)),
        (json!(1_000_000_000), json!(60), Some(1_000_000_000)),
    ] {
        let mut sensor = sensor();
        sensor["default_interval"] = default;
        let entity = bound(|b| b["sensors"][0]["interval"] = own);
        let bench = Bench::of(&json!([entity]), &json!([credential()]), &json!([sensor]));
        let interval = bench.fetch().await[0].sensors[0].interval;
        assert_eq!(interval.map(Interval::as_secs), expected);
        assert!(bench.problems().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_entity_is_skipped_with_one_warning_that_names_the_field() {
    let expected_interval = "interval: expected whole seconds from 1 to 4294967295, got";
    for (broken, warning) in [
        (changed("id", json!(null)), "entity number 1 of the list (router): id: missing"),
        (
            changed("id", json!(-7)),
            "entity number 1 of the list (router): id: expected an integer that fits u64, got -7",
        ),
        (
            changed("id", json!(u64::MAX)),
            "entity number 1 of the list (router): id: expected an id of at most 2^63 - 1, got \
             18446744073709551615",
        ),
        (changed("name", json!(null)), "entity 7: name: missing"),
        (changed("name", json!([])), "entity 7: name: expected a text, got a list"),
        (changed("entity_type", json!(null)), "entity 7 (router): entity_type: missing"),
        (changed("parent", json!({})), "entity 7 (router): parent: expected an integer, got an object"),
        (changed("details", json!("x")), "entity 7 (router): details: expected an object"),
        (changed("protocols", json!("x")), "entity 7 (router): protocols: expected an object, got \"x\""),
        (
            changed("protocols", json!({"ping": 1})),
            "entity 7 (router): protocols.ping: expected an object, got 1",
        ),
        (
            bound(|b| b["bot"] = json!("me")),
            "entity 7 (router): protocols.ping.bot: expected an integer, got \"me\"",
        ),
        (
            bound(|b| b["credential"] = json!("x")),
            "entity 7 (router): credential: expected an integer, got \"x\"",
        ),
        (
            bound(|b| b["credential"] = json!(6)),
            "entity 7 (router): credential: the account has no credential 6",
        ),
        (bound(|b| b["sensors"] = json!(12)), "entity 7 (router): sensors: expected a list, got 12"),
        (bound(|b| b["sensors"][0] = json!(12)), "entity 7 (router): sensors.0: expected an object, got 12"),
        (bound(|b| b["sensors"][0]["sensor"] = json!(null)), "entity 7 (router): sensors.0: sensor: missing"),
        (
            bound(|b| b["sensors"][0]["sensor"] = json!(13)),
            "entity 7 (router): sensor: the account has no sensor 13",
        ),
        (json!("x"), "entity number 1 of the list: expected an object, got \"x\""),
    ] {
        assert_skipped(broken, &format!("account 1, {warning}")).await;
    }
    for interval in ["0", "-60", "0.5", "\"often\"", "true", "4294967296", "1e30", "[60]"] {
        let broken = bound(|b| b["sensors"][0]["interval"] = serde_json::from_str(interval).unwrap());
        let shown = interval.replace("1e30", "1e+30");
        let bench = Bench::of(&json!([broken, entity(8)]), &json!([credential()]), &json!([sensor()]));
        assert_eq!(bench.fetch().await.len(), 1);
        let problems = bench.problems();
        assert_eq!(problems.len(), 1);
        let start = format!("account 1, entity 7 (router): sensor 12: {expected_interval} ");
        let got = problems[0].strip_prefix(&start).unwrap_or_else(|| panic!("{}", problems[0]));
        assert!(got == interval || got == shown, "{got}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_credential_is_named_once_with_the_entities_that_it_costs() {
    for (details, warning) in [
        (json!({"n_packets": "hunter2"}), "details: n_packets: expected an integer, got a text"),
        (json!({}), "details: n_packets: missing"),
        (json!("hunter2"), "details: expected an object, got a text"),
    ] {
        let mut broken = credential();
        broken["details"] = details;
        let entities: Vec<_> = (1..=5).map(entity).collect();
        let bench = Bench::of(&json!(entities), &json!([broken]), &json!([sensor()]));
        assert!(bench.fetch().await.is_empty());
        let named = "entity 1 (router), entity 2 (router), entity 3 (router) and 2 more";
        let expected = format!("account 1, credential 5 (3 packets): {warning}; skipped for {named}");
        assert_eq!(bench.problems(), [expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_sensor_costs_its_entities_only_that_sensor() {
    let both = bound(|b| b["sensors"] = json!([{"sensor": 12}, {"sensor": 13}]));
    for (field, value, warning) in [
        ("details", json!({"size": 70_000}), "details: size: expected an integer that fits u16, got 70000"),
        (
            "default_interval",
            json!(0),
            "default_interval: expected whole seconds from 1 to 4294967295, got 0",
        ),
        ("protocol", json!("snmp"), "protocol: expected ping, got snmp"),
        ("protocol", json!(null), "protocol: missing"),
    ] {
        let mut broken = sensor();
        broken["id"] = json!(13);
        broken[field] = value;
        let bench = Bench::of(&json!([both]), &json!([credential()]), &json!([sensor(), broken]));
        let entities = bench.fetch().await;
        assert_eq!(entities[0].sensors.iter().map(|s| s.id.get()).collect::<Vec<_>>(), [12]);
        let expected = format!("account 1, sensor 13 (ICMP): {warning}; skipped for entity 7 (router)");
        assert_eq!(bench.problems(), [expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_listed_twice_counts_once() {
    let twice =
        bound(|b| b["sensors"] = json!([{"sensor": 12, "interval": 5}, {"sensor": 12, "interval": 9}]));
    let mut other = credential();
    other["details"] = json!({"n_packets": 99});
    let bench =
        Bench::of(&json!([twice, entity(7)]), &json!([credential(), other]), &json!([sensor(), sensor()]));
    bench.answers.set(Resource::Accounts, json!({"list": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}));
    let entities = bench.fetch().await;
    assert_eq!((entities.len(), bench.asked()), (1, 4));
    assert_eq!(entities[0].intervals(), [Interval::from_secs(5).unwrap()]);
    assert_eq!(entities[0].credential.n_packets, 3);
    assert_eq!(
        bench.problems(),
        [
            "account 1, credential number 2 of the list: id 5 is listed twice; the first one counts",
            "account 1, entity 7 (router): listed twice; the first one counts",
            "account 1, entity 7 (router): sensor 12: listed twice; the first one counts",
            "account 1, sensor number 2 of the list: id 12 is listed twice; the first one counts",
            "account 1: listed twice; the first one counts",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_protocol_without_details_is_served_too() {
    let entity = json!({"id": 3, "name": "n", "entity_type": "device",
        "protocols": {"netflow": {"credential": 5, "bot": null, "sensors": [{"sensor": 12}]}}});
    let credential = json!({"id": 5, "name": "c", "protocol": "netflow", "details": {}});
    let sensor =
        json!({"id": 12, "name": "s", "protocol": "netflow", "default_interval": null, "details": null});
    let bench = Bench::of(&json!([entity]), &json!([credential]), &json!([sensor]));
    let entities = bench.cx.fetch::<Bare>().await.unwrap();
    assert_eq!(entities[0].sensors[0].interval, None);
    assert!(bench.problems().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_account_that_cannot_be_read_keeps_its_entities() {
    let bench = Bench::accounts(&[1, 2]);
    let first = bench.fetch().await;
    for list in [Resource::Entities, Resource::Credentials, Resource::Sensors] {
        let list = list(AccountId::new(1));
        let body = bench.answers.bodies.lock().unwrap()[&list].clone();
        bench.answers.account(2, &json!([entity(2), entity(3)]), &json!([credential()]), &json!([sensor()]));
        for broken in [None, Some("<html>"), Some("{\"list\":[{"), Some("{}"), Some("{\"list\":5}"), Some("")]
        {
            match broken {
                Some(body) => bench.answers.set(list, body),
                None => bench.answers.fail(list),
            }
            let entities = bench.fetch().await;
            assert!(Arc::ptr_eq(&entities[0], &first[0]));
            assert_eq!(entities.iter().map(|e| e.id.get()).collect::<Vec<_>>(), [1, 2, 3]);
            let report = bench.cx.configs.report();
            assert_eq!((report.accounts, report.entities, report.sensors), (2, 3, 3));
            assert_eq!(
                (report.failed.len(), report.failed[0].id.get(), &*report.failed[0].name),
                (1, 1, "A1")
            );
            let error = report.failed[0].error.to_string();
            assert!(error.starts_with(&format!("GET {list}: ")), "{error}");
        }
        bench.answers.set(list, body);
    }
    bench.fetch().await;
    assert!(bench.cx.configs.report().failed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_the_accounts_there_is_an_error_and_nothing_is_forgotten() {
    let bench = Bench::accounts(&[1]);
    let first = bench.fetch().await;
    let accounts = bench.answers.bodies.lock().unwrap()[&Resource::Accounts].clone();
    bench.answers.fail(Resource::Accounts);
    assert!(matches!(bench.cx.fetch::<Ping>().await, Err(FetchError::Accounts(ApiError::Status { .. }))));
    bench.answers.set(Resource::Accounts, "[]");
    assert!(matches!(bench.cx.fetch::<Ping>().await, Err(FetchError::Accounts(ApiError::Malformed { .. }))));
    bench.answers.set(Resource::Accounts, accounts);
    bench.answers.fail(Resource::Entities(AccountId::new(1)));
    assert!(Arc::ptr_eq(&bench.fetch().await[0], &first[0]));
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_gone_is_forgotten() {
    let bench = Bench::accounts(&[1, 2]);
    bench.fetch().await;
    bench.answers.set(Resource::Accounts, r#"{"list":[{"id":2,"name":"b"}]}"#);
    assert_eq!(bench.fetch().await.len(), 1);
    bench.answers.set(Resource::Accounts, r#"{"list":[{"id":1,"name":"a"},{"id":2,"name":"b"}]}"#);
    bench.answers.fail(Resource::Entities(AccountId::new(1)));
    assert_eq!(bench.fetch().await.len(), 1, "what it had was not kept");
}

#[tokio::test(start_paused = true)]
async fn problems_of_an_account_that_fails_are_not_new_when_it_is_back() {
    let bench = Bench::of(&json!([changed("name", json!(null))]), &json!([]), &json!([]));
    bench.fetch().await;
    let before = bench.problems();
    bench.answers.fail(Resource::Sensors(AccountId::new(1)));
    bench.fetch().await;
    assert_eq!(bench.problems(), before);
}

#[tokio::test(start_paused = true)]
async fn very_many_problems_are_counted_and_some_are_kept() {
    let entities: Vec<_> =
        (0..3_000).map(|id| json!({"id": id, "name": "x\n", "protocols": {"ping": 1}})).collect();
    let bench = Bench::of(&json!(entities), &json!([]), &json!([]));
    bench.fetch().await;
    let report = bench.cx.configs.report();
    assert_eq!((report.problem_count, report.problems.len()), (3_000, 1_000));
}

#[tokio::test(start_paused = true)]
async fn large_lists_are_read_aside_with_the_same_result() {
    let entities: Vec<_> = (0..3_000).map(entity).collect();
    let bench = Bench::of(&json!(entities), &json!([credential()]), &json!([sensor()]));
    let entities = bench.fetch().await;
    assert_eq!(entities.len(), 3_000);
    assert!(entities.iter().all(|e| Arc::ptr_eq(&e.credential, &entities[0].credential)));
    assert!(entities.iter().all(|e| Arc::ptr_eq(&e.sensors[0].details, &entities[0].sensors[0].details)));
}

#[tokio::test(start_paused = true)]
async fn a_problem_and_a_failing_account_are_said_once() {
    let log = logged();
    let bench = Bench::of(
        &json!([entity(7), changed("name", json!(null))]),
        &json!([credential()]),
        &json!([sensor()]),
    );
    bench.fetch().await;
    assert_eq!(log.lines(), ["WARN account 1, entity 7: listed twice; the first one counts"]);
    bench.fetch().await;
    assert!(log.lines().is_empty());
    let sensors = Resource::Sensors(AccountId::new(1));
    bench.answers.fail(sensors);
    bench.fetch().await;
    assert_eq!(
        log.lines(),
        [
            "WARN account 1 (A1) cannot be read and keeps what it had (entities: 1): GET accounts/1/sensors: the backend \
          answered 500: Oops"
        ]
    );
    bench.fetch().await;
    assert!(log.lines().is_empty());
    bench.answers.set(sensors, json!({"list": [sensor()]}));
    bench.fetch().await;
    assert_eq!(log.lines(), ["INFO account 1 (A1) can be read again"]);
}

/// `Collector::fetch_job_configs` promises that a refresh can move between threads.
fn movable<P: Protocol>(
    cx: &Context,
) -> impl Future<Output = Result<Vec<Arc<Entity<P>>>, FetchError>> + Send {
    cx.fetch::<P>()
}

#[tokio::test(start_paused = true)]
async fn a_refresh_can_move_between_threads() {
    let bench = Bench::accounts(&[1]);
    assert_eq!(movable::<Ping>(&bench.cx).await.unwrap().len(), 1);
}

/// JSON that is near to what is expected.
fn near() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!(5)),
        Just(json!(12)),
        Just(json!("12")),
        Just(json!("ping")),
        Just(json!("device")),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,3}".prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "id",
        "name",
        "entity_type",
        "details",
        "protocols",
        "ping",
        "sensor",
        "sensors",
        "interval",
        "credential",
        "bot",
        "parent",
        "protocol",
        "default_interval",
        "n_packets",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn one_broken_record_never_costs_another(
        noise in prop::collection::vec(near(), 0..4),
        field in prop::sample::select(vec!["name", "details", "parent", "protocols", "entity_type"]),
    ) {
        let mut entities: Vec<Value> = noise.iter().map(|value| changed(field, value.clone())).collect();
        entities.push(entity(8));
        entities.extend(noise.iter().cloned());
        let mut credentials = vec![credential()];
        credentials.extend(noise.iter().cloned());
        let mut sensors = vec![sensor()];
        sensors.extend(noise);
        let lists = Lists {
            account: AccountId::new(1),
            user: UserId::new(BOT),
            entities: json!({"list": entities}).to_string().into_bytes(),
            credentials: json!({"list": credentials}).to_string().into_bytes(),
            sensors: json!({"list": sensors}).to_string().into_bytes(),
        };
        let built = lists.build::<Ping>(&PartsByEntity::new()).unwrap();
        prop_assert!(built.entities.iter().any(|entity| entity.id.get() == 8));
        for problem in built.problems.texts {
            prop_assert!(problem.starts_with("account 1, ") && !problem.contains('\n'), "{}", problem);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = read_accounts(&bytes);
        let lists = Lists {
            account: AccountId::new(1),
            user: UserId::new(BOT),
            entities: bytes.clone(),
            credentials: bytes.clone(),
            sensors: bytes,
        };
        let _ = lists.build::<Ping>(&PartsByEntity::new());
    }
}
