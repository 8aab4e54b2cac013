//! Exporters that no entity has.

use std::time::Duration;

use grafoleancollector::testing::RecordKind;
use serde_json::{Value, json};

use crate::scene::{A_WINDOW, Exporter, Scene, V5, receives_at};

/// Unknown exporters are looked for every two minutes, and have to last for one.
const A_SUGGESTION: Duration = Duration::from_secs(240);

#[test]
fn an_unknown_exporter_becomes_a_device_once_and_never_again_after_a_person_deleted_it() {
    let scene = Scene::new();
    scene.exporter("127.51.0.1");
    scene.backend.device(scene.account, "has no address").add();
    let names = || -> Vec<Value> {
        let records = scene.backend.records(scene.account, RecordKind::Entities).into_iter();
        records
            .filter(|record| record["name"].as_str().is_some_and(|name| name.contains("NetFlow")))
            .collect()
    };
    let directory = tempfile::tempdir().unwrap();
    let program = || scene.bot(&[]).env("DATA_DIR", directory.path());
    let running = program().start();
    let at = receives_at(&running);
    let mut exporters = [Exporter::new("127.51.0.1", at), Exporter::new("127.51.0.2", at)];
    running.within(A_SUGGESTION, "a suggestion", || {
        exporters.iter_mut().for_each(|exporter| exporter.send(&[V5::default()]));
        std::thread::sleep(Duration::from_secs(1));
        !names().is_empty()
    });
    let [suggested] = &names()[..] else { panic!("{:?}", names()) };
    assert_eq!(suggested["name"], "127.51.0.2 (NetFlow exporter)");
    assert_eq!(suggested["details"], json!({"ipv4": "127.51.0.2"}));
    assert_eq!((&suggested["entity_type"], &suggested["protocols"]), (&json!("device"), &json!({})));
    scene.backend.remove(scene.account, RecordKind::Entities, suggested["id"].as_u64().unwrap());
    running.terminated().with(0);
    let running = program().start();
    let mut exporter = Exporter::new("127.51.0.2", receives_at(&running));
    let began = tokio::time::Instant::now();
    // A run of its own soon after the start, and one by its interval.
    running.within(A_SUGGESTION, "two looks", || {
        exporter.send(&[V5::default()]);
        std::thread::sleep(Duration::from_secs(1));
        began.elapsed() > Duration::from_secs(130)
    });
    assert!(names().is_empty(), "{:?}", names());
    running.terminated().with(0);
}

/// The bot before put every unknown exporter into every account that it could see (G24).
#[test]
fn nobody_is_suggested_to_where_several_accounts_are_served_and_none_is_named() {
    let scene = Scene::new();
    scene.backend.add_account("Side Street");
    scene.exporter("127.52.0.1");
    let running = scene.bot(&[]).start();
    running.within(A_WINDOW, "the jobs", || {
        running.jobs()["jobs"].as_array().is_some_and(|jobs| !jobs.is_empty())
    });
    let jobs = running.jobs();
    let ids: Vec<_> = jobs["jobs"].as_array().unwrap().iter().filter_map(|job| job["id"].as_str()).collect();
    assert!(ids.iter().all(|id| *id != "netflow-suggest"), "{ids:?}");
    assert_eq!(ids.len(), 5, "{ids:?}");
}
