//! Interfaces become entities below their device.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use grafolean_snmp_bot::wire::Wire;
use grafolean_snmp_bot::{SnmpBot, SnmpTask};
use grafoleancollector::testing::{FakeApi, RecordKind, TestClock, run_once};
use grafoleancollector::{Collector, Context, FetchError, Job, JobError, Run, Samples, Timestamp};
use serde_json::{Value, json};

use crate::support::agent::{Agent, Behaviour, Mib};
use crate::support::ber::Var;

/// An interface as the device has it: index, ifDescr, ifSpeed, ifHighSpeed, ifAlias.
type Row = (u32, &'static str, u32, u32, &'static str);

const DEVICE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// A device, the backend that knows of it, and the same bot for every round.
struct Rounds {
    api: FakeApi,
    account: u64,
    entity: u64,
    agent: Agent,
    rows: Arc<Mutex<Vec<Row>>>,
    bot: Bot,
}

#[derive(Clone)]
struct Bot(Arc<SnmpBot>);

impl Collector for Bot {
    type Task = SnmpTask;

    async fn jobs(&self, cx: &Context) -> Result<Vec<Job<SnmpTask>>, FetchError> {
        self.0.jobs(cx).await
    }

    async fn perform(&self, run: &Run<SnmpTask>) -> Result<Samples, JobError> {
        self.0.perform(run).await
    }
}

fn mib(rows: &[Row]) -> Mib {
    let cells = rows.iter().flat_map(|&(index, name, speed, high_speed, alias)| {
        let table = |column| vec![1, 3, 6, 1, 2, 1, 2, 2, 1, column, index];
        let extension = |column| vec![1, 3, 6, 1, 2, 1, 31, 1, 1, 1, column, index];
        [
            (table(2), Var::text(name)),
            (table(5), Var::Gauge(speed)),
            (extension(15), Var::Gauge(high_speed)),
            (extension(18), Var::text(alias)),
        ]
    });
    let up_time = (vec![1, 3, 6, 1, 2, 1, 1, 3, 0], Var::TimeTicks(4_711));
    Mib::new(cells.chain([up_time]))
}

impl Rounds {
    fn new(rows: &[Row]) -> Self {
        let rows = Arc::new(Mutex::new(rows.to_vec()));
        let objects = rows.clone();
        let agent = Agent::start_with(move |_| Arc::new(mib(&objects.lock().unwrap())));
        let api = FakeApi::new(Arc::new(TestClock::at(Timestamp::from_secs(1_700_000_000))));
        api.without_account_defaults();
        let account = api.add_account("Company");
        let credential = api.add_credential(
            account,
            "snmp",
            json!({"version": "snmpv2c", "snmpv12_community": "public", "timeout": 1, "retries": 1,
                "port": agent.device(DEVICE).port()}),
        );
        let up_time = json!([{"oid": "1.3.6.1.2.1.1.3.0", "fetch_method": "get"}]);
        let details = json!({"oids": up_time, "expression": "$1", "output_path": "uptime"});
        let sensor = api.add_sensor(account, "snmp", Some(60), details);
        let device = api.device(account, "switch").detail("ipv4", DEVICE.to_string());
        let entity = device.protocol("snmp", credential, &[sensor]).add();
        let bot = Bot(Arc::new(SnmpBot::new(Wire::open().unwrap())));
        Self { api, account, entity, agent, rows, bot }
    }

    /// A look at the jobs and a run of each. Gives the writes, and whether the interfaces' run went well.
    async fn round(&self) -> (Vec<&'static str>, Result<(), String>) {
        self.api.clear_requests();
        let results = run_once(self.bot.clone(), &self.api).await.unwrap();
        let (mut interfaces, mut measured) = (Ok(()), 0);
        for (id, result) in results {
            if id.ends_with("-interfaces") {
                interfaces = result.map(drop).map_err(|error| error.to_string());
            } else {
                measured += result.map_or(0, |samples| samples.len());
            }
        }
        assert_eq!(measured, 1, "the sensors go on, whatever becomes of the interfaces");
        let entities = format!("accounts/{}/entities", self.account);
        let requests = self.api.requests().into_iter().filter(|request| request.path.contains(&entities));
        let writes = requests.filter_map(|request| match &*request.method {
            "POST" => Some("POST"),
            "PUT" => Some("PUT"),
            "DELETE" => Some("DELETE"),
            _ => None,
        });
        (writes.collect(), interfaces)
    }

    fn become_(&self, rows: &[Row]) {
        *self.rows.lock().unwrap() = rows.to_vec();
    }

    /// The interfaces below the device, by index.
    fn interfaces(&self) -> Vec<(String, String, Value)> {
        let entities = self.api.records(self.account, RecordKind::Entities).into_iter();
        let mut interfaces: Vec<_> = entities
            .filter(|entity| entity["parent"] == self.entity)
            .map(|entity| {
                assert_eq!(entity["entity_type"], "interface");
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                (text(&entity["details"]["snmp_index"]), text(&entity["name"]), entity["details"].clone())
            })
            .collect();
        interfaces.sort_by(|one, other| one.0.cmp(&other.0));
        interfaces
    }
}

