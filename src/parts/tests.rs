//! Looks, runs, writes and failures in any order, against a model of a backend: no part is ever made twice, and in the
//! end all are as they are to be.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{PartContent, PartsError};
use crate::backend::{Api, ApiError, EntityContent, EntityWrite, Resource};
use crate::context::Context;
use crate::ids::{AccountId, EntityId, UserId};
use crate::protocol::Protocol;
use crate::sample::Sample;
use crate::telemetry::MetricsText;

const ACCOUNT: AccountId = AccountId::new(1);
const DEVICES: [u64; 2] = [7, 8];

struct Switch;

impl Protocol for Switch {
    const SLUG: &'static str = "switch";
    type Credential = ();
    type Sensor = ();
    const PARTS: Option<&'static str> = Some("interface");
}

struct NoParts;

impl Protocol for NoParts {
    const SLUG: &'static str = "switch";
    type Credential = ();
    type Sensor = ();
}

/// What becomes of a request. Times are in seconds.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It is done after a while, and answered after another.
    Done { after: u64, answered: u64 },
    /// The backend says no.
    Refused,
    /// The connection breaks before it arrives.
    Broken,
    /// It is done, and the answer gets lost.
    Lost { after: u64 },
    /// The client gives up; it is done later.
    Late { after: u64 },
    /// Something in between answers.
    Page,
    /// The client itself panics.
    Panic,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u64),
    /// A look at the jobs, which is dropped when its time is up.
    Look {
        limit: u64,
    },
    /// A run that makes a device's parts what they are to be, and is dropped at its deadline.
    Run {
        device: usize,
        limit: u64,
    },
    /// From now on a device is to have this index with this content, or not.
    Want {
        device: usize,
        index: u64,
        content: Option<u64>,
    },
    /// Somebody deletes a part.
    Delete {
        nth: usize,
    },
    /// Somebody gives a device to the bot, or takes it away.
    Serve {
        device: usize,
        serve: bool,
    },
    /// Somebody lets the bot see the account, or not.
    List(bool),
}

/// A part in the backend: its device, its index, its content.
type Record = (u64, u64, u64);

struct State {
    records: BTreeMap<u64, Record>,
    last_id: u64,
    served: [bool; 2],
    listed: bool,
    /// Parts that were created for an index that has one.
    duplicates: Vec<Record>,
    fates: VecDeque<Fate>,
}

/// A clone is another handle to the same backend.
#[derive(Clone)]
struct Model(Arc<Mutex<State>>);

