//! Devices that do not answer: left alone more and more, never forgotten, and no burden to the others.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use grafoleancollector::testing::RecordKind;
use serde_json::json;
use tokio::time::Instant;

use crate::stage::{IF_DESCR, SYS_UP_TIME, Stage, longest_gap, objects};
use crate::support::agent::Behaviour;
use crate::support::ber::Var;

/// For how many more seconds a device is left alone, by its job's error.
fn left(error: &str) -> Option<u64> {
    error.split("asked again in ").nth(1)?.split(' ').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dead_are_asked_less_and_less_and_are_back_when_they_are_back() {
    let stage = Stage::new(objects([
        (SYS_UP_TIME, Var::TimeTicks(4_711)),
        ("1.3.6.1.2.1.2.2.1.2.1", Var::text("lo")),
    ]))
    .await;
    let sensors = [
        stage.sensor(1, &[&format!("={SYS_UP_TIME}")], "$1", "uptime"),
        stage.sensor(1, &[IF_DESCR], "1", "there.{$1}"),
    ];
    let alive: Vec<u64> = (1..=30).map(|n| stage.device([127, 7, 0, n], &sensors)).collect();
    let hasty = stage.credential(json!({"timeout": 0.2, "retries": 0}));
    let mut dead = Vec::new();
    for n in 1..=10 {
        let heard = stage.behave([127, 7, 1, n], Behaviour { silent: true, ..Behaviour::default() });
        dead.push((n, stage.host(&format!("127.7.1.{n}"), hasty, &sensors, |device| device), heard));
    }
    let wrong = stage.credential(json!({"timeout": 0.2, "retries": 0, "snmpv12_community": "mistaken"}));
    let refusing = stage.host("127.7.2.1", wrong, &sensors, |device| device);

    let running = stage.start(|bot| bot.with_stats(true));
    for (_, entity, heard) in &dead {
        let error = stage.failing(*entity, "after 5 polls in vain").await;
        assert!(error.contains("no answer within"), "{error}");
        let job = stage.job(*entity).await;
        assert!(job["failing"]["since"].is_string() && job["runs"].as_u64() > Some(5), "{job}");
        // A GET, a GETBULK, and sometimes a GETNEXT to be sure.
        assert!(heard.load(Relaxed) <= 5 * 4, "{heard:?}");
    }
    let metrics = stage.page("/metrics").await;
    assert!(metrics.contains("grafolean_snmp_devices_resting 1"), "{metrics}");
    for (n, entity, heard) in &dead {
        assert!(stage.at(*entity, "uptime").is_empty());
        assert!(heard.load(Relaxed) > 0);
        stage.behave([127, 7, 1, *n], Behaviour::default());
    }
    for (_, entity, _) in &dead {
        stage.wait_for(*entity, "uptime", 2).await;
    }

    let rest = loop {
        let error = stage.failing(refusing, "asked again in").await;
        if let Some(rest) = left(&error).filter(|rest| *rest >= 5) {
            break Duration::from_secs(rest);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let mended = Instant::now();
    stage.backend.edit(stage.account, RecordKind::Credentials, wrong, |record| {
        record["details"]["snmpv12_community"] = "public".into();
    });
    stage.wait_for(refusing, "uptime", 1).await;
    assert!(mended.elapsed() < rest, "nobody waits for a mended credential to be tried");

    running.stop().await;
    for entity in alive {
        let values = stage.values(entity);
        assert!(longest_gap(&values["uptime"]) < 5.0 && values["uptime"].len() > 10, "{values:?}");
        assert_eq!(values["uptime"].len(), values["there.lo"].len());
    }
    for (_, entity, _) in dead {
        let ok: Vec<f64> = stage.at(entity, "poll.ok").iter().map(|(_, ok)| *ok).collect();
        assert!(ok.is_sorted() && ok[0] == 0.0 && ok[ok.len() - 1] == 1.0, "{ok:?}");
        assert_eq!(stage.at(entity, "uptime").len(), ok.iter().filter(|ok| **ok == 1.0).count());
        // That a device is dead is said of its job, once, and of none of its objects.
        assert_eq!(stage.said(&format!("entity {entity} ")), [""; 0]);
    }
}
