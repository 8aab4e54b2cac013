//! What nobody may see is seen nowhere.

use std::net::Ipv4Addr;

use serde_json::json;

use crate::program::bot;
use crate::scene::{IF_DESCR, SYS_UP_TIME, Scene, quick, snmpd, v2c, v3};
use crate::support::agent::{Agent, Behaviour, Mib};

/// All that the libraries under the bot have to say, too.
const ALL: &str = "trace,async_snmp=trace,hyper=trace,hyper_util=trace,reqwest=trace,mio=trace";

#[test]
fn no_community_key_or_token_is_shown_however_loud_the_log() {
    let Some(snmpd) = snmpd("no_community_key_or_token_is_shown_however_loud_the_log") else { return };
    let (scene, agent) = (Scene::new(), Agent::start(Mib::switch(2)));
    let sensors =
        [scene.sensor(&[SYS_UP_TIME], "$1", "uptime"), scene.sensor(&[IF_DESCR], "1", "there.{$1}")];
    let (real, port) = (snmpd.address.port(), agent.device(Ipv4Addr::LOCALHOST).port());
    let behave = |last, behaviour| agent.behave(Ipv4Addr::new(127, 11, 0, last), behaviour);
    let hush = || quick(json!({"version": "snmpv2c", "snmpv12_community": "comm-hush-ity"}));
    let known = || Some(b"comm-hush-ity".to_vec());
    behave(1, Behaviour { community: known(), ..Behaviour::default() });
    behave(2, Behaviour { community: known(), truncated: true, ..Behaviour::default() });
    behave(3, Behaviour { community: known(), wrong_community: true, ..Behaviour::default() });
    let good = scene.device("127.11.0.1", port, hush(), &sensors);
    let truncated = scene.device("127.11.0.2", port, hush(), &sensors);
    let garbled = scene.device("127.11.0.3", port, hush(), &sensors);
    let real_v3 = scene.device("127.0.0.1", real, quick(v3()), &sensors);
    let (mut wrong_auth, mut wrong_priv, mut no_protocol) = (v3(), v3(), v3());
    wrong_auth["snmpv3_authKey"] = json!("wrong-hush-key");
    wrong_priv["snmpv3_privKey"] = json!("wrong-hush-key");
    no_protocol["snmpv3_authProtocol"] = json!("hush");
    let wrong = [wrong_auth, wrong_priv]
        .map(|credential| scene.device("127.0.0.1", real, quick(credential), &sensors));
    scene.device("127.0.0.1", real, no_protocol, &sensors);
    let refused = scene.device("127.0.0.1", real, hush(), &sensors);
    scene.device("127.0.0.1", 9, v2c(), &sensors);

    let program = |command| bot(&[command]).serving(&scene.backend).secret("hush").env("LOG", ALL);
    let running = program("run").start();
    running.until("values", || [good, real_v3].iter().all(|device| scene.count(*device, "uptime") > 1));
    for (device, why) in [
        (truncated, "no answer within"),
        (garbled, "an answer has another community"),
        (wrong[0], "wrong authentication key"),
        (wrong[1], "wrong privacy key"),
        (refused, "no answer within"),
    ] {
        running.until(why, || running.failing(device).contains(why));
    }
    let pages = ["/healthz", "/readyz", "/metrics", "/jobs"].map(|page| running.health(page).1).concat();
    assert!(!pages.contains("hush") && !pages.contains(scene.backend.token()), "{pages}");
    let ended = running.terminated().with(0);
    assert!(ended.stderr.contains("async_snmp") || ended.count("TRACE") > 100, "the test proves little");
    program("check").run().with(0);
    program("once").run().with(1);
}