impl Model {
    fn new(fates: Vec<Fate>) -> Self {
        Self(Arc::new(Mutex::new(State {
            records: BTreeMap::new(),
            last_id: 100,
            served: [true; 2],
            listed: true,
            duplicates: Vec::new(),
            fates: fates.into(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Lets a request meet the next fate; when there is none left, all is well.
    async fn meet<T: Send + 'static>(
        &self,
        request: String,
        act: impl FnOnce(&mut State) -> Result<T, u16> + Send + 'static,
    ) -> Result<T, ApiError> {
        let fate = self.state().fates.pop_front().unwrap_or(Fate::Done { after: 0, answered: 0 });
        let broken = |request| ApiError::Transport { request, reason: "connection reset".to_owned() };
        let status =
            |request, status| ApiError::Status { request, status, message: String::new(), retry_after: None };
        match fate {
            Fate::Done { after, answered } => {
                sleep(Duration::from_secs(after)).await;
                let done = act(&mut self.state());
                sleep(Duration::from_secs(answered)).await;
                done.map_err(|code| status(request, code))
            }
            Fate::Refused => Err(status(request, 403)),
            Fate::Broken => Err(broken(request)),
            Fate::Lost { after } => {
                sleep(Duration::from_secs(after)).await;
                let _ = act(&mut self.state());
                Err(broken(request))
            }
            Fate::Late { after } => {
                let model = self.clone();
                tokio::spawn(async move {
                    sleep(Duration::from_secs(after)).await;
                    let _ = act(&mut model.state());
                });
                Err(ApiError::Timeout { request, limit: Duration::from_secs(30) })
            }
            Fate::Panic => panic!("the test says so"),
            Fate::Page => Err(ApiError::Malformed { request, reason: "an HTML page".to_owned() }),
        }
    }
}

impl State {
    fn answer(&self, resource: Resource) -> Value {
        let list = match resource {
            Resource::Accounts => json!(if self.listed { vec![json!({"id": 1})] } else { Vec::new() }),
            Resource::Entities(_) => {
                let device = |(id, served): (&u64, &bool)| {
                    let bot = if *served { Value::Null } else { json!(1_000) };
                    json!({"id": id, "name": "", "entity_type": "device", "protocols":
                        {"switch": {"credential": 1, "bot": bot, "sensors": [{"sensor": 2}]}}})
                };
                let part = |(id, (device, index, content)): (&u64, &Record)| {
                    json!({"id": id, "name": index.to_string(), "entity_type": "interface", "parent": device,
                        "details": {"content": content}})
                };
                let devices = DEVICES.iter().zip(&self.served).map(device);
                Value::Array(self.records.iter().map(part).chain(devices).collect())
            }
            _ => json!([{"id": 1, "protocol": "switch"}, {"id": 2, "name": "", "protocol": "switch"}]),
        };
        json!({ "list": list })
    }

    fn write(&mut self, write: &EntityWrite) -> Result<EntityId, u16> {
        let read = |content: &EntityContent| {
            (content.name.parse::<u64>().unwrap(), content.details["content"].as_u64().unwrap())
        };
        match write {
            EntityWrite::Create { parent, content } => {
                let (index, content) = read(content);
                let record = (parent.unwrap().get(), index, content);
                if self.records.values().any(|other| (other.0, other.1) == (record.0, record.1)) {
                    self.duplicates.push(record);
                }
                // As in the backend, a later id may be the lower one.
                self.last_id += 1;
                let id = self.last_id ^ 0b111;
                self.records.insert(id, record);
                Ok(EntityId::new(id))
            }
            EntityWrite::Update { id, content } => {
                let record = self.records.get_mut(&id.get()).ok_or(404_u16)?;
                (record.1, record.2) = read(content);
                Ok(*id)
            }
            EntityWrite::Delete { id } => {
                self.records.remove(&id.get());
                Ok(*id)
            }
        }
    }
}

#[async_trait]
impl Api for Model {
    async fn get(&self, resource: Resource) -> Result<Vec<u8>, ApiError> {
        let act = move |state: &mut State| Ok(state.answer(resource).to_string().into_bytes());
        self.meet(format!("GET {resource}"), act).await
    }

    async fn store(&self, _: AccountId, _: &[Sample]) -> Result<(), ApiError> {
        Ok(())
    }

    async fn may_store(&self, _: AccountId) -> Result<(), ApiError> {
        Ok(())
    }

    async fn write_entity(&self, account: AccountId, write: &EntityWrite) -> Result<EntityId, ApiError> {
        let request = format!("{} {}", write.method(), write.path(account));
        let write = write.clone();
        self.meet(request, move |state: &mut State| state.write(&write)).await
    }
}

type Wanted = BTreeMap<u64, u64>;

async fn keep(cx: &Context, device: u64, mut wanted: Wanted) -> Result<(), PartsError> {
    let Some(parts) = cx.parts_of::<Switch>(ACCOUNT, EntityId::new(device)) else { return Ok(()) };
    let content = |index: u64, content: u64| {
        let details = json!({ "content": content });
        PartContent::new(index.to_string(), details.as_object().unwrap().clone())
    };
    for part in parts.list() {
        let index = part.name.parse().unwrap();
        match wanted.remove(&index) {
            None => parts.delete(part.id).await?,
            Some(wanted) if part.details()["content"] == wanted => {}
            Some(wanted) => parts.update(part.id, &content(index, wanted)).await?,
        }
    }
    for (index, wanted) in wanted {
        parts.create(&content(index, wanted)).await?;
    }
    Ok(())
}

/// Does all steps, lets all be well, and gives the model and what the devices were to have in the end.
async fn live(steps: Vec<Step>, fates: Vec<Fate>) -> (Model, [Wanted; 2]) {
    let model = Model::new(fates);
    let cx = Context::new(Arc::new(model.clone())).of_user(UserId::new(9));
    let mut wanted = [Wanted::new(), Wanted::new()];
    for step in steps {
        match step {
            Step::Pass(seconds) => sleep(Duration::from_secs(seconds)).await,
            Step::Look { limit } => {
                let cx = cx.clone();
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(Duration::from_secs(limit), cx.fetch::<Switch>()).await;
                });
            }
            Step::Run { device, limit } => {
                let (cx, wanted) = (cx.clone(), wanted[device].clone());
                tokio::spawn(async move {
                    let run = keep(&cx, DEVICES[device], wanted);
                    let _ = tokio::time::timeout(Duration::from_secs(limit), run).await;
                });
            }
            Step::Want { device, index, content: Some(content) } => {
                wanted[device].insert(index, content);
            }
            Step::Want { device, index, content: None } => {
                wanted[device].remove(&index);
            }
            Step::Delete { nth } => {
                let mut state = model.state();
                let id = state.records.keys().nth(nth).copied();
                id.map(|id| state.records.remove(&id));
            }
            Step::Serve { device, serve } => model.state().served[device] = serve,
            Step::List(listed) => model.state().listed = listed,
        }
    }
    {
        let mut state = model.state();
        state.fates.clear();
        (state.served, state.listed) = ([true; 2], true);
    }
    // Until all that is under way has ended, and once more for what that left behind.
    sleep(Duration::from_secs(1_000)).await;
    for _ in 0..2 {
        cx.fetch::<Switch>().await.unwrap();
        for (device, wanted) in DEVICES.iter().zip(&wanted) {
            keep(&cx, *device, wanted.clone()).await.unwrap();
        }
    }
    (model, wanted)
}

/// What is counted of parts: how many are known, and of how many entities they are not.
fn counted(cx: &Context) -> Vec<String> {
    let mut out = MetricsText::default();
    cx.write_metrics(&mut out);
    out.as_str().lines().filter(|line| line.starts_with("grafolean_parts")).map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_panics_leaves_doubt_and_the_doubt_is_counted() {
    let model = Model::new(Vec::new());
    let cx = Context::new(Arc::new(model.clone())).of_user(UserId::new(9));
    cx.fetch::<NoParts>().await.unwrap();
    assert!(counted(&cx).is_empty(), "a bot without parts does not count any");
    cx.fetch::<Switch>().await.unwrap();
    keep(&cx, DEVICES[0], Wanted::from([(1, 0), (2, 0)])).await.unwrap();
    assert_eq!(counted(&cx), ["grafolean_parts 2", "grafolean_parts_unknown 0"]);

    model.state().fates = [Fate::Panic].into();
    let run = tokio::spawn({
        let cx = cx.clone();
        async move { keep(&cx, DEVICES[0], Wanted::from([(1, 0), (2, 0), (3, 0)])).await }
    });
    assert!(run.await.unwrap_err().is_panic());
    assert!(cx.parts_of::<Switch>(ACCOUNT, EntityId::new(DEVICES[0])).is_none());
    assert!(cx.parts_of::<Switch>(ACCOUNT, EntityId::new(DEVICES[1])).is_some());
    assert_eq!(counted(&cx), ["grafolean_parts 0", "grafolean_parts_unknown 1"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_listed_before_another_run_wrote_may_not_be_acted_on() {
    let model = Model::new(Vec::new());
    let cx = Context::new(Arc::new(model.clone())).of_user(UserId::new(9));
    let device = EntityId::new(DEVICES[0]);
    assert!(cx.parts_of::<Switch>(ACCOUNT, device).is_none(), "no look has been");
    cx.fetch::<Switch>().await.unwrap();
    let parts = || cx.parts_of::<Switch>(ACCOUNT, device).unwrap();
    let content = |name| PartContent::new(name, json!({"content": 0}).as_object().unwrap().clone());
    let (first, second) = (parts(), parts());
    let (one, two) = (content("1"), content("2"));
    // Of one run, several may be under way.
    let created = tokio::join!(first.create(&one), first.create(&two));
    assert!(created.0.is_ok() && created.1.is_ok());
    let error = second.create(&one).await.unwrap_err();
    assert_eq!(error.to_string(), "another run has written the parts of entity 7 since they were listed");
    assert_eq!((first.list().count(), parts().list().count()), (0, 2));
    assert_eq!(model.state().records.len(), 2);
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => (0_u64..20, 0_u64..20).prop_map(|(after, answered)| Fate::Done { after, answered }),
        6 => Just(Fate::Done { after: 0, answered: 0 }),
        1 => Just(Fate::Refused),
        1 => Just(Fate::Broken),
        1 => (0_u64..20).prop_map(|after| Fate::Lost { after }),
        // A request is given up after 30 s, and settled a minute later.
        1 => (0_u64..60).prop_map(|after| Fate::Late { after }),
        1 => Just(Fate::Page),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u64..40).prop_map(Step::Pass),
        3 => (1_u64..100).prop_map(|limit| Step::Look { limit }),
        6 => (0_usize..2, 1_u64..60).prop_map(|(device, limit)| Step::Run { device, limit }),
        6 => (0_usize..2, 0_u64..4, prop::option::weighted(0.8, 0_u64..3))
            .prop_map(|(device, index, content)| Step::Want { device, index, content }),
        1 => (0_usize..6).prop_map(|nth| Step::Delete { nth }),
        1 => (0_usize..2, any::<bool>()).prop_map(|(device, serve)| Step::Serve { device, serve }),
        1 => any::<bool>().prop_map(Step::List),
    ]
}

proptest! {
    #[test]
    fn nothing_is_made_twice_and_all_is_well_in_the_end(
        steps in prop::collection::vec(step(), 1..80),
        fates in prop::collection::vec(fate(), 0..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (model, wanted) = runtime.block_on(live(steps, fates));
        let state = model.state();
        prop_assert_eq!(&state.duplicates, &Vec::<Record>::new());
        let wanted = DEVICES.iter().zip(&wanted);
        let mut expected: Vec<Record> =
            wanted.flat_map(|(device, all)| all.iter().map(|(index, content)| (*device, *index, *content))).collect();
        let mut records: Vec<_> = state.records.values().copied().collect();
        expected.sort_unstable();
        records.sort_unstable();
        prop_assert_eq!(records, expected);
    }
}
