//! Devices that misbehave, each in its own way, among devices that do not.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::json;

use crate::stage::{IF_DESCR, IF_SPEED, SYS_UP_TIME, Stage, longest_gap, objects, oid, until};
use crate::support::agent::Behaviour;
use crate::support::ber::Var;

const LOAD: &str = "1.3.6.1.4.1.9.1.0";
const TEMPERATURE: &str = "1.3.6.1.4.1.9.2.0";
const SPEEDS: [&str; 6] = ["speed.a", "speed.b", "speed.c", "speed.d", "speed.e", "speed.f"];

/// What comes of a device.
enum Comes {
    /// All values.
    All,
    /// What is got, and of the table this many rows.
    Rows(usize),
    /// All but the load.
    AllButLoad,
    /// Nothing, and the job fails with this.
    Nothing(&'static str),
    /// Nothing, and this is said.
    NothingButWords(&'static str),
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_device_does_it_spoils_nothing_for_its_neighbours() {
    use Comes::*;
    let names = ["a", "b", "c", "d", "e", "f"];
    let descriptions = ["1", "2", "3", "4", "5", "6"].map(|n| format!("{IF_DESCR}.{n}"));
    let speeds = ["1", "2", "3", "4", "5", "6"].map(|n| format!("{IF_SPEED}.{n}"));
    let mut all =
        vec![(SYS_UP_TIME, Var::TimeTicks(12_345)), (LOAD, Var::Gauge(17)), (TEMPERATURE, Var::Gauge(40))];
    // So many that a table begins where the agent's circles and swaps begin.
    let others = [
        "1.3.6.1.2.1.1.4.0",
        "1.3.6.1.2.1.1.5.0",
        "1.3.6.1.2.1.1.6.0",
        "1.3.6.1.2.1.1.7.0",
        "1.3.6.1.2.1.1.8.0",
    ];
    all.extend(others.map(|name| (name, Var::text("x"))));
    for n in 0..names.len() {
        all.push((descriptions[n].clone().leak(), Var::text(names[n])));
        all.push((speeds[n].clone().leak(), Var::Gauge(1_000)));
    }
    let stage = Stage::new(objects(all)).await;
    let sensors = [
        stage.sensor(1, &[&format!("={SYS_UP_TIME}")], "$1", "uptime"),
        stage.sensor(1, &[&format!("={LOAD}")], "$1", "load"),
        stage.sensor(1, &[&format!("={TEMPERATURE}")], "$1", "temperature"),
        stage.sensor(1, &[IF_DESCR, IF_SPEED], "$2", "speed.{$1}"),
    ];
    let normal = Behaviour::default;
    let elsewhere = Some(Ipv4Addr::new(127, 3, 3, 3));
    let bad = [
        ("silent", Behaviour { silent: true, ..normal() }, Nothing("no answer within")),
        ("lossy", Behaviour { loss: 0.3, ..normal() }, All),
        ("slow", Behaviour { delay: Duration::from_millis(200), ..normal() }, All),
        ("looping", Behaviour { looping: true, ..normal() }, Rows(3)),
        ("unordered", Behaviour { unordered: true, ..normal() }, Rows(1)),
        ("unordered, as is known", Behaviour { unordered: true, ..normal() }, All),
        ("short bulk", Behaviour { short_bulk: Some(3), ..normal() }, All),
        ("no bulk", Behaviour { no_bulk: true, ..normal() }, All),
        ("tooBig", Behaviour { too_big_above: Some(2), ..normal() }, All),
        ("genErr", Behaviour { gen_err: Some(oid(LOAD)), ..normal() }, AllButLoad),
        ("wrong id", Behaviour { wrong_id: true, ..normal() }, Nothing("no answer within")),
        ("wrong community", Behaviour { wrong_community: true, ..normal() }, Nothing("another community")),
        (
            "from elsewhere",
            Behaviour { from: elsewhere, ..normal() },
            Nothing("answers come from address 127.3.3.3"),
        ),
        ("truncated", Behaviour { truncated: true, ..normal() }, Nothing("no answer within")),
        ("noise", Behaviour { noise: true, ..normal() }, Nothing("no answer within")),
        ("duplicated", Behaviour { duplicated: true, ..normal() }, All),
        ("empty", Behaviour { empty: true, ..normal() }, NothingButWords("without")),
    ];
    let patient = stage.credential(json!({"timeout": 0.3, "retries": 6}));
    let tolerant = stage.credential(json!({"any_order": true}));
    let mut devices = Vec::new();
    for ((name, behaviour, comes), n) in bad.into_iter().zip(1..) {
        let address = [127, 3, 1, n];
        let credential = match name {
            "lossy" => patient,
            "unordered, as is known" => tolerant,
            _ => stage.credential,
        };
        stage.behave(address, behaviour);
        let host = Ipv4Addr::from(address).to_string();
        devices.push((name, stage.host(&host, credential, &sensors, |device| device), comes));
    }
    let neighbours: Vec<u64> = (1..=10).map(|n| stage.device([127, 3, 2, n], &sensors)).collect();

    let running = stage.start(|bot| bot);
    for (_, device, comes) in &devices {
        match comes {
            All => drop(stage.wait_for(*device, "uptime", 3).await),
            Rows(_) => drop(stage.wait_for(*device, "load", 3).await),
            AllButLoad => drop(stage.wait_for(*device, "temperature", 3).await),
            Nothing(error) => drop(stage.failing(*device, error).await),
            NothingButWords(part) => {
                let about = format!("entity {device} ");
                until(part, || stage.said(&about).iter().any(|line| line.contains(part)).then_some(())).await;
            }
        }
    }
    for neighbour in &neighbours {
        stage.wait_for(*neighbour, "uptime", 6).await;
    }
    running.stop().await;

    for (name, device, comes) in &devices {
        let values = stage.values(*device);
        let count = |tail: &str| values.get(tail).map_or(0, Vec::len);
        let rows = |n: usize| SPEEDS.iter().filter(|speed| count(speed) > 0).count() == n;
        let good = match comes {
            All => SPEEDS.iter().chain(&["uptime", "load", "temperature"]).all(|tail| count(tail) >= 3),
            Rows(n) => rows(*n) && ["uptime", "load", "temperature"].iter().all(|tail| count(tail) >= 3),
            AllButLoad => {
                count("load") == 0
                    && SPEEDS.iter().chain(&["uptime", "temperature"]).all(|tail| count(tail) >= 3)
            }
            Nothing(_) => values.is_empty(),
            NothingButWords(part) => {
                let said = stage.said(&format!("entity {device} "));
                values.is_empty() && said.iter().any(|line| line.contains(part))
            }
        };
        assert!(good, "{name}: {values:?}\n{:#?}", stage.said(&format!("entity {device} ")));
    }
    for neighbour in neighbours {
        let values = stage.values(neighbour);
        assert_eq!(values.len(), 9, "{values:?}");
        let times = |tail: &str| values[tail].iter().map(|(time, _)| *time).collect::<Vec<_>>();
        assert!(values.keys().all(|tail| times(tail) == times("uptime")), "{values:?}");
        assert!(longest_gap(&values["uptime"]) < 5.0, "{values:?}");
    }
    // Of each of these the log says something, and says it once.
    for (name, part) in [
        ("looping", "walked only 3 rows"),
        ("unordered", "walked only 1 rows"),
        ("genErr", "cannot get 1.3.6.1.4.1.9.1.0"),
    ] {
        let (_, device, _) = devices.iter().find(|(other, ..)| *other == name).unwrap();
        let said = stage.said(&format!("entity {device} "));
        let lines = said.iter().filter(|line| line.contains(part)).count();
        assert!(lines == if name == "genErr" { 1 } else { 2 }, "{name}: {said:#?}");
    }
}
