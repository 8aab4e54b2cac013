//! Exporters that no entity has.

use std::time::Duration;

use grafoleancollector::testing::RecordKind;
use serde_json::{Value, json};

use crate::scene::{Exporter, Scene, V5, receives_at};

/// Unknown exporters are looked for every two minutes, and have to last for one.
const A_SUGGESTION: Duration = Duration::from_secs(240);

pub(crate) fn an_unknown_exporter_becomes_a_device_once_and_never_again_after_a_person_deleted_it() {
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

/// The bot before put every unknown exporter into every account that it could see (G24). Another bot, to which one is
/// named, shows when a suggestion would have come.
pub(crate) fn where_several_accounts_are_served_exporters_are_suggested_to_the_one_that_is_named_and_else_to_nobody()
 {
    let scene = || {
        let scene = Scene::new();
        let side = scene.backend.add_account("Side Street");
        scene.exporter("127.52.0.1");
        (scene, side)
    };
    let ((nobody, side_of_nobody), (named, side)) = (scene(), scene());
    let to_nobody = nobody.bot(&[]).start();
    let to_side = named.bot(&[]).env("NETFLOW_SUGGEST_ACCOUNT", side.to_string()).start();
    let mut exporters =
        [&to_nobody, &to_side].map(|running| Exporter::new("127.52.0.2", receives_at(running)));
    let suggested = |scene: &Scene, account| {
        let records = scene.backend.records(account, RecordKind::Entities).into_iter();
        records.filter(|record| record["name"] == "127.52.0.2 (NetFlow exporter)").count()
    };
    to_side.within(A_SUGGESTION, "a suggestion", || {
        exporters.iter_mut().for_each(|exporter| exporter.send(&[V5::default()]));
        std::thread::sleep(Duration::from_millis(500));
        suggested(&named, side) == 1
    });
    assert_eq!(suggested(&named, named.account), 0);
    assert_eq!([nobody.account, side_of_nobody].map(|account| suggested(&nobody, account)), [0, 0]);
    let jobs = to_nobody.jobs();
    let ids: Vec<_> = jobs["jobs"].as_array().unwrap().iter().filter_map(|job| job["id"].as_str()).collect();
    // One for each window, and one for windows that were missed.
    assert!(ids.len() == 6 && !ids.contains(&"netflow-suggest"), "{ids:?}");
}