const ONE: Row = (1, "lo", 10_000_000, 10, "");
const TWO: Row = (2, "Gi0/2", 1_000_000_000, 1_000, "to the cellar");
const FAST: Row = (3, "Te0/3", u32::MAX, 100_000, "");

#[tokio::test(flavor = "multi_thread")]
async fn each_interface_becomes_an_entity_and_what_has_not_changed_is_not_written_again() {
    let rounds = Rounds::new(&[ONE, TWO, FAST]);
    assert_eq!(rounds.round().await, (vec!["POST"; 3], Ok(())));
    let interfaces = rounds.interfaces();
    let names: Vec<&str> = interfaces.iter().map(|(_, name, _)| &**name).collect();
    assert_eq!(names, ["lo", "Gi0/2", "Te0/3"]);
    assert_eq!(interfaces[1].2["speed_bps"], "1000000000");
    assert_eq!(interfaces[1].2["if_alias"], "to the cellar");
    assert_eq!(interfaces[2].2["speed_bps"], "100000000000", "ifSpeed cannot say that");
    for _ in 0..3 {
        assert_eq!(rounds.round().await, (vec![], Ok(())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_interface_is_written_once_and_one_that_is_gone_is_deleted() {
    let rounds = Rounds::new(&[ONE, TWO]);
    assert_eq!(rounds.round().await.1, Ok(()));
    let renamed = (2, "GigabitEthernet0/2", 1_000_000_000, 1_000, "to the attic");
    rounds.become_(&[renamed, FAST]);
    let (mut writes, result) = rounds.round().await;
    writes.sort_unstable();
    assert_eq!((writes, result), (vec!["DELETE", "POST", "PUT"], Ok(())));
    let names: Vec<String> = rounds.interfaces().into_iter().map(|(_, name, _)| name).collect();
    assert_eq!(names, ["GigabitEthernet0/2", "Te0/3"]);
    assert_eq!(rounds.round().await.0, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_was_not_finished_deletes_nothing() {
    let rounds = Rounds::new(&[ONE, TWO, FAST]);
    assert_eq!(rounds.round().await.1, Ok(()));
    // From now on the agent goes round in circles.
    rounds.agent.behave(DEVICE, Behaviour { looping: true, ..Behaviour::default() });
    assert_eq!(rounds.round().await.0, [""; 0]);
    assert_eq!(rounds.interfaces().len(), 3);
    rounds.agent.behave(DEVICE, Behaviour::default());
    // A table that is empty for a moment, as after a restart.
    rounds.become_(&[]);
    assert_eq!(rounds.round().await.0, [""; 0]);
    assert_eq!(rounds.interfaces().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_put_below_the_device_is_left_alone() {
    let rounds = Rounds::new(&[ONE]);
    let own = rounds.api.device(rounds.account, "drawn by hand").interface_of(rounds.entity).add();
    assert_eq!(rounds.round().await, (vec!["POST"], Ok(())));
    rounds.become_(&[TWO]);
    assert_eq!(rounds.round().await.1, Ok(()));
    let names: Vec<String> = rounds.interfaces().into_iter().map(|(_, name, _)| name).collect();
    assert_eq!(names, ["drawn by hand", "Gi0/2"]);
    assert!(
        rounds.api.records(rounds.account, RecordKind::Entities).iter().any(|entity| entity["id"] == own)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_permission_to_write_entities_it_goes_on_without() {
    let rounds = Rounds::new(&[ONE, TWO]);
    rounds.api.forbid("POST", &format!("accounts/{}/entities", rounds.account));
    assert_eq!(rounds.round().await, (vec!["POST"], Ok(())), "one refusal is enough");
    assert_eq!(rounds.round().await, (vec![], Ok(())), "and is not asked for again and again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_fails_is_not_asked_for_each_interface() {
    let many: Vec<Row> = (1..=40).map(|index| (index, "port", 10, 0, "")).collect();
    let rounds = Rounds::new(&many);
    rounds.api.on("POST").fail_all(Some(500));
    let (writes, result) = rounds.round().await;
    assert!((1..=3).contains(&writes.len()), "{writes:?}");
    assert_eq!(result.unwrap_err(), "the entities of its interfaces are not up to date");
    rounds.api.on("POST").fail_all(None);
    assert_eq!(rounds.round().await.0.len(), 40, "the next look knows what there is");
}

#[tokio::test(flavor = "multi_thread")]
async fn interfaces_that_the_backend_refuses_do_not_keep_the_others_from_being_written() {
    let many: Vec<Row> = (1..=10).map(|index| (index, "port", 10, 0, "")).collect();
    let rounds = Rounds::new(&many);
    rounds.api.on("POST").fail_next_n(4, 400);
    let (writes, result) = rounds.round().await;
    assert_eq!((writes.len(), rounds.interfaces().len()), (10, 6));
    assert!(result.is_err());
    assert_eq!(rounds.round().await, (vec!["POST"; 4], Ok(())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_backend_does_not_keep_the_device_from_being_measured() {
    let rounds = Rounds::new(&[ONE]);
    let slow = std::time::Duration::from_secs(20);
    rounds.api.on("POST").answer_after(slow);
    let began = tokio::time::Instant::now();
    assert_eq!(rounds.round().await.1, Ok(()));
    assert!(began.elapsed() < slow, "the run did not wait for its write");
}
